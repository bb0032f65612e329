"""Building an index: read, check, embed, write, and only then give the folder its name.

Two builds of one source with one embedder on one machine give the same bytes, but for the manifest's field `built`. A
picture that cannot be used is listed in the manifest with its reason; it never stops the build.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from forensics.embedding import Embedder
from forensics.errors import ImageError, IndexError_
from forensics.events import Emit, Event, ignore
from forensics.images import to_tensor
from forensics.intake import decode
from forensics.retrieval.base import Vectors
from forensics.retrieval.layout import Excluded, Manifest
from forensics.retrieval.sources import Entry, open_source
from forensics.retrieval.writer import SHARD_ROWS, Record, Writer

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    location: Path
    manifest: Manifest


def build(
    source: Path,
    out: Path,
    embedder: Embedder,
    *,
    name: str = "",
    coverage: str = "",
    emit: Emit = ignore,
    built: str = "",
    where: Mapping[str, frozenset[str]] | None = None,
    digests: str = "file",
    dtype: str = "float32",
    shard_rows: int = SHARD_ROWS,
) -> Built:
    """Build an index folder.

    Args:
        source: folder with side files, table of paths, or img2dataset output (`forensics.retrieval.sources`).
        out: folder to make; must not exist.
        embedder: makes the vectors; queries need the same one.
        name: of the collection; the source's name where empty.
        coverage: what part of a checkpoint's training set it holds, as a sentence.
        emit: told every picture.
        built: UTC time to record; SOURCE_DATE_EPOCH or the clock where empty.
        where: rows of a table to keep, by column.
        digests: what a table's column `sha256` is of: `file` (checked) or `origin` (recorded).
        dtype: storage of the vectors, float32 or float16.
        shard_rows: rows in one pair of files.

    Raises:
        IndexError_: the folder exists, the source is unusable, or no picture could be used.
    """
    if out.exists():
        raise IndexError_(f"{out} exists and is not overwritten.", hint="Choose another folder, or move it aside.")
    opened = open_source(source, where, digests=digests)
    excluded: list[Excluded] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        writer = Writer(partial, embedder.dimension, dtype, shard_rows)
        for records, vectors in _embedded(opened.entries, opened.total, embedder, excluded, emit):
            writer.add(records, vectors)
        base = os.path.relpath(os.path.abspath(opened.base), os.path.abspath(out))  # noqa: PTH100 - links kept as named
        manifest = writer.close(
            name=name or source.stem,
            embedder=embedder.name,
            embedder_digest=embedder.digest,
            preprocessing=embedder.preprocessing.sentence,
            built=built or _now(),
            coverage=coverage or "The builder did not state what it covers.",
            source=f"{opened.kind}, {opened.total} entries",
            pictures=Path(base).as_posix(),
            excluded=tuple(excluded),
        )
        partial.chmod(0o755)  # mkdtemp makes it private
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Built(out, manifest)


def _embedded(
    entries: Iterator[Entry | Excluded], total: int, embedder: Embedder, excluded: list[Excluded], emit: Emit
) -> Iterator[tuple[list[Record], Vectors]]:
    """Batches of rows with their vectors; what cannot be used goes to `excluded`."""
    records: list[Record] = []
    prepared: list[Tensor] = []
    seen: set[str] = set()
    for done, entry in enumerate(entries, 1):
        match entry if isinstance(entry, Excluded) else _read(entry, seen):
            case Excluded() as left_out:
                excluded.append(left_out)
            case (record, picture):
                seen.add(record.training_id)
                records.append(record)
                prepared.append(embedder.prepare(picture))
        if len(records) == _BATCH:
            yield records, embedder.encode(torch.cat(prepared))
            records, prepared = [], []
        note = f"{len(excluded)} excluded" if excluded else ""
        emit(Event("index", done, max(total, done), note))
    if records:
        yield records, embedder.encode(torch.cat(prepared))


def _read(entry: Entry, seen: set[str]) -> tuple[Record, Tensor] | Excluded:
    if entry.training_id in seen:
        return Excluded(entry.path, f"the training id {entry.training_id!r} occurred before")
    try:
        data = entry.read()
        digest = hashlib.sha256(data).hexdigest()
        if entry.expected_sha256 not in ("", digest):
            return Excluded(entry.path, "the file differs from the digest that the source states")
        picture = decode(data, entry.path).picture
    except ImageError as exc:
        return Excluded(entry.path, exc.message)
    except OSError as exc:
        return Excluded(entry.path, f"not readable: {exc.strerror or exc}")
    record = Record(
        training_id=entry.training_id,
        image_path=entry.path,
        caption=entry.caption,
        creator=entry.creator,
        sha256=digest,
        source_sha256=entry.source_sha256,
        url=entry.url,
        licence=entry.licence,
        width=picture.width,
        height=picture.height,
    )
    return record, to_tensor(picture)


def _now() -> str:
    """UTC, ISO 8601, seconds; SOURCE_DATE_EPOCH where set, for reproducible builds."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    clock = datetime.datetime.now(datetime.UTC)
    moment = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else clock
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
