"""`forensics verify`: is the case folder the one that was written?"""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options


@click.command(short_help="Check a case folder: digests, custody, embedded files, signature, timestamp.")
@click.argument("case", type=options.FOLDER)
@click.option(
    "--trust", type=options.PATH, multiple=True, metavar="FILE", help="Certificate of an issuer that you trust."
)
@options.verbosity
def verify(case: Path, trust: tuple[Path, ...]) -> None:
    """Check the folder CASE and name the first thing that differs.

    Every file against both manifests; the custody log as a chain; the case; the files embedded in the report against
    the folder; the signature, which must cover the whole file; the reply of a time-stamping authority, if one is
    there. `sha256sum -c manifest-sha256.txt` and `sha256sum -c tagmanifest-sha256.txt` check the digests without this
    program.
    """
    from forensics.documents import verify as verify_case

    for line in verify_case(case, trust):
        click.echo(line)
