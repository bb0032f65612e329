"""Local features of candidates: at how many places a row's picture agrees with the query under one map of the plane.

A vector of a picture says that two pictures are alike; places that agree under one rotation, scale and shift say that
one may show the other or a part of it. This orders candidates, nothing more: what a comparison finds is decided by the
overlay (`forensics.overlay`), with its own rules. Another kind of feature is one more row of `FEATURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forensics import hands
from forensics.overlay.keypoints import Keypoints, detect, match, variant
from forensics.overlay.plates import Box, Plate, luminance
from forensics.registry import Registry

Matrix = NDArray[np.float64]
Shown = Callable[[], Image.Image | None]
"""Reads a picture; none where there is none to be read."""
SMALLEST, LARGEST = 256, 512
"""Long side in pixels at which features are found: smaller pictures are enlarged, larger ones reduced."""
LEAST = 6
"""Places that must agree before they count as any: unrelated pairs rarely reach it."""
TOLERANCE = 3.0
"""Pixels by which a place may miss the map."""
GRID = 8
"""Cells along the long side, over which the agreeing places are spread."""
_KEPT = 4096
"""Pictures whose features are kept in memory; one takes about 100 kB."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two pictures have in common under one map."""

    places: int
    """Distinct places that agree; 0 where fewer than `LEAST` do."""
    cells: int
    """Cells of a grid that they fill, on the picture where they fill fewer; at most `GRID` squared."""


NOTHING = Agreement(0, 0)


class LocalFeatures(Protocol):
    """One kind of local feature."""

    name: str
    protocol: str
    """How features are found and matched, in words, for the report."""

    def describe(self, picture: Image.Image) -> Any:
        """Features of one RGB picture, for `agree` alone."""
        ...

    def agree(self, query: Any, item: Any) -> Agreement:
        """The map that most places agree with, as is or mirrored. Deterministic."""
        ...


class Sift:
    """RootSIFT (D. Lowe 2004; R. Arandjelović and A. Zisserman 2012), as the overlay finds it, on smaller pictures."""

    name = "RootSIFT"
    protocol = (
        f"RootSIFT on pictures of {SMALLEST} to {LARGEST} pixels, mutual nearest neighbours that pass the ratio test, "
        f"as is, mirrored and in inverted tones; one similarity by RANSAC, {TOLERANCE:g} pixels; {LEAST} places or more"
    )

    def describe(self, picture: Image.Image) -> Keypoints:
        """See `LocalFeatures`."""
        pixels = np.asarray(picture.convert("RGB"), np.uint8)
        height, width = pixels.shape[:2]
        long = max(height, width)
        scale = min(max(long, SMALLEST), LARGEST) / long
        if scale != 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = np.asarray(
                cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8
            )
        frame = Box(0, 0, pixels.shape[1], pixels.shape[0])
        return detect(Plate(pixels, luminance(pixels), frame, scale, (height, width), ""))

    def agree(self, query: Keypoints, item: Keypoints) -> Agreement:
        """See `LocalFeatures`."""
        best = NOTHING
        for mirrored in (False, True):
            for inverted in (False, True):
                pairs = match(query.vectors, variant(item.vectors, mirrored=mirrored, inverted=inverted))
                if len(pairs) >= LEAST:
                    found = _agreeing(query.points[pairs[:, 0]], item.points[pairs[:, 1]], mirrored=mirrored)
                    best = max(best, found, key=lambda a: (a.cells, a.places))
        return best


FEATURES: Registry[type[LocalFeatures]] = Registry("local features", {"sift": "forensics.retrieval.local:Sift"})
"""Kinds of local features that can order candidates."""
DEFAULT = "sift"


def _agreeing(ours: Matrix, theirs: Matrix, *, mirrored: bool) -> Agreement:
    source = theirs * [-1, 1] if mirrored else theirs
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffinePartial2D(
        np.ascontiguousarray(source),
        np.ascontiguousarray(ours),
        method=cv2.RANSAC,
        ransacReprojThreshold=TOLERANCE,
        maxIters=1000,
        confidence=0.999,
    )
    if matrix is None or not np.isfinite(matrix).all():
        return NOTHING
    hit = inside.ravel() > 0
    places = min(_distinct(ours[hit], 4), _distinct(theirs[hit], 4))
    if places < LEAST:
        return NOTHING
    return Agreement(places, min(_distinct(p[hit], SMALLEST / GRID) for p in (ours, theirs)))


def _distinct(points: Matrix, size: float) -> int:
    return len({(int(x // size), int(y // size)) for x, y in points})


class Bench:
    """Features of the query once, of every row's picture once as long as this process runs."""

    def __init__(self, features: LocalFeatures) -> None:
        """Lay candidates over queries with these features."""
        self.features = features
        self._kept: dict[str, Any] = {}

    def lay(self, query: Image.Image, items: Sequence[tuple[str, Shown]]) -> list[Agreement | None]:
        """For each item its agreement with the query; none where it has no picture.

        Args:
            query: RGB.
            items: (digest of the picture, or empty; what reads it, asked once a digest).
        """
        described = self.features.describe(query)

        def laid(item: tuple[str, Shown]) -> Agreement | None:
            found = self._of(*item)
            return None if found is None else self.features.agree(described, found)

        return hands.each(laid, items)

    def _of(self, digest: str, shown: Shown) -> Any:
        if digest in self._kept:
            return self._kept[digest]
        picture = shown()
        found = None if picture is None else self.features.describe(picture)
        if digest and len(self._kept) < _KEPT:
            self._kept[digest] = found
        return found
