"""Candidates from parts: a work in a collage, or mirrored, is missed by a vector of the whole picture.

The views were fixed before any of them was measured. The copy descriptor is asked for each, and a row counts with its
best cosine over the views: one model, one scale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from forensics.retrieval.base import Hits, TrainingIndex
from forensics.retrieval.encoders import Encoder


def _corner(down: int, right: int) -> Callable[[Tensor], Tensor]:
    def cut(p: Tensor) -> Tensor:
        y, x = (p.shape[2] + 1) // 2, (p.shape[3] + 1) // 2
        top, left = down * (p.shape[2] - y), right * (p.shape[3] - x)
        return p[:, :, top : top + y, left : left + x]

    return cut


def _middle(p: Tensor) -> Tensor:
    y, x = p.shape[2] // 4, p.shape[3] // 4
    return p[:, :, y : p.shape[2] - y, x : p.shape[3] - x]


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda p: p.flip(3),
    "top left quarter": _corner(0, 0),
    "top right quarter": _corner(0, 1),
    "bottom left quarter": _corner(1, 0),
    "bottom right quarter": _corner(1, 1),
    "middle half": _middle,
}
"""Name -> (1, 3, H, W) to the view."""


def search(index: TrainingIndex, encoder: Encoder, picture: Tensor, k: int, mode: str = "exact") -> Hits:
    """The k best rows over all views of one (1, 3, H, W) picture; equal ones by row id.

    Raises:
        IndexError_: the index has no such column, or does not offer this kind of search.
    """
    vectors = np.concatenate([encoder.pictures([view(picture)]) for view in VIEWS.values()])
    best: dict[int, float] = {}
    coverage = ""
    for hits in index.search(vectors, k, mode=mode, column=encoder.column):
        coverage = hits.coverage
        for row, score in zip(hits.row_ids, hits.scores, strict=True):
            best[int(row)] = max(float(score), best.get(int(row), -1.0))
    order = sorted(best, key=lambda row: (-best[row], row))[:k]
    return Hits(np.array(order, np.int64), np.array([best[r] for r in order], np.float64), mode, coverage)
