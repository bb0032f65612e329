"""Pictures whose bytes lie in Parquet files: the form in which hubs publish data sets, and img2dataset's own.

A column holds either objects `{bytes, path}` or the bytes themselves; the other columns are the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forensics.errors import IndexError_
from forensics.retrieval.building.entries import Entry, Origin, Source, Unit, entry, fingerprint
from forensics.retrieval.building.places import Place
from forensics.retrieval.readers.layout import Excluded
from forensics.retrieval.words import key, normalised, pick, plain

_NAMES = (
    "image",
    "img",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "picture",
    "pixel_values",
    "image_bytes",
    "bytes",
    "content",
    "image_data",
    "data",
    "binary",
)
"""Of columns of bytes that are pictures; objects with `bytes` are so under any name."""


def column(schema: pa.Schema) -> str:
    """The column of pictures; empty where there is none. Of several the one whose name says so first."""
    found = []
    for one in schema:
        if (
            pa.types.is_struct(one.type)
            and any(
                sub.name == "bytes" and _is_bytes(sub.type)
                for sub in (one.type.field(i) for i in range(one.type.num_fields))
            )
        ) or (_is_bytes(one.type) and key(one.name) in _NAMES):
            found.append(one.name)
    return min(found, key=lambda n: _NAMES.index(key(n)) if key(n) in _NAMES else len(_NAMES), default="")


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def holds_pictures(place: Place, name: str) -> bool:
    """Whether a Parquet file has such a column. Raises IndexError_ where the file is not readable."""
    with_schema = _described(place, name)
    return bool(column(with_schema.schema.to_arrow_schema()))


def _described(place: Place, name: str) -> pq.FileMetaData:
    try:
        with place.open(name) as stream:
            return pq.read_metadata(stream)
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{place}/{name} is not a readable table: {exc}.", hint="Obtain the file again.") from exc


def source(
    place: Place, files: Mapping[str, int], names: list[str], kind: str, not_looked_at: tuple[str, ...]
) -> Source:
    """A source of these Parquet files; a unit is a row group.

    Args:
        place: where the files lie.
        files: their sizes by name.
        names: of those that hold pictures, in order.
        kind: what to call the source.
        not_looked_at: of the other files.

    Raises:
        IndexError_: a file is not readable.
    """
    units: list[Unit] = []
    total = 0
    for name in names:
        described = _described(place, name)
        first = 0
        for group in range(described.num_row_groups):
            units.append(partial(_read, place, name, group, first))
            first += described.row_group(group).num_rows
        total += described.num_rows
    listed = ((name, files[name]) for name in names)
    return Source(kind, place.path, total, tuple(units), fingerprint("pictures in Parquet", *listed), not_looked_at)


def _read(place: Place, name: str, group: int, first: int) -> Iterator[Entry | Excluded]:
    try:
        with place.open(name) as stream:
            table = pq.ParquetFile(stream).read_row_group(group)
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{place}/{name} is not a readable table: {exc}.", hint="Obtain the file again.") from exc
    pictures = column(table.schema)
    for offset in range(table.num_rows):
        row = table.slice(offset, 1).to_pylist()[0]
        yield _entry(row, pictures, name, first + offset)


def _entry(row: dict[str, Any], pictures: str, name: str, number: int) -> Entry | Excluded:
    held = row.pop(pictures)
    inside = plain(held.get("path")) if isinstance(held, dict) else ""
    data = held.get("bytes") if isinstance(held, dict) else held
    where = f"{name}/row {number + 1}"
    words = normalised(row)
    status = plain(words.get("status")) or "success"
    if status != "success":
        return Excluded(where, f"status {status!r}: {plain(words.get('error_message')) or 'no message'}")
    if not data:
        said = f", and names {inside!r}, which the file does not hold" if inside else ""
        return Excluded(where, f"the row holds no picture{said}")
    training_id = pick(words, "training_id") or (f"{PurePosixPath(name).with_suffix('')}/{inside}" if inside else where)
    origin = Origin(
        where,
        partial(bytes, data),
        downloaded=True,
        in_folder=False,
        shard=name,
        key=plain(words.get("key")) or inside,
    )
    return entry(origin, words | {"training_id": training_id})
