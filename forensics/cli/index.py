"""`forensics index`: make, describe and search a training index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli import options
from forensics.cli.console import Console

if TYPE_CHECKING:
    from forensics.embedding import Embedder


@click.group(short_help="Training indexes: build, info, search, verify.")
def index() -> None:
    """Training indexes: searchable collections of training images with captions and digests."""


@index.command(short_help="Make an index from a collection of images.")
@click.argument("source", type=options.PATH)
@click.option("-o", "--out", type=options.PATH, metavar="DIR", required=True, help="Folder of the index, made anew.")
@click.option("--name", default="", help="What the report calls the index.  [default: name of SOURCE]")
@click.option("--coverage", default="", metavar="TEXT", help="What part of the training set it holds, as a sentence.")
@options.clip
@options.device
@options.reporting
@click.pass_obj
def build(
    console: Console, source: Path, out: Path, name: str, coverage: str,
    clip: str | None, device: str | None, precision: str | None,
) -> None:  # fmt: skip
    """Embed every image of SOURCE and write a searchable index.

    SOURCE is a folder of images with captions in side files (`picture.txt` beside `picture.png`), a CSV or Parquet
    table, or the output of img2dataset. The path of the index is written to standard output.
    """
    with console.working():
        from forensics.retrieval.build import build as build_index

        embedder = _embedder(console, clip, device, precision)
        made = build_index(source, out, embedder, name=name, coverage=coverage, emit=console.emit).manifest
    console.note(f"{made.count} images; {len(made.excluded)} left out, each with its reason in manifest.json.")
    console.result(out)


@index.command(short_help="Describe an index.")
@click.argument("folder", metavar="DIR", type=options.FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(folder: Path, as_json: bool) -> None:
    """Say what the index DIR holds: how many images, which embedder, which part of the training set."""
    from forensics import retrieval
    from forensics.schema import encode

    facts = retrieval.open(folder).facts
    if as_json:
        click.echo(json.dumps(encode(facts), ensure_ascii=False))
        return
    rows = [
        ("name", facts.name), ("images", str(facts.count)), ("embedder", facts.embedder), ("built", facts.built),
        ("coverage", facts.coverage), ("source", facts.source), ("digest", facts.digest),
        *((fact.name, fact.value) for fact in facts.facts),
    ]  # fmt: skip
    for label, value in rows:
        click.echo(f"{label}: {value}")


@index.command(short_help="Find the images of an index nearest to a picture.")
@click.argument("folder", metavar="DIR", type=options.FOLDER)
@click.argument("image", type=options.PATH)
@click.option("-k", "count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@options.clip
@options.device
@options.reporting
@click.pass_obj
def search(
    console: Console, folder: Path, image: Path, count: int, as_json: bool,
    clip: str | None, device: str | None, precision: str | None,
) -> None:  # fmt: skip
    """List the images of the index DIR nearest to IMAGE, nearest first.

    The similarity is the cosine of the embedder's vectors. A hit is not training, and no hit is not absence.
    """
    with console.working():
        from forensics import intake, retrieval
        from forensics.images import to_tensor

        picture = intake.read(image).picture
        found = retrieval.open(folder)
        embedder = _embedder(console, clip, device, precision)
        hits = retrieval.search(found, embedder, to_tensor(picture), count)[0]
    for rank, hit in enumerate(hits, 1):
        row = hit.row
        if as_json:
            fields = {"rank": rank, "similarity": hit.similarity, "training_id": row.training_id,
                      "caption": row.caption, "creator": row.creator, "sha256": row.sha256,
                      "picture": None if row.picture is None else str(row.picture)}  # fmt: skip
            click.echo(json.dumps(fields, ensure_ascii=False))
        else:
            click.echo(f"{rank:>3}  {hit.similarity:+.4f}  {row.training_id}  {row.caption}")


@index.command(short_help="Check every digest and every vector of an index.")
@click.argument("folder", metavar="DIR", type=options.FOLDER)
def verify(folder: Path) -> None:
    """Read the index DIR completely: every file against its digest, every vector against unit length."""
    from forensics import retrieval

    click.echo(f"{folder}: {retrieval.verify(folder)} files agree with the manifest of the index.")


def _embedder(console: Console, clip: str | None, device: str | None, precision: str | None) -> Embedder:
    from forensics.device import choose
    from forensics.embedding import Embedder
    from forensics.resources import samples

    if clip is None:
        console.note("Demonstration CLIP: no model was named with --clip, so the small embedded one is used.")
    spec = clip or str(samples() / "reference" / "openclip")
    return Embedder.open(spec, choose(device or "auto", precision or "auto"))
