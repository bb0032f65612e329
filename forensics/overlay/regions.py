"""Where two aligned pictures agree: the judged overlap in cells, each said to agree, to differ or to be too plain.

The judge decides place by place; a cell says what most of its places are, so that it can be numbered and drawn.
Cells that show little in both pictures say nothing and are not counted on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.judge import Judged
from forensics.overlay.plates import Array

GRID = 8
"""Cells along the long side of the overlap."""
AGREES = 0.60
"""Share of the places of a cell that could agree, from which the cell agrees."""
DIFFERS = 0.25
"""Share below which it differs; between the two it is undecided."""
INFORMATIVE = 0.15
"""Share of its places that has to show something, else a cell is plain."""

AGREE, UNDECIDED, DIFFER, NOTHING, OUTSIDE = 2, 1, 0, -1, -2


@dataclass(frozen=True, slots=True)
class Cells:
    """The grid over the overlap."""

    state: NDArray[np.int8]
    """(rows, columns): 2 agrees, 1 undecided, 0 differs, -1 plain in both, -2 outside the overlap."""
    correlation: Array
    """(rows, columns): mean likeness of the places that could agree, in [-1, 1]; 0 where plain or outside."""

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


def cells(judged: Judged, grid: int = GRID) -> Cells:
    """The judged overlap in cells, `grid` of them along its long side."""
    height, width = judged.mask.shape
    rows, columns = (max(1, round(grid * n / max(height, width))) for n in (height, width))
    inside, could, agreeing, likeness = (
        cv2.resize(p.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        for p in (judged.mask, judged.informative, judged.agreeing, judged.likeness * judged.informative)
    )
    some = np.maximum(could, 1e-6)
    share = agreeing / some
    state = np.where(share >= AGREES, AGREE, np.where(share < DIFFERS, DIFFER, UNDECIDED)).astype(np.int8)
    state[could < INFORMATIVE * inside] = NOTHING
    state[inside < 0.5] = OUTSIDE
    correlation = np.where(state >= 0, np.clip(likeness / some, -1, 1), 0)
    return Cells(state, correlation.astype(np.float32))
