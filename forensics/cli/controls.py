"""`forensics controls`: what the control works scored, kept from case to case."""

from __future__ import annotations

from pathlib import Path

import click

from forensics.cli import options
from forensics.errors import ControlsError


@click.group(short_help="Stored control scores: info, verify, export, import.")
def controls() -> None:
    """What control works scored in earlier cases. Stored scores save time and change no result."""


@controls.command(short_help="Say what is stored, and where.")
def info() -> None:
    """List the folder, the number of entries and the checkpoints they belong to."""
    from forensics.controls import cache as control_cache

    place = control_cache.folder()
    found = control_cache.summary(place)
    click.echo(f"folder: {place}")
    click.echo(f"entries: {found.entries}, {found.size_bytes / 1e6:.1f} MB")
    for digest, count in found.checkpoints:
        click.echo(f"checkpoint {digest}: {count}")
    for digest, count in found.packs:
        click.echo(f"imported with the pack {digest}: {count}; a case that uses them names it")
    if found.damaged:
        click.echo(f"damaged: {len(found.damaged)}; they are passed over and computed again")


@controls.command(short_help="Check every entry against its digest.")
def verify() -> None:
    """Read every entry. Damaged ones are named; they would be passed over and computed again."""
    from forensics.controls import cache as control_cache

    found = control_cache.summary(control_cache.folder())
    if found.damaged:
        raise ControlsError(
            f"Entries differ from their digest: {', '.join(found.damaged)}.", hint="Delete the files named."
        )
    click.echo(f"{found.entries} entries agree with their digests.")


@controls.command(short_help="Write the stored scores into one file.")
@click.argument("out", type=options.PATH)
@click.option("--checkpoint", default="", metavar="SHA256", help="Only of the checkpoint whose digest begins so.")
def export(out: Path, checkpoint: str) -> None:
    """Write the stored scores into the file OUT, which `import` verifies and reads on another machine."""
    from forensics.controls import cache as control_cache

    count = control_cache.export_to(control_cache.folder(), out, checkpoint)
    click.echo(f"{out}: {count} entries")


@controls.command("import", short_help="Add the scores of an exported file.")
@click.argument("source", type=options.PATH)
def import_(source: Path) -> None:
    """Verify the exported file SOURCE and every entry of it, then add its scores to those stored.

    Whoever made the file could have written any scores into it. They are marked as imported, and a case that uses them
    names the digest of the file and who computed them, as the file states.
    """
    from forensics.controls import cache as control_cache

    count = control_cache.import_from(source, control_cache.folder())
    click.echo(f"{count} entries imported into {control_cache.folder()}")
