"""`forensics verify`: is the case folder the one that was written?"""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options


@click.command(short_help="Check every file of a case folder against its digests.")
@click.argument("case", type=options.FOLDER)
@options.verbosity
def verify(case: Path) -> None:
    """Hash every file of the folder CASE again, follow the custody log, and name the first thing that differs.

    `sha256sum -c manifest-sha256.txt`, run inside the folder, checks the same digests without this program.
    """
    from forensics import casefile

    count = casefile.verify(case)
    click.echo(f"{case}: {count} files agree with the manifest, the custody log and the case.")
