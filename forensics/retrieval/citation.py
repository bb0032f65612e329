"""The part of a citation that depends on the query: what was asked, what it was compared with, and how to repeat it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping

import numpy as np

from forensics.case import Fact, IndexScore
from forensics.retrieval import PARTS
from forensics.retrieval.base import CLIP, COPY, Hit, TrainingIndex, Vectors
from forensics.retrieval.parts import VIEWS
from forensics.retrieval.readers.native import LanceIndex

READING = (
    "A hit shows likeness by this model of likeness, not that a work was used in training; that nothing was found does "
    "not show that it was not used."
)
COMPARES = {CLIP: "meaning", COPY: "copies", PARTS: "parts"}
"""Column of vectors, or what stands in its place -> what is compared, in one word."""


def query_facts(index: TrainingIndex, sha256: str, queries: Mapping[str, Vectors], k: int) -> tuple[Fact, ...]:
    """What was asked.

    Args:
        index: searched.
        sha256: of the file of the disputed image, as received.
        queries: column -> (D,) vector of the disputed image.
        k: rows wanted.
    """
    named = [f"the copy descriptor ({c})" if c == COPY else f"the embedder ({c})" for c in queries]
    if COPY in queries:
        named.append(f"the copy descriptor on parts ({', '.join(VIEWS)})")
    return (
        Fact("Query image", f"SHA-256 {sha256}"),
        *(
            Fact(
                f"Query vector, {COMPARES.get(column, column)}",
                f"SHA-256 {hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest()}",
            )
            for column, v in queries.items()
        ),
        Fact("Candidates", f"the {k} nearest by {' and by '.join(named)}, in turn; {k} rows in all"),
        Fact("Compared", _coverage(index)),
        Fact("Recall", "All rows were compared, so no figure of recall applies; it is relative to the models named."),
        Fact("Order", "by cosine, in float64 from the stored vectors; equal ones by SHA-256 of the image"),
        Fact("Computed on", f"{platform.machine()}, numpy {np.__version__}"),
        Fact("Command that repeats it", f"forensics index search URI IMAGE -k {k}{_at(index)}"),
        Fact("How to read it", READING),
    )


def scores(hit: Hit) -> tuple[IndexScore, ...]:
    """The cosines of a hit by every model."""
    return tuple(IndexScore(COMPARES.get(c, c), s, c in hit.found_by) for c, s in hit.scores)


def _coverage(index: TrainingIndex) -> str:
    rows = f"all {index.info().facts.count} rows"
    if isinstance(index, LanceIndex):
        fragments = index.snapshot.fragments
        rows += f", in {fragments} of {fragments} fragments of the table"
    return f"{rows}; none was skipped"


def _at(index: TrainingIndex) -> str:
    return f" --at {index.snapshot.tag}" if isinstance(index, LanceIndex) else ""
