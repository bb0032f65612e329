"""Options that several commands share, so that each is worded and checked in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from forensics import defaults
from forensics.cli.console import PROGRESS, Console
from forensics.errors import SettingsError
from forensics.path_names import entered, entered_before_colon, is_text, printable, too_long
from forensics.protocol import PROFILES
from forensics.settings import LANGUAGES, PAPERS, PRECISIONS

F = TypeVar("F", bound=Callable[..., Any])


class Entered(click.Path):
    """A path as a person types, pastes or drags it: see `path_names.entered`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(entered(value) if isinstance(value, str) else value, param, ctx)


PATH = Entered(path_type=Path)
"""Of files that are only read: their names need not be text."""


class Named(Entered):
    """A path that is written into documents or handed to libraries that take text alone."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        _checked(os.fspath(value))
        return super().convert(value, param, ctx)


class Folder(Named):
    """A folder; whoever names the report in it is told so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        given = os.fsdecode(entered(value) if isinstance(value, str) else value)
        if "\0" not in given and Path(given).is_file():
            raise SettingsError(
                f"{printable(given)} is a file, and a folder is asked for.",
                hint="Name the folder that holds it: a case is its whole folder, not the report alone.",
            )
        return super().convert(value, param, ctx)


class Place(click.ParamType[str]):
    """A path or a name of another kind, such as a hub id: what is a path is read like one."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return entered(value) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names of files: most of what is given here lies on this machine."""
        return [CompletionItem(incomplete, type="file")]


class Address(Place):
    """The path or the address of a source, an index or weights, which documents state."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _checked(entered(value)) if isinstance(value, str) else value


class Suffixed(Place):
    """A file with a strength or a word behind its last colon, which is no part of its name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        given = entered_before_colon(value)
        path, colon, suffix = given.rpartition(":")
        if not colon or os.path.lexists(given):
            return _checked(given)
        return f"{_checked(path)}{colon}{suffix}"


def _checked(value: str | bytes) -> str:
    """Raises SettingsError for a path that is no text, or that no file system takes."""
    text = os.fsdecode(value)
    if not is_text(text):
        raise SettingsError(
            f"{text} holds bytes that are no UTF-8 and cannot be written into a document.",
            hint="Rename the folder, or name another; files that are only read may be called anything.",
        )
    if "://" not in text and (part := too_long(Path(text))):
        raise SettingsError(f"{part[:60]}… is longer than file systems take for one name.", hint="Give a shorter name.")
    return text


OUT = Named(path_type=Path)
FOLDER = Folder(path_type=Path, file_okay=False)
URI = Address()
PLACE = Address()
"""Of weights, indexes and controls, by path or by name."""
SUFFIXED = Suffixed()
READ = Place()
"""As `PATH`, for settings, which keep what was given as text."""


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, listed in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _set_progress(ctx: click.Context, _: click.Parameter, value: str) -> None:
    ctx.ensure_object(Console).progress = value


def _set_verbosity(amount: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if not value:
            return
        console = ctx.ensure_object(Console)
        if console.verbosity == -amount:
            raise click.UsageError("-v and -q exclude each other.", ctx)
        console.verbosity = amount

    return callback


verbosity: Callable[[F], F] = together(
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_verbosity(1),
        help="Say more, and show where an unexpected error arose.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_verbosity(-1),
        help="Say nothing but errors.",
    ),
)

reporting: Callable[[F], F] = together(
    click.option(
        "--progress",
        type=click.Choice(PROGRESS),
        default="auto",
        expose_value=False,
        is_eager=True,
        callback=_set_progress,
        help="auto: a bar per stage on a terminal, plain lines elsewhere. json: one event a line. none: no progress.",
    ),
    verbosity,
)

device: Callable[[F], F] = together(
    click.option(
        "--device", metavar="auto|cpu|cuda[:n]", help="Where the networks run.  [default: auto, a graphics card if any]"
    ),
    click.option("--precision", type=click.Choice(PRECISIONS), help="Number format of the networks.  [default: auto]"),
)

profile: Callable[[F], F] = click.option(
    "--profile", type=click.Choice(tuple(PROFILES)), help="How much is searched.  [default: standard]"
)

lora: Callable[[F], F] = click.option(
    "--lora",
    type=SUFFIXED,
    multiple=True,
    metavar="FILE[:STRENGTH]",
    help="A LoRA merged into the checkpoint; several are merged in the order given.",
)

embedding: Callable[[F], F] = click.option(
    "--embedding",
    "embeddings",
    type=SUFFIXED,
    multiple=True,
    metavar="FILE[:WORD]",
    help="A textual inversion, used where a prompt holds its word.",
)

clip: Callable[[F], F] = click.option(
    "--clip", type=PLACE, metavar="FOLDER_OR_NAME", help="open_clip model: a folder or MODEL/PRETRAINED."
)

_SEED = (
    "Seed of the pictures generated, of the searches and of the choice of controls; the noise under which codelength, "
    "score gap and region are counted is the same in every case, so that stored control scores stay comparable.  "
    "[default: 0]"
)
seed: Callable[[F], F] = click.option("--seed", type=int, metavar="N", help=_SEED)

paper: Callable[[F], F] = click.option("--paper", type=click.Choice(PAPERS), help="Size of the pages.  [default: A4]")

language: Callable[[F], F] = click.option(
    "--language", type=click.Choice(LANGUAGES), help="Language of the report; the case stays in English.  [default: en]"
)

case_file: Callable[[F], F] = click.option(
    "--case", "case_file", type=PATH, metavar="case.toml", help="Matter and settings; flags take precedence over it."
)

system_files: Callable[[F], F] = click.option(
    "--ignore-system-files",
    is_flag=True,
    help="Name and pass over files that systems and syncing programs add, such as .DS_Store and Thumbs.db.",
)

unsign: Callable[[F], F] = click.option(
    "--unsign", is_flag=True, help="Where a signed folder changes, take its signature off; the custody log says so."
)

output: Callable[[F], F] = together(
    click.option("-o", "--out", type=OUT, metavar="DIR", help="Case folder.  [default: <image stem>-case]"),
    click.option("--force", is_flag=True, help="Keep an existing case folder aside and start anew."),
)

url: Callable[[F], F] = click.option(
    "--url", metavar="URL", help="Address of the picture to take from a web capture (WACZ).  [default: the largest]"
)

statements: Callable[[F], F] = together(
    click.option(
        "--c2pa-trust",
        type=READ,
        multiple=True,
        metavar="FILE",
        help="List of trusted issuers for Content Credentials, PEM or JSON; several count together.",
    ),
    click.option(
        "--check-by-others",
        type=READ,
        metavar="FILE.toml",
        help="Checks that others made, such as a maker's watermark detector; printed as their statements.",
    ),
)

limits: Callable[[F], F] = together(
    click.option("--max-pixels", type=int, metavar="N", help="Largest picture that is decoded.  [default: 100000000]"),
    click.option("--max-seconds", type=int, metavar="N", help="Longest decoding of one picture.  [default: 25]"),
)

no_defaults: Callable[[F], F] = click.option(
    "--no-defaults", is_flag=True, help="Take nothing from the user's configuration."
)


def remembered(console: Console, checkpoint: str, given: dict[str, str], *, use: bool) -> defaults.Filled:
    """What is given, filled up from the user's configuration, which is said. Raises as `defaults.fill`."""
    found = defaults.fill(checkpoint, given, use=use)
    say_remembered(console, found.taken)
    return found


def say_remembered(console: Console, names: Sequence[str]) -> None:
    """Which settings come from the user's configuration; nothing where none do."""
    if names:
        console.note(f"From the configuration, remembered for this checkpoint: {', '.join(names)}.")


cluster: Callable[[F], F] = together(
    click.option(
        "--ray",
        metavar="ADDRESS",
        help="Work on a Ray cluster: HOST:PORT, auto, or local for one on this machine. One worker a card.",
    ),
    click.option(
        "--workers", type=click.IntRange(1, 4096), metavar="N", help="Workers of the cluster, where it has no cards."
    ),
)
"""Of the commands that do one thing many times."""

examination: Callable[[F], F] = together(
    clip, profile, case_file, output, device, seed, paper, language, statements, url, limits, reporting
)
"""Of the commands that examine an image and write a case folder."""
