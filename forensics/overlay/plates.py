"""A picture made ready for comparison: proportions kept, plain margins found, luminance beside colour.

A `Plate` is what every step of the comparison reads. Coordinates are pixels of the plate with the centre of the first
pixel at (0, 0); `scale` leads back to the picture as received.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 384, 768
"""Long side of a plate in pixels: smaller pictures are enlarged, because keypoints need room, larger ones reduced."""
_PLAIN_MEAN, _PLAIN_PEAK = 4.0, 28.0
"""A row or column belongs to a plain margin while it differs from the colour of its edge by no more than this, of 255,
on average and at its 98th percentile: paper, letterbox bars and solid frames, with the noise that JPEG leaves."""
_AT_ONCE = 32
"""Rows or columns looked at together: most pictures have no margin, and the first few settle it."""
_MAX_RINGS = 3
"""Nested plain bands (paper, frame line, mount) that are taken off."""
_MIN_LEFT = 0.15
"""A margin that would leave less of a side than this is no margin."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Matrix = NDArray[np.float64]
"""3 x 3, acting on (x, y, 1)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return max(0, self.width) * max(0, self.height)

    def corners(self) -> Matrix:
        """(4, 2) float64: the outer corners, clockwise from the upper left."""
        x0, y0, x1, y1 = self.left - 0.5, self.top - 0.5, self.right - 0.5, self.bottom - 0.5
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


@dataclass(frozen=True, slots=True)
class Plate:
    """One picture at its working size."""

    rgb: Bytes
    """(H, W, 3), sRGB."""
    luma: Array
    """(H, W) in [0, 1]: BT.601 weights of the encoded values."""
    content: Box
    """What is left without plain margins; the whole picture where there are none."""
    scale: float
    """Pixels of the plate per pixel of the picture as received."""
    native: tuple[int, int]
    """(height, width) as received."""
    digest: str
    """SHA-256 of size and pixels as received."""
    ignored: NDArray[np.bool_] | None = None
    """(H, W): parts that are left out, because other works have them too; none where nothing is left out."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the plate."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def margin_share(self) -> float:
        """Share of the area that is plain margin."""
        return 1 - self.content.area / (self.rgb.shape[0] * self.rgb.shape[1])


def plate(pixels: Bytes) -> Plate:
    """The plate of an (H, W, 3) 8-bit sRGB picture. Raises ValueError for any other array."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) 8-bit values, got {pixels.shape} {pixels.dtype}")
    height, width = pixels.shape[:2]
    long = max(height, width)
    scale = min(max(long, SMALLEST), LARGEST) / long
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rgb = pixels if scale == 1 else cv2.resize(pixels, size, interpolation=interpolation)
    return Plate(rgb, luminance(rgb), content(rgb), scale, (height, width), digest(pixels))


def digest(pixels: Bytes) -> str:
    """SHA-256 of size and pixels of an (H, W, 3) picture."""
    return hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}".encode() + pixels.tobytes()).hexdigest()


def without(plate: Plate, ignored: NDArray[np.bool_]) -> Plate:
    """The plate with parts left out of every comparison."""
    return replace(plate, ignored=ignored if plate.ignored is None else plate.ignored | ignored)


def luminance(rgb: Bytes) -> Array:
    """(H, W) float32 in [0, 1]."""
    return np.asarray((rgb.astype(np.float32) @ _LUMA) / 255, np.float32)


def content(rgb: Bytes) -> Box:
    """The rectangle inside plain margins, letterbox bars and solid frames."""
    height, width = rgb.shape[:2]
    box = Box(0, 0, width, height)
    for _ in range(_MAX_RINGS):
        inner = _without_ring(rgb, box)
        if inner == box or inner.width < _MIN_LEFT * width or inner.height < _MIN_LEFT * height:
            break
        box = inner
    return box


def _without_ring(rgb: Bytes, box: Box) -> Box:
    part = rgb[box.top : box.bottom, box.left : box.right].astype(np.float32)
    top = _plain(part)
    bottom = _plain(part[::-1])
    if top + bottom >= part.shape[0]:
        return box
    middle = part[top : part.shape[0] - bottom].transpose(1, 0, 2)
    left, right = _plain(middle), _plain(middle[::-1])
    if left + right >= middle.shape[0]:
        return box
    return Box(box.left + left, box.top + top, box.right - right, box.bottom - bottom)


def _plain(rows: Array) -> int:
    """How many rows from the first on show nothing but the colour of the first."""
    colour = np.median(rows[0], axis=0)
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE, ::3]  # every third place: a margin is plain everywhere
        differences = np.abs(some - colour).max(axis=2)
        plain = (differences.mean(axis=1) <= _PLAIN_MEAN) & (np.percentile(differences, 98, axis=1) <= _PLAIN_PEAK)
        if not plain.all():
            return first + int(np.argmin(plain))
    return len(rows)
