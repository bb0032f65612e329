"""Where two aligned pictures agree: the overlap cut into cells, each said to agree, to differ or to be too plain.

A cell compares the detail between 8 and 64 pixels of the overlap, so that neither a shared tone nor the finest grain
decides. Cells too plain in both pictures say nothing and are not counted on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.plates import Array

GRID = 8
"""Cells along the long side of the overlap."""
AGREES = 0.80
"""Local correlation at or above which a cell agrees."""
DIFFERS = 0.50
"""Local correlation below which a cell differs; between the two it is undecided."""
PLAIN = 0.02
"""Root mean square contrast below which a cell is plain."""
_SIDE = 128
_COARSE = 8.0

AGREE, UNDECIDED, DIFFER, NOTHING, OUTSIDE = 2, 1, 0, -1, -2


@dataclass(frozen=True, slots=True)
class Cells:
    """The grid over the overlap."""

    state: NDArray[np.int8]
    """(rows, columns): 2 agrees, 1 undecided, 0 differs, -1 plain in both, -2 outside the overlap."""
    correlation: Array
    """(rows, columns): local correlation; 0 where plain or outside."""

    @property
    def informative(self) -> int:
        """Cells that could agree or differ."""
        return int((self.state >= 0).sum())

    @property
    def agreeing(self) -> int:
        return int((self.state == AGREE).sum())

    @property
    def differing(self) -> int:
        return int((self.state == DIFFER).sum())

    @property
    def share(self) -> float:
        """Agreeing among the informative cells; 0 where there is none."""
        return self.agreeing / self.informative if self.informative else 0.0


def cells(a: Array, b: Array, mask: NDArray[np.bool_], grid: int = GRID) -> Cells:
    """Compare two aligned planes (h, w) cell by cell."""
    height, width = a.shape
    scale = _SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    valid = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.9
    x, y = (_detail(p, size) for p in (a, b))
    columns = max(1, round(grid * size[0] / _SIDE))
    rows = max(1, round(grid * size[1] / _SIDE))
    state = np.full((rows, columns), OUTSIDE, np.int8)
    correlation = np.zeros((rows, columns), np.float32)
    down = np.linspace(0, size[1], rows + 1).astype(int)
    along = np.linspace(0, size[0], columns + 1).astype(int)
    for i in range(rows):
        for j in range(columns):
            part = np.s_[down[i] : down[i + 1], along[j] : along[j + 1]]
            inside = valid[part]
            if inside.mean() < 0.5:
                continue
            p, q = x[part][inside].astype(np.float64), y[part][inside].astype(np.float64)
            sp, sq = p.std(), q.std()
            if max(sp, sq) < PLAIN:
                state[i, j] = NOTHING
                continue
            r = float(((p - p.mean()) * (q - q.mean())).mean() / (sp * sq)) if min(sp, sq) > PLAIN / 4 else 0.0
            correlation[i, j] = r
            state[i, j] = AGREE if r >= AGREES else DIFFER if r < DIFFERS else UNDECIDED
    return Cells(state, correlation)


def _detail(plane: Array, size: tuple[int, int]) -> Array:
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0) - cv2.GaussianBlur(small, (0, 0), _COARSE), np.float32)
