"""The seam between a collection of training images and whoever searches it.

`TrainingIndex` is what an examination sees: its methods, and a declaration of what an engine cannot do. `Store` is what
the exact search needs of a place where vectors lie; an engine that is a store gets exact search for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from forensics.case import IndexFacts
from forensics.errors import IndexError_

if TYPE_CHECKING:
    from forensics.retrieval.building.files import Files

Vectors = NDArray[np.float32]
Params = Mapping[str, int]
"""Parameters of an approximate search: `nprobes`, `refine`."""

CLIP = "vec_clip"
"""Column of the vectors that stand for subject and meaning."""
COPY = "vec_copy"
"""Column of the vectors that stand for the picture itself: the copy descriptor."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training image as the index knows it."""

    training_id: str
    caption: str
    creator: str
    sha256: str
    """Of the bytes as stored; empty where the index records none."""
    picture: Path | None
    """The picture's file, where the index ships it as one."""
    image: bytes | None = None
    """The picture's bytes, where the index itself holds them."""
    url: str = ""
    licence: str = ""
    repetitions: int | None = None
    """How often the source states that this image stood in the training set; none where it states nothing."""
    source_sha256: str = ""
    """Of the bytes as downloaded, before they were resized, where that is recorded beside the other."""

    @property
    def lead(self) -> bool:
        """Whether this is a lead only: a row without picture and digest, to be fetched, hashed and embedded again."""
        return not self.sha256 and self.picture is None and self.image is None


@dataclass(frozen=True, slots=True)
class Hit:
    """A row and its similarity to the query."""

    row: Row
    similarity: float
    """Cosine of the vectors of the first column searched, in [-1, 1], summed in float64."""
    row_id: int = -1
    scores: tuple[tuple[str, float], ...] = ()
    """(column, cosine) for every column in which the row has a vector."""
    found_by: tuple[str, ...] = ()
    """Columns in which the row is among the k best."""
    places: int | None = None
    """Distinct places at which local features agree with the query; none where its picture was not laid over."""
    fused: float | None = None
    """What the order follows (`forensics.retrieval.order`); none where one column alone was asked."""

    def score(self, column: str) -> float | None:
        """The cosine in this column; none where the row has no vector there."""
        return dict(self.scores).get(column)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do with a collection. What it cannot is printed, never emulated."""

    exact: bool
    """Every row can be compared with a query."""
    vectors: bool
    """The vectors themselves can be read back, so that scores can be computed again."""
    bytes: bool
    """Pictures can be read, from the index or from files beside it."""
    versions: bool
    """A snapshot can be cited and opened again after later changes."""
    filter: bool
    """A search can be restricted to rows by a condition on their columns."""

    @property
    def sentence(self) -> str:
        """In words, with what is missing named."""
        words = {
            "exact": "exact search",
            "vectors": "stored vectors",
            "bytes": "pictures",
            "versions": "citable snapshots",
            "filter": "search under a condition",
        }
        can = [text for name, text in words.items() if getattr(self, name)]
        cannot = [text for name, text in words.items() if not getattr(self, name)]
        return f"{', '.join(can) or 'none'}" + (f"; not offered: {', '.join(cannot)}" if cannot else "")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of vectors and the model that made it."""

    name: str
    embedder: str
    digest: str
    """Of weights, architecture and preparation of pictures: a query made with another one is refused."""
    preprocessing: str
    dimension: int
    dtype: str


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a collection is: the part of a citation that does not depend on the query."""

    facts: IndexFacts
    columns: tuple[Column, ...]
    capabilities: Capabilities
    snapshot: str
    """Digest over the files of the snapshot; empty where the engine has none."""
    rows_digest: str
    """Digest over the rows, whatever stores them; empty where it was never computed."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The answer to one query: rows ordered by (-score, SHA-256 of the image, training id)."""

    row_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    mode: str
    """`exact`: all rows were compared. `ann`: an approximate index chose them; nothing is said of what it left out."""
    coverage: str
    """How much of the collection was compared, as a sentence."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verification read and found in order. A difference is an error, never an entry here."""

    level: str
    files: int
    size_bytes: int
    rows: int
    """Rows whose digest and vectors were computed again; 0 at level `quick`."""


@dataclass(frozen=True, slots=True)
class RecallReport:
    """How much an approximate search finds of what the exact one finds, on this very snapshot."""

    queries: int
    k: int
    params: tuple[tuple[str, int], ...]
    mean: float
    p5: float
    """5th percentile over the queries."""
    top1_missed: float
    """Share of queries whose true first row was not found."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    milliseconds: float
    """Median wall time of one approximate query."""


class TrainingIndex(Protocol):
    """A collection of training images. Opened by `forensics.retrieval.open(uri, at=None)`, the sixth method."""

    def info(self) -> IndexInfo:
        """What it is, with its declared capabilities."""
        ...

    def search(
        self,
        vectors: Vectors,
        k: int,
        mode: str = "exact",
        where: str | None = None,
        params: Params | None = None,
        column: str = CLIP,
    ) -> list[Hits]:
        """(Q, D) unit vectors -> for each query its k best rows.

        Raises:
            IndexError_: a wrong dimension, or something this engine does not offer.
            ValueError: not (Q, D), not finite, not of norm one, k below 1, or an unknown mode.
        """
        ...

    def fetch(self, row_ids: Sequence[int]) -> list[Row]:
        """These rows, in this order. Raises IndexError_ where a picture differs from the digest recorded."""
        ...

    def scores(self, vector: Vectors, row_ids: Sequence[int], column: str) -> list[float | None]:
        """The cosine of one (D,) query with these rows, in float64; none for a row without a vector there."""
        ...

    def verify(self, level: str = "quick") -> VerifyReport:
        """`quick`: presence and sizes; `full`: every digest, every row. Raises IndexError_ naming what differs."""
        ...

    def measure_recall(
        self, queries: Vectors, k: int = 20, params: Params | None = None, column: str = CLIP
    ) -> RecallReport:
        """Approximate against exact search. Raises IndexError_ where there is nothing approximate, or no vectors."""
        ...


@dataclass(frozen=True, slots=True)
class Stated:
    """What a user states of a collection that does not say it itself."""

    at: str | None = None
    """Tag of a snapshot; the newest where none is given."""
    embedder: str = ""
    """What made the vectors."""
    embedder_digest: str = ""
    """Likewise, so that a query with another model can be refused."""
    pictures: Path | None = None
    """Folder that the paths of the rows start from."""


class Reader(Protocol):
    """A class of collections in one layout: a row of `forensics.retrieval.READERS`."""

    versions: ClassVar[bool]
    """Whether a collection has snapshots to choose from."""

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Whether what lies there is in this layout, by the names of its files. The first row that does has it."""
        ...

    @classmethod
    def opened(cls, location: str, stated: Stated) -> TrainingIndex:
        """The collection at a path or address. Raises IndexError_ where it is damaged or lacks something."""
        ...


def described(columns: Sequence[Column], index: str, column: str) -> Column:
    """The column of this name. Raises IndexError_ where the index has none."""
    for one in columns:
        if one.name == column:
            return one
    raise IndexError_(
        f"The index {index!r} has no vectors {column!r}.", hint=f"It has: {', '.join(c.name for c in columns)}."
    )


def not_offered(index: str, what: str) -> IndexError_:
    """The error for something an engine has declared that it cannot do."""
    return IndexError_(
        f"The index {index!r} does not offer {what}.",
        hint="`forensics index info` lists what it offers; `forensics index import` makes a native index of it.",
    )


class Store(Protocol):
    """Where vectors and rows lie; the exact search reads it without knowing its layout. Rows are named by number."""

    def blocks(
        self, column: str, rows: int, where: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """((n,) row numbers, (n, D) vectors as stored), n <= rows, covering once every row that has a vector."""
        ...

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) vectors of these rows, widened without rounding; NaN where a row has none."""
        ...

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256 of the image, training id) of these rows: what breaks ties."""
        ...
