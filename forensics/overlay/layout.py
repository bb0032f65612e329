"""How alike two pictures are arranged: where the edges lie, cell by cell, whatever the edges show.

The word "same arrangement only" asks for layout without detail. Correlating tones does not measure that: a line redrawn
a twentieth of the side away from its place no longer correlates with itself in any band that says something. The
strength of edges, averaged over cells of about that size, does. It ignores hue, inverted tones and the direction of a
contrast. Whole frames are laid over each other, and the contents inside plain margins, both also mirrored; there is no
search and no warp, because both would find an arrangement anywhere. Margins that both pictures leave empty do not
count: that both are wide says nothing about what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.overlay import inner
from forensics.overlay.plates import Array, Plate

VERSION = "layout/2"
CELLS = 12
"""Cells along the long side of what is compared. Chosen, as `_BLUR`, on the calibration half of
an earlier study of clip art, where 12, 16 and 20 cells differed by one paraphrase in forty."""
_LONG = 160
"""Long side in pixels at which edges are measured."""
_BLUR = 0.5
"""Standard deviation of the blur before edges are averaged, in cells: an edge near a border counts on both sides."""
_RATIO = 2.0
"""Factor by which the proportions of the two may differ."""
_LEAST = 4
"""Cells along the short side at least."""

Span = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the plate."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How far the edges of two pictures lie in the same cells."""

    value: float
    """Correlation of the strength of edges over the cells, in [-1, 1]; 0 where nothing can be compared."""
    over: str
    """What was laid over what: `frame` or `content`; empty where nothing can be compared."""
    mirrored: bool


NOTHING = Layout(0.0, "", False)


@dataclass(frozen=True, slots=True)
class _Edges:
    strength: Array
    """(h, w): root of the summed squares of the gradients of the three channels, values in [0, 1] per pixel."""
    left_out: NDArray[np.bool_]
    """(h, w): parts that other works have too."""
    content: Span
    ratio: float
    """Width over height of the plate."""

    def mirrored(self) -> _Edges:
        left, top, right, bottom = self.content
        return _Edges(self.strength[:, ::-1], self.left_out[:, ::-1], (1 - right, top, 1 - left, bottom), self.ratio)


def compare(a: Plate, b: Plate) -> Layout:
    """The best of the whole frames and the contents, each as it is and mirrored."""
    ours, theirs = _edges(a), _edges(b)
    found = []
    for mirrored, other in ((False, theirs), (True, theirs.mirrored())):
        mine, its = ours.content, other.content
        union = min(mine[0], its[0]), min(mine[1], its[1]), max(mine[2], its[2]), max(mine[3], its[3])
        for over, one, two in (("frame", union, union), ("content", mine, its)):
            value = _correlate(ours, other, one, two)
            if value is not None:
                found.append(Layout(value, over, mirrored))
    return max(found, key=lambda f: f.value, default=NOTHING)


def _edges(plate: Plate) -> _Edges:
    height, width = plate.size
    scale = _LONG / max(height, width)
    size = (max(_LEAST, round(width * scale)), max(_LEAST, round(height * scale)))
    small = cv2.resize(plate.rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    smooth = cv2.GaussianBlur(small, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    strength = np.asarray(np.sqrt((across**2 + down**2).sum(2)), np.float32)
    left_out = np.zeros(strength.shape, bool)
    if plate.ignored is not None:
        left_out = cv2.resize(plate.ignored.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    box = inner(plate)
    content = (box.left / width, box.top / height, box.right / width, box.bottom / height)
    return _Edges(strength, left_out, content, width / height)


def _correlate(a: _Edges, b: _Edges, over_a: Span, over_b: Span) -> float | None:
    """Correlation over two rectangles; none where their proportions differ too much or too little is left of them."""
    ratios = [(s[2] - s[0]) / (s[3] - s[1]) * e.ratio for e, s in ((a, over_a), (b, over_b))]
    if not 1 / _RATIO <= ratios[0] / ratios[1] <= _RATIO:
        return None
    ratio = float(np.sqrt(ratios[0] * ratios[1]))
    size = (max(_LEAST, round(CELLS * min(1.0, ratio))), max(_LEAST, round(CELLS * min(1.0, 1 / ratio))))
    (x, free_x), (y, free_y) = _cells(a, over_a, size), _cells(b, over_b, size)
    free = free_x & free_y
    if free.sum() < _LEAST * _LEAST:
        return None
    p, q = x[free].astype(np.float64), y[free].astype(np.float64)
    p, q = p - p.mean(), q - q.mean()
    norm = float(np.sqrt((p @ p) * (q @ q)))
    return float(p @ q) / norm if norm > 1e-9 else 0.0


def _cells(edges: _Edges, over: Span, size: tuple[int, int]) -> tuple[Array, NDArray[np.bool_]]:
    """Strength of edges (rows, columns) in cells of a rectangle, and which cells have nothing left out."""
    height, width = edges.strength.shape
    left, top = round(over[0] * width), round(over[1] * height)
    right = min(width, max(left + _LEAST, round(over[2] * width)))
    bottom = min(height, max(top + _LEAST, round(over[3] * height)))
    part = np.s_[min(top, bottom - _LEAST) : bottom, min(left, right - _LEAST) : right]
    kept = np.where(edges.left_out[part], 0, edges.strength[part]).astype(np.float32)
    rows, columns = kept.shape
    blurred = cv2.GaussianBlur(kept, (0, 0), sigmaX=_BLUR * columns / size[0], sigmaY=_BLUR * rows / size[1])
    left_out = cv2.resize(edges.left_out[part].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(blurred, size, interpolation=cv2.INTER_AREA)), left_out < 0.5
