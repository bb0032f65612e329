"""`forensics survey`: which of many works a checkpoint treats otherwise than works it cannot have seen."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.languages import ENGLISH
from forensics.protocol import PROFILES


@click.command(short_help="Ask of hundreds of works which of them a checkpoint knows.")
@click.argument("works", type=options.URI)
@click.option("--checkpoint", type=options.PLACE, required=True, metavar="PATH_OR_ID", help="The generator.")
@click.option(
    "--control-checkpoint",
    type=options.PLACE,
    default="",
    metavar="PATH_OR_ID",
    help="One that cannot have seen the works.",
)
@click.option("--controls", type=options.FOLDER, metavar="DIR", help="Control works, with controls.csv.")
@click.option(
    "--index",
    type=options.PLACE,
    default="",
    metavar="DIR",
    help="Training index in which repeats of the works are counted.",
)
@click.option("-o", "--out", required=True, type=options.OUT, metavar="DIR", help="Folder of the survey.")
@options.no_defaults
@click.option("--resume", is_flag=True, help="Go on where a run into the same folder stopped.")
@click.option(
    "--profile",
    type=click.Choice(tuple(PROFILES)),
    help="How much is measured of each work; to be chosen before, by the time there is.  [default: quick]",
)
@options.seed
@options.device
@options.paper
@options.language
@options.cluster
@options.reporting
@click.pass_obj
def survey(
    console: Console,
    works: str,
    checkpoint: str,
    control_checkpoint: str,
    controls: Path | None,
    index: str,
    out: Path,
    no_defaults: bool,
    resume: bool,
    profile: str | None,
    seed: int | None,
    device: str | None,
    precision: str | None,
    paper: str | None,
    language: str | None,
    ray: str | None,
    workers: int | None,
) -> None:
    """Measure every work of WORKS beside control works, and say which are set apart at a stated false discovery rate.

    WORKS is a folder of pictures with captions in side files, a CSV, JSONL or Parquet table, or an index. The controls
    decide what can be said: the best are works by the same hand, made after the checkpoint was published. The path of
    the PDF is written to standard output.
    """
    from forensics.scheduler import Where

    where = Where(ray or "", workers or 0)
    given = {"control_checkpoint": control_checkpoint, "controls": str(controls or ""), "index": index}
    kept = options.remembered(console, checkpoint, given, use=not no_defaults)
    with console.working():
        from forensics.survey import document
        from forensics.survey.survey import Request, seal
        from forensics.survey.survey import survey as run

        # Paths in full would tell where the examiner keeps things.
        command = "forensics " + shlex.join(Path(a).name if "/" in a else a for a in sys.argv[1:])
        request = Request(
            works,
            checkpoint,
            command,
            kept.places["control_checkpoint"],
            Path(kept.places["controls"]) if kept.places["controls"] else None,
            kept.places["index"],
            profile or "quick",
            seed or 0,
            device or "auto",
            precision or "auto",
            kept,
            where,
        )
        found = run(request, out, resume=resume, emit=console.emit)
        pdf = document.write(out, paper=paper or "A4", language=language or ENGLISH)
        seal(out)
    for line in document.answer(found):
        console.note(line)
    console.result(pdf)
