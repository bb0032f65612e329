"""`forensics doctor`: is this machine fit for an examination?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli import options
from forensics.cli.console import Console, quieten
from forensics.errors import ExitCode

if TYPE_CHECKING:
    from forensics.doctor import Check


@click.command(short_help="Check this machine: libraries, device, memory, weights.")
@click.option("--fix", "mend", is_flag=True, help="Install missing system libraries where this user may (apt-get).")
@options.verbosity
@click.pass_obj
def doctor(console: Console, mend: bool) -> None:
    """Check this machine and say for everything missing what to do.

    Ends with 0 if an examination can run, otherwise with the exit code that the first missing row would cause.
    """
    from forensics.doctor import examine, fix

    quieten(console.verbosity)
    if mend:
        fix()
    code = ExitCode.OK
    for check in examine(Path()):
        click.echo(f"{_mark(check)}  {check.name}: {check.found}")
        if check.remedy:
            click.echo(f"         {check.remedy}")
        if not check.ok and code is ExitCode.OK:
            code = check.exit_code
    if code is not ExitCode.OK:
        raise click.exceptions.Exit(int(code))


def _mark(check: Check) -> str:
    if check.ok:
        return click.style("ok     ", fg="green")
    if check.exit_code is ExitCode.OK:
        return click.style("note   ", fg="yellow")
    return click.style("missing", fg="red", bold=True)
