"""A layout of an index added by one file and one row: one JSON file that lists pictures with their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from forensics import foreign, inputs
from forensics.case import IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval import exact
from forensics.retrieval.base import (
    CLIP,
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
    not_offered,
)
from forensics.retrieval.building.files import Files

LISTING = "collection.json"


class Collection:
    """A `TrainingIndex` and a `Store` over the rows of `collection.json`, read-only."""

    backend = "exact"
    versions: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        """Read the listing. Raises IndexError_ where it is no listing, or a vector has another length."""
        self.folder, self.listing = folder, folder / LISTING
        try:
            said = foreign.read_json(self.listing, 64 * foreign.MIB)
            self.rows: list[dict[str, Any]] = said["rows"]
            self.array = np.array([row["vector"] for row in self.rows], np.float32)
            self.column = Column(
                CLIP, said["embedder"], said["digest"], "as the embedder does", self.array.shape[1], ""
            )
        except (foreign.Unreadable, KeyError, TypeError, ValueError, IndexError) as exc:
            raise IndexError_(f"{self.listing} is no collection: {exc}.", hint="Obtain it again.") from exc

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By its listing."""
        return files.exists(LISTING)

    @classmethod
    def opened(cls, location: str, stated: Stated) -> Collection:
        """See `Reader`."""
        return cls(Path(location))

    def info(self) -> IndexInfo:
        """What it is."""
        facts = IndexFacts(
            name=self.folder.name,
            count=len(self.rows),
            embedder=f"{self.column.embedder} {self.column.digest}",
            digest=inputs.sha256(self.listing, IndexError_),
            built="2026-01-01T00:00:00Z",
            coverage="A collection of a test.",
            source="a listing with vectors",
        )
        able = Capabilities(exact=True, vectors=True, bytes=True, versions=False, filter=False)
        return IndexInfo(facts, (self.column,), able, facts.digest, "")

    def search(
        self,
        vectors: Vectors,
        k: int,
        mode: str = "exact",
        where: str | None = None,
        params: Params | None = None,
        column: str = CLIP,
    ) -> list[Hits]:
        """The exact search of this program over the vectors here."""
        queries = exact.checked(vectors, k, mode, (self.column,), column, self.folder.name)
        if mode == "ann" or where is not None:
            raise not_offered(self.folder.name, "approximate search" if mode == "ann" else "a search under a condition")
        said = f"All {len(self.rows)} rows were compared; none was skipped."
        return [exact.hits(found, said) for found in exact.search(self, column, queries, k)]

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows."""
        found = (self.rows[int(n)] for n in row_ids)
        return [Row(r["id"], r["caption"], r["creator"], r["sha256"], self.folder / r["file"]) for r in found]

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows."""
        return list(exact.cosines(self, column, vector, [int(n) for n in row_ids]))

    def verify(self, level: str = "quick") -> VerifyReport:
        """The one file is read when it is opened."""
        return VerifyReport(level, 1, self.listing.stat().st_size, len(self.rows) if level == "full" else 0)

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """There is nothing approximate here."""
        raise not_offered(self.folder.name, "approximate search, whose recall could be measured")

    def blocks(
        self, column: str, rows: int, where: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Every row, in order."""
        for start in range(0, len(self.rows), rows):
            block = self.array[start : start + rows]
            yield np.arange(start, start + len(block)), block

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) float64."""
        return self.array[list(numbers)].astype(np.float64)

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256, training id)."""
        return [(self.rows[n]["sha256"], self.rows[n]["id"]) for n in numbers]
