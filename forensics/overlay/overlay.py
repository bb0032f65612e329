"""Two aligned pictures on one canvas: what is laid over what, and which pixels both show.

The canvas holds the overlap alone, its long side 256 or 512 pixels, so that every measure taken on it answers for the
part that both pictures have, at one size whatever the sizes received.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.plates import Array, Box, Bytes, Matrix, Plate

CANVAS = 256
FINE_CANVAS = 512
"""Long side of the canvas where both pictures have more than 256 pixels across the overlap."""
TRIM = 0.04
"""Share of the long side of the content left out along its edges: shared thin frames make unrelated pictures agree."""
SLIVER = 1 / 256
"""Share of each side along the edges of a content that no area is reckoned with."""
_SAMPLES = 24
"""Tone fits use the canvas reduced to this many pixels a side at least."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The overlap of two pictures on one canvas."""

    a: Bytes
    """(h, w, 3): the first picture."""
    b: Bytes
    """(h, w, 3): the second, brought over the first."""
    mask: NDArray[np.bool_]
    """(h, w): where both have content."""
    to_canvas: Matrix
    """Plate of the first picture -> canvas."""
    area_a: float
    """Share of the content of the first picture that lies in the overlap, in [0, 1]."""
    area_b: float
    """The same of the second picture."""
    native: float
    """Pixels, as received, along the long side of the canvas: of the picture that has fewer."""


def inner(plate: Plate) -> Box:
    """The content of a plate without a thin rim, whether or not the picture has a plain margin around it.

    A margin that one of two pictures has must not decide how much of the picture inside is looked at.
    """
    c = plate.content
    rim = round(TRIM * max(c.width, c.height))
    box = Box(c.left + rim, c.top + rim, c.right - rim, c.bottom - rim)
    return box if box.width > 8 and box.height > 8 else c


def project(matrix: Matrix, points: Matrix) -> Matrix:
    """(n, 2) points under a 3 x 3 matrix."""
    lifted = np.concatenate([points, np.ones((len(points), 1))], 1) @ matrix.T
    return np.asarray(lifted[:, :2] / lifted[:, 2:])


def whole(plate: Plate) -> Box:
    """The content of a plate with its rim."""
    return plate.content


def overlap(
    a: Plate, b: Plate, matrix: Matrix, looked_at: Callable[[Plate], Box] = inner
) -> tuple[Matrix, float, float] | None:
    """The polygon, in the plate of `a`, that both contents cover, and its share of each; none where they miss."""
    ours = looked_at(a).corners().astype(np.float32)
    theirs = project(matrix, looked_at(b).corners()).astype(np.float32)
    if not np.isfinite(theirs).all() or not cv2.isContourConvex(theirs.reshape(-1, 1, 2)):
        return None
    area, polygon = cv2.intersectConvexConvex(ours, theirs)
    if polygon is None or area < 64:
        return None
    return (
        polygon.reshape(-1, 2).astype(np.float64),
        min(1.0, float(area / cv2.contourArea(ours))),
        min(1.0, float(area / max(cv2.contourArea(theirs), 1e-6))),
    )


def comparable(a: Plate, b: Plate, matrix: Matrix) -> tuple[float, float]:
    """Shares of the two contents that the overlap takes up, of what the other's rim does not hide; 0 where they miss.

    The rim of a page is not looked at. What of a picture lies under it is neither there nor missing, so that a picture
    at the edge of a page counts as one in the middle of it.
    """
    found = overlap(a, b, matrix)
    if found is None:
        return 0.0, 0.0
    shared = _area(found[0])
    # Areas of the second picture are measured in the plate of the first, as those of `overlap` are.
    ours, theirs = inner(a).corners(), project(matrix, inner(b).corners())
    under_b = _shared(ours, project(matrix, b.content.corners())) - shared
    under_a = _shared(a.content.corners(), theirs) - shared
    first, second = (
        min(1.0, shared / max(_area(own) - max(0.0, hidden), 1e-6))
        for own, hidden in ((ours, under_b), (theirs, under_a))
    )
    return first, second


def extent(a: Plate, b: Plate, matrix: Matrix) -> tuple[float, float]:
    """Shares of the area of the two contents that lie in the other's content; 0 where they miss.

    Unlike `comparable` this counts the rims: what a crop cut off a picture lies there for the greater part. Only a
    sliver of either is left out, since the contents of two copies may end a pixel or two apart.
    """
    ours, theirs = a.content.corners(), project(matrix, b.content.corners())
    own, their = _narrowed(ours), project(matrix, _narrowed(b.content.corners()))
    if overlap(a, b, matrix) is None:
        return 0.0, 0.0
    first, second = (
        min(1.0, _shared(mine, other) / max(_area(mine), 1e-6)) for mine, other in ((own, theirs), (their, ours))
    )
    return first, second


def _narrowed(corners: Matrix) -> Matrix:
    centre = corners.mean(0)
    return np.asarray(centre + (1 - 2 * SLIVER) * (corners - centre))


def _shared(one: Matrix, other: Matrix) -> float:
    """Area that two convex polygons (k, 2) share."""
    area, _ = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))
    return float(area)


def _area(polygon: Matrix) -> float:
    return float(cv2.contourArea(polygon.astype(np.float32)))


def lay(
    a: Plate, b: Plate, matrix: Matrix, side: int | None = None, looked_at: Callable[[Plate], Box] = inner
) -> Overlay | None:
    """Both pictures on the canvas of their overlap.

    Args:
        matrix: plate of `b` -> plate of `a`.
        side: long side of the canvas; by default 512 where both have the pixels for it, else 256.
        looked_at: the part of a plate that counts as its content: without its rim, unless areas are reckoned.
    """
    found = overlap(a, b, matrix, looked_at)
    if found is None:
        return None
    polygon, share_a, share_b = found
    low, high = polygon.min(0), polygon.max(0)
    extent = float((high - low).max())
    if extent < 8:
        return None
    density = _density(matrix, polygon.mean(0))
    native = extent * min(1 / a.scale, density / b.scale)
    if side is None:
        side = FINE_CANVAS if native > CANVAS * 1.25 else CANVAS
    scale = side / extent
    width, height = (max(16, round(float(v) * scale)) for v in (high - low))
    to_canvas = np.array([[scale, 0, -low[0] * scale - 0.5], [0, scale, -low[1] * scale - 0.5], [0, 0, 1.0]])
    ours = _warp(a.rgb, to_canvas, (width, height), scale)
    theirs = _warp(b.rgb, to_canvas @ matrix, (width, height), scale / density)
    mask = np.zeros((height, width), np.uint8)
    corners = project(to_canvas, polygon)
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    for plate, shown in ((a, to_canvas), (b, to_canvas @ matrix)):
        if plate.ignored is not None:
            mask[cv2.warpPerspective(plate.ignored.astype(np.uint8), shown, (width, height)) > 0] = 0
    return Overlay(ours, theirs, mask.astype(bool), to_canvas, share_a, share_b, native)


def _density(matrix: Matrix, at: Matrix) -> float:
    """Pixels of the plate of `b` per pixel of the plate of `a`, around a place in `a`."""
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    around = np.array([[0, 0], [1, 0], [0, 1]]) + at
    p, q, r = project(back, around)
    return float(np.sqrt(max(abs(np.linalg.det(np.stack([q - p, r - p]))), 1e-12)))


def _warp(rgb: Bytes, matrix: Matrix, size: tuple[int, int], scale: float) -> Bytes:
    if scale < 0.9:
        # What the canvas cannot hold is taken out first; sampling alone would fold it into coarser detail.
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.5 * float(np.sqrt(1 / scale**2 - 1)))
    return np.asarray(
        cv2.warpPerspective(rgb, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def tones(over: Overlay) -> tuple[Array, Array, float]:
    """One tone plane of each picture, insensitive to recolouring, and the correlation of their plain luminances.

    The planes are the pair of linear combinations of red, green and blue that correlate best over the overlap (first
    canonical correlation, on the reduced canvas, with a ridge so that grey pictures are well defined). An inversion or
    a change of hue is taken up by the combination; unrelated pictures gain nothing in fine detail, because six numbers
    are fitted to the whole overlap.
    """
    side = _SAMPLES * 2
    mask = cv2.resize(over.mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) > 0.9
    if mask.sum() < _SAMPLES:
        mask[:] = True
    x, y = (
        cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA)[mask].astype(np.float64) / 255
        for p in (over.a, over.b)
    )
    weights = np.array([0.299, 0.587, 0.114])
    lx, ly = x @ weights, y @ weights
    luminance = float(_correlation(lx, ly))
    xc, yc = x - x.mean(0), y - y.mean(0)
    ridge = 1e-3
    cxx = xc.T @ xc / len(x) + ridge * np.eye(3)
    cyy = yc.T @ yc / len(y) + ridge * np.eye(3)
    wx, wy = _whitener(cxx), _whitener(cyy)
    u, _, vt = np.linalg.svd(wx @ (xc.T @ yc / len(x)) @ wy)
    px, py = wx @ u[:, 0], wy @ vt[0]
    if px.sum() < 0:  # the sign of a singular pair is arbitrary; lighter stays lighter
        px, py = -px, -py
    return _plane(over.a, px), _plane(over.b, py), luminance


def _whitener(covariance: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors @ np.diag(values**-0.5) @ vectors.T)


def _plane(rgb: Bytes, weights: Matrix) -> Array:
    plane = (rgb.astype(np.float32) / 255) @ (weights / np.abs(weights).sum()).astype(np.float32)
    return np.asarray(plane, np.float32)


def _correlation(x: Matrix, y: Matrix) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / size) if size > 1e-12 else 0.0
