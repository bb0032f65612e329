"""`forensics compare`: the disputed image beside originals, without any checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forensics.cli import options
from forensics.cli.analyze import case_folder, decodes
from forensics.cli.console import Console
from forensics.settings import resolve


@click.command(short_help="Compare an image with originals; no checkpoint is examined.")
@click.argument("disputed", type=options.PATH)
@click.argument("originals", nargs=-1, required=True, metavar="ORIGINAL...", type=options.PATH)
@options.clip
@options.profile
@options.case_file
@options.output
@options.device
@options.seed
@options.paper
@options.reporting
@click.pass_obj
def compare(
    console: Console,
    /,
    disputed: Path,
    originals: tuple[Path, ...],
    case_file: Path | None,
    out: Path | None,
    force: bool,
    **flags: Any,
) -> None:
    """Compare DISPUTED with each ORIGINAL and write a case folder with its report.

    The path of the PDF is written to standard output.
    """
    resolved = resolve({**flags, "originals": tuple(map(str, originals))}, case_file)
    folder = case_folder(disputed, out)
    decodes(disputed, *originals)
    console.folder = folder
    with console.working():
        from forensics import pipeline

        pdf = pipeline.compare(disputed, originals, folder, resolved, force=force, emit=console.emit)
    console.result(pdf)
