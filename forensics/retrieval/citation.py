"""The part of a citation that depends on the query: what was asked and compared, and how often the hits recur."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from forensics.case import Fact
from forensics.retrieval.base import Duplicates, Hit, TrainingIndex, Vectors
from forensics.retrieval.duplicates import RULE, Collection
from forensics.retrieval.native import LanceIndex

READING = (
    "A hit shows likeness by this model of likeness, not that a work was used in training; that nothing was found does "
    "not show that it was not used."
)


def query_facts(queries: Mapping[str, Vectors], k: int, coverage: str) -> tuple[Fact, ...]:
    """What was asked. `queries`: column -> (D,) vector of the disputed image."""
    return (
        *(
            Fact(f"query vector, {column}", f"SHA-256 {hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest()}")
            for column, v in queries.items()
        ),
        Fact("search", f"exact, {k} rows; ordered by cosine (float64), then by SHA-256 of the image"),
        Fact("compared", coverage),
        Fact("recall", "All rows were compared, so no figure of recall applies; it is relative to the models named."),
        Fact("computed on", f"{platform.machine()}, numpy {np.__version__}; candidates in float32, scores in float64"),
        Fact("how to read it", READING),
    )


def hit_facts(hits: Sequence[Hit]) -> tuple[Fact, ...]:
    """What the rows of the table of neighbours do not say: every column's score, licence, whether bytes were seen."""
    return tuple(Fact(f"rank {rank}", _hit(hit)) for rank, hit in enumerate(hits, 1))


def _hit(hit: Hit) -> str:
    parts = [f"{column} {score:.6f}" for column, score in hit.scores]
    parts.append(f"among the nearest of {' and '.join(hit.found_by)}")
    parts.append(f"licence as the source states it: {hit.row.licence}" if hit.row.licence else "no licence recorded")
    if hit.row.url:
        parts.append(hit.row.url)
    parts.append("a lead only: no bytes were seen" if hit.row.lead else "bytes were hashed and embedded")
    return "; ".join(parts)


def repeat_facts(index: TrainingIndex, disputed: Image.Image, hits: Sequence[Hit]) -> tuple[Fact, ...]:
    """How often the disputed image and every hit recur in the collection."""
    if not isinstance(index, LanceIndex):
        return (Fact("near-duplicates", "not counted: this collection stores no perceptual hashes"),)
    rows = Collection(index)
    found = [("the disputed image", rows.of_picture("the disputed image", disputed))]
    found += [(f"rank {rank}", d) for rank, hit in enumerate(hits, 1) if (d := rows.of_row(hit.row)) is not None]
    return (
        *(Fact(f"near-duplicates of {name}", _repeats(d)) for name, d in found),
        Fact("near-duplicates, rule", RULE),
    )


def _repeats(found: Duplicates) -> str:
    parts = [f"{found.near} rows, {found.same_bytes} of them with the same bytes"]
    if found.cluster:
        parts.append(f"nearest first: {', '.join(found.cluster)}")
    if found.repetitions is not None:
        parts.append(f"the source states {found.repetitions} showings a pass for the cluster")
    return "; ".join(parts)
