"""`forensics controls`: whether control works will serve, and what they scored, kept from case to case."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import click

from forensics import files
from forensics.cli import options
from forensics.cli.console import Console
from forensics.errors import ControlsError
from forensics.path_names import is_text, printable


@click.group(short_help="Control works: check, build; their stored scores: info, verify, export, import.")
def controls() -> None:
    """Whether control works will serve, and what they scored in earlier cases: stored scores change no result."""


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
@click.argument("out", type=options.OUT)
@click.option("--checkpoint", default="", metavar="SHA256", help="Only of the checkpoint whose digest begins so.")
def export(out: Path, checkpoint: str) -> None:
    """Write the stored scores into the file OUT, which `import` verifies and reads on another machine."""
    from forensics.controls import cache as control_cache

    count = control_cache.export_to(control_cache.folder(), out, checkpoint)
    click.echo(f"{out}: {count} entries")


@controls.command("import", short_help="Add the scores of an exported file.")
@click.argument("source", type=options.OUT)
def import_(source: Path) -> None:
    """Verify the exported file SOURCE and every entry of it, then add its scores to those stored.

    Whoever made the file could have written any scores into it. They are marked as imported, and a case that uses them
    names the digest of the file and who computed them, as the file states.
    """
    from forensics.controls import cache as control_cache

    count = control_cache.import_from(source, control_cache.folder())
    click.echo(f"{count} entries imported into {control_cache.folder()}")


_PUBLISHED = click.option(
    "--published", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="When the checkpoint was published."
)


@controls.command(short_help="Say whether a folder of controls will serve.")
@click.argument("folder", type=options.PATH, required=False)
@click.option("--image", type=options.PATH, metavar="FILE", help="The picture under examination.")
@click.option(
    "--checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="The checkpoint to be examined: for the sizes.",
)
@click.option(
    "--works", "like", type=options.URI, metavar="SOURCE", help="Works of the kind in question, with captions."
)
@_PUBLISHED
@options.no_defaults
@click.pass_obj
def check(
    console: Console,
    folder: Path | None,
    image: Path | None,
    checkpoint: str | None,
    like: str | None,
    published: dt.datetime | None,
    no_defaults: bool,
) -> None:
    """Before hours are spent: how small a p the controls in FOLDER allow, repeats among them, sizes, complexity, dates,
    and whether the picture under examination is like them.

    With --works, a classifier that never sees a checkpoint tries to tell these works, a folder or table as `forensics
    survey` takes them, from the controls: where it can, ranks may be about that difference. Without FOLDER the controls
    are taken that `forensics defaults` holds for the checkpoint.
    """
    from forensics import diffusion, portfolio
    from forensics.case import Absent
    from forensics.controls import works
    from forensics.device import choose
    from forensics.embedders.copies import open_descriptor
    from forensics.stages import control_check

    kept = options.remembered(
        console, checkpoint or "", {"controls": str(folder or "")}, use=bool(checkpoint) and not no_defaults
    )
    if not kept.places["controls"]:
        raise ControlsError(
            "No folder of control works was named.",
            hint="Name it: forensics controls check controls. Or name a --checkpoint for which `forensics defaults` "
            "holds controls.",
        )
    found_works = works.load(Path(kept.places["controls"]))
    kept.compare({"controls": found_works.digest})
    for fact in kept.facts:
        click.echo(f"{fact.name}: {fact.value}")
    set_of_works = portfolio.read(like).works if like else None
    descriptor = open_descriptor(None, choose("cpu", "fp32")) if set_of_works else None
    found = control_check.check(
        found_works,
        image,
        published.date() if published else None,
        checkpoint=diffusion.identify(checkpoint) if checkpoint else None,
        like=control_check.Like([w.picture() for w in set_of_works], [w.caption for w in set_of_works])
        if set_of_works
        else None,
        copies=None if isinstance(descriptor, Absent) else descriptor,
    )
    for fact in found.facts:
        click.echo(f"{fact.name}: {fact.value}")
    for warning in found.warnings:
        click.echo(f"WARNING: {warning}")
    click.echo(control_check.BEST)


@controls.command(short_help="Make the table of controls from a folder of pictures.")
@click.argument("folder", type=options.PATH)
@click.option("--ground", default="", metavar="TEXT", help="Why none of these works can have been trained on.")
@_PUBLISHED
def build(folder: Path, ground: str, published: dt.datetime | None) -> None:
    """Write controls.csv into FOLDER: a row a picture, dates read from the files, captions from .txt files beside them.

    A ground that nobody stated stays empty: a work without one is refused until a person states it or removes the row.
    """
    from forensics.controls.works import TABLE
    from forensics.stages import control_check

    target = folder / TABLE
    if not folder.is_dir():
        raise ControlsError(f"{folder} is not a folder.", hint="Name the folder that holds the control works.")
    if target.exists():
        raise ControlsError(f"{target} exists already and was left as it is.", hint="Move it away to make it anew.")
    found = control_check.table(folder, ground, published.date() if published else None)
    rows = [row for row in found if is_text(row["file"])]
    if not rows:
        raise ControlsError(f"{folder} holds no picture.", hint="Put the control works there first.")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["file", "ground", "caption", "date"])
    writer.writeheader()
    writer.writerows(rows)
    files.write(target, text.getvalue().encode())
    for row in found:
        if row not in rows:
            click.echo(f"left out, its name is no UTF-8: {printable(row['file'])}; rename it to use it", err=True)
    without = sum(not row["ground"] for row in rows)
    said = f"{len(rows)} works, {without} without a ground; state one for each, or remove its row"
    click.echo(f"{printable(str(target))}: {said}")
    if without:
        click.echo("The table opens in a spreadsheet or a text editor; --ground TEXT states one ground for all works.")
