"""One pair of pictures, from decoded pixels to what corresponds: alignment, level of detail, cells, tones, shares.

The pair is put in an order of its own before anything is computed (more pixels first, then by digest), so that
exchanging the two pictures exchanges the answer and changes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay import layout, pdq, photometric, thumbnail_level
from forensics.overlay.align import Alignment, align
from forensics.overlay.keypoints import Keypoints, detect
from forensics.overlay.overlay import Overlay, lay, overlap, project, tones
from forensics.overlay.plates import Array, Bytes, Matrix, Plate, plate, without
from forensics.overlay.regions import AGREE, Cells, cells

VERSION = "correspondence/2"
LEVEL_AGREES = 0.85
"""Correlation at or above which a band of an overlap agrees: the level of detail that is said of a pair. Found by
`python -m tests.studies.comparison_study` on its calibration half, where no unrelated pair reaches 32 pixels."""
_SHARED = 0.85
"""Local correlation at or above which a cell of two works counts as shared between them."""
_SHARED_BY = 2
"""Other works that have to share a part before it is called common."""
_COMMON_GRID = 16
_RESIDUAL_CELL = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture with everything that does not depend on the other one."""

    plate: Plate
    keypoints: Keypoints
    fingerprint: pdq.Fingerprint


@dataclass(frozen=True, slots=True)
class Part:
    """One alignment and what agrees under it."""

    matrix: Matrix
    """Pixels of the second picture as received -> pixels of the first."""
    model: str
    mirrored: bool
    inverted: bool
    proposed: str
    inliers: int
    points: Matrix
    """(k, 4): x, y in the first and x, y in the second picture, pixels as received; inliers of keypoints."""
    score: float
    over: Overlay
    tone_a: Array
    tone_b: Array
    detail: thumbnail_level.Detail
    cells: Cells
    residual: float
    """Median shift left between agreeing cells, in pixels of the first picture as received."""
    residual_canvas: float
    """The same in pixels of the canvas."""
    from_first: Matrix
    """Pixels of the first picture as received -> canvas."""
    polygon_a: Matrix
    """(k, 2): corners of the overlap in the first picture, pixels as received."""
    polygon_b: Matrix
    share_a: float
    """Share of the first picture's content that corresponds: overlap times agreeing cells."""
    share_b: float
    swapped: bool
    """Whether the canvas lies in the frame of the second picture; then `over.a` is the second picture."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What was found between a first and a second picture."""

    parts: tuple[Part, ...]
    """Best first; more than one for a collage; none where nothing can be laid over anything."""
    tones: photometric.Tones | None
    fingerprint_distance: int
    """PDQ, smallest of the eight ways round."""
    quality: tuple[int, int]
    """PDQ quality of the two."""
    structure: tuple[int, int]
    """Places with structure: keypoints of the two."""
    layout: layout.Layout = layout.NOTHING
    """How alike the two are arranged, whatever could be laid over what."""


def prepare(pixels: Bytes, ignored: NDArray[np.bool_] | None = None) -> Prepared:
    """Everything needed of one (H, W, 3) 8-bit picture."""
    ready = plate(pixels)
    if ignored is not None:
        size = (ready.size[1], ready.size[0])
        ready = without(ready, cv2.resize(ignored.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    return Prepared(ready, detect(ready), pdq.fingerprint(pixels))


def without_part(work: Prepared, part: NDArray[np.bool_]) -> Prepared:
    """A prepared picture with a part, on its plate, left out of every comparison."""
    left = without(work.plate, part)
    return Prepared(left, detect(left), work.fingerprint)


def pair(first: Prepared, second: Prepared, guide: Prepared | None = None) -> Pairing:
    """Compare two pictures.

    Args:
        guide: the second picture with nothing left out, where parts of it are: it says how the two lie over each
            other, and what was left out still counts for nothing.
    """
    swap = _order(first.plate) < _order(second.plate)
    a, b = (second, first) if swap else (first, second)
    found = align(a.plate, b.plate, a.keypoints, b.keypoints)
    if guide is not None:
        x, y = (guide, first) if swap else (first, guide)
        found = [_outside(f, a.plate, b.plate) for f in align(x.plate, y.plate, x.keypoints, y.keypoints)]
    parts = [p for p in (_part(a.plate, b.plate, alignment, swap) for alignment in found) if p is not None]
    toned = _tones(parts[0]) if parts else None
    return Pairing(
        tuple(parts),
        toned,
        pdq.distance_any_way(first.fingerprint, second.fingerprint),
        (first.fingerprint.quality, second.fingerprint.quality),
        (len(first.keypoints.points), len(second.keypoints.points)),
        layout.compare(a.plate, b.plate),
    )


def _outside(found: Alignment, a: Plate, b: Plate) -> Alignment:
    """An alignment that counts only keypoints outside what is left out of either plate."""
    kept = np.ones(len(found.points), bool)
    for plate_, columns in ((a, (0, 1)), (b, (2, 3))):
        if plate_.ignored is not None and len(kept):
            x, y = (
                np.clip(np.rint(found.points[:, c]).astype(int), 0, n - 1)
                for c, n in zip(columns, plate_.size[::-1], strict=True)
            )
            kept &= ~plate_.ignored[y, x]
    return replace(found, inliers=int(kept.sum()), points=found.points[kept])


def _order(p: Plate) -> tuple[int, str]:
    return p.native[0] * p.native[1], p.digest


def _part(a: Plate, b: Plate, found: Alignment, swapped: bool) -> Part | None:
    over = lay(a, b, found.matrix)
    covered = overlap(a, b, found.matrix)
    if over is None or covered is None:
        return None
    x, y, luminance = tones(over)
    detail = thumbnail_level.measure(x, y, over.mask, agrees=LEVEL_AGREES)
    grid = cells(x, y, over.mask)
    residual_canvas = _residual(x, y, over.mask, grid)
    scale = np.hypot(*over.to_canvas[:2, 0])
    polygon_a = covered[0]
    polygon_b = project(np.asarray(np.linalg.inv(found.matrix), np.float64), polygon_a)
    to_first, to_second = _received(a.scale), _received(b.scale)
    matrix = to_first @ found.matrix @ np.linalg.inv(to_second)
    points = np.concatenate([project(to_first, found.points[:, :2]), project(to_second, found.points[:, 2:])], 1)
    polygon_a, polygon_b = project(to_first, polygon_a), project(to_second, polygon_b)
    share_a, share_b = over.area_a * grid.share, over.area_b * grid.share
    residual = residual_canvas / scale / a.scale
    from_first = over.to_canvas @ np.linalg.inv(to_first)
    if swapped:
        from_first = from_first @ matrix
        matrix, points = np.linalg.inv(matrix), points[:, [2, 3, 0, 1]]
        matrix /= matrix[2, 2]
        polygon_a, polygon_b, share_a, share_b = polygon_b, polygon_a, share_b, share_a
        residual *= float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    return Part(
        matrix,
        found.model,
        found.mirrored,
        luminance < -0.3,
        found.proposed,
        found.inliers,
        points,
        found.score,
        over,
        x,
        y,
        detail,
        grid,
        float(residual),
        residual_canvas,
        from_first,
        polygon_a,
        polygon_b,
        share_a,
        share_b,
        swapped,
    )


def _received(scale: float) -> Matrix:
    """Plate -> picture as received; both count from the centre of the first pixel."""
    return np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])


def _tones(part: Part) -> photometric.Tones:
    over = part.over
    if part.swapped:  # the change is told from the second picture to the first
        over = Overlay(over.b, over.a, over.mask, over.to_canvas, over.area_b, over.area_a, over.native)
    return photometric.fit(over)


def _residual(x: Array, y: Array, mask: NDArray[np.bool_], grid: Cells) -> float:
    """Median shift that phase correlation finds in cells of 64 pixels that agree, in pixels of the canvas."""
    height, width = x.shape
    window = cv2.createHanningWindow((_RESIDUAL_CELL, _RESIDUAL_CELL), cv2.CV_32F)
    shifts = []
    rows, columns = grid.state.shape
    for top in range(0, height - _RESIDUAL_CELL + 1, _RESIDUAL_CELL // 2):
        for left in range(0, width - _RESIDUAL_CELL + 1, _RESIDUAL_CELL // 2):
            i = min(rows - 1, int((top + _RESIDUAL_CELL / 2) * rows / height))
            j = min(columns - 1, int((left + _RESIDUAL_CELL / 2) * columns / width))
            part = np.s_[top : top + _RESIDUAL_CELL, left : left + _RESIDUAL_CELL]
            if grid.state[i, j] != AGREE or mask[part].mean() < 0.98:
                continue
            # OpenCV multiplies what it is given by the window in place.
            (dx, dy), response = cv2.phaseCorrelate(x[part].copy(), y[part].copy(), window)
            if response > 0.2:
                shifts.append(float(np.hypot(dx, dy)))
    return float(np.median(shifts)) if shifts else 0.0


def common(work: Prepared, companions: Sequence[Prepared]) -> NDArray[np.bool_] | None:
    """Parts of a work, on its plate, that at least two other works have at corresponding places; none where none are.

    Templates, frames and stock backgrounds are found this way: what several works of an index share is no mark of one.
    """
    return held_by_several(work, [shared(work, other) for other in companions])


def held_by_several(work: Prepared, parts: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    """From what each of several others shares with a work (`shared`): where at least two do; none where none do."""
    count = np.zeros(work.plate.size, np.int32)
    for part in parts:
        if part is not None:
            count += part
    found = count >= _SHARED_BY
    return found if found.any() else None


def shared(work: Prepared, other: Prepared) -> NDArray[np.bool_] | None:
    """Parts of a work, on its plate, that another has at corresponding places; none where it has none."""
    found = align(work.plate, other.plate, work.keypoints, other.keypoints)
    over = lay(work.plate, other.plate, found[0].matrix) if found else None
    if over is None:
        return None
    x, y, _ = tones(over)
    grid = cells(x, y, over.mask, _COMMON_GRID)
    agreeing = ((grid.correlation >= _SHARED) & (grid.state == AGREE)).astype(np.uint8)
    if agreeing.sum() < 4:
        return None
    # The neighbourhood of a shared cell belongs to it: an ornament reaches over the border of its cell.
    agreeing = cv2.dilate(agreeing, np.ones((3, 3), np.uint8))
    height, width = over.mask.shape
    canvas = cv2.resize(agreeing, (width, height), interpolation=cv2.INTER_NEAREST)
    size = (work.plate.size[1], work.plate.size[0])
    return cv2.warpPerspective(canvas, np.linalg.inv(over.to_canvas), size, flags=cv2.INTER_NEAREST) > 0
