"""The order of candidates: one score of what the models and the local features say, its parts printed beside it.

Which rows are candidates is decided before: the nearest by every model take turns, and nothing here can add one. The
score is a weighted sum, and its weights are those of a logistic regression that tells the work looked for from the
other candidates, fitted on the calibration half of the known-item test (`python -m tests.studies.search_order`). What a
collection does not have adds nothing: a foreign index without vectors of copies, rows without a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

CANDIDATES = 200
"""Rows that are scored in every column and laid over with local features."""
_FARTHEST = 4.0
"""Standard deviations above the candidates' mean beyond which a cosine of meaning says nothing more."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of each part of the score; 0 leaves a part out."""

    meaning: float
    """Of the cosine of meaning, in standard deviations above the mean of the candidates: two models of meaning have no
    common scale."""
    copies: float
    """Of the larger cosine of the copy descriptor, whole or part: the scale of a cosine is its own."""
    cells: float
    """Of the logarithm of one more than the cells in which places agree."""


WEIGHTS = Weights(0.1, 14.0, 1.9)
"""As fitted, that of meaning at its floor; the score is in the unit of the logarithm of odds, up to a constant."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is known of one candidate; none where the index, or the row, does not have it."""

    meaning: float | None
    copies: float | None
    part: float | None
    """Largest cosine of a part of the query, where the row is among the nearest of one."""
    cells: int | None


def fused(candidates: Sequence[Parts], weights: Weights = WEIGHTS) -> list[float]:
    """The score of each candidate, in the order given; higher is nearer."""
    known = [c.meaning for c in candidates if c.meaning is not None and math.isfinite(c.meaning)]
    mean, spread = (fmean(known), pstdev(known)) if known else (0.0, 0.0)
    return [_score(c, mean, spread, weights) for c in candidates]


def _score(c: Parts, mean: float, spread: float, weights: Weights) -> float:
    total = 0.0
    if c.meaning is not None and spread > 0 and math.isfinite(c.meaning):
        total += weights.meaning * min(_FARTHEST, (c.meaning - mean) / spread)
    copies = [v for v in (c.copies, c.part) if v is not None]
    if copies:
        total += weights.copies * max(copies)
    return total + weights.cells * math.log1p(c.cells or 0)
