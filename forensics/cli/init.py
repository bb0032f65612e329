"""`forensics init`: a case file with every field explained."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.errors import SettingsError


@click.command(short_help="Write a commented case.toml to fill in.")
@click.argument("path", type=options.PATH, default="case.toml")
@options.verbosity
@click.pass_obj
def init(console: Console, path: Path) -> None:
    """Write a case file to PATH (case.toml unless named), with a comment on every field.

    An existing file is left as it is. The path is written to standard output.
    """
    from forensics.settings import template

    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(template())
    except FileExistsError as exc:
        raise SettingsError(f"{path} exists already and was left as it is.", hint="Name another file.") from exc
    except OSError as exc:
        raise SettingsError(f"{path} cannot be written: {exc.strerror}.", hint="Name another file.") from exc
    console.note(f"Fill it in with a text editor, then: forensics analyze IMAGE --case {path}")
    console.result(path)
