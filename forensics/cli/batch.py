"""`forensics batch`: many cases in one go."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.analyze import default_folder
from forensics.cli.console import Console, loading
from forensics.errors import ExitCode
from forensics.path_names import printable


@click.command(short_help="Examine many cases in one go, and make a table of them.")
@click.argument("cases", type=options.PATH)
@click.option("-o", "--out", type=options.OUT, metavar="DIR", help="Folder of the batch.  [default: <file stem>-batch]")
@click.option(
    "--resume", is_flag=True, help="Go on where a run into the same folder stopped; failed cases are tried again."
)
@options.cluster
@options.reporting
@click.pass_obj
def batch(console: Console, cases: Path, out: Path | None, resume: bool, ray: str | None, workers: int | None) -> None:
    """Examine every case of CASES, a TOML file, and write a table of what came of each.

    The file holds options of `forensics analyze`: under [defaults] those of all cases, under each [[case]] its image
    and what is its own. Paths count from the folder of the file. Each case gets its folder and report as if it had been
    examined alone; checkpoints, controls and indexes are opened once. A case that fails does not stop the others: its
    error stands in the table, and the exit code is that of the first. The path of the table is written to standard
    output.
    """
    from forensics.scheduler import Where

    where = Where(ray or "", workers or 0)
    folder = out if out is not None else default_folder(cases, "batch")
    console.kept = f"What is done stays done in {printable(str(folder))}: the same command with --resume goes on."
    with console.working():
        with loading():
            from forensics.batch import batch as batches
            from forensics.batch import document
            from forensics.batch.results import TABLE
        found = batches.batch(cases, folder, where, resume=resume, emit=console.emit)
    for line in document.answer(found):
        console.note(line)
    failures = [(row, row.failure) for row in found.failed if row.failure is not None]
    for row, failure in failures[1:]:
        console.note(f"Case {row.number}, {row.name}: {failure.message} {failure.remedy}")
    if failures:
        row, failure = failures[0]
        console.failed(f"Case {row.number}, {row.name}: {failure.message}", failure.remedy, ExitCode(failure.exit_code))
    console.result(folder / TABLE)
    if failures:
        raise click.exceptions.Exit(failures[0][1].exit_code)
