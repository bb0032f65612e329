"""Training neighbours: open an index, search it, verify it. Building lies in `forensics.retrieval.building.build`.

A hit is not training; no hit is not absence. Which collection was searched, how complete it is and which model made the
vectors is part of every answer (`IndexFacts`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forensics.errors import IndexError_
from forensics.registry import Registry
from forensics.retrieval.base import (
    CLIP,
    COPY,
    Capabilities,
    Hit,
    Hits,
    IndexInfo,
    RecallReport,
    Row,
    TrainingIndex,
    Vectors,
    VerifyReport,
)

if TYPE_CHECKING:
    from torch import Tensor

    from forensics.retrieval.encoders import Encoder

PARTS = "parts"
"""In the place of a column: found by the copy descriptor of a part of the picture."""

READERS: Registry[Callable[..., TrainingIndex]] = Registry(
    "index engine",
    {
        "lance": "forensics.retrieval.readers.native:LanceIndex",
        "clip-retrieval": "forensics.retrieval.readers.folder:Folder",
        "faiss": "forensics.retrieval.readers.faiss_folder:FaissFolder",
        "img2dataset": "forensics.retrieval.readers.shards:Shards",
        "npy": "forensics.retrieval.readers.arrays:Arrays",
    },
)
"""Kinds of collections -> what reads them. The contract of every exact search: the results of a plain float64 sort."""


def kind(location: str) -> str:
    """Row of `READERS` for what lies at a path or address. Raises IndexError_ where there is nothing."""
    from forensics.retrieval.building import snapshot
    from forensics.retrieval.building.files import Files

    files = Files(location)
    if not files.exists():
        raise IndexError_(f"There is no index {location}.", hint="Make one with `forensics index build`.")
    if snapshot.exists(files):
        return "lance"
    if files.exists("partial/plan.json"):
        raise IndexError_(
            f"{location} is an index whose build was not finished.",
            hint="Give the same `forensics index build` command again; it goes on where it stopped.",
        )
    if files.exists("image.index") and not files.exists("manifest.json"):
        return "faiss"
    if files.size("") is not None:
        if location.endswith(".npy"):
            return "npy"
        raise IndexError_(f"{location} is a file of a kind not known.", hint="Give the folder of an index.")
    names = files.names("")
    if any(re.fullmatch(r"\d+\.parquet", name) for name in names):
        return "img2dataset"
    if any(name.endswith(".npy") for name in names) and not files.exists("img_emb"):
        return "npy"
    return "clip-retrieval"


def open(
    location: Path | str,
    at: str | None = None,
    *,
    embedder: str = "",
    embedder_digest: str = "",
    pictures: Path | None = None,
) -> TrainingIndex:
    """Open an index.

    Args:
        location: folder or address.
        at: tag of a snapshot, where the engine has versions; the newest where none is given.
        embedder: for collections that do not record it: what made the vectors, as the user states it.
        embedder_digest: likewise, so that a query with another model can be refused.
        pictures: for collections that hold none: the folder that their rows' paths start from.

    Raises:
        IndexError_: missing, damaged, misaligned, empty, or not unit vectors.
    """
    chosen = kind(str(location))
    if chosen == "lance":
        return READERS.load(chosen)(str(location), at)
    if at is not None:
        raise IndexError_(
            f"{location} has no snapshots to choose from.", hint="Make a native index of it: `forensics index import`."
        )
    more = {"pictures": pictures} if chosen == "faiss" else {}
    return READERS.load(chosen)(Path(location), embedder=embedder, embedder_digest=embedder_digest, **more)


def prove(index: TrainingIndex, encoder: Encoder) -> None:
    """Let a collection that nothing vouches for show that its rows describe its vectors, and that this model made them.

    Raises:
        IndexError_: it shows the contrary.
    """
    probe = getattr(index, "probe", None)
    if probe is not None and encoder.column == CLIP:
        probe(encoder)


def check_model(info: IndexInfo, encoder: Encoder) -> None:
    """Raises IndexError_ where the vectors of a column were made with another model, or none is recorded."""
    name = info.facts.name
    column = next((c for c in info.columns if c.name == encoder.column), None)
    if column is None:
        raise IndexError_(f"The index {name!r} has no vectors {encoder.column!r}.", hint="Build it with that model.")
    if not column.digest:
        raise IndexError_(
            f"The index {name!r} does not record which model made its vectors.",
            hint="Give --pictures, so that its rows can show it, or --stated; a wrong model gives neighbours without "
            "meaning.",
        )
    if column.digest != encoder.digest:
        raise IndexError_(
            f"The index {name!r} was made with {column.embedder} {column.digest}, "
            f"the query with {encoder.name} {encoder.digest}.",
            hint="Use the model of the index, with the same preparation of pictures, or build the index again.",
        )


def search(
    index: TrainingIndex,
    encoders: Sequence[Encoder],
    pictures: Tensor | Sequence[Tensor],
    k: int,
    *,
    mode: str = "exact",
) -> list[list[Hit]]:
    """The k best rows for each picture, refused unless the index was made with these very models.

    Args:
        index: where to search.
        encoders: models of the columns to search, the column of meaning first.
        pictures: (B, 3, H, W) in [0, 1], or a list of such batches of different sizes.
        k: rows wanted.
        mode: `exact` compares every row, whatever approximate index there is; `ann` is for looking around.

    Raises:
        IndexError_: another model, or an index that does not say which one made it.
    """
    for encoder in encoders:
        prove(index, encoder)
        check_model(index.info(), encoder)
    from forensics.retrieval import parts

    queries = {e.column: e.pictures(pictures) for e in encoders}
    batches = [pictures] if hasattr(pictures, "shape") else pictures
    copies = [e for e in encoders if e.column == COPY]
    found = [parts.search(index, e, one[None], k, mode) for e in copies for batch in batches for one in batch]
    return search_vectors(index, queries, k, mode=mode, parts=found or None)


def search_vectors(
    index: TrainingIndex,
    queries: Mapping[str, Vectors],
    k: int,
    *,
    mode: str = "exact",
    parts: Sequence[Hits] | None = None,
) -> list[list[Hit]]:
    """The k best rows over all columns.

    The k best of every column are put together, scored again in every column, and ordered by their better rank: first
    whatever is first in some column, then whatever is second, and so on; at one rank the columns take turns in the
    order given. No threshold, and no exchange rate between two models' cosines, enters.

    Args:
        index: where to search.
        queries: column -> (Q, D) unit vectors, the same pictures in every column.
        k: rows wanted.
        mode: `exact`, or `ann` for looking around.
        parts: for each picture what its parts found (`forensics.retrieval.parts`); they take their turn last.
    """
    found = {column: index.search(vectors, k, mode=mode, column=column) for column, vectors in queries.items()}
    count = len(next(iter(found.values())))
    return [
        _together(index, {c: (queries[c][i], found[c][i]) for c in found}, parts[i] if parts else None, k)
        for i in range(count)
    ]


def turns(answers: Mapping[str, Hits], k: int) -> dict[int, list[str]]:
    """Rows among the k best of some column, in the order in which the columns take turns -> what found them."""
    found_by: dict[int, list[str]] = {}
    for rank in range(k):
        for column, hits in answers.items():
            if rank < len(hits.row_ids):
                found_by.setdefault(int(hits.row_ids[rank]), []).append(column)
    return found_by


def _together(
    index: TrainingIndex, answers: Mapping[str, tuple[Vectors, Hits]], parts: Hits | None, k: int
) -> list[Hit]:
    asked = {column: hits for column, (_, hits) in answers.items()} | ({PARTS: parts} if parts else {})
    found_by = turns(asked, k)
    chosen = list(found_by)[:k]
    first = next(iter(answers))
    scores = {}
    for column, (query, hits) in answers.items():
        # Where no vectors were kept, what the approximate index made of them is all there is.
        estimates = dict(zip(hits.row_ids.tolist(), hits.scores.tolist(), strict=True))
        known = index.scores(query, chosen, column)
        scores[column] = [estimates.get(n) if s is None else s for n, s in zip(chosen, known, strict=True)]
    if parts is not None:
        by_part = dict(zip(parts.row_ids.tolist(), parts.scores.tolist(), strict=True))
        scores[PARTS] = [by_part.get(number) for number in chosen]
    return [
        Hit(
            row=row,
            similarity=_number(scores[first][place]),
            row_id=number,
            scores=tuple((c, s) for c in asked if (s := scores[c][place]) is not None),
            found_by=tuple(c for c in asked if c in found_by[number]),
        )
        for place, (number, row) in enumerate(zip(chosen, index.fetch(chosen), strict=True))
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def verify(location: Path | str, at: str | None = None) -> VerifyReport:
    """Read every digest, every row and every vector's norm.

    Raises:
        IndexError_: names the first thing that differs, or says that there is nothing to verify against.
    """
    return open(location, at).verify("full")


__all__ = [
    "CLIP",
    "COPY",
    "PARTS",
    "READERS",
    "Capabilities",
    "Hit",
    "Hits",
    "IndexInfo",
    "RecallReport",
    "Row",
    "TrainingIndex",
    "VerifyReport",
    "check_model",
    "kind",
    "open",
    "prove",
    "search",
    "search_vectors",
    "turns",
    "verify",
]
