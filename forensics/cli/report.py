"""`forensics report`: the report again, from the frozen case; no torch."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console


@click.command(short_help="Render the report of a case folder again.")
@click.argument("case", type=options.FOLDER)
@options.paper
@options.verbosity
@click.pass_obj
def report(console: Console, case: Path, paper: str | None) -> None:
    """Render the report of the folder CASE again, from its case.json and exhibits alone.

    The paper is the one of the examination unless another is named. The path of the PDF is written to standard output.
    """
    with console.working():
        from forensics import casefile
        from forensics.report_case import render

        used = {row.name: row.value for row in casefile.load(case).settings}
        pdf = render(case, paper=paper or used.get("paper", "A4"))
    console.result(pdf)
