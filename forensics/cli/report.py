"""`forensics report`: the report again, from the frozen case; no torch."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.errors import SettingsError
from forensics.languages import ENGLISH


@click.command(short_help="Make the documents of a case folder again.")
@click.argument("case", type=options.FOLDER)
@click.option(
    "--format",
    "formats",
    default="pdf,html",
    show_default=True,
    metavar="LIST",
    help="Among pdf (report), html (viewer of pairs), csv (tables), json (the case itself), docx (a copy to edit, "
    "beside the folder and not part of the record), with commas.",
)
@click.option("--summary", is_flag=True, help="Two pages for a letter as well, as summary.pdf.")
@options.unsign
@options.system_files
@options.paper
@options.language
@options.verbosity
@click.pass_obj
def report(
    console: Console,
    case: Path,
    formats: str,
    summary: bool,
    unsign: bool,
    ignore_system_files: bool,
    paper: str | None,
    language: str | None,
) -> None:
    """Make the documents of the folder CASE again, from its case.json and exhibits alone.

    Paper and language are those of the examination unless others are named. What an interrupted run left in the folder
    is finished or removed first. A signed folder is left as it is where a document would change, unless --unsign is
    given. The paths are written to standard output.
    """
    from forensics.documents import FORMATS, Drawing, write

    kinds = tuple(dict.fromkeys(kind.strip().lower() for kind in formats.split(",")))
    if unknown := [kind for kind in kinds if kind not in FORMATS]:
        raise SettingsError(f"{unknown[0]!r} is not a format.", hint=f"Use: {', '.join(FORMATS)}.")
    with console.working():
        from forensics.folder.verify import load

        used = {row.name: row.value for row in load(case).settings}
        paths = write(
            case,
            kinds,
            paper=paper or used.get("paper", "A4"),
            drawing=Drawing(language or used.get("language", ENGLISH)),
            summary=summary,
            unsign=unsign,
            ignore_added=ignore_system_files,
        )
    for path in paths:
        console.result(path)
