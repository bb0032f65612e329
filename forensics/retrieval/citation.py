"""The part of a citation that depends on the query: what was asked, what it was compared with, and how to repeat it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence

import numpy as np

from forensics.case import Fact, IndexScore
from forensics.retrieval import PARTS
from forensics.retrieval.base import CLIP, COPY, Hit, TrainingIndex, Vectors
from forensics.retrieval.local import Bench
from forensics.retrieval.order import CANDIDATES, WEIGHTS
from forensics.retrieval.parts import SENTENCE
from forensics.retrieval.readers.native import LanceIndex

READING = (
    "A hit shows likeness by this model of likeness, not that a work was used in training; that nothing was found does "
    "not show that it was not used."
)
COMPARES = {CLIP: "meaning", COPY: "copies", PARTS: "parts"}
"""Column of vectors, or what stands in its place -> what is compared, in one word."""


NO_COPIES = (
    "none of the model at hand: a work laid into another picture, turned or recoloured is found by its meaning "
    "alone, or missed; `forensics index build` stores them"
)
NOT_LAID = "nothing: no candidate has a picture in the index, so the order rests on vectors alone"


def query_facts(
    index: TrainingIndex,
    sha256: str,
    queries: Mapping[str, Vectors],
    k: int,
    bench: Bench | None = None,
    hits: Sequence[Hit] = (),
) -> tuple[Fact, ...]:
    """What was asked.

    Args:
        index: searched.
        sha256: of the file of the disputed image, as received.
        queries: column -> (D,) vector of the disputed image.
        k: rows wanted.
        bench: of the local features that the candidates were laid over with.
        hits: the answer.
    """
    named = [f"the copy descriptor ({c})" if c == COPY else f"the embedder ({c})" for c in queries]
    if COPY in queries:
        named.append(f"the copy descriptor on parts ({SENTENCE})")
    rows = min(max(k, CANDIDATES), index.info().facts.count)
    laid = bench is not None and any(hit.places is not None for hit in hits)
    return (
        Fact("Query image", f"SHA-256 {sha256}"),
        *(
            Fact(
                f"Query vector, {COMPARES.get(column, column)}",
                f"SHA-256 {hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest()}",
            )
            for column, v in queries.items()
        ),
        Fact(
            "Candidates",
            f"the nearest by {' and by '.join(named)}, in turn; {rows} rows in all, of which {k} are shown",
        ),
        *(() if COPY in queries else (Fact("Vectors of copies", NO_COPIES),)),
        Fact("Laid over", f"every candidate with a picture: {bench.features.protocol}" if bench and laid else NOT_LAID),
        Fact("Compared", _coverage(index)),
        Fact("Recall", "All rows were compared, so no figure of recall applies; it is relative to the models named."),
        Fact("Order", _order(COPY in queries, laid)),
        Fact("Computed on", f"{platform.machine()}, numpy {np.__version__}"),
        Fact("Command that repeats it", f"forensics index search URI IMAGE -k {k}{_at(index)}"),
        Fact("How to read it", READING),
    )


def _order(copies: bool, laid: bool) -> str:
    """How the candidates were put in order, with the weights."""
    parts = [f"{WEIGHTS.meaning:g} × the cosine of meaning in standard deviations of the candidates"]
    if copies:
        parts.append(f"{WEIGHTS.copies:g} × the larger cosine of copies, whole or part")
    if laid:
        parts.append(f"{WEIGHTS.cells:g} × ln(1 + cells in which local features agree)")
    vectors = "cosines in float64 from the stored vectors; equal ones by SHA-256 of the image"
    return f"by {' + '.join(parts)}; {vectors}" if len(parts) > 1 else f"by cosine; {vectors}"


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
