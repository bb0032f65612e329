"""`forensics verify`: is the case folder the one that was written, and who stands for it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forensics.cli import options
from forensics.cli.console import Console, loading
from forensics.errors import SettingsError


@click.command(short_help="Check a case folder: digests, custody, documents, signature, timestamp.")
@click.argument("case", type=options.FOLDER)
@click.option(
    "--trust",
    type=options.PATH,
    multiple=True,
    metavar="FILE",
    help="Certificate of an issuer that you trust; a signature that does not lead to one of them is an error.",
)
@click.option(
    "--expect-signer",
    metavar="SHA256_OR_NAME",
    default="",
    help="Digest of the certificate that must have signed; or, with --trust, the name in it.",
)
@click.option(
    "--expect-digest",
    metavar="SHA256",
    default="",
    help="Digest that was noted down, of the folder or of its case, as this command prints them.",
)
@click.option("--rerun", is_flag=True, help="Repeat the measurements from the exhibits of the case and compare.")
@click.option(
    "--checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="With --rerun: where the checkpoint of the case lies here.",
)
@click.option(
    "--control-checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="With --rerun: the same of the control checkpoint.",
)
@click.option(
    "--base", type=options.PLACE, metavar="DIR", help="With --rerun: the same of what a single checkpoint file lacks."
)
@click.option(
    "--lora",
    multiple=True,
    type=options.SUFFIXED,
    metavar="FILE[:STRENGTH]",
    help="With --rerun: the same of its LoRAs.",
)
@click.option(
    "--embedding",
    "embeddings",
    multiple=True,
    type=options.SUFFIXED,
    metavar="FILE[:WORD]",
    help="With --rerun: of its words.",
)
@click.option(
    "--autoencoder",
    "autoencoders",
    multiple=True,
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="With --rerun: of each other.",
)
@click.option("--index", type=options.PLACE, metavar="DIR", help="With --rerun: the same of the training index.")
@click.option("--controls", type=options.PLACE, metavar="DIR", help="With --rerun: the same of the control works.")
@click.option(
    "--validation", type=options.PLACE, metavar="FILE", help="With --rerun: the same of the validation record."
)
@options.clip
@options.device
@options.system_files
@options.reporting
@click.pass_obj
def verify(
    console: Console,
    /,
    case: Path,
    trust: tuple[Path, ...],
    expect_signer: str,
    expect_digest: str,
    ignore_system_files: bool,
    rerun: bool,
    **places: Any,
) -> None:
    """Check the folder CASE and name the first thing that differs.

    Every file against both manifests; the custody log as a chain; every document against the one that the case gives,
    made again here; the signature, and what it covers; the reply of a time-stamping authority, if one is there.
    `sha256sum -c manifest-sha256.txt` and `sha256sum -c tagmanifest-sha256.txt` check the digests without this program,
    `openssl cms -verify` the signature. What a sound folder proves, signed and unsigned, is in SECURITY.md.

    With --rerun the measurements are then repeated, from the files as received in the folder and the checkpoint that
    the case names, and compared within the tolerance of the protocol; what differs is named.
    """
    named = sorted(name for name, value in places.items() if value not in (None, ()))
    if named and not rerun:
        raise SettingsError(
            f"--{named[0].replace('_', '-')} says where something lies for --rerun, which was not asked for.",
            hint="Pass --rerun, or leave it out.",
        )
    from forensics.documents import Expected
    from forensics.documents import verify as verify_case

    for line in verify_case(case, Expected(trust, expect_signer, expect_digest), ignore_added=ignore_system_files):
        click.echo(line)
    if not rerun:
        return
    said: list[str] = []
    with console.working():
        with loading():
            from forensics.rerun import rerun as repeat
        said += repeat(case, places, console.emit)
    for line in said:
        click.echo(line)
