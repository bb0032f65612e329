"""`forensics validate`: known error rates of one checkpoint, measured on works of known status."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.case import Pair
from forensics.cli import options
from forensics.cli.console import Console


@click.command(short_help="Measure the error rates of a checkpoint on works of known status.")
@click.option(
    "--checkpoint",
    type=options.PLACE,
    required=True,
    metavar="PATH_OR_ID",
    help="Folder, .safetensors file or hub id of the generator.",
)
@options.lora
@options.embedding
@click.option(
    "--control-checkpoint",
    type=options.PLACE,
    default="",
    metavar="PATH_OR_ID",
    help="A second checkpoint that saw none of the works.",
)
@click.option(
    "--manifest",
    required=True,
    type=options.PATH,
    metavar="FILE",
    help="JSONL, one work a line: id, path, role (control, or planted or member), half (calibration or test); caption, "
    "creator, family and repetitions if known.",
)
@click.option("-o", "--out", required=True, type=options.OUT, metavar="DIR", help="Folder of the record.")
@click.option("--index", type=options.OUT, metavar="DIR", help="Training index that ships its pictures.")
@options.clip
@options.no_defaults
@options.profile
@click.option("--name", default="", help="What the record is called.  [default: of the checkpoint]")
@click.option(
    "--rows",
    type=options.PATH,
    metavar="DIR",
    help="Codelength rows of the ladder study, measured before for these checkpoints.",
)
@click.option(
    "--question",
    "questions",
    type=click.Choice([pair.value for pair in Pair]),
    multiple=True,
    help="Validate only this proposition pair; may be given several times.  [default: all]",
)
@click.option("--resume", is_flag=True, help="Go on where a run into the same folder stopped.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, metavar="N", help="Processes.  [default: 1]")
@options.device
@options.paper
@options.reporting
@click.pass_obj
def validate(
    console: Console,
    checkpoint: str,
    lora: tuple[str, ...],
    embeddings: tuple[str, ...],
    control_checkpoint: str,
    manifest: Path,
    out: Path,
    index: Path | None,
    clip: str | None,
    no_defaults: bool,
    profile: str | None,
    name: str,
    rows: Path | None,
    questions: tuple[str, ...],
    resume: bool,
    jobs: int,
    device: str | None,
    precision: str | None,
    paper: str | None,
) -> None:
    """Measure works of known status and write a validation record, validation.json, and its PDF.

    Works in the half `calibration` set the likelihood ratios and their bounds, works in the half `test` show what
    these are worth. `forensics analyze` uses the record for the same checkpoint and version of the protocol. The
    figures are written to standard error, the path of the PDF to standard output.
    """
    from forensics.protocol import PROFILES

    protocol = PROFILES[profile or "standard"]
    given = {"control_checkpoint": control_checkpoint, "index": str(index or ""), "clip": clip or ""}
    kept = options.remembered(console, checkpoint, given, use=not no_defaults)
    control_checkpoint, clip = kept.places["control_checkpoint"], kept.places["clip"]
    index = Path(kept.places["index"]) if kept.places["index"] else None
    stated = [f"--checkpoint {Path(checkpoint).name}", f"--manifest {manifest.name}"]
    stated += [f"--lora {Path(one).name}" for one in lora]
    stated += [f"--embedding {Path(one).name}" for one in embeddings]
    if control_checkpoint:
        stated.append(f"--control-checkpoint {Path(control_checkpoint).name}")
    stated += [f"--index {index.name}"] if index else []
    stated += [f"--clip {Path(clip).name}"] if clip else []
    stated += [f"--profile {profile}"] if profile else []
    stated += [f"--question {question}" for question in questions]
    with console.working():
        from forensics.device import choose
        from forensics.statistics.record import load
        from forensics.validation import document, table
        from forensics.validation.bench import Plan
        from forensics.validation.validate import Request
        from forensics.validation.validate import validate as run

        chosen = choose(device or "auto", precision or "auto")
        where = (manifest, checkpoint, control_checkpoint, index, clip or "")
        plan = Plan(*where, str(chosen.device), chosen.precision, lora, embeddings)
        chosen_pairs = frozenset(map(Pair, questions)) or frozenset(Pair)
        command = "forensics validate " + " ".join(stated)
        request = Request(
            plan, protocol, name or Path(checkpoint).name, command, rows, remembered=kept, questions=chosen_pairs
        )
        path = run(request, out, resume=resume, jobs=jobs, emit=console.emit)
        record, data = load(path)
        pdf = document.write(record, data, out / "validation.pdf", paper=paper or "A4")
    for line in table.table(record):
        console.note(line)
    console.result(pdf)
