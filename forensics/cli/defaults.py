"""`forensics defaults`: what belongs to a checkpoint, remembered from case to case."""

from __future__ import annotations

from typing import Any

import click

from forensics import defaults as store
from forensics.cli import options
from forensics.cli.console import Console, loading
from forensics.settings import PREDICTIONS, resolve


@click.group(short_help="Remember what belongs to a checkpoint: list, set, remove.")
def defaults() -> None:
    """Index, controls, control checkpoint and the like of a checkpoint, kept in the user's configuration.

    `forensics analyze IMAGE --checkpoint X` then uses them without their being named, and the report says of each that
    it came from the configuration. Flags and the case file take precedence.
    """


@defaults.command("list", short_help="Say what is remembered, and where.")
def list_() -> None:
    """List the file, every checkpoint and what belongs to it; what is gone by now is marked."""
    click.echo(f"file: {store.path()}")
    for entry in store.read():
        click.echo(f"{entry.checkpoint}{_gone(entry, store.CHECKPOINT)}")
        for name, place in entry.places.items():
            click.echo(f"    {name}: {place}{_gone(entry, name)}")


def _gone(entry: store.Remembered, name: str) -> str:
    return "  (gone)" if store.gone(entry, name) else ""


@defaults.command("set", short_help="Remember what belongs to a checkpoint.")
@click.option(
    "--checkpoint",
    type=options.PLACE,
    required=True,
    metavar="PATH_OR_ID",
    help="Generator: diffusers folder, .safetensors file or hub id.",
)
@click.option("--index", type=options.PLACE, metavar="DIR", help="Its training index.")
@click.option("--controls", type=options.PLACE, metavar="DIR", help="Works known not to be in its training set.")
@click.option(
    "--control-checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="A checkpoint that cannot have seen the work.",
)
@click.option("--validation", type=options.PLACE, metavar="FILE", help="Its validation record.")
@click.option("--base", type=options.PLACE, metavar="DIR", help="Diffusers folder with what a single file lacks.")
@click.option("--prediction", type=click.Choice(PREDICTIONS), help="What the network predicts, where no file says it.")
@click.option("--size", type=int, metavar="PX", help="Native side of the checkpoint, where no file says it.")
@options.clip
@options.verbosity
@click.pass_obj
def set_(console: Console, /, **given: Any) -> None:
    """Open everything named, then remember its place and its digest; what was remembered before and is not named stays,
    with the digest that it has now."""
    settings = resolve(given).settings
    with console.working():
        with loading():
            from forensics.stages import belonging
        entry = belonging.remember(settings, console.emit)
    console.close()
    click.echo(f"{entry.checkpoint}")
    for name, place in entry.places.items():
        click.echo(f"    {name}: {place}")


@defaults.command(short_help="Forget a checkpoint, or some of what belongs to it.")
@click.option("--checkpoint", type=options.PLACE, required=True, metavar="PATH_OR_ID", help="As it was remembered.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def remove(checkpoint: str, names: tuple[str, ...]) -> None:
    """Forget what is remembered for the checkpoint, or only what the NAMEs say, such as index or controls. No file but
    the configuration is touched."""
    words = tuple(name.replace("-", "_") for name in names)
    found = store.remove(checkpoint, words)
    click.echo(f"{found.checkpoint}: forgotten {', '.join(words or found.places)}.")
