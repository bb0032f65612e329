"""A layout of an index added by one file and one row: a JSON file that lists pictures, raw numbers beside it."""

from __future__ import annotations

import json
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
    described,
    not_offered,
)
from forensics.retrieval.building.files import Files

LISTING, VECTORS = "collection.json", "vectors.f32"


def write(folder: Path, said: dict[str, str], rows: list[dict[str, str]], vectors: NDArray[np.float32]) -> Path:
    """A folder in this layout: its name and what made its vectors, one row a picture, (N, D) vectors."""
    folder.mkdir(parents=True)
    listing = said | {"dimension": vectors.shape[1], "rows": rows}
    (folder / LISTING).write_text(json.dumps(listing), encoding="utf-8")
    (folder / VECTORS).write_bytes(vectors.astype("<f4").tobytes())
    return folder


class Collection:
    """A `TrainingIndex` and a `Store` over the rows of `collection.json`, read-only."""

    backend = "exact"
    versions: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        """Read the listing. Raises IndexError_ where it is none, or the numbers are not as many as it says."""
        self.folder, self.listing = folder, folder / LISTING
        try:
            said = foreign.read_json(self.listing, 64 * foreign.MIB)
            self.rows: list[dict[str, Any]] = said["rows"]
            self.name: str = said["name"]
            numbers = np.frombuffer(foreign.read(folder / VECTORS, 64 * foreign.MIB), "<f4")
            self.array = numbers.reshape(len(self.rows), int(said["dimension"]))
            made_by, dimension = (said["embedder"], said["digest"]), self.array.shape[1]
            self.column = Column(CLIP, *made_by, "as the embedder does", dimension, "float32")
        except (foreign.Unreadable, KeyError, TypeError, ValueError) as exc:
            raise IndexError_(f"{self.listing} is no collection: {exc}.", hint="Obtain it again.") from exc

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """By its two files."""
        return files.exists(LISTING) and files.exists(VECTORS)

    @classmethod
    def opened(cls, location: str, stated: Stated) -> Collection:
        """See `Reader`."""
        return cls(Path(location))

    def info(self) -> IndexInfo:
        """What it is."""
        facts = IndexFacts(
            name=self.name,
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
        queries = exact.checked(vectors, k, mode, (self.column,), column, self.name)
        if mode == "ann" or where is not None:
            raise not_offered(self.name, "approximate search" if mode == "ann" else "a search under a condition")
        said = f"All {len(self.rows)} rows were compared; none was skipped."
        return [exact.hits(found, said) for found in exact.search(self, column, queries, k)]

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows."""
        found = (self.rows[int(n)] for n in row_ids)
        place = self.folder
        return [
            Row(r["id"], r["caption"], r["creator"], r["sha256"], place / r["file"] if r["file"] else None)
            for r in found
        ]

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one query with these rows."""
        described((self.column,), self.name, column)
        return list(exact.cosines(self, column, vector, [int(n) for n in row_ids]))

    def verify(self, level: str = "quick") -> VerifyReport:
        """Both files are read when it is opened."""
        size = sum((self.folder / name).stat().st_size for name in (LISTING, VECTORS))
        return VerifyReport(level, 2, size, len(self.rows) if level == "full" else 0)

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """There is nothing approximate here."""
        raise not_offered(self.name, "approximate search, whose recall could be measured")

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
