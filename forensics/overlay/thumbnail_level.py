"""At what level of detail two aligned pictures agree: as how large a thumbnail.

For n pixels the picture is reduced to n along its long side, and what a thumbnail of half that size already shows is
taken away; the two remainders are correlated over the overlap. The level is the largest n up to which every step from
32 on correlates. Fourier-ring cut-offs are not used: photographs share a spectrum, and 1/7 or half-bit is exceeded by
unrelated pairs. Two pictures of one subject agree coarsely and part ways at 32 pixels; a copy goes on agreeing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.plates import Array

VERSION = "1"
STEPS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Sides in pixels; each band holds the detail between half its side and its side."""
FIRST = 32
"""Smallest level that is said: below it agreement is no more than a similar layout."""
AGREES = 0.80
"""Correlation at or above which a band agrees."""
FAINT = 0.004
"""Root mean square contrast, of values in [0, 1], below which a band holds nothing to compare: one level of 255."""
_TILES = 4
_BOOTSTRAPS = 200
_QUANTILES = (0.05, 0.95)
_MIN_PIXELS = 60


@dataclass(frozen=True, slots=True)
class Detail:
    """Agreement band by band."""

    steps: tuple[int, ...]
    """The sides measured, smallest first."""
    correlation: tuple[float, ...]
    """Of each band; in [-1, 1]. Not a number where either band is empty."""
    contrast: tuple[float, ...]
    """Root mean square contrast of the fainter of the two bands."""
    level: int
    """Largest side that agrees with every side from 32 on; 0 where 32 does not."""
    low: int
    high: int
    """Central 90 % of the level when sixteenths of the overlap are drawn anew with replacement, fixed seed."""

    def at(self, side: int) -> float:
        """The correlation of one band; 0 where it was not measured or is empty."""
        if side not in self.steps:
            return 0.0
        value = self.correlation[self.steps.index(side)]
        return value if value == value else 0.0

    def exhausted(self, agrees: float = AGREES) -> bool:
        """Whether every side from 32 on that holds anything to compare agrees: nothing finer is left."""
        rows = zip(self.steps, self.correlation, self.contrast, strict=True)
        held = [c for s, c, strength in rows if s >= FIRST and c == c and strength >= FAINT]
        return all(c >= agrees for c in held)

    def mean(self, *sides: int) -> float:
        """Mean correlation over some bands, empty ones left out."""
        values = [c for s, c in zip(self.steps, self.correlation, strict=True) if s in sides and c == c]
        return sum(values) / len(values) if values else 0.0


def bands(plane: Array, long: int, steps: tuple[int, ...]) -> list[Array]:
    """The detail of a plane between half of each side and the side."""
    height, width = plane.shape
    out = []
    for n in steps:
        fine, coarse = (_reduced(plane, width, height, long, side) for side in (n, max(2, n // 2)))
        size = (fine.shape[1], fine.shape[0])
        out.append(fine - cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return out


def measure(
    a: Array,
    b: Array,
    mask: NDArray[np.bool_],
    *,
    interval: bool = True,
    agrees: float = AGREES,
    sides: tuple[int, ...] = STEPS,
) -> Detail:
    """Compare two aligned planes.

    Args:
        a: (h, w) values in about [0, 1].
        b: the same shape.
        mask: (h, w), where both are valid.
        interval: also draw the bootstrap interval.
        agrees: correlation at or above which a band agrees.
        sides: bands that are measured; the level is that among them.
    """
    long = max(a.shape)
    steps = tuple(n for n in sides if n <= long)
    sums, contrast = [], []
    for x, y in zip(bands(a, long, steps), bands(b, long, steps), strict=True):
        share = cv2.resize(mask.astype(np.float32), (x.shape[1], x.shape[0]), interpolation=cv2.INTER_AREA)
        # Pixels that reach beyond the mask through the cubic kernel would compare padding.
        valid = cv2.erode((share > 0.98).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
        sums.append(_tile_sums(x, y, valid))
        contrast.append(_contrast(sums[-1].sum(0)))
    point = [_ncc(s.sum(0)) for s in sums]
    level = level_of(steps, point, contrast, agrees)
    low = high = level
    if interval and level:
        rng = np.random.default_rng(0)
        draws = rng.integers(0, _TILES * _TILES, (_BOOTSTRAPS, _TILES * _TILES))
        levels = []
        resampled = [s[draws].sum(1) for s in sums]
        for i in range(_BOOTSTRAPS):
            levels.append(level_of(steps, [_ncc(r[i]) for r in resampled], contrast, agrees))
        low, high = (int(v) for v in np.quantile(levels, _QUANTILES, method="nearest"))
    return Detail(steps, tuple(point), tuple(contrast), level, min(low, level), max(high, level))


def own_detail(a: Array, mask: NDArray[np.bool_]) -> int:
    """Ceiling of one picture: the largest side whose band, and every one before, holds more than rounding noise."""
    long = max(a.shape)
    steps = tuple(n for n in STEPS if n <= long)
    reached = 0
    for n, x in zip(steps, bands(a, long, steps), strict=True):
        share = cv2.resize(mask.astype(np.float32), (x.shape[1], x.shape[0]), interpolation=cv2.INTER_AREA) > 0.98
        if not share.any() or float(np.sqrt(np.mean(x[share] ** 2))) < FAINT:
            break
        reached = n
    return reached


def registration_ceiling(a: Array, mask: NDArray[np.bool_], residual: float, agrees: float = AGREES) -> int:
    """Ceiling of the alignment: the level at which a picture agrees with itself moved by the residual.

    Args:
        residual: pixels of the canvas, laid along the diagonal.
        agrees: correlation at or above which a band agrees.
    """
    d = residual / np.sqrt(2)
    shift = np.array([[1, 0, d], [0, 1, d]], np.float64)
    moved = cv2.warpAffine(a, shift, (a.shape[1], a.shape[0]), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return measure(a, moved, mask, interval=False, agrees=agrees).level


def _reduced(plane: Array, width: int, height: int, long: int, side: int) -> Array:
    size = (max(2, round(width * side / long)), max(2, round(height * side / long)))
    if size == (width, height):
        return plane
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _tile_sums(x: Array, y: Array, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(16, 6): count and sums of x, y, xx, yy, xy over the valid pixels of each sixteenth."""
    planes = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).astype(np.float64) * valid
    rows = np.linspace(0, x.shape[0], _TILES + 1).astype(int)
    columns = np.linspace(0, x.shape[1], _TILES + 1).astype(int)
    out = np.zeros((_TILES * _TILES, 6))
    for i in range(_TILES):
        for j in range(_TILES):
            out[i * _TILES + j] = planes[:, rows[i] : rows[i + 1], columns[j] : columns[j + 1]].sum((1, 2))
    return out


def _moments(s: NDArray[np.float64]) -> tuple[float, float, float]:
    n, sx, sy, sxx, syy, sxy = (float(v) for v in s)
    return sxx - sx * sx / n, syy - sy * sy / n, sxy - sx * sy / n


def _ncc(s: NDArray[np.float64]) -> float:
    if s[0] < _MIN_PIXELS:
        return float("nan")
    vx, vy, cxy = _moments(s)
    return cxy / (vx * vy) ** 0.5 if vx > 1e-12 and vy > 1e-12 else float("nan")


def _contrast(s: NDArray[np.float64]) -> float:
    if s[0] < _MIN_PIXELS:
        return 0.0
    vx, vy, _ = _moments(s)
    return float((max(0.0, min(vx, vy)) / s[0]) ** 0.5)


def level_of(steps: Sequence[int], values: Sequence[float], contrast: Sequence[float], agrees: float = AGREES) -> int:
    """The largest side that agrees with every side from 32 on; 0 where 32 does not, or has nothing to compare."""
    level = 0
    for n, value, strength in zip(steps, values, contrast, strict=True):
        if n < FIRST:
            continue
        if not value >= agrees or strength < FAINT:  # not a number compares false
            break
        level = n
    return level
