"""`forensics verify`: is the case folder the one that was written, and who stands for it?"""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options


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
@options.system_files
@options.verbosity
def verify(
    case: Path, trust: tuple[Path, ...], expect_signer: str, expect_digest: str, ignore_system_files: bool
) -> None:
    """Check the folder CASE and name the first thing that differs.

    Every file against both manifests; the custody log as a chain; every document against the one that the case gives,
    made again here; the signature, and what it covers; the reply of a time-stamping authority, if one is there.
    `sha256sum -c manifest-sha256.txt` and `sha256sum -c tagmanifest-sha256.txt` check the digests without this program,
    `openssl cms -verify` the signature. What a sound folder proves, signed and unsigned, is in SECURITY.md.
    """
    from forensics.documents import Expected
    from forensics.documents import verify as verify_case

    for line in verify_case(case, Expected(trust, expect_signer, expect_digest), ignore_added=ignore_system_files):
        click.echo(line)
