"""The rows of the native index: one Arrow schema, and a digest of the rows that does not depend on what stores them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forensics.retrieval.base import CLIP, COPY, Column, Row

_TEXT = ("training_id", "caption", "creator", "mime", "path", "url", "source_dataset", "source_shard", "source_key")
_WORDS = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Record:
    """One training image on its way into an index; the fields are the columns."""

    training_id: str
    """Unique in the index, as the source names the image; else its path."""
    caption: str = ""
    creator: str = ""
    path: str = ""
    """Of the picture's file, relative to the snapshot's base folder; empty where the index alone holds the picture."""
    sha256: str = ""
    """Of the bytes as stored, hexadecimal; empty where no bytes were seen."""
    source_sha256: str = ""
    """Of an earlier form of the work (as downloaded, before resizing), where the source records it."""
    phash: int = 0
    """64-bit perceptual hash of the decoded picture (`forensics.retrieval.phash`)."""
    image: bytes | None = None
    image_kind: str = "none"
    """What `image` holds: `original` bytes as stored, or `none`."""
    mime: str = ""
    width: int = 0
    height: int = 0
    url: str = ""
    fetched_at: str = ""
    """UTC, ISO 8601, where the source states when it fetched the image."""
    source_dataset: str = ""
    source_shard: str = ""
    source_key: str = ""
    licence: str = ""
    """SPDX identifier, or what the source says."""
    licence_url: str = ""
    licence_source: str = ""
    """Where the licence was read: the column or file."""
    rights_holder: str = ""
    flags: tuple[str, ...] = ()
    repetitions: int | None = None
    """How often the source states that the image stood in the training set."""


def vector_type(dimension: int, dtype: str) -> pa.DataType:
    """The Arrow type of a column of vectors. Raises ValueError for another storage type than float16 or float32."""
    if dtype not in ("float16", "float32"):
        raise ValueError(f"vectors are stored as float16 or float32, not {dtype}")
    return pa.list_(pa.float16() if dtype == "float16" else pa.float32(), dimension)


def schema(columns: Sequence[Column], *, blobs: bool) -> pa.Schema:
    """The Arrow schema of a table with these columns of vectors."""
    blob = {"lance-encoding:blob": "true"} if blobs else None
    fields = [
        pa.field("row_id", pa.int64(), nullable=False),
        *(pa.field(name, pa.large_string() if name == "caption" else pa.string()) for name in _TEXT[:3]),
        pa.field("sha256", pa.binary(32)),
        pa.field("source_sha256", pa.binary(32)),
        pa.field("phash", pa.uint64()),
        pa.field("image", pa.large_binary(), metadata=blob),
        pa.field("image_kind", _WORDS),
        pa.field("mime", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("path", pa.string()),
        pa.field("url", pa.string()),
        pa.field("fetched_at", pa.timestamp("us", "UTC")),
        pa.field("source_dataset", _WORDS),
        pa.field("source_shard", pa.string()),
        pa.field("source_key", pa.string()),
        pa.field("licence", _WORDS),
        pa.field("licence_url", pa.string()),
        pa.field("licence_source", pa.string()),
        pa.field("rights_holder", pa.string()),
        pa.field("flags", pa.list_(pa.string())),
        pa.field("repetitions", pa.int32()),
        *(pa.field(c.name, vector_type(c.dimension, c.dtype)) for c in columns),
    ]
    stated = {"metric": "cosine"}
    for column in columns:
        stated |= {
            f"{column.name}.embedder": column.embedder,
            f"{column.name}.digest": column.digest,
            f"{column.name}.preprocessing": column.preprocessing,
        }
    return pa.schema(fields, metadata=stated)


def batch(
    records: Sequence[Record],
    vectors: dict[str, NDArray[Any] | None],
    columns: Sequence[Column],
    first: int,
    *,
    blobs: bool,
) -> pa.RecordBatch:
    """Records and their vectors as rows `first`, `first` + 1, ... Where `vectors` has none for a column it is null."""
    wanted = schema(columns, blobs=blobs)
    made: dict[str, Any] = {}
    for name in wanted.names:
        kind = wanted.field(name).type
        if name == "row_id":
            made[name] = pa.array(np.arange(first, first + len(records)), kind)
        elif name in ("sha256", "source_sha256"):
            values = [getattr(r, name) for r in records]
            made[name] = pa.array([bytes.fromhex(v) if v else None for v in values], kind)
        elif name == "fetched_at":
            made[name] = pa.array([r.fetched_at or None for r in records], pa.string()).cast(kind)
        elif name == "flags":
            made[name] = pa.array([list(r.flags) for r in records], kind)
        elif name in (c.name for c in columns):
            made[name] = _vectors(vectors.get(name), len(records), kind)
        elif pa.types.is_dictionary(kind):
            made[name] = pa.array([getattr(r, name) for r in records], pa.string()).dictionary_encode().cast(kind)
        else:
            made[name] = pa.array([getattr(r, name) for r in records], kind)
    return pa.RecordBatch.from_arrays([made[n] for n in wanted.names], schema=wanted)


def _vectors(values: NDArray[Any] | None, count: int, kind: pa.DataType) -> pa.Array:
    if values is None:
        return pa.nulls(count, kind)
    dtype = np.float16 if kind.value_type == pa.float16() else np.float32
    flat = np.ascontiguousarray(values, dtype=dtype).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, kind.value_type), kind.list_size)


def matrix(array: pa.Array) -> NDArray[Any]:
    """(n, D) vectors of a column without nulls, not copied."""
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(array), array.type.list_size)


def to_row(values: dict[str, Any], **more: Any) -> Row:
    """A row from the values of its columns."""
    return Row(
        training_id=values["training_id"] or "",
        caption=values["caption"] or "",
        creator=values["creator"] or "",
        sha256=values["sha256"].hex() if values["sha256"] else "",
        url=values["url"] or "",
        licence=values["licence"] or "",
        repetitions=values["repetitions"],
        **more,
    )


DIGESTED = ("sha256", "caption", "licence", CLIP, COPY)
"""Columns that enter the digest of the rows: image, vectors, caption, licence."""


class RowsDigest:
    """SHA-256 over the sorted digests of the rows: the same for the same rows in any order, file layout or engine.

    A row's digest is SHA-256 over its image's SHA-256, caption, licence and vectors as stored, each with its length
    before it; an absent value has the length -1.
    """

    def __init__(self) -> None:
        """No row yet."""
        self._digests: list[bytes] = []

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add rows; columns that the table lacks count as absent."""
        parts = [_bytes_of(rows, name) for name in DIGESTED]
        for values in zip(*parts, strict=True):
            digest = hashlib.sha256()
            for value in values:
                digest.update(struct.pack("<q", -1 if value is None else len(value)))
                if value is not None:
                    digest.update(value)
            self._digests.append(digest.digest())

    @property
    def count(self) -> int:
        """Rows added."""
        return len(self._digests)

    def hexdigest(self) -> str:
        """Of the rows added so far."""
        whole = hashlib.sha256()
        for digest in sorted(self._digests):
            whole.update(digest)
        return whole.hexdigest()


def _bytes_of(rows: pa.RecordBatch | pa.Table, name: str) -> Iterable[bytes | None]:
    if name not in rows.schema.names:
        return [None] * rows.num_rows
    column = rows.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        if column.null_count:
            dtype = np.float16 if column.type.value_type == pa.float16() else np.float32
            return [None if v is None else np.asarray(v, dtype=dtype).tobytes() for v in column.to_pylist()]
        return [row.tobytes() for row in np.ascontiguousarray(matrix(column))]
    values = column.to_pylist()
    # An empty caption or licence says as much as none: engines differ in which they keep.
    return [v.encode() if isinstance(v, str) and v else (v or None) for v in values]
