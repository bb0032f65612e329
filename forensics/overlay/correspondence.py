"""One pair of pictures, from decoded pixels to what corresponds: alignment, level of detail, cells, tones, shares.

The pair is put in an order of its own before anything is computed (more pixels first, then by digest), so that
exchanging the two pictures exchanges the answer and changes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.case import Outcome
from forensics.overlay import judge, layout, pdq, photometric, thumbnail_level
from forensics.overlay.align import Alignment, Further, Weighed, align, proposed, recounted, weigh, within
from forensics.overlay.judge import Judged, Moved
from forensics.overlay.overlay import CANVAS, Overlay, extent, inner, lay, overlap, project, tones, whole
from forensics.overlay.plates import Array, Matrix, Plate
from forensics.overlay.prepared import Prepared as Prepared
from forensics.overlay.prepared import prepare as prepare
from forensics.overlay.prepared import without_part as without_part
from forensics.overlay.regions import AGREE, Cells, cells

VERSION = "correspondence/3"
LEVEL_AGREES = 0.85
"""Correlation at or above which a band of an overlap agrees: the level of detail that is said of a pair. Found by
`python -m tests.studies.overlay_study` on its calibration half, where no unrelated pair reaches 32 pixels."""
_SHARED = 0.85
"""Likeness at or above which a place of two works counts as shared between them."""
_SHARED_BY = 2
"""Other works that have to share a part before it is called common."""
_COARSE = (16, 24, 32)
"""Bands that say whether the arrangement is the same."""
_LEVEL_FROM = 0.05
"""Share that has to agree before the level of detail is that of what agrees and not of the whole overlap."""
_COMPARED = 0.04
"""Share that has to agree before it is worth asking what chance would give."""
_SPREAD = 8
"""Spread of learned features from which it is as well."""
_FOLLOWED = 0.97
"""Share from which there is no displacement to follow."""
_RESIDUAL_CELL = 64


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
    """Share of what the first picture shows that agrees: of what could."""
    share_b: float
    whole_a: float
    """The same of what the other's rim does not hide: near 1 where all of the first picture lies in the second."""
    whole_b: float
    swapped: bool
    """Whether the canvas lies in the frame of the second picture; then `over.a` is the second picture."""
    judged: Judged
    moved: Moved
    """The same overlap once small smooth displacements are followed."""
    chance: float
    """Share that agrees when the two are laid over each other wrongly, at most; 1 where too little agrees to ask."""
    spread: int
    """Cells of 64 pixels, pictures at 512, with learned features in one plane, of that picture with fewer."""
    coarse: float
    """Mean correlation in the bands of 16, 24 and 32 pixels over the whole overlap."""
    area_a: float
    """Share of the area of the first picture's content that agrees, or is plain in both and lies in the overlap."""
    area_b: float
    corners: float
    """Evidence that agrees, as a share of what the picture with less of it shows."""


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
    shown: tuple[float, float] = (np.inf, np.inf)
    """Area of the two with more than plain ground and straight edges (`Prepared.structure`)."""
    photographic: bool = False
    """Whether both have as many colours as photographs have."""
    throughout: bool = False
    """Whether the two were found to correspond throughout before parts of them were left out."""
    otherwise: Outcome | None = None
    """The word without a further source of alignments, where it is that source that gave a higher one."""


def pair(first: Prepared, second: Prepared, guide: Prepared | None = None, further: Further | None = None) -> Pairing:
    """Compare two pictures.

    Args:
        guide: the second picture with nothing left out, where parts of it are: it says how the two lie over each
            other, and what was left out still counts for nothing.
        further: as in `align`.
    """
    swap = _order(first.plate) < _order(second.plate)
    a, b = (second, first) if swap else (first, second)
    if guide is None:
        found = align(a, b, further)
    else:
        x, y = (guide, first) if swap else (first, guide)
        # What was left out proposes how the two lie, but none of its keypoints count.
        matches = [*proposed(a, b), *(further(a, b) if further is not None else ())]
        found = [recounted(a, b, f, matches) for f in align(x, y, further)]
    parts = [p for p in (_part(a, b, alignment, swap) for alignment in found) if p is not None]
    toned = _tones(parts[0]) if parts else None
    return Pairing(
        tuple(parts),
        toned,
        pdq.distance_any_way(first.fingerprint, second.fingerprint),
        (first.fingerprint.quality, second.fingerprint.quality),
        (len(first.keypoints.points), len(second.keypoints.points)),
        layout.compare(a.plate, b.plate),
        (first.structure, second.structure),
        first.photographic and second.photographic,
    )


def _order(p: Plate) -> tuple[int, str]:
    return p.native[0] * p.native[1], p.digest


def _part(a: Prepared, b: Prepared, found: Alignment, swapped: bool) -> Part | None:
    weighed = weigh(a, b, found.matrix, judge.SIDE)
    over = lay(a.plate, b.plate, found.matrix)
    covered = overlap(a.plate, b.plate, found.matrix)
    if weighed is None or over is None or covered is None:
        return None
    x, y, luminance = tones(over)
    judged = weighed.judged
    detail = _level(x, y, over, judged)
    coarse = thumbnail_level.measure(x, y, over.mask, interval=False, sides=_COARSE).mean(*_COARSE)
    grid = cells(judged)
    residual_canvas = _residual(x, y, over.mask, grid)
    scale = np.hypot(*over.to_canvas[:2, 0])
    polygon_a = covered[0]
    polygon_b = project(np.asarray(np.linalg.inv(found.matrix), np.float64), polygon_a)
    to_first, to_second = _received(a.plate.scale), _received(b.plate.scale)
    matrix = to_first @ found.matrix @ np.linalg.inv(to_second)
    points = np.concatenate([project(to_first, found.points[:, :2]), project(to_second, found.points[:, 2:])], 1)
    polygon_a, polygon_b = project(to_first, polygon_a), project(to_second, polygon_b)
    shares = judged.share * weighed.covers_a, judged.share * weighed.covers_b
    wholes = tuple(judged.share * s for s in within(a, b, weighed, found.matrix))
    areas = _areas(a.plate, b.plate, found.matrix, weighed)
    residual = residual_canvas / scale / a.plate.scale
    from_first = over.to_canvas @ np.linalg.inv(to_first)
    if swapped:
        from_first = from_first @ matrix
        matrix, points = np.linalg.inv(matrix), points[:, [2, 3, 0, 1]]
        matrix /= matrix[2, 2]
        polygon_a, polygon_b = polygon_b, polygon_a
        shares, wholes, areas = shares[::-1], wholes[::-1], areas[::-1]
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
        shares[0],
        shares[1],
        wholes[0],
        wholes[1],
        swapped,
        judged,
        _moved(weighed.over, judged),
        _chance(over, judged, found.spread),
        found.spread,
        coarse,
        areas[0],
        areas[1],
        judged.evidence / max(min(a.structure, b.structure), 1e-6),
    )


def _areas(a: Plate, b: Plate, matrix: Matrix, weighed: Weighed) -> tuple[float, float]:
    """Shares of the area of the two contents, rims included, that agree or are plain in both."""
    with_rims = lay(a, b, matrix, CANVAS, whole)
    same = judge.area(with_rims or weighed.over, weighed.judged, weighed.over)
    first, second = (same * share for share in extent(a, b, matrix))
    return first, second


def _level(x: Array, y: Array, over: Overlay, judged: Judged) -> thumbnail_level.Detail:
    """The level of detail of what agrees; of the whole overlap where next to nothing does.

    No side is measured that the smaller of the two pictures, as received, has not got: finer detail than its own
    cannot be compared.
    """
    mask = over.mask
    if judged.share >= _LEVEL_FROM:
        size = (mask.shape[1], mask.shape[0])
        same = (judged.agreeing | ~judged.informative) & judged.mask
        mask = mask & (cv2.resize(same.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    sides = tuple(n for n in thumbnail_level.STEPS if n <= max(over.native, thumbnail_level.FIRST))
    return thumbnail_level.measure(x, y, mask, agrees=LEVEL_AGREES, sides=sides)


def _chance(over: Overlay, judged: Judged, spread: int) -> float:
    return judge.chance(over, judged) if judged.share >= _COMPARED or spread >= _SPREAD else 1.0


def _moved(over: Overlay, judged: Judged) -> Moved:
    return Moved(judged, 0.0, 0.0) if judged.share >= _FOLLOWED else judge.follow(over, judged)


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


def shared(work: Prepared, other: Prepared, further: Further | None = None) -> NDArray[np.bool_] | None:
    """Parts of a work, on its plate, that another has at corresponding places; none where it has none.

    Args:
        further: as in `align`.
    """
    found = align(work, other, further)
    over = lay(work.plate, other.plate, found[0].matrix) if found else None
    if over is None:
        return None
    judged = judge.judge(over)
    agreeing = (judged.agreeing & (judged.likeness >= _SHARED)).astype(np.uint8)
    unit = max(agreeing.shape) // 16
    if agreeing.sum() < 4 * unit**2:
        return None
    # The neighbourhood of a shared place belongs to it: an ornament reaches beyond what is compared of it.
    agreeing = cv2.dilate(agreeing, np.ones((2 * unit + 1, 2 * unit + 1), np.uint8))
    height, width = over.mask.shape
    canvas = cv2.resize(agreeing, (width, height), interpolation=cv2.INTER_NEAREST)
    size = (work.plate.size[1], work.plate.size[0])
    found_there = cv2.warpPerspective(canvas, np.linalg.inv(over.to_canvas), size, flags=cv2.INTER_NEAREST)
    # The rim, where nothing is compared, is shared where the places beside it are.
    box = inner(work.plate)
    part = found_there[box.top : box.bottom, box.left : box.right]
    rim = box.top, size[1] - box.bottom, box.left, size[0] - box.right
    return cv2.copyMakeBorder(part, *rim, cv2.BORDER_REPLICATE) > 0
