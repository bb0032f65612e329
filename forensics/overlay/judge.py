"""Two pictures laid over each other, judged place by place under one global colour map: one judge, whoever laid them.

Every place of the overlap is plain in both pictures, agreeing, differing or covered:

* the colours of one picture are told from those of the other by one map for the whole overlap, both ways
  (`colour_map`);
* a place is *covered* where colours differ by more than the map leaves elsewhere: what covers takes away its own area
  and is left out when its surroundings are judged, because a window that reaches over its edge would differ as well;
* what is left is compared in all channels, the detail between about a hundredth and a sixteenth of the long side,
  within windows of a fortieth: correlation times likeness of contrast, the smaller of the two directions.

What could agree is the measure: shares are of places that show something in either picture. Whether a share means
anything is told by the pair itself: the same two pictures laid over each other wrongly, displaced and mirrored, under
colour maps of their own, say what chance gives them (`chance`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from forensics.overlay import colour_map
from forensics.overlay.colour_map import ColourMap
from forensics.overlay.overlay import Overlay
from forensics.overlay.plates import Array

VERSION = "judge/1"
SIDE = 160
"""Long side in pixels at which an overlap is judged."""
QUICK = 96
"""The same for proposals that are weighed against each other."""
AGREES = 0.70
"""Likeness at or above which a place agrees."""
AT_ONCE = 0.80
"""Likeness at or above which it agrees although single pixels in its window differ: a blurred edge does."""
PLAIN = 0.012
"""Root mean square contrast, of values in [0, 1], up to which a place of both pictures is plain."""
FLOW = 0.08
"""Standard deviation over which displacements are smoothed, as a share of the long side."""
FURTHEST = 0.05
"""Largest displacement that is followed, as a share of the long side."""
_FINE, _COARSE, _WINDOW = 1.2 / 160, 10.0 / 160, 4.0 / 160
_OUTLIER = (0.07, 0.20)
"""Bounds of the difference of colours from which a place is covered, and between them this many times the median."""
_TIMES = 4.0
_NOISE = 2e-5
_CORNER = 0.08
"""Smaller over larger eigenvalue of the structure tensor from which a place holds more than an edge."""
_CORNER_CONTRAST = 4e-5
_UNIT = 16
"""Evidence is counted in squares of which this many lie along the long side."""
_ISLAND = 0.4
"""Share of the window of a place that has to be left of it, else it is an island among what differs."""
_PIXEL = 1.0
_REACH = 7.0 / 160
"""Distance from what agrees, as a share of the long side, up to which single pixels are asked."""
_LEAST = 0.2
"""Share of the canvas that a wrong overlay has to keep."""
_DISPLACED = ((0.29, 0.0), (0.0, 0.31), (0.23, 0.37), (-0.41, 0.19))
"""Shares of the sides by which the second picture is moved, going round the edge, for the null of a pair."""

_NEAREST = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of every place of an overlap; (h, w) each, the long side `SIDE` or `QUICK` pixels."""

    mask: Mask
    """Where both pictures have content."""
    informative: Mask
    """Where either shows something: what could agree."""
    agreeing: Mask
    covered: Mask
    """Where colours differ more than the map explains; part of `informative`, never of `agreeing`."""
    likeness: Array
    """In [-1, 1]."""
    evidence: float
    """Agreeing area that holds more than straight edges, in squares of a sixteenth of the long side; 0 where it was not
    asked for."""
    colours: ColourMap
    limit: float
    """Difference of colours, of values in [0, 1], from which a place is covered."""

    @property
    def share(self) -> float:
        """Agreeing among what could agree; 0 where nothing could."""
        total = int(self.informative.sum())
        return float(self.agreeing.sum() / total) if total else 0.0

    @property
    def gap(self) -> float:
        """Largest connected part that could agree and does not, single strokes and rims aside, among what could."""
        total = int(self.informative.sum())
        sizes = _apart(self)[1][1:, cv2.CC_STAT_AREA]
        return float(sizes.max() / total) if total and len(sizes) else 0.0

    @property
    def warmth(self) -> float:
        """Mean likeness over what could agree, not below 0: a smoother measure than the share, for small steps."""
        inside = self.likeness[self.informative]
        return max(0.0, float(inside.mean())) if inside.size else 0.0


@dataclass(frozen=True, slots=True)
class Moved:
    """How parts of the second picture are displaced against the first, beyond what the whole is."""

    judged: Judged
    """The overlap once the displacements are followed."""
    typical: float
    """Median displacement of what agrees, as a share of the long side of the overlap."""
    largest: float
    """Its 90th percentile."""


def judge(over: Overlay, side: int = SIDE, *, evidence: bool = True) -> Judged:
    """Judge an overlap at a long side of `side` pixels.

    Args:
        evidence: whether corners are counted as well; what is only weighed against others is not asked for them.
    """
    a, b, mask = _reduced(over, side)
    return _judge(a, b, mask, colour_map.fit(over.a, over.b, over.mask), evidence=evidence)


def follow(over: Overlay, start: Judged) -> Moved:
    """Judge an overlap once small smooth displacements are followed.

    Displacements are those of dense inverse search (T. Kroeger et al., ECCV 2016), averaged over a twelfth of the long
    side with the weight of the gradients, and cut at `FURTHEST`: a field so stiff cannot make one drawing another.
    """
    a, b, mask = _reduced(over, max(start.mask.shape))
    field = _displacement(a, b, mask, start.colours)
    height, width = mask.shape
    down, along = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = cv2.remap(b, along + field[..., 0], down + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    found = _judge(a, np.asarray(moved, np.float32), mask, start.colours)
    lengths = np.hypot(field[..., 0], field[..., 1])[found.agreeing] / max(mask.shape)
    typical, largest = (float(v) for v in np.quantile(lengths, (0.5, 0.9))) if lengths.size else (0.0, 0.0)
    return Moved(found, typical, largest)


def chance(over: Overlay, judged: Judged) -> float:
    """What agrees when the second picture is laid wrongly over the first, as a share of what could agree; the most.

    Displaced by parts of the sides, going round the edge, as it is and mirrored, each time under a colour map of its
    own: pages of text, textures and repeated patterns agree with themselves anywhere.
    """
    a, b, mask = _reduced(over, QUICK)
    x, y = (np.clip(np.rint(p * 255), 0, 255).astype(np.uint8) for p in (a, b))
    height, width = mask.shape
    could = float(judged.informative.mean()) * mask.size
    worst = 0.0
    total = max(int(mask.sum()), 1)
    for mirrored in (False, True):
        other, bytes_, its = (b[:, ::-1], y[:, ::-1], mask[:, ::-1]) if mirrored else (b, y, mask)
        for right, down in _DISPLACED:
            step = round(down * height), round(right * width)
            both = mask & np.roll(its, step, (0, 1))
            if both.mean() < _LEAST:
                continue
            wrong, colours = np.roll(other, step, (0, 1)), np.roll(bytes_, step, (0, 1))
            found = _judge(a, wrong, both, colour_map.fit(x, colours, both), evidence=False)
            # Where the mask leaves less to compare, what agrees is held against that part.
            worst = max(worst, float(found.agreeing.sum()) / max(could * float(both.sum()) / total, 1.0))
    return min(1.0, worst)


def area(over: Overlay, judged: Judged, of: Overlay) -> float:
    """Share of an overlap that agrees or is plain in both, by its own pixels.

    A window that reaches over the edge of what covers a picture differs, and so do the narrow gaps between letters.
    Near places that agree, it is the pixels of the canvas that decide: those whose colours are told within the limit.
    So they do along the rims of the pictures, which the judge leaves out.

    Args:
        over: the overlap, rims included.
        judged: what the judge made of the overlap without them.
        of: that overlap.
    """
    x, y = (np.asarray(p, np.float32) / np.float32(255) for p in (over.a, over.b))
    apart = _difference(*judged.colours.planes(x, y), _PIXEL)
    there = _places(over, of, judged)
    size = (over.mask.shape[1], over.mask.shape[0])
    near, agreeing = (
        cv2.warpAffine(p.astype(np.uint8), there[:2], size, flags=_NEAREST, borderMode=border) > 0
        for p, border in ((_near(judged), cv2.BORDER_REPLICATE), (judged.agreeing, cv2.BORDER_CONSTANT))
    )
    total = int(over.mask.sum())
    return float((over.mask & (agreeing | (near & (apart < judged.limit)))).sum() / total) if total else 0.0


def _near(judged: Judged) -> Mask:
    """Where pixels are asked: about what agrees; beyond what was judged, where the nearest place that was is asked."""
    same = (judged.agreeing | ~judged.informative) & judged.mask
    reach = 2 * round(_REACH * max(judged.mask.shape)) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = (cv2.dilate(same.astype(np.uint8), around) > 0) & ~_deeply(judged)
    if judged.mask.all() or not judged.mask.any():
        return near
    nearest = distance_transform_edt(~judged.mask, return_distances=False, return_indices=True)
    return np.asarray(near[tuple(nearest)])


def _places(over: Overlay, of: Overlay, judged: Judged) -> NDArray[np.float64]:
    """Pixels of the canvas of `over` -> places judged on the canvas of `of`."""
    steps = [n / m for n, m in zip(judged.mask.shape[::-1], of.mask.shape[::-1], strict=True)]
    # Pixels are counted by their centres: what is reduced by a factor begins half a pixel of its own further in.
    reduced = np.diag([*steps, 1.0])
    reduced[:2, 2] = [0.5 * step - 0.5 for step in steps]
    return np.asarray(reduced @ of.to_canvas @ np.linalg.inv(over.to_canvas), np.float64)


def _deeply(judged: Judged) -> Mask:
    """Where structure differs although colours do not, away from what is covered: no letter is near."""
    reach = 2 * round(_REACH * max(judged.mask.shape)) + 1
    around = cv2.dilate(judged.covered.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return judged.informative & ~judged.agreeing & ~judged.covered & ~around


def largest_apart(judged: Judged) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the largest connected part that differs, as shares of the overlap; none without."""
    _, rows = _apart(judged)
    if len(rows) < 2:
        return None
    left, top, width, height, _ = (int(v) for v in rows[1 + int(rows[1:, cv2.CC_STAT_AREA].argmax())])
    tall, wide = judged.mask.shape
    return left / wide, top / tall, (left + width) / wide, (top + height) / tall


def _apart(judged: Judged) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Labels and rows of statistics of the connected parts that differ; the first row is the ground."""
    stroke = np.ones((1 + 2 * (max(judged.mask.shape) // 53),) * 2, np.uint8)
    apart = cv2.morphologyEx((judged.informative & ~judged.agreeing).astype(np.uint8), cv2.MORPH_OPEN, stroke)
    _, labels, rows, _ = cv2.connectedComponentsWithStats(apart, connectivity=8)
    return np.asarray(labels, np.int32), np.asarray(rows, np.int32)


def informative(rgb: NDArray[np.uint8]) -> Array:
    """Where one picture (h, w, 3) shows something: 1 or 0, float32, the shape kept."""
    pixels = _smoothed(np.asarray(rgb, np.float32) / np.float32(255))
    everywhere = _Weight.of(np.ones(rgb.shape[:2], np.float32))
    detail = _detail(pixels, everywhere)
    energy = _moments(detail, detail, everywhere)[0]
    return (energy > PLAIN**2).astype(np.float32)


def structure(rgb: NDArray[np.uint8]) -> float:
    """Area of one picture (h, w, 3) that holds more than plain ground and straight edges, in the unit of `evidence`."""
    long = max(rgb.shape[:2])
    size = (max(16, round(rgb.shape[1] * SIDE / long)), max(16, round(rgb.shape[0] * SIDE / long)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return float(_corners(small).sum()) * (_UNIT / SIDE) ** 2


def _reduced(over: Overlay, side: int) -> tuple[Array, Array, Mask]:
    height, width = over.mask.shape
    scale = side / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    a, b = (cv2.resize(p, size, interpolation=how).astype(np.float32) / 255 for p in (over.a, over.b))
    mask = cv2.resize(over.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.9
    return a, b, np.asarray(mask)


def _judge(a: Array, b: Array, mask: Mask, colours: ColourMap, *, evidence: bool = True) -> Judged:
    side = max(mask.shape)
    first, told_a, second, told_b = (_smoothed(p) for p in colours.planes(a, b))
    everywhere = _Weight.of(mask.astype(np.float32))
    whole, contrast = _likeness(first, told_a, second, told_b, everywhere)
    apart = _difference(first.plane, told_a.plane, second.plane, told_b.plane, _FINE * side)
    limit = _limit(apart, mask, (whole >= AGREES) & mask)
    covered = mask & (apart >= limit)
    left, parts = everywhere, whole
    if covered.any():
        left = _Weight.of(everywhere.weight * ~covered)
        parts, contrast = _likeness(first, told_a, second, told_b, left)
    near = left.window / (everywhere.window + 1e-6)
    shown = (left.weight > 0) & (contrast > PLAIN**2)
    agreeing = (shown & (parts >= AGREES) & (near >= _ISLAND)) | (mask & (whole >= AT_ONCE) & (contrast > PLAIN**2))
    could = (shown | covered) & mask
    agreeing &= could
    squares = 0.0
    if evidence and agreeing.any():
        squares = float((agreeing & _corners(a) & _corners(b)).sum()) * (_UNIT / side) ** 2
    likeness = np.where(covered & ~agreeing, np.minimum(whole, 0), np.maximum(parts, np.where(agreeing, whole, parts)))
    return Judged(
        mask,
        could,
        agreeing,
        covered & ~agreeing,
        np.where(mask, likeness, 0).astype(np.float32),
        squares,
        colours,
        limit,
    )


def _difference(first: Array, told_a: Array, second: Array, told_b: Array, sigma: float) -> Array:
    """(h, w): root mean square difference of colours, smoothed, of that direction in which it is larger."""
    squares = (
        _mean(np.square(_deep(cv2.GaussianBlur(p - q, (0, 0), sigma)))) for p, q in ((first, told_a), (second, told_b))
    )
    return np.asarray(np.sqrt(np.maximum(*squares)), np.float32)


def _limit(apart: Array, mask: Mask, good: Mask) -> float:
    """The difference of colours from which a place is covered."""
    if not mask.any():
        return _OUTLIER[1]
    limit = float(np.clip(_TIMES * np.median(apart[mask]), *_OUTLIER))
    if good.sum() > 0.02 * mask.sum():
        limit = min(limit, float(np.clip(_TIMES * np.median(apart[good]), *_OUTLIER)))
    return limit


@dataclass(frozen=True, slots=True)
class _Smoothed:
    """A picture (h, w, c) and the same without its finest detail."""

    plane: Array
    fine: Array


def _smoothed(plane: Array) -> _Smoothed:
    return _Smoothed(plane, _deep(cv2.GaussianBlur(plane, (0, 0), _FINE * max(plane.shape[:2]))))


@dataclass(frozen=True, slots=True)
class _Weight:
    """Which places count, (h, w) in [0, 1], with its means over both neighbourhoods: they serve every plane."""

    weight: Array
    coarse: Array
    window: Array

    @classmethod
    def of(cls, weight: Array) -> _Weight:
        side = max(weight.shape)
        coarse, window = (np.asarray(cv2.GaussianBlur(weight, (0, 0), s * side)) for s in (_COARSE, _WINDOW))
        return cls(weight, coarse, window)


def _likeness(
    first: _Smoothed, told_a: _Smoothed, second: _Smoothed, told_b: _Smoothed, weight: _Weight
) -> tuple[Array, Array]:
    """Likeness of every place, the smaller of both directions, and the larger mean square contrast of the two."""
    rows = []
    for x, y in ((first, told_a), (second, told_b)):
        xx, yy, xy = _moments(_detail(x, weight), _detail(y, weight), weight)
        # Correlation times twice the geometric over the arithmetic mean of the contrasts.
        rows.append((2 * xy / (xx + yy + 2 * _NOISE), xx))
    return np.minimum(rows[0][0], rows[1][0]), np.maximum(rows[0][1], rows[1][1])


def _moments(dx: Array, dy: Array, weight: _Weight) -> tuple[Array, Array, Array]:
    """Weighted means over the window of dx dx, dy dy and dx dy, each a mean over the channels."""
    side = max(weight.weight.shape)
    products = np.stack([_mean(dx * dx), _mean(dy * dy), _mean(dx * dy)], 2) * weight.weight[..., None]
    means = cv2.GaussianBlur(products, (0, 0), _WINDOW * side) / (weight.window + 1e-6)[..., None]
    return means[..., 0], means[..., 1], means[..., 2]


def _detail(smoothed: _Smoothed, weight: _Weight) -> Array:
    """What lies between the two scales; places without weight do not bend the coarse one."""
    side = max(weight.weight.shape)
    coarse = _deep(cv2.GaussianBlur(smoothed.plane * weight.weight[..., None], (0, 0), _COARSE * side))
    return smoothed.fine - coarse / (weight.coarse + 1e-6)[..., None]


def _deep(plane: Array) -> Array:
    """OpenCV drops the last axis of one channel."""
    return np.asarray(plane if plane.ndim == 3 else plane[..., None], np.float32)


def _mean(planes: Array) -> Array:
    """Mean over the channels; numpy's own is slow over so short an axis."""
    if planes.shape[2] == 1:
        return np.ascontiguousarray(planes[..., 0])
    return np.asarray(cv2.transform(planes, np.full((1, planes.shape[2]), 1 / planes.shape[2])), np.float32)


def _corners(pixels: Array) -> Mask:
    """Where a picture (h, w, 3) holds structure in two directions."""
    side = max(pixels.shape[:2])
    smooth = cv2.GaussianBlur(pixels, (0, 0), _FINE * side)
    dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
    xx, yy, xy = (cv2.GaussianBlur(_mean(p) * 3, (0, 0), _WINDOW * side) for p in (dx * dx, dy * dy, dx * dy))
    half, apart = (xx + yy) / 2, np.sqrt(np.square((xx - yy) / 2) + xy * xy)
    return np.asarray((half - apart > _CORNER * (half + apart)) & (half - apart > _CORNER_CONTRAST))


def _displacement(a: Array, b: Array, mask: Mask, colours: ColourMap) -> Array:
    """(h, w, 2): where in the second picture the places of the first are found, smoothed and cut."""
    first, told, _, _ = colours.planes(a, b)
    x, y = (np.clip(np.rint(p.mean(2) * 255), 0, 255).astype(np.uint8) for p in (first, told))
    # OpenCV ships the search without naming it in its type stubs.
    search = getattr(cv2, "DISOpticalFlow_create")(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # noqa: B009
    flow = search.calc(x, y, None)
    side = max(mask.shape)
    steep = cv2.Sobel(x, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(x, cv2.CV_32F, 0, 1) ** 2
    weight = mask * np.minimum(1.0, steep / 400) + 1e-3
    weight *= np.hypot(flow[..., 0], flow[..., 1]) < 2 * FURTHEST * side
    weight = weight.astype(np.float32)
    norm = np.maximum(cv2.GaussianBlur(weight, (0, 0), FLOW * side), 1e-6)[..., None]
    smooth = cv2.GaussianBlur(flow * weight[..., None], (0, 0), FLOW * side) / norm
    length = np.hypot(smooth[..., 0], smooth[..., 1])[..., None]
    return np.asarray(smooth * np.minimum(1.0, FURTHEST * side / np.maximum(length, 1e-6)), np.float32)
