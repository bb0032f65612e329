"""Candidates from parts: a work in a collage, laid in anywhere, turned or mirrored, is missed by a vector of the whole.

The copy descriptor is asked for the picture in its other seven orientations, and for windows of three sizes laid so
closely that whatever fills one lies nearly whole in it. A row counts with its best cosine over all of them: one model,
one scale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from forensics.retrieval.base import Hits, TrainingIndex, Vectors
from forensics.retrieval.encoders import Encoder

ORIENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda p: p.flip(3),
    "turned a quarter to the left": lambda p: p.rot90(1, (2, 3)),
    "turned upside down": lambda p: p.rot90(2, (2, 3)),
    "turned a quarter to the right": lambda p: p.rot90(3, (2, 3)),
    "mirrored and turned a quarter to the left": lambda p: p.flip(3).rot90(1, (2, 3)),
    "mirrored and turned upside down": lambda p: p.flip(2),
    "mirrored and turned a quarter to the right": lambda p: p.flip(3).rot90(3, (2, 3)),
}
"""Name -> (1, 3, H, W) to the picture so turned."""
SHARES = (0.7, 0.5, 0.35)
"""Of the width and the height of the picture that a window has."""
NEAREST = 8
"""Rows that one orientation or window can bring: what fills it is among its first few, or not there."""
SENTENCE = (
    "the picture mirrored and in its quarter turns, and windows of "
    + ", ".join(f"{share:.0%}".replace("%", " %") for share in SHARES[:-1])
    + f" and {SHARES[-1] * 100:.0f} % of its width and height, laid at every place"
)


def vectors(encoder: Encoder, picture: Tensor) -> Vectors:
    """(n, D) unit vectors of one (1, 3, H, W) picture: its orientations, then its windows."""
    # One at a time: in a batch a network rounds differently, and a turned picture may have another size.
    turned = [encoder.pictures([turn(picture)]) for turn in ORIENTATIONS.values()]
    laid = [encoder.windows(picture, share) for share in SHARES] if encoder.windows is not None else []
    return np.concatenate([*turned, *laid])


def search(index: TrainingIndex, encoder: Encoder, picture: Tensor, k: int, mode: str = "exact") -> Hits:
    """The k best rows over all parts of one (1, 3, H, W) picture; equal ones by row id.

    Raises:
        IndexError_: the index has no such column, or does not offer this kind of search.
    """
    best: dict[int, float] = {}
    coverage = ""
    asked = vectors(encoder, picture)
    for hits in index.search(asked, min(k, NEAREST), mode=mode, column=encoder.column):
        coverage = hits.coverage
        for row, score in zip(hits.row_ids, hits.scores, strict=True):
            best[int(row)] = max(float(score), best.get(int(row), -1.0))
    order = sorted(best, key=lambda row: (-best[row], row))[:k]
    return Hits(np.array(order, np.int64), np.array([best[r] for r in order], np.float64), mode, coverage)
