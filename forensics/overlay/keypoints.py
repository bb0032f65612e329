"""Keypoints of a plate and their correspondences: RootSIFT, mutual, with the ratio test.

D. Lowe, IJCV 60(2), 2004; R. Arandjelović and A. Zisserman, CVPR 2012 (the square root). The descriptors of the
mirrored and of the tone-inverted picture are permutations of those of the picture itself, so that one detection serves
all four hypotheses: a mirror turns the order of orientations and of the rows of cells, an inversion turns the patch
half round.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.plates import Array, Matrix, Plate

FEATURES = 3000
"""At most this many keypoints of a picture, the strongest."""
CONTRAST = 0.02
"""Detector's contrast threshold: half of the usual one, because flat art has few and faint keypoints."""
RATIO = 0.8
"""A match counts where the second best is farther by this factor (Lowe's value)."""
_CELLS = 4
_ANGLES = 8


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Locations and descriptors."""

    points: Matrix
    """(n, 2) float64, pixels of the plate."""
    vectors: Array
    """(n, 128) float32, unit length."""


def detect(plate: Plate) -> Keypoints:
    """Keypoints of a plate; none where it is flat."""
    eight_bit = np.clip(np.rint(plate.luma * 255), 0, 255).astype(np.uint8)
    # OpenCV 5 ships SIFT without naming it in its type stubs.
    sift = getattr(cv2, "SIFT_create")  # noqa: B009
    found, vectors = sift(nfeatures=FEATURES, contrastThreshold=CONTRAST).detectAndCompute(eight_bit, None)
    if vectors is None or not len(found):
        return Keypoints(np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    points = np.array([k.pt for k in found], np.float64)
    # OpenCV keeps the strongest in no stated order; this one is a function of the picture alone.
    order = np.lexsort((vectors[:, 0], points[:, 0], points[:, 1]))
    if plate.ignored is not None:
        x, y = (np.clip(np.rint(points[order, i]).astype(int), 0, plate.size[1 - i] - 1) for i in (0, 1))
        order = order[~plate.ignored[y, x]]
    unit = np.sqrt(vectors / np.maximum(vectors.sum(1, keepdims=True), 1e-9))
    return Keypoints(points[order], unit[order].astype(np.float32))


def variant(vectors: Array, *, mirrored: bool, inverted: bool) -> Array:
    """Descriptors as the mirrored or tone-inverted picture has them at the corresponding places."""
    cells = vectors.reshape(-1, _CELLS, _CELLS, _ANGLES)
    if mirrored:
        cells = cells[:, ::-1][..., (-np.arange(_ANGLES)) % _ANGLES]
    if inverted:
        cells = cells[:, ::-1, ::-1]
    return np.ascontiguousarray(cells.reshape(-1, _CELLS * _CELLS * _ANGLES))


def match(a: Array, b: Array) -> NDArray[np.intp]:
    """(k, 2) indices into `a` and `b`: mutual nearest neighbours that pass the ratio test both ways."""
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.intp)
    cosine = a @ b.T
    best, _, mutual = nearest(cosine)
    ours = np.flatnonzero(mutual)
    theirs = best[ours]
    # The second best is asked for only where the best is mutual: it is what takes time.
    passed = _distinct(cosine[ours]) & _distinct(np.ascontiguousarray(cosine[:, theirs].T))
    return np.stack([ours[passed], theirs[passed]], 1)


def nearest(cosine: Array) -> tuple[NDArray[np.intp], Array, NDArray[np.bool_]]:
    """Of every row of (n, m): its largest column, the value there, and whether it is the largest of that column."""
    best = cosine.argmax(1)
    value = cosine[np.arange(len(best)), best]
    # The largest along the first axis is quick to find, its place is not; of equals the first row is the one.
    mutual = value >= cosine.max(0)[best]
    rows = np.flatnonzero(mutual)
    mutual[:] = False
    mutual[rows[np.unique(best[rows], return_index=True)[1]]] = True
    return best, value, mutual


def _distinct(cosine: Array) -> NDArray[np.bool_]:
    """Whether the best of each row is nearer than the second best by Lowe's ratio."""
    if not len(cosine):
        return np.zeros(0, bool)
    top = np.partition(cosine, -2, axis=1)[:, -2:]
    first = np.sqrt(np.maximum(2 - 2 * top[:, 1], 0))
    second = np.sqrt(np.maximum(2 - 2 * top[:, 0], 0))
    return np.asarray(first < RATIO * second + 1e-9)
