"""One unit of a source, embedded and put down as a file: the step that a build repeats, resumes and shares out.

A unit is always embedded whole and in the same batches, so its rows are the same whoever computes them and however
often, on one kind of machine with one number of threads. Both are recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from forensics.errors import ImageError, IndexError_
from forensics.pictures.bounded import decode
from forensics.pictures.tensors import to_tensor
from forensics.retrieval.base import Column
from forensics.retrieval.building.entries import Entry
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.table import Record, batch
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.phash import phash
from forensics.retrieval.readers.layout import Excluded

PARTIAL = "partial"
"""Folder of finished units inside an index that is being built."""
BATCH = 32
_READERS = 2
"""Threads that decode pictures while the network works on the batch before."""

Read = tuple[Record, list[Tensor]]
"""A row and its picture, prepared for each encoder."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A finished unit."""

    rows: pa.RecordBatch
    """Row ids are places in the unit; the assembly gives the final ones."""
    excluded: tuple[Excluded, ...]
    remarks: tuple[str, ...] = ()
    """On how words were read, one for each picture it holds for."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the assembly needs to know of a unit before it reads its rows."""

    names: tuple[str, ...]
    """Training ids, in order."""
    paths: tuple[str, ...]
    excluded: tuple[Excluded, ...]
    remarks: tuple[str, ...] = ()
    uncaptioned: int = 0
    """Rows without a caption."""


def summary(unit: Unit) -> Summary:
    """Of a finished unit."""
    names, paths = (tuple(unit.rows.column(c).to_pylist()) for c in ("training_id", "path"))
    uncaptioned = sum(not caption for caption in unit.rows.column("caption").to_pylist())
    return Summary(names, paths, unit.excluded, unit.remarks, uncaptioned)


def name(number: int) -> str:
    """File of a finished unit, below the index."""
    return f"{PARTIAL}/unit-{number:08d}.arrow"


def embed(
    entries: Iterator[Entry | Excluded],
    encoders: Sequence[Encoder],
    columns: Sequence[Column],
    *,
    keep_bytes: bool,
    step: Callable[[bool], None] = lambda _: None,
) -> Unit:
    """Read, check and embed the entries of a unit.

    Args:
        entries: in the order of the source.
        encoders: one for each column.
        columns: as they will be stored.
        keep_bytes: store the pictures' bytes in the rows.
        step: told of every entry, whether it could be used.
    """
    excluded: list[Excluded] = []
    records: list[Record] = []
    remarks: list[str] = []
    vectors: dict[str, list[Any]] = {e.column: [] for e in encoders}
    waiting: list[list[Tensor]] = []

    def flush() -> None:
        for place, encoder in enumerate(encoders):
            vectors[encoder.column].append(encoder.encode([prepared[place] for prepared in waiting]))
        waiting.clear()

    for found in _read_ahead(_noted(entries, remarks), encoders, keep_bytes):
        if isinstance(found, Excluded):
            excluded.append(found)
        else:
            records.append(found[0])
            waiting.append(found[1])
            if len(waiting) == BATCH:
                flush()
        step(not isinstance(found, Excluded))
    if waiting:
        flush()
    together = {n: np.concatenate(v) if v else None for n, v in vectors.items()}
    return Unit(batch(records, together, columns, 0, blobs=False), tuple(excluded), tuple(remarks))


def _noted(entries: Iterator[Entry | Excluded], remarks: list[str]) -> Iterator[Entry | Excluded]:
    for entry in entries:
        if isinstance(entry, Entry):
            remarks += entry.remarks
        yield entry


def _read_ahead(
    entries: Iterator[Entry | Excluded], encoders: Sequence[Encoder], keep_bytes: bool
) -> Iterator[Read | Excluded]:
    """Bytes are read one after the other, for an archive has one position; decoding runs beside."""
    with ThreadPoolExecutor(_READERS) as pool:
        ahead: deque[Excluded | Future[Read | Excluded]] = deque()
        for entry in entries:
            ahead.append(entry if isinstance(entry, Excluded) else _start(pool, entry, encoders, keep_bytes))
            if len(ahead) > 2 * BATCH:
                yield _finished(ahead.popleft())
        while ahead:
            yield _finished(ahead.popleft())


def _finished(one: Excluded | Future[Read | Excluded]) -> Read | Excluded:
    return one if isinstance(one, Excluded) else one.result()


def _start(
    pool: ThreadPoolExecutor, entry: Entry, encoders: Sequence[Encoder], keep_bytes: bool
) -> Excluded | Future[Read | Excluded]:
    try:
        data = entry.read()
    except OSError as exc:
        return Excluded(entry.path, f"not readable: {exc.strerror or exc}")
    return pool.submit(_prepare, entry, data, encoders, keep_bytes)


def _prepare(entry: Entry, data: bytes, encoders: Sequence[Encoder], keep_bytes: bool) -> Read | Excluded:
    digest = hashlib.sha256(data).hexdigest()
    if entry.expected_sha256 not in ("", digest):
        return Excluded(entry.path, "the file differs from the digest that the source states")
    try:
        decoded = decode(data, entry.path)
    except ImageError as exc:
        return Excluded(entry.path, exc.message)
    picture = decoded.picture
    record = Record(
        training_id=entry.training_id,
        caption=entry.caption,
        creator=entry.creator,
        path=entry.path if entry.in_folder else "",
        sha256=digest,
        source_sha256=entry.source_sha256 if _hexadecimal(entry.source_sha256) else "",
        phash=phash(picture),
        image=data if keep_bytes else None,
        image_kind="original" if keep_bytes else "none",
        mime=decoded.media_type,
        width=picture.width,
        height=picture.height,
        url=entry.url,
        fetched_at=entry.fetched_at,
        source_shard=entry.shard,
        source_key=entry.key,
        licence=entry.licence,
        licence_url=entry.licence_url,
        licence_source="as the source states it" if entry.licence else "",
        rights_holder=entry.rights_holder,
        repetitions=entry.repetitions,
    )
    tensor = to_tensor(picture)
    return record, [encoder.prepare(tensor) for encoder in encoders]


def _hexadecimal(digest: str) -> bool:
    return len(digest) == 64 and all(c in "0123456789abcdef" for c in digest)


def save(files: Files, number: int, unit: Unit) -> None:
    """Put a finished unit down; its file appears only when complete."""
    stated = {
        b"excluded": json.dumps([asdict(e) for e in unit.excluded]).encode(),
        b"remarks": json.dumps(unit.remarks).encode(),
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, unit.rows.schema.with_metadata((unit.rows.schema.metadata or {}) | stated)) as writer:
        writer.write_batch(unit.rows)
    data = sink.getvalue().to_pybytes()
    # A disk that fills or a crash of the machine may cut a file that was closed well: the digest at its end tells.
    files.write(name(number), data + hashlib.sha256(data).digest())


def load(files: Files, number: int) -> Unit | None:
    """A finished unit; none where there is none, or only part of one. Raises IndexError_ where it is not readable."""
    if files.size(name(number)) is None:
        return None
    data = files.read(name(number))
    if hashlib.sha256(data[:-32]).digest() != data[-32:]:
        return None
    table = pa.ipc.open_file(pa.BufferReader(data[:-32])).read_all()
    excluded = tuple(Excluded(**e) for e in json.loads(table.schema.metadata[b"excluded"]))
    batches = table.combine_chunks().to_batches()
    empty = pa.RecordBatch.from_pylist([], schema=table.schema)
    remarks = tuple(json.loads(table.schema.metadata.get(b"remarks", b"[]")))
    return Unit(batches[0] if batches else empty, excluded, remarks)


def require(files: Files, number: int) -> Unit:
    """A finished unit. Raises IndexError_ where it is missing."""
    unit = load(files, number)
    if unit is None:
        raise IndexError_(
            f"{files.uri}/{name(number)} is missing or cut short.", hint="Run the same command again to go on."
        )
    return unit
