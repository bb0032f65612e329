"""Building an index: embed unit by unit, then assemble the table, take its snapshot, and only then is it an index.

A build that is stopped, however hard, goes on where it was when the same command is given again, and ends with the same
digest of the rows. A picture that cannot be used is listed with its reason; it never stops the build.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from forensics import __version__
from forensics.embedders.copies import CopyDescriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.events import Emit, Event, ignore
from forensics.files import utc_now
from forensics.retrieval import encoders as models
from forensics.retrieval.base import Column
from forensics.retrieval.building import snapshot, units
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.snapshot import TABLE, Snapshot
from forensics.retrieval.building.sources import UNIT_ROWS, Source, default_name, open_source
from forensics.retrieval.building.table import DIGESTED, RowsDigest, schema
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.readers.layout import Excluded

_PLAN = f"{units.PARTIAL}/plan.json"
FRAGMENT_ROWS = 1 << 18
"""Rows of one fragment: what a search in several processes is shared out by."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    location: str
    snapshot: Snapshot
    excluded: tuple[Excluded, ...]
    resumed: int
    """Units that an earlier, stopped build had finished."""
    counts: tuple[str, ...] = ()
    """What the source held beside the pictures taken, one clause each; printed always, nothing counted included."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a unit's rows depend on but the source: what a worker is told."""

    encoders: tuple[Encoder, ...]
    columns: tuple[Column, ...]
    keep_bytes: bool
    threads: int


@dataclass(frozen=True, slots=True)
class Options:
    """What an index records and how it is stored."""

    descriptor: CopyDescriptor | None = None
    """Makes the vectors of copies; without it the column is left out."""
    name: str = ""
    """Of the collection; the source's name where empty."""
    coverage: str = ""
    """What part of a checkpoint's training set it holds, as a sentence."""
    built: str = ""
    """UTC time to record; SOURCE_DATE_EPOCH or the clock where empty."""
    where: Mapping[str, frozenset[str]] | None = None
    """Rows of a table to keep, by column."""
    digests: str = "file"
    """What a table's column `sha256` is of: `file` (checked) or `origin` (recorded)."""
    dtype: str = "float16"
    """Storage of the vectors, float16 or float32."""
    tag: str = "v1"
    """Name of the snapshot."""
    keep_bytes: bool = False
    """Store the pictures in the table, so that the index can be cited without the source."""
    unit_rows: int = UNIT_ROWS
    """Entries of one unit of a folder or table."""
    append: bool = False
    """Add the source as a new snapshot; earlier snapshots stay as they are."""

    def named(self, source: Path | str) -> Options:
        """The same with a name of the collection in any case."""
        return self if self.name else replace(self, name=default_name(source))


@dataclass(frozen=True, slots=True)
class Begun:
    """A build whose units are all put down."""

    files: Files
    source: Source
    job: Job
    before: Snapshot | None
    """The snapshot that is appended to; none for a new index."""
    earlier: int
    """Units that an earlier, stopped build had finished."""


@dataclass(slots=True)
class Meter:
    """Progress: how many, how fast, how many left out."""

    emit: Emit
    total: int
    done: int = 0
    left_out: int = 0
    fresh: int = 0
    began: float = field(default_factory=time.monotonic)

    def __call__(self, used: bool, fresh: bool = True) -> None:
        """One entry more."""
        self.done += 1
        self.left_out += not used
        self.fresh += fresh
        self.emit(Event("index", self.done, max(self.total, self.done), self._note()))

    def _note(self) -> str:
        passed = time.monotonic() - self.began
        parts = []
        if self.fresh and passed > 1:
            rate = self.fresh / passed
            parts.append(f"{rate:.0f} images/s, {max(0, self.total - self.done) / rate:.0f} s left")
        if self.left_out:
            parts.append(f"{self.left_out} excluded")
        return ", ".join(parts)


def build(
    source: Path | str,
    out: Path | str,
    embedder: Embedder,
    options: Options | None = None,
    *,
    emit: Emit = ignore,
) -> Built:
    """Build an index, or go on with a build that was stopped.

    Args:
        source: folder with side files, table of paths, or img2dataset output (`forensics.retrieval.building.sources`).
        out: folder or address to make; with `append`, an index that is there.
        embedder: makes the vectors of meaning; queries need the same one.
        options: what is recorded and how it is stored; the defaults of `Options` where None.
        emit: told every picture.

    Raises:
        IndexError_: something else is there, the source is unusable, or no picture could be used.
    """
    how = (options or Options()).named(source)
    snapshot.check_tag(how.tag)
    files = Files(str(out))
    files.address(TABLE)  # what would fail at the end fails now
    job = plan(embedder, how.descriptor, how.dtype, keep_bytes=how.keep_bytes)
    before = begin(files, how.tag, job, how.append)
    opened = open_source(source, how.where, digests=how.digests, unit_rows=how.unit_rows)
    resume(files, opened, job, how.tag)
    meter = Meter(emit, opened.total)
    earlier = 0
    for number, unit in enumerate(opened.units):
        found = units.load(files, number)
        if found is not None:
            earlier += 1
            for used in (*[True] * found.rows.num_rows, *[False] * len(found.excluded)):
                meter(used, fresh=False)
            continue
        try:
            made = units.embed(unit(), job.encoders, job.columns, keep_bytes=job.keep_bytes, step=meter)
        except IndexError_:
            if number == 0:  # nothing is lost: the source was unusable from its first unit on
                discard(files, before)
            raise
        units.save(files, number, made)
    return finish(Begun(files, opened, job, before, earlier), how)


def is_planned(files: Files) -> bool:
    """Whether a build has begun here and is not finished."""
    return files.exists(_PLAN)


def plan(
    embedder: Embedder, descriptor: CopyDescriptor | None, dtype: str, *, keep_bytes: bool, threads: int = 0
) -> Job:
    """What the rows of a build depend on."""
    encoders = (models.clip(embedder), *((models.copies(descriptor),) if descriptor else ()))
    columns = tuple(Column(e.column, e.name, e.digest, e.preprocessing, e.dimension, dtype) for e in encoders)
    return Job(encoders, columns, keep_bytes, threads or torch.get_num_threads())


def begin(files: Files, tag: str, job: Job, append: bool) -> Snapshot | None:
    """The snapshot that is appended to; none for a new index."""
    there = snapshot.exists(files)
    if append:
        before = snapshot.read(files)
        if tag in snapshot.tags(files):
            raise IndexError_(f"{files.uri} has a snapshot {tag!r} already.", hint="Name another with --tag.")
        if [(c.name, c.digest, c.dtype) for c in before.columns] != [(c.name, c.digest, c.dtype) for c in job.columns]:
            raise IndexError_(
                f"{files.uri} was made with other models or another number format.",
                hint="Rows can be added with the very models of the index only.",
            )
        return before
    if there or (files.exists() and not files.exists(_PLAN)):
        raise IndexError_(
            f"{files.uri} exists and is not overwritten.", hint="Choose another folder, or move it aside."
        )
    return None


def resume(files: Files, source: Source, job: Job, tag: str) -> None:
    """Write the plan, or find that a stopped build followed the same one. Raises IndexError_ where it did not."""
    stated = {
        "source": source.fingerprint,
        "tag": tag,
        "columns": [[c.name, c.digest, c.dtype] for c in job.columns],
        "bytes": job.keep_bytes,
        "threads": job.threads,
        "batch": units.BATCH,
        "version": __version__,
    }
    if files.exists(_PLAN):
        try:
            found = json.loads(files.read(_PLAN))
        except ValueError:
            found = {}
        if found != stated:
            changed = ", ".join(sorted(n for n in stated if found.get(n) != stated[n]))
            raise IndexError_(
                f"{files.uri} holds part of another build; different: {changed}.",
                hint=f"Give the command of that build again to finish it, or remove {files.uri}/{units.PARTIAL}.",
            )
        return
    files.write(_PLAN, (json.dumps(stated, sort_keys=True) + "\n").encode())


def finish(
    begun: Begun,
    options: Options,
    *,
    write: Callable[[Assembly, pa.Schema, bool], None] | None = None,
    summaries: Iterable[units.Summary] | None = None,
    how: str = "",
) -> Built:
    """Assemble the table from the finished units and take its snapshot.

    Args:
        options: of the build, with the name of the collection in it.
        write: what writes the table, where it is not this process.
        summaries: of all units, where others have read them already.
        how: the vectors were computed, where this process did not.
    """
    files, source, job, before = begun.files, begun.source, begun.job, begun.before
    if summaries is None:
        summaries = (units.summary(units.require(files, n)) for n in range(len(source.units)))
    assembly = Assembly(files, summaries, before)
    if not assembly.count:
        first = assembly.excluded[0] if assembly.excluded else None
        reason = f" First reason: {first.path}: {first.reason}" if first else ""
        discard(files, before)
        raise IndexError_(f"No picture of the source could be used.{reason}", hint="Check the source.")
    counts = _counts(source, assembly)
    wanted = schema(job.columns, blobs=job.keep_bytes)
    (write or _write)(assembly, wanted, before is not None)
    base = ""
    if files.path is not None and source.base is not None:
        target = os.path.abspath(files.path)  # noqa: PTH100 - links kept as named
        base = Path(os.path.relpath(os.path.abspath(source.base), target)).as_posix()  # noqa: PTH100
        if before is not None and before.pictures != base:
            base = before.pictures  # rows added from elsewhere keep their bytes only if --bytes stored them
    said = options.coverage or (before.coverage if before else "The builder did not state what it covers.")
    taken = take(
        files,
        Statement(
            name=before.name if before else options.name,
            columns=job.columns,
            built=options.built or utc_now(),
            coverage=said,
            source=f"{source.kind}, {'; '.join(counts)}" + (f"; added to {before.tag}" if before else ""),
            pictures=base,
            made_by=how or made_by(job),
        ),
        options.tag,
        [*(_excluded(files, before) if before else ()), *assembly.excluded],
    )
    files.delete(units.PARTIAL)
    return Built(files.uri, taken, tuple(assembly.excluded), begun.earlier, counts)


def _counts(source: Source, assembly: Assembly) -> tuple[str, ...]:
    """The build in numbers: entries, without caption, left out by kind of reason, remarks, and files not looked at."""
    left_out = Counter(_kind_of(excluded) for excluded in assembly.excluded)
    reasons = ", ".join(f"{reason}: {count}" for reason, count in left_out.most_common(6))
    rows = [
        f"{assembly.count + len(assembly.excluded)} entries",
        f"{assembly.uncaptioned} without caption",
        f"{len(assembly.excluded)} left out" + (f" ({reasons})" if reasons else ""),
        *(f"{remark}: {count}" for remark, count in sorted(assembly.remarks.items())),
        "not looked at: " + (", ".join(source.not_looked_at) or "nothing"),
    ]
    return tuple(rows)


def _kind_of(excluded: Excluded) -> str:
    """A reason without the names and numbers of the one file it was given for."""
    reason = excluded.reason.replace(excluded.path, "").strip()
    return re.split(r"[:(\"'“]|\d", reason, maxsplit=1)[0].strip(" .")[:60] or "no reason"


def discard(files: Files, before: Snapshot | None) -> None:
    """Remove what a build that cannot succeed has put down."""
    files.delete(units.PARTIAL)
    if before is None and files.exists() and not files.names(""):
        files.delete("")


def made_by(job: Job) -> str:
    """How the vectors were computed, in words."""
    return f"torch {torch.__version__}, {job.threads} threads, {units.BATCH} pictures in one pass, float32"


class Assembly:
    """The finished units as one sequence of rows: a training id that occurs again is left out, ids are counted on."""

    def __init__(self, files: Files, summaries: Iterable[units.Summary], before: Snapshot | None) -> None:
        """Go through the training ids of all units once."""
        self.files = files
        self.first = 0
        seen: set[str] = set()
        if before is not None:
            from forensics.retrieval.readers.native import LanceIndex

            known = LanceIndex(files.uri, before.tag).table(["row_id", "training_id"])
            seen.update(known.column("training_id").to_pylist())
            self.first = 1 + (pc.max(known.column("row_id")).as_py() or 0)
        self.excluded: list[Excluded] = []
        self.keep: list[list[int]] = []
        self.starts: list[int] = []
        self.count = 0
        self.uncaptioned = 0
        self.remarks: Counter[str] = Counter()
        for unit in summaries:
            self.excluded += unit.excluded
            self.uncaptioned += unit.uncaptioned
            self.remarks.update(unit.remarks)
            chosen = []
            for place, (name, path) in enumerate(zip(unit.names, unit.paths, strict=True)):
                if name in seen:
                    self.excluded.append(Excluded(path or name, f"the training id {name!r} occurred before"))
                else:
                    seen.add(name)
                    chosen.append(place)
            self.starts.append(self.first + self.count)
            self.keep.append(chosen)
            self.count += len(chosen)

    def rows(self, number: int, wanted: pa.Schema) -> pa.RecordBatch:
        """The rows of one unit with their final ids."""
        return place_rows(self.files, number, self.keep[number], self.starts[number], wanted)

    def batches(self, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of all units, in order."""
        for number, keep in enumerate(self.keep):
            if keep:
                yield self.rows(number, wanted)


def place_rows(files: Files, number: int, keep: Sequence[int], start: int, wanted: pa.Schema) -> pa.RecordBatch:
    """These rows of one unit, numbered from `start`."""
    rows = units.require(files, number).rows.take(pa.array(keep, pa.int64()))
    columns = {n: rows.column(n) for n in wanted.names}
    columns["row_id"] = pa.array(np.arange(start, start + len(keep)), pa.int64())
    return pa.RecordBatch.from_arrays([columns[n] for n in wanted.names], schema=wanted)


def _write(assembly: Assembly, wanted: pa.Schema, append: bool) -> None:
    import lance

    if not append:
        assembly.files.delete(TABLE)  # of a build that was stopped while it wrote
    lance.write_dataset(
        assembly.batches(wanted),
        assembly.files.address(TABLE),
        schema=wanted,
        mode="append" if append else "create",
        data_storage_version=storage(wanted),
        max_rows_per_file=FRAGMENT_ROWS,
    )


def storage(wanted: pa.Schema) -> str:
    """Version of Lance's file format, pinned: what a newer one writes an older library cannot read."""
    return "2.0" if (wanted.field("image").metadata or {}).get(b"lance-encoding:blob") else "2.1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a snapshot says beyond its files."""

    name: str
    columns: tuple[Column, ...]
    built: str
    coverage: str
    source: str
    pictures: str
    made_by: str
    ann: tuple[snapshot.Approximate, ...] = ()
    more: tuple[str, ...] = ()
    """Files of the index that the table does not track: centroids, codebooks."""


def take(files: Files, said: Statement, tag: str, excluded: Sequence[Excluded]) -> Snapshot:
    """Tag the newest version of the table and write its snapshot."""
    import lance

    dataset = lance.dataset(files.address(TABLE))
    dataset.tags.create(tag, dataset.version)
    rows, dense, count = RowsDigest(), True, 0
    wanted = [n for n in ("row_id", *DIGESTED) if n in dataset.schema.names]
    for batch in dataset.scanner(columns=wanted, batch_size=4096).to_batches():
        ids = batch.column("row_id").to_numpy(zero_copy_only=False)
        dense = dense and bool(np.array_equal(ids, np.arange(count, count + len(ids))))
        count += len(ids)
        rows.add(batch)
    tracked = [
        f"{TABLE}/{row['path']}"
        for row in dataset.tracked_files().read_all().to_pylist()
        if row["version"] == dataset.version
    ]
    return snapshot.write(
        files,
        Snapshot(
            name=said.name,
            tag=tag,
            version=dataset.version,
            count=count,
            dense=dense,
            fragments=len(dataset.get_fragments()),
            columns=said.columns,
            built=said.built,
            coverage=said.coverage,
            source=said.source,
            pictures=said.pictures,
            excluded=len(excluded),
            excluded_file="",
            files=tuple(files.digest(path) for path in sorted({*tracked, *said.more})),
            rows_digest=rows.hexdigest(),
            tool=f"forensics {__version__}",
            libraries=(f"pylance {lance.__version__}", f"pyarrow {pa.__version__}", f"numpy {np.__version__}"),
            made_by=said.made_by,
            ann=said.ann,
        ),
        excluded,
    )


def restate(before: Snapshot, **changes: object) -> Statement:
    """What an earlier snapshot said, with changes."""
    said = Statement(
        before.name, before.columns, before.built, before.coverage, before.source, before.pictures, before.made_by
    )
    return replace(said, **changes)  # type: ignore[arg-type]


def remove(uri: Path | str, where: str, tag: str, reason: str) -> Snapshot:
    """Leave rows out from a new snapshot on, as an owner may ask; earlier snapshots keep them until they are forgotten.

    Args:
        uri: an index.
        where: condition on the columns, as in SQL.
        tag: of the new snapshot.
        reason: recorded with every row.

    Raises:
        IndexError_: no such rows, or the tag exists.
    """
    from forensics.retrieval.readers.native import LanceIndex

    snapshot.check_tag(tag)
    index = LanceIndex(str(uri))
    if tag in snapshot.tags(index.files):
        raise IndexError_(f"{uri} has a snapshot {tag!r} already.", hint="Name another.")
    import lance

    try:
        gone = index.dataset.to_table(columns=["training_id"], filter=where).column("training_id").to_pylist()
    except (OSError, ValueError, RuntimeError) as exc:
        raise IndexError_(f"The condition {where!r} cannot be used: {exc}.", hint="Write it as in SQL.") from exc
    if not gone:
        raise IndexError_(f"No row of {uri} meets the condition {where!r}.", hint="See `forensics index info`.")
    lance.dataset(index.files.address(TABLE)).delete(where)
    left_out = [*_excluded(index.files, index.snapshot), *(Excluded(name, reason) for name in gone)]
    said = restate(index.snapshot, source=f"{index.snapshot.source}; {len(gone)} rows removed: {reason}")
    return take(index.files, said, tag, left_out)


def excluded_rows(uri: Path | str, at: str | None = None) -> tuple[Excluded, ...]:
    """What a snapshot's source listed and the index does not hold."""
    files = Files(str(uri))
    return _excluded(files, snapshot.read(files, at))


def _excluded(files: Files, of: Snapshot) -> tuple[Excluded, ...]:
    lines = files.read(of.excluded_file).decode().splitlines()
    return tuple(Excluded(**json.loads(line)) for line in lines)
