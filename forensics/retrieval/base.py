"""The seam between a collection of training images and whoever searches it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forensics.case import IndexFacts

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """One training image as the index knows it."""

    training_id: str
    caption: str
    creator: str
    sha256: str
    """Of the source file; empty where the index records none."""
    picture: Path | None
    """The picture itself, where the index ships it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row and its similarity to the query."""

    row: Row
    similarity: float
    """Cosine of unit vectors, in [-1, 1], summed in float64."""


class Index(Protocol):
    """A searchable collection. Results are exact and ordered by (-similarity, training_id)."""

    facts: IndexFacts
    backend: str
    embedder_digest: str
    """Digest of the embedder that made the vectors: a query made with another one is refused."""

    def search(self, queries: Vectors, k: int) -> list[list[Hit]]:
        """(Q, D) unit vectors -> for each query its k best rows. Raises IndexError_ on a wrong dimension."""
        ...


class Store(Protocol):
    """Where vectors and rows lie; a backend searches a store without knowing its layout."""

    facts: IndexFacts
    embedder_digest: str
    dimension: int
    count: int

    def blocks(self, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """(number of the first row, (n, D) vectors as stored, n <= rows), in order, covering every row once."""
        ...

    def vectors(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) vectors of these rows, widened without rounding."""
        ...

    def training_ids(self, numbers: Sequence[int]) -> list[str]:
        """Training ids of these rows."""
        ...

    def row(self, number: int) -> Row:
        """One row. Raises IndexError_ where its picture differs from the digest the index records."""
        ...
