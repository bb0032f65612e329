"""The pages on the commands: `python -m tests.studies.command_pages` writes `docs/commands/` anew.

They are made from the commands themselves, so that a flag and the words about it stand in one place; a test fails where
a page is not current.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from forensics.cli import main as program

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "commands"


def pages() -> dict[str, str]:
    """File name -> Markdown, one page for each command of the first level and one that lists them."""
    context = click.Context(program, info_name="forensics")
    found = {name: _command(context, name) for name in program.list_commands(context)}
    rows = [f"| [`forensics {name}`]({name}.md) | {_short(command)} |" for name, command in found.items()]
    listed = "\n".join(
        [
            "# Commands",
            "",
            "Everything a command prints but its result goes to standard error. Wherever a path is given, quotes "
            "around it, `~`, `file://` addresses and Windows' separators are understood.",
            "",
            "| command | |",
            "|---|---|",
            *rows,
            "",
        ]
    )
    written = {f"{name}.md": "\n".join(_page(command, context, name)) for name, command in found.items()}
    return {"all.md": listed, **written}


def _command(context: click.Context, name: str) -> click.Command:
    command = context.command
    assert isinstance(command, click.Group)
    found = command.get_command(context, name)
    assert found is not None
    return found


def _short(command: click.Command) -> str:
    return _cell(command.get_short_help_str(limit=300))


def _page(command: click.Command, parent: click.Context, name: str, level: int = 1) -> Iterator[str]:
    """A section for the command and, one level deeper, for each command below it."""
    context = click.Context(command, info_name=name, parent=parent)
    yield from (f"{'#' * level} forensics {' '.join(context.command_path.split()[1:])}", "")
    yield from (_prose(command.help or command.short_help or ""), "")
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("```text", f"{context.command_path} {usage}", "```", "")
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    yield from ("| option | |", "|---|---|")
    for option in options:
        names, said = option.get_help_record(context) or ("", "")
        if names:
            yield f"| {_typed(names)} | {_cell(said)} |"
    yield ""
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _page(_command(context, below), context, below, level + 1)


def _prose(text: str) -> str:
    """Paragraphs as they are meant: those that click does not wrap keep their lines."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{part.removeprefix(chr(8)).strip(chr(10))}\n```" if part.startswith("\b") else _placed(part)
        for part in paragraphs
    )


def _placed(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _typed(names: str) -> str:
    """What is typed, as code. Readers of Markdown disagree about a bar in backticks inside a table, not about a tag."""
    words = names.split(" ")
    plain = next((number for number, word in enumerate(words) if "|" in word), len(words))
    shown = [f"`{_cell(' '.join(words[:plain]))}`"] if plain else []
    if barred := " ".join(words[plain:]):
        shown.append(f"<code>{barred.replace('<', '&lt;').replace('|', '&#124;')}</code>")
    return " ".join(shown)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write every page, and take away those of commands that are gone."""
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(written)} pages", file=sys.stderr)


if __name__ == "__main__":
    main()
