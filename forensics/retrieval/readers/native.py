"""The native index: a Lance table opened at a snapshot. Importing Lance takes seconds, so it waits for first use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forensics import inputs
from forensics.case import Fact, IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval import exact, recall
from forensics.retrieval.base import (
    CLIP,
    COPY,
    Capabilities,
    Column,
    Hits,
    IndexInfo,
    Params,
    RecallReport,
    Row,
    Stated,
    Vectors,
    VerifyReport,
    described,
)
from forensics.retrieval.building import snapshot
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.snapshot import REBUILD, TABLE, Approximate, Snapshot
from forensics.retrieval.building.table import DIGESTED, RowsDigest, matrix, to_row
from forensics.retrieval.readers.layout import UNIT_TOLERANCE

if TYPE_CHECKING:
    import lance

QUICK_BYTES = 64 << 20
"""Up to this size every digest is checked on opening; above it only sizes, and `forensics index verify` reads all."""
_ROW = ("row_id", "training_id", "caption", "creator", "sha256", "url", "licence", "path", "image_kind", "repetitions")


class LanceIndex:
    """A `TrainingIndex` and a `Store` over one snapshot."""

    backend = "exact"
    versions: ClassVar[bool] = True

    def __init__(self, uri: str, at: str | None = None) -> None:
        """Open a snapshot.

        Args:
            uri: folder or address of the index.
            at: tag of the snapshot; the one of the highest version where none is given.

        Raises:
            IndexError_: missing, damaged, or not what the snapshot says.
        """
        self.files = Files(uri)
        self.snapshot: Snapshot = snapshot.read(self.files, at)
        self.read_all = self.snapshot.size_bytes <= QUICK_BYTES
        (snapshot.check_digests if self.read_all else snapshot.check_sizes)(self.files, self.snapshot)
        self._dataset: Any = None
        base = self.files.path / self.snapshot.pictures if self.files.path and self.snapshot.pictures else None
        self.pictures = Path(os.path.normpath(base.absolute())) if base else None
        self.facts = self._facts()

    @property
    def embedder_digest(self) -> str:
        """Digest of the model of the first column of vectors."""
        return self.snapshot.columns[0].digest

    @property
    def dataset(self) -> lance.LanceDataset:
        """The table at the snapshot's version. Raises IndexError_ where it is not readable or its tag was moved."""
        if self._dataset is None:
            os.environ.setdefault("LANCE_LOG", "error")
            import lance

            try:
                found = lance.dataset(self.files.address(TABLE), version=self.snapshot.version)
                tag = found.tags.list().get(self.snapshot.tag)
            except (OSError, ValueError, RuntimeError) as exc:
                raise IndexError_(f"{self.files.uri} is not a readable table: {exc}.", hint=REBUILD) from exc
            if tag is not None and tag["version"] != self.snapshot.version:
                raise IndexError_(
                    f"The tag {self.snapshot.tag!r} of {self.files.uri} was moved to version {tag['version']}; the "
                    f"snapshot is of version {self.snapshot.version}.",
                    hint="Someone changed the tag after the snapshot was taken; obtain the index again.",
                )
            self._dataset = found
        return self._dataset

    # Reader

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By a snapshot."""
        return snapshot.exists(files)

    @classmethod
    def opened(cls, location: str, stated: Stated) -> LanceIndex:
        """See `Reader`. The snapshot says what made its vectors and where its pictures lie."""
        return cls(location, stated.at)

    # TrainingIndex

    def info(self) -> IndexInfo:
        """What it is."""
        s = self.snapshot
        return IndexInfo(
            facts=self.facts,
            columns=s.columns,
            capabilities=Capabilities(exact=True, vectors=True, bytes=True, versions=True, filter=True),
            snapshot=s.root,
            rows_digest=s.rows_digest,
        )

    def search(
        self,
        vectors: Vectors,
        k: int,
        mode: str = "exact",
        where: str | None = None,
        params: Params | None = None,
        column: str = CLIP,
    ) -> list[Hits]:
        """The k best rows of each query. See `TrainingIndex`."""
        queries = self.checked(vectors, k, column, mode)
        with condition(where):
            if mode == "ann":
                return [self._browse(query, k, where, params or {}, column) for query in queries]
            found = exact.search(self, column, queries, k, where)
        return [exact.hits(rows, self.coverage(column, where)) for rows in found]

    def checked(self, vectors: Vectors, k: int, column: str, mode: str = "exact") -> NDArray[np.float32]:
        """Queries as the engine takes them. Raises as `search` does."""
        return exact.checked(vectors, k, mode, self.snapshot.columns, column, self.facts.name)

    def coverage(self, column: str, where: str | None) -> str:
        """What an exact search compared, as a sentence."""
        s = self.snapshot
        chosen = f" that meet the condition {where}" if where else ""
        return (
            f"All rows{chosen} with a vector in {column} were compared, of {s.count} rows in {s.fragments} of "
            f"{s.fragments} fragments; none was skipped."
        )

    def approximate(self, column: str) -> Approximate:
        """The approximate index of a column. Raises IndexError_ where the snapshot has none."""
        for one in self.snapshot.ann:
            if one.column == column:
                return one
        raise IndexError_(
            f"The snapshot {self.snapshot.tag!r} of {self.files.uri} has no approximate index of {column}.",
            hint="Make one with `forensics index approximate`, or search exactly: every row is then compared.",
        )

    def _browse(self, query: NDArray[np.float32], k: int, where: str | None, params: Params, column: str) -> Hits:
        """The rows that the approximate index proposes, scored and ordered as in an exact search."""
        one = self.approximate(column)
        nprobes, refine = params.get("nprobes", one.nprobes), params.get("refine", one.refine)
        # A condition thins the partitions out, so more of them may have to be read than stated.
        probes = {"minimum_nprobes": nprobes} if where else {"nprobes": nprobes}
        table = self.dataset.scanner(
            columns=["row_id", column, "sha256", "training_id"],
            nearest={"column": column, "q": query, "k": k, "refine_factor": refine, "metric": "cosine", **probes},
            filter=where,
            prefilter=where is not None,
            disable_scoring_autoprojection=True,
        ).to_table()
        proposed = _Proposed(table, column)
        rows = exact.ranked(proposed, column, query, table.column("row_id").to_numpy(), k)
        coverage = (
            f"An approximate index of {one.partitions} partitions proposed the rows: {nprobes} partitions were read "
            f"and {refine * k} rows compared again with their stored vectors. Nothing is said of the others."
        )
        return exact.hits(rows, coverage, mode="ann")

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows, in this order."""
        ids = [int(n) for n in row_ids]
        return [self._row(values) for values in self._take(ids, list(_ROW)).to_pylist()] if ids else []

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows."""
        found = exact.cosines(self, column, vector, [int(n) for n in row_ids])
        return [None if np.isnan(s) else s for s in found]

    def verify(self, level: str = "quick") -> VerifyReport:
        """Sizes, or every byte, every row and every vector."""
        s = self.snapshot
        if level not in ("quick", "full"):
            raise ValueError(f"level is {level!r}; expected 'quick' or 'full'")
        if level == "quick":
            snapshot.check_sizes(self.files, s)
            return VerifyReport(level, len(s.files), s.size_bytes, 0)
        snapshot.check_digests(self.files, s)
        rows = RowsDigest()
        wanted = [name for name in DIGESTED if name in self.dataset.schema.names]
        for batch in self.dataset.scanner(columns=wanted, batch_size=4096).to_batches():
            rows.add(batch)
        if (rows.count, rows.hexdigest()) != (s.count, s.rows_digest):
            raise IndexError_(
                f"{self.files.uri} holds {rows.count} rows with the digest {rows.hexdigest()}; its snapshot "
                f"{s.tag!r} states {s.count} rows with the digest {s.rows_digest}.",
                hint=REBUILD,
            )
        for column in s.columns:
            self._check_unit(column)
        return VerifyReport(level, len(s.files), s.size_bytes, rows.count)

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """Approximate against exact search, query by query."""
        self.approximate(column)
        return self.recall(self.checked(queries, k, column), k, params or {}, column)

    def recall(
        self, queries: NDArray[np.float32], k: int, params: Params, column: str, own: Sequence[int] = ()
    ) -> RecallReport:
        """As `measure_recall`; `own`: the row that each query was taken from, which is left out of both answers."""
        one = self.approximate(column)
        wanted = k + 1 if len(own) else k
        truth = self.search(queries, wanted, column=column)
        found, seconds = [], []
        for query in queries:
            began = time.perf_counter()
            found.append(self.search(query[None], wanted, "ann", None, params, column)[0])
            seconds.append(time.perf_counter() - began)
        without = list(own) or [-1] * len(queries)

        def ids(answers: Sequence[Hits]) -> list[list[int]]:
            return [
                [int(n) for n in hits.row_ids if n != mine][:k] for hits, mine in zip(answers, without, strict=True)
            ]

        used = {"nprobes": params.get("nprobes", one.nprobes), "refine": params.get("refine", one.refine)}
        return recall.report(ids(truth), ids(found), seconds, k, used)

    # Store

    def blocks(
        self, column: str, rows: int, where: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Every row that has a vector."""
        yield from scan(self.dataset, column, rows, where)

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) float64; NaN where a row has no vector."""
        dimension = described(self.snapshot.columns, self.facts.name, column).dimension
        if not len(numbers):
            return np.zeros((0, dimension))
        values = self._take(numbers, ["row_id", column]).column(column)
        out = np.full((len(numbers), dimension), np.nan)
        present = np.flatnonzero(~values.is_null().to_numpy())
        if len(present):
            out[present] = matrix(values.combine_chunks().drop_null())
        return out

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256, training id) of these rows."""
        if not len(numbers):
            return []
        table = self._take(numbers, ["row_id", "sha256", "training_id"])
        digests, names = table.column("sha256").to_pylist(), table.column("training_id").to_pylist()
        return [(d.hex() if d else "", n or "") for d, n in zip(digests, names, strict=True)]

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Whole columns, in the order of the table."""
        return self.dataset.to_table(columns=list(columns))

    def values(self, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """These columns of these rows, in this order."""
        ids = [int(n) for n in numbers]
        return list(self._take(ids, ["row_id", *columns]).to_pylist()) if ids else []

    def _take(self, numbers: Sequence[int], columns: list[str]) -> pa.Table:
        if self.snapshot.dense:
            if not all(0 <= n < self.snapshot.count for n in numbers):
                raise IndexError_(f"A row asked for is not in {self.files.uri}.", hint="Row ids come from a search.")
            # Lance gives each row once, sorted, whatever the order asked for.
            once = sorted(set(numbers))
            found = self.dataset.take(once, columns=columns)
        else:
            once = sorted(set(numbers))
            found = self.dataset.to_table(columns=columns, filter=f"row_id IN ({', '.join(map(str, once))})")
        place = {n: i for i, n in enumerate(found.column("row_id").to_pylist())}
        try:
            return found.take([place[n] for n in numbers])
        except KeyError as exc:
            raise IndexError_(f"Row {exc} is not in {self.files.uri}.", hint="Row ids come from a search.") from exc

    def _row(self, values: dict[str, Any]) -> Row:
        picture = image = None
        if values["path"] and self.pictures is not None:
            found = Path(os.path.normpath(self.pictures / values["path"]))
            # A row must not name files outside the pictures' folder, by `..` or by an absolute path.
            if found.is_relative_to(self.pictures) and found.is_file():
                picture = found
                if values["sha256"] and inputs.sha256(found, IndexError_) != values["sha256"].hex():
                    raise IndexError_(f"{found} differs from the digest that the index records for it.", hint=REBUILD)
        if picture is None and values["image_kind"] not in (None, "none"):
            image = self._image(values["row_id"])
        return to_row(values, picture=picture, image=image)

    def _image(self, number: int) -> bytes | None:
        if self.snapshot.dense:
            blobs = self.dataset.take_blobs("image", indices=[number])
        else:
            where = f"row_id = {number}"
            ids = self.dataset.to_table(columns=["row_id"], filter=where, with_row_id=True).column("_rowid").to_pylist()
            blobs = self.dataset.take_blobs("image", ids=ids)
        return blobs[0].readall() if blobs and blobs[0] is not None else None

    def _check_unit(self, column: Column) -> None:
        tolerance = UNIT_TOLERANCE[column.dtype]
        for numbers, block in self.blocks(column.name, 16384):
            bad = np.flatnonzero(~(np.abs(np.linalg.norm(block.astype(np.float64), axis=1) - 1) <= tolerance))
            if len(bad):
                raise IndexError_(
                    f"Vector {int(numbers[bad[0]])} of {column.name} in {self.files.uri} is not a unit vector.",
                    hint="Store embeddings divided by their Euclidean norm; they are not normalised silently.",
                )

    def _facts(self) -> IndexFacts:
        s = self.snapshot
        how = "digests of all files read" if self.read_all else "sizes only: `forensics index verify` reads all digests"
        first = s.columns[0]
        copies = s.column(COPY)
        return IndexFacts(
            name=s.name,
            count=s.count,
            embedder=f"{first.embedder} {first.digest}",
            digest=s.digest,
            built=s.built,
            coverage=s.coverage,
            source=s.source,
            facts=(
                Fact("engine", f"Lance table ({', '.join(s.libraries)})"),
                Fact("snapshot", f"{s.tag}, version {s.version}"),
                Fact("digest of the files", s.root),
                Fact("digest of the rows", s.rows_digest),
                Fact("dimension", str(first.dimension)),
                Fact("storage", first.dtype),
                Fact("metric", s.metric),
                Fact("preprocessing", first.preprocessing),
                Fact("copy descriptor", f"{copies.embedder} {copies.digest}" if copies else "no vectors in this index"),
                Fact("excluded from the source", str(s.excluded)),
                Fact("vectors computed", s.made_by),
                Fact("verification on opening", how),
                Fact("made with", s.tool),
                *(
                    Fact(
                        f"approximate index of {a.column}",
                        f"{a.kind}, {a.partitions} partitions; {a.trained_with}; for looking around only",
                    )
                    for a in s.ann
                ),
            ),
        )


class _Proposed:
    """Rows that are already read, for the order of the exact search."""

    def __init__(self, table: pa.Table, column: str) -> None:
        self._place = {n: i for i, n in enumerate(table.column("row_id").to_pylist())}
        self._table, self._vectors = table, matrix(table.column(column).combine_chunks())

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) float64."""
        return np.asarray(self._vectors[[self._place[n] for n in numbers]], dtype=np.float64)

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256, training id)."""
        digests, names = (self._table.column(c).to_pylist() for c in ("sha256", "training_id"))
        return [(digests[i].hex() if digests[i] else "", names[i] or "") for i in map(self._place.__getitem__, numbers)]


@contextmanager
def condition(where: str | None) -> Iterator[None]:
    """A search under a condition, whose refusal by the engine becomes ours; without one the error is another's."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as exc:
        if where is None:
            raise
        raise IndexError_(f"The condition {where!r} cannot be used: {exc}.", hint="Write it as in SQL.") from exc


def scan(
    dataset: Any, column: str, rows: int, where: str | None = None, fragments: Sequence[int] | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Vectors of a table in blocks, null ones left out; of some of its fragments where these are named."""
    chosen = None if fragments is None else [dataset.get_fragment(n) for n in fragments]
    scanner = dataset.scanner(
        columns=["row_id", column], batch_size=rows, batch_readahead=2, filter=where, fragments=chosen
    )
    for batch in scanner.to_batches():
        values = batch.column(1)
        numbers = batch.column(0).to_numpy(zero_copy_only=False)
        if values.null_count:
            present = ~values.is_null().to_numpy(zero_copy_only=False)
            numbers, values = numbers[present], values.drop_null()
        if len(values):
            yield numbers, matrix(values)
