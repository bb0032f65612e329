"""PDQ, the perceptual fingerprint of Meta's ThreatExchange: 256 bits and a quality, in numpy.

"The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook 2019. Luminance is smoothed by two
passes of a Jarosz (box) filter, sampled at 64 × 64, transformed by a discrete cosine transform whose lowest 16 × 16
frequencies (without the constant ones) are compared with their median. The published bound for "the same picture" is
31 of 256 bits, for fingerprints of quality 50 and more. A crop of five per cent or a rotation of five degrees is beyond
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERSION = "pdq/1"
SAME = 31
"""Differing bits, of 256, up to which Meta calls two pictures the same."""
QUALITY = 50
"""Quality below which Meta discards a fingerprint: the picture is too plain."""
_SIDE = 64
_BITS = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash and what is needed for those of the turned and mirrored picture."""

    bits: Bits
    """(256,), frequencies row by row."""
    quality: int
    """0 to 100: how much structure the picture has."""
    frequencies: NDArray[np.float64]
    """(16, 16) coefficients: rows vertical, columns horizontal frequencies 1 to 16."""


def fingerprint(rgb: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of an (H, W, 3) 8-bit sRGB picture. Raises ValueError for another array."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape[:2]) < 1:
        raise ValueError(f"expected (H, W, 3) 8-bit values, got {rgb.shape} {rgb.dtype}")
    luma = rgb.astype(np.float32) @ _LUMA
    rows, columns = (((np.arange(_SIDE) + 0.5) * n / _SIDE).astype(int) for n in luma.shape)
    smooth = _box(_box(luma, 1), 0)
    # The second pass is taken where it is sampled, and nowhere else.
    # Column by column in memory: the product below rounds by it, and the bits of plain pictures hang on the last digit.
    small = _box(_box(smooth, 1, columns), 0, rows).astype(np.float64, order="F")
    basis = _basis()
    frequencies = basis @ small @ basis.T
    return Fingerprint(_bits(frequencies), _quality(small), frequencies)


def distance(a: Fingerprint, b: Fingerprint) -> int:
    """Bits that differ, of 256."""
    return int(np.count_nonzero(a.bits != b.bits))


def distance_any_way(a: Fingerprint, b: Fingerprint) -> int:
    """The smallest distance over the eight ways a square can be turned and mirrored."""
    return min(int(np.count_nonzero(a.bits != turned)) for turned in dihedral(b))


def dihedral(a: Fingerprint) -> list[Bits]:
    """Bits of the eight turned and mirrored pictures, the picture itself first.

    Mirroring changes the sign of the odd horizontal frequencies, turning upside down that of the odd vertical ones,
    and the diagonal exchanges rows with columns; no pixel is resampled.
    """
    odd = np.where(np.arange(1, _BITS + 1) % 2 == 1, -1.0, 1.0)
    out = []
    for plane in (a.frequencies, a.frequencies.T):
        for rows in (np.ones(_BITS), odd):
            out += [_bits(plane * rows[:, None] * columns) for columns in (np.ones(_BITS), odd)]
    return out


def _bits(frequencies: NDArray[np.float64]) -> Bits:
    flat = frequencies.ravel()
    # The lower of the two middle values, as the reference implementation takes it.
    return np.asarray(flat > np.partition(flat, flat.size // 2 - 1)[flat.size // 2 - 1])


def _basis() -> NDArray[np.float64]:
    i, j = np.arange(1, _BITS + 1)[:, None], np.arange(_SIDE)[None]
    return np.asarray(np.sqrt(2 / _SIDE) * np.cos(np.pi / (2 * _SIDE) * i * (2 * j + 1)))


def _box(plane: NDArray[np.float32], axis: int, at: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """Running mean along an axis, everywhere or `at` the places named; the window is cut off at the ends."""
    length = plane.shape[axis]
    window = (length + 2 * _SIDE - 1) // (2 * _SIDE)
    right = (window + 2) // 2
    index = np.arange(length) if at is None else at
    stop = np.minimum(index + right, length)
    start = np.maximum(index - (window - right), 0)
    total = _sums(plane, axis)
    means = total.take(stop, axis)
    means -= total.take(start, axis)
    means /= np.expand_dims(stop - start, 1 - axis)
    return means.astype(np.float32)


def _sums(plane: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Running sums along an axis, the first of them 0: one row or column more than the plane."""
    height, width = plane.shape
    if axis == 1:
        total = np.zeros((height, width + 1))
        np.cumsum(plane, 1, dtype=np.float64, out=total[:, 1:])
        return total
    total = np.zeros((height + 1, width))
    for row in range(height):  # seven times as fast as `cumsum` down the columns, which takes them one by one
        np.add(total[row], plane[row], out=total[row + 1])
    return total


def _quality(small: NDArray[np.float64]) -> int:
    steps = [np.trunc(np.diff(small, axis=axis) * 100 / 255) for axis in (0, 1)]
    return min(100, int(sum(int(np.abs(s).sum()) for s in steps) / 90))
