"""`forensics demo`: the demonstration, wherever the program is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.analyze import analyze
from forensics.cli.console import Console
from forensics.errors import CaseError, SettingsError

PICTURE = "disputed/generated.png"
CASE = "case.toml"
COPIED = ("README.md", CASE, "disputed", "originals")
"""Of the samples: what is examined. The checkpoint, its index and its controls are found in the installed program."""


@click.command(short_help="Examine a sample picture with the checkpoint that ships.")
@click.option("-o", "--out", type=options.OUT, metavar="DIR", help="Case folder.  [default: demo-case]")
@click.option("--force", is_flag=True, help="Keep an existing case folder aside and start anew.")
@click.option(
    "--copy", type=options.OUT, metavar="DIR", help="Write the sample pictures into the new folder DIR, and no report."
)
@options.language
@options.reporting
@click.pass_obj
@click.pass_context
def demo(
    context: click.Context,
    console: Console,
    /,
    out: Path | None,
    force: bool,
    copy: Path | None,
    language: str | None,
) -> None:
    """Examine a picture that the small embedded checkpoint drew, beside the work it shows, and write a case folder.

    Nothing has to be at hand and nothing is fetched. It takes some minutes; the path of the PDF is written to standard
    output.

    With --copy the sample pictures are written into a folder instead, to try other commands on:
    `forensics compare DIR/disputed/edited.jpg DIR/originals/edited-original.png`.
    """
    from forensics.resources import samples

    if copy is not None:
        if out is not None or force or language is not None:
            raise SettingsError("--copy takes no other settings.", hint="Nothing is examined where samples are copied.")
        copied(samples(), copy)
        console.note(f"To examine one of them: forensics analyze {copy / PICTURE} --case {copy / CASE}")
        console.result(copy)
        return
    context.invoke(
        analyze,
        image=samples() / PICTURE,
        case_file=samples() / CASE,
        out=Path("demo-case") if out is None else out,
        force=force,
        language=language,
    )


def copied(shipped: Path, folder: Path) -> None:
    """The sample pictures, their case file and what is said of them, into a new folder. Raises CaseError."""
    try:
        folder.mkdir(parents=True)
        for name in COPIED:
            source = shipped / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copyfile(source, folder / name)
    except FileExistsError as exc:
        raise CaseError(f"{folder} exists already and was left as it is.", hint="Name a new folder.") from exc
    except OSError as exc:
        raise CaseError(f"{folder} cannot be written: {exc.strerror}.", hint="Name another folder.") from exc
