"""`forensics compare`: the disputed image beside originals, without any checkpoint."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from forensics import second
from forensics.case import Outcome
from forensics.cli import options
from forensics.cli.analyze import case_folder
from forensics.cli.console import Console, loading
from forensics.defaults import SOURCE
from forensics.settings import COMPARED, resolve


@click.command(short_help="Compare an image with originals; no checkpoint is examined.")
@click.argument("disputed", type=options.PATH)
@click.argument("originals", nargs=-1, required=True, metavar="ORIGINAL...", type=options.PATH)
@click.option("--json", "as_json", is_flag=True, help="Print outcome and measurements as JSON instead of the path.")
@options.no_defaults
@options.examination
@click.pass_obj
def compare(
    console: Console,
    /,
    disputed: Path,
    originals: tuple[Path, ...],
    case_file: Path | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    no_defaults: bool,
    **flags: Any,
) -> None:
    """Compare DISPUTED with each ORIGINAL and write a case folder with its report.

    The path of the PDF is written to standard output, or with --json the outcome and the measurements.
    """
    second.begin(second.DECODER)
    with loading():  # while it gets ready: what is needed whatever the pictures are, without the networks
        import_module("forensics.overlay.judge")
        from forensics.overlay import early
        from forensics.pictures import ahead
        from forensics.stages.asked import decodes

    # A checkpoint is not examined; a case file that names one names whose controls and CLIP are used.
    remembered = () if no_defaults else COMPARED
    resolved = resolve({**flags, "originals": tuple(map(str, originals))}, case_file, remembered=remembered)
    options.say_remembered(console, [row.name for row in resolved.rows if row.source == SOURCE])
    folder = case_folder(disputed, out)
    decodes(resolved.settings, disputed, *originals)
    second.begin(second.DRAUGHTSMAN)  # the same for the report, and the networks are loaded beside it
    early.begin(ahead.pictures())
    console.folder = folder
    with console.working():
        with loading():
            from forensics import examination
        pdf = examination.compare(disputed, originals, folder, resolved, force=force, emit=console.emit)
    if as_json:
        console.close()
        click.echo(_json(folder))
    else:
        console.result(pdf)


def _json(folder: Path) -> str:
    """`outcome`, the strongest over the works, then correspondences and measurements as `case.json` has them."""
    from forensics import folder as case_folder

    document = json.loads((folder / case_folder.CASE).read_bytes())
    found = [Outcome(row["outcome"]) for row in document["correspondences"]]
    chosen = {
        "outcome": min(found, key=list(Outcome).index).value,
        **{name: document[name] for name in ("id", "correspondences", "measurements", "metrics", "absences")},
    }
    return json.dumps(chosen, ensure_ascii=False, indent=1)
