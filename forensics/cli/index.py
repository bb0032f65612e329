"""`forensics index`: make, describe and search a training index."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli import options
from forensics.cli.console import Console
from forensics.path_names import printable

if TYPE_CHECKING:
    from forensics.embedders.copies import CopyDescriptor
    from forensics.embedders.open_clip import Embedder
    from forensics.retrieval.base import Hit, TrainingIndex
    from forensics.retrieval.building.build import Built


@click.group(short_help="Training indexes: build, info, search, verify.")
def index() -> None:
    """Training indexes: searchable collections of training images with captions and digests."""


_AT = click.option("--at", metavar="TAG", help="Snapshot to open.  [default: the newest]")
_RAY = click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help="Work on a Ray cluster: HOST:PORT, `auto`, or `local` to start one here.",
)


@index.command(short_help="Make an index from a collection of images.")
@click.argument("source", type=options.URI)
@click.option("-o", "--out", metavar="URI", required=True, type=options.URI, help="Folder or address of the index.")
@click.option("--name", default="", help="What the report calls the index.  [default: name of SOURCE]")
@click.option("--coverage", default="", metavar="TEXT", help="What part of the training set it holds, as a sentence.")
@click.option("--tag", default="v1", show_default=True, help="Name of the snapshot that the build ends with.")
@click.option("--append", is_flag=True, help="Add SOURCE to an index that is there, as a new snapshot.")
@click.option("--bytes", "keep_bytes", is_flag=True, help="Store the pictures in the index.")
@click.option("--copies/--no-copies", default=True, help="Also store vectors of the copy descriptor.  [default: yes]")
@_RAY
@options.clip
@options.no_defaults
@options.device
@options.reporting
@click.pass_obj
def build(
    console: Console,
    source: str,
    out: str,
    name: str,
    coverage: str,
    tag: str,
    append: bool,
    keep_bytes: bool,
    copies: bool,
    address: str | None,
    clip: str | None,
    no_defaults: bool,
    device: str | None,
    precision: str | None,
) -> None:
    """Embed every image of SOURCE and write a searchable index.

    SOURCE is a folder of images with captions in side files (`picture.txt` beside `picture.png`), a CSV or Parquet
    table, or the output of img2dataset. A build that was stopped goes on where it was when the same command is given
    again. The path of the index is written to standard output.

    On a Ray cluster SOURCE and URI must be reachable by these very names from every machine.
    """
    with console.working():
        from forensics.retrieval.building.build import Options

        if address:
            from forensics.retrieval.ray.distributed import build as on_cluster

            build_index: Callable[..., Built] = partial(on_cluster, address=address)
        else:
            from forensics.retrieval.building.build import build as build_index

        embedder = _embedder(console, clip, device, precision, "" if no_defaults else out)
        descriptor = _descriptor(console, device, precision) if copies else None
        made = build_index(
            source,
            out,
            embedder,
            Options(descriptor=descriptor, name=name, coverage=coverage, tag=tag, append=append, keep_bytes=keep_bytes),
            emit=console.emit,
        )
    if made.resumed:
        console.note(f"{made.resumed} parts were kept from an earlier build that was stopped.")
    for left_out in made.excluded[:10]:
        console.note(f"left out: {printable(left_out.path)}: {printable(left_out.reason)}")
    console.note(
        f"{made.snapshot.count} images; {len(made.excluded)} left out, each with its reason in "
        f"{made.snapshot.excluded_file}. The source: {'; '.join(made.counts)}."
    )
    console.result(Path(out))


@index.command(short_help="Describe an index.")
@click.argument("uri", metavar="URI", type=options.URI)
@_AT
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(uri: str, at: str | None, as_json: bool) -> None:
    """Say what the index at URI holds: how many images, which embedder, which part of the training set."""
    from forensics import retrieval
    from forensics.schema import encode

    found = retrieval.open(uri, at).info()
    facts = found.facts
    if as_json:
        click.echo(json.dumps(encode(facts), ensure_ascii=False))
        return
    rows = [
        ("name", facts.name),
        ("images", str(facts.count)),
        ("embedder", facts.embedder),
        ("built", facts.built),
        ("coverage", facts.coverage),
        ("source", facts.source),
        ("digest", facts.digest),
        *((fact.name, fact.value) for fact in facts.facts),
        ("offers", found.capabilities.sentence),
    ]
    for label, value in rows:
        click.echo(f"{label}: {value}")


@index.command(short_help="Find the images of an index nearest to a picture.")
@click.argument("uri", metavar="URI", type=options.URI)
@click.argument("image", type=options.PATH)
@click.option("-k", "count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@_AT
@_RAY
@click.option("--browse", is_flag=True, help="Look around with the approximate index; nothing for a report.")
@click.option("--pictures", type=options.FOLDER, help="Folder of the pictures that a FAISS folder's rows name.")
@click.option("--stated", is_flag=True, help="Take it on your word that the model at hand made the vectors.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@options.clip
@options.no_defaults
@options.device
@options.reporting
@click.pass_obj
def search(
    console: Console,
    uri: str,
    image: Path,
    count: int,
    at: str | None,
    browse: bool,
    address: str | None,
    pictures: Path | None,
    stated: bool,
    as_json: bool,
    clip: str | None,
    no_defaults: bool,
    device: str | None,
    precision: str | None,
) -> None:
    """List the images of the index at URI nearest to IMAGE, nearest first.

    Every row is compared. The similarity is the cosine of the embedder's vectors; where the index holds vectors of the
    copy descriptor too, its nearest images, of the whole picture and of its parts, take turns with those of the
    embedder, are laid over IMAGE with local features where the index has their pictures, and are put in the order of
    one score, whose parts are printed. A hit is not training, and no hit is not absence.

    A FAISS folder records neither its model nor a digest. With --pictures its rows show that they describe its vectors
    and that the model at hand made them, or it is refused; --stated searches it without that.
    """
    with console.working(), ExitStack() as stack:
        from forensics import retrieval
        from forensics.pictures import bounded
        from forensics.pictures.tensors import to_tensor
        from forensics.retrieval import encoders
        from forensics.retrieval.local import DEFAULT, FEATURES, Bench

        picture = bounded.read(image).picture
        embedder = _embedder(console, clip, device, precision, "" if no_defaults else uri)
        if address:
            from forensics.retrieval.ray import distributed_search

            found: TrainingIndex = stack.enter_context(distributed_search.open(uri, at, address=address))
        else:
            said = {"embedder": embedder.name, "embedder_digest": embedder.digest} if stated else {}
            found = retrieval.open(uri, at, pictures=pictures, **said)
        models = [encoders.clip(embedder)]
        column = next((c for c in found.info().columns if c.name == retrieval.COPY), None)
        descriptor = _descriptor(console, device, precision) if column is not None else None
        if column is None:
            console.note("The index has no vectors of copies: the order rests on meaning and local features.")
        elif descriptor is not None and descriptor.digest != column.digest:
            console.note(f"Vectors of copies are not asked: they were made with {column.embedder} {column.digest}.")
        elif descriptor is not None:
            models.append(encoders.copies(descriptor))
        mode = "ann" if browse else "exact"
        bench = Bench(FEATURES.load(DEFAULT)()) if found.info().capabilities.bytes else None
        hits = retrieval.search(found, models, to_tensor(picture), count, mode=mode, bench=bench)[0]
    if bench is None:
        console.note("Nothing is laid over: the index has no pictures.")
    if browse:
        console.note("Approximate: rows may be missing. `forensics index recall` says how many; a report compares all.")
    if not found.info().capabilities.vectors:
        console.note("The similarities are estimates: the index holds vectors in reduced precision only.")
    for rank, hit in enumerate(hits, 1):
        row = hit.row
        if as_json:
            fields = {
                "rank": rank,
                "similarity": hit.similarity,
                "scores": dict(hit.scores),
                "found_by": list(hit.found_by),
                "places": hit.places,
                "fused": hit.fused,
                "mode": mode,
                "training_id": row.training_id,
                "caption": row.caption,
                "creator": row.creator,
                "sha256": row.sha256,
                "url": row.url,
                "licence": row.licence,
                "lead": row.lead,
                "picture": None if row.picture is None else str(row.picture),
            }
            click.echo(json.dumps(fields, ensure_ascii=False))
        else:
            click.echo(f"{rank:>3}  {hit.similarity:+.4f}  {_parts(hit)}{row.training_id}  {row.caption}")


@index.command(short_help="Check every digest, row and vector of an index.")
@click.argument("uri", metavar="URI", type=options.URI)
@_AT
def verify(uri: str, at: str | None) -> None:
    """Read the index at URI completely: every file against its digest, every row, every vector against unit length."""
    from forensics import retrieval

    report = retrieval.verify(uri, at)
    click.echo(f"{uri}: {report.files} files ({report.size_bytes} bytes) and {report.rows} rows agree.")


@index.command(short_help="Make an approximate index for looking around.")
@click.argument("uri", metavar="URI", type=options.URI)
@click.option("--tag", required=True, help="Name of the snapshot that holds it; the rows stay the same.")
@click.option("--partitions", type=click.IntRange(min=1), help="Lists of rows.  [default: one for a thousand rows]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the training.")
@click.pass_obj
def approximate(console: Console, uri: str, tag: str, partitions: int | None, seed: int) -> None:
    """Index the vectors of the index at URI approximately, for `forensics index search --browse`.

    Centroids and codebook are trained with FAISS and a seed, stored in the index and hashed with the new snapshot. A
    report never uses it: it compares every row.
    """
    with console.working():
        from forensics.retrieval.building.approximate import make

        made = make(uri, tag, partitions=partitions or 0, seed=seed)
    for one in made.ann:
        console.note(f"{one.column}: {one.kind}, {one.partitions} partitions; {one.trained_with}")
    console.result(Path(uri))


@index.command(short_help="Measure what looking around misses.")
@click.argument("uri", metavar="URI", type=options.URI)
@_AT
@click.option("-k", "count", type=click.IntRange(min=1), default=20, show_default=True, help="Rows asked for.")
@click.option("--queries", type=click.IntRange(min=1), default=300, show_default=True, help="Rows used as queries.")
@click.option("--column", type=click.Choice(("vec_clip", "vec_copy")), default="vec_clip", show_default=True)
@click.option("--nprobes", type=click.IntRange(min=1), help="Partitions read.  [default: as the index states]")
@click.option("--refine", type=click.IntRange(min=1), help="Times K rows compared again.  [default: likewise]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw of the queries.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def recall(
    console: Console,
    uri: str,
    at: str | None,
    count: int,
    queries: int,
    column: str,
    nprobes: int | None,
    refine: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Compare the approximate with the exact search of the index at URI, on this very snapshot.

    The queries are rows of the index, drawn with a seed; each is left out of its own answers. The figures hold for
    queries of this kind, these parameters and this snapshot.
    """
    with console.working():
        from forensics.retrieval.building.approximate import recall_of_rows
        from forensics.schema import encode

        params = {n: v for n, v in (("nprobes", nprobes), ("refine", refine)) if v is not None}
        report = recall_of_rows(uri, at, queries=queries, k=count, params=params, column=column, seed=seed)
    if as_json:
        click.echo(json.dumps(encode(report), ensure_ascii=False))
        return
    used = ", ".join(f"{name} {value}" for name, value in report.params)
    click.echo(
        f"recall@{report.k} {report.mean:.4f} (95 % interval {report.low:.4f} to {report.high:.4f}), 5th percentile "
        f"{report.p5:.2f}, true first row missed in {report.top1_missed:.4f} of {report.queries} queries; "
        f"{report.milliseconds:.1f} ms a query; {used}"
    )


@index.command("import", short_help="Make a native index of a folder of embeddings.")
@click.argument("folder", metavar="DIR", type=options.OUT)
@click.option(
    "-o", "--out", metavar="URI", required=True, type=options.URI, help="Folder or address of the index, made anew."
)
@click.option("--embedder", default="", help="What made the vectors, where DIR does not record it.")
@click.option("--embedder-digest", default="", help="Its digest, where DIR does not record it.")
@click.option("--pictures", type=options.FOLDER, help="Of a FAISS folder's rows, to be compared with its vectors.")
@options.clip
@options.device
@options.reporting
@click.pass_obj
def import_(
    console: Console,
    folder: Path,
    out: str,
    embedder: str,
    embedder_digest: str,
    pictures: Path | None,
    clip: str | None,
    device: str | None,
    precision: str | None,
) -> None:
    """Copy the rows and vectors of DIR into an index that can be cited.

    DIR has clip-retrieval's embeddings layout or a FAISS index that keeps the vectors, or is one `.npy` file or a
    folder of them. With --pictures the rows of a FAISS folder must first show that they describe its vectors.
    """
    with console.working():
        from forensics.retrieval import encoders
        from forensics.retrieval.building.convert import import_from

        model = encoders.clip(_embedder(console, clip, device, precision)) if pictures else None
        made = import_from(
            folder, out, embedder=embedder, embedder_digest=embedder_digest, pictures=pictures, encoder=model
        )
    console.note(f"{made.count} rows; digest of the rows {made.rows_digest}")
    console.result(Path(out))


@index.command(short_help="Write an index as an embeddings folder.")
@click.argument("uri", metavar="URI", type=options.URI)
@click.option("-o", "--out", type=options.OUT, metavar="DIR", required=True, help="Folder, made anew.")
@_AT
@click.pass_obj
def export(console: Console, uri: str, out: Path, at: str | None) -> None:
    """Write rows and vectors of meaning of the index at URI in clip-retrieval's embeddings layout."""
    from forensics.retrieval.building.convert import export_to

    made = export_to(uri, out, at)
    console.note(f"{made.count} rows in {len(made.shards)} parts")
    console.result(out)


def _parts(hit: Hit) -> str:
    """What the order rests on beside the similarity, for one line; empty where nothing else was asked."""
    from forensics.retrieval import COPY, PARTS

    named = {"copies": hit.score(COPY), "parts": hit.score(PARTS)}
    said = [f"{name} {value:+.4f}" for name, value in named.items() if value is not None]
    said += [f"places {hit.places}"] if hit.places is not None else []
    return f"{', '.join(said)}  " if said else ""


def _embedder(
    console: Console, clip: str | None, device: str | None, precision: str | None, place: str = ""
) -> Embedder:
    """The model named, else the one remembered for the checkpoint whose index is at `place`, else the embedded one."""
    from forensics import defaults
    from forensics.device import choose
    from forensics.embedders.open_clip import Embedder
    from forensics.resources import samples

    entry = defaults.of_index(place) if place and clip is None else None
    kept = defaults.fill(entry.checkpoint, {"clip": ""}) if entry else defaults.Filled({"clip": clip or ""})
    options.say_remembered(console, kept.taken)
    if not kept.places["clip"]:
        console.note("Demonstration CLIP: no model was named with --clip, so the small embedded one is used.")
    spec = kept.places["clip"] or str(samples() / "reference" / "openclip")
    found = Embedder.open(spec, choose(device or "auto", precision or "auto"))
    kept.compare({"clip": found.digest})
    return found


def _descriptor(console: Console, device: str | None, precision: str | None) -> CopyDescriptor | None:
    from forensics.case import Absent
    from forensics.device import choose
    from forensics.embedders.copies import open_descriptor

    found = open_descriptor(None, choose(device or "auto", precision or "auto"))
    if isinstance(found, Absent):
        console.note(f"No vectors of copies: {found.reason}")
        return None
    return found
