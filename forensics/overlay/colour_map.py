"""One global map of colours between two pictures laid over each other: what recolouring explains, and nothing more.

The colours of one picture are told from those of the other by one smooth function for the whole overlap (a polynomial
of second degree in red, green and blue, with their largest and smallest as two more terms, which turns of hue need).
It is fitted both ways. What differs must not vanish in it: a function that sends a drawing and the paper behind it to
one colour explains nothing of the drawing in the other direction, and a part agrees only if it is explained in both.
The fit is robust, so that what covers a part of one picture does not bend the map for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.plates import Array, Bytes, Matrix

_SIDE = 56
_RIDGE = 2e-3
_ROUNDS = 3
_SCALE = 0.10
"""Distance of colours, in units of the range, beyond which a pixel loses its weight in the fit."""
_SIMPLER = 2e-4
"""Mean square error by which a fitted map has to be better than none."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
GREY = 0.015
"""Root mean square chroma that luminance does not explain, of values in [0, 1], up to which a picture counts as one
tone: grey, sepia, one ink."""


@dataclass(frozen=True, slots=True)
class ColourMap:
    """Both directions of the map of one overlap."""

    to_a: Matrix
    """(12, c): terms of the second picture -> colours (or tone) of the first."""
    to_b: Matrix
    toned: bool
    """Whether one of the pictures has one tone only; then luminances are compared, c = 1, else c = 3."""

    def planes(self, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
        """First, its prediction, second, its prediction: (h, w, c) each, of two pictures (h, w, 3) in [0, 1]."""
        first, second = (_tone(p) if self.toned else p for p in (a, b))
        shape = first.shape
        made_a = np.clip(_terms(b.reshape(-1, 3)) @ self.to_a.astype(np.float32), -0.1, 1.1).reshape(shape)
        made_b = np.clip(_terms(a.reshape(-1, 3)) @ self.to_b.astype(np.float32), -0.1, 1.1).reshape(shape)
        return first, made_a.astype(np.float32), second, made_b.astype(np.float32)


def fit(a: Bytes, b: Bytes, mask: NDArray[np.bool_]) -> ColourMap:
    """The map between two pictures (h, w, 3) over a mask (h, w)."""
    height, width = mask.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(4, round(width * scale)), max(4, round(height * scale)))
    inside = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.9
    if inside.sum() < 32:
        inside[:] = True
    x, y = (cv2.resize(p, size, interpolation=cv2.INTER_AREA)[inside].astype(np.float32) / 255 for p in (a, b))
    toned = one_tone(x) or one_tone(y)
    rows = _Rows(_terms(x), _terms(y), *((_tone(p) if toned else p) for p in (x, y)))
    to_a, to_b = rows.solved()
    for _ in range(_ROUNDS):
        # One weight for both ways: what is foreign to one picture is foreign to the pair.
        to_a, to_b = rows.solved(1 / np.square(1 + rows.error(to_a, to_b) / (2 * _SCALE**2)))
    # What needs no map gets none: a fitted one is never quite the identity.
    fitted = np.minimum(rows.error(to_a, to_b), _SCALE**2).mean()
    for sign in (1.0, -1.0):
        simple = _straight(sign, rows.first.shape[1])
        if np.minimum(rows.error(simple, simple), _SCALE**2).mean() <= fitted + _SIMPLER:
            return ColourMap(simple, simple, toned)
    return ColourMap(to_a, to_b, toned)


class _Rows:
    """Pixels of both pictures, their terms and what is to be told of them."""

    def __init__(self, terms_a: Array, terms_b: Array, first: Array, second: Array) -> None:
        """Terms are (n, 12), planes (n, c)."""
        self.first, self.second = first, second
        self._ways = [(b, np.concatenate([b, plane], 1)) for b, plane in ((terms_b, first), (terms_a, second))]

    def error(self, to_a: Matrix, to_b: Matrix) -> Array:
        """(n,): mean square error over the channels, of both ways together."""
        (terms_b, _), (terms_a, _) = self._ways
        left = terms_b @ to_a.astype(np.float32) - self.first
        right = terms_a @ to_b.astype(np.float32) - self.second
        return np.asarray((np.square(left) + np.square(right)) @ np.full(left.shape[1], 1 / left.shape[1], np.float32))

    def solved(self, weights: Array | None = None) -> tuple[Matrix, Matrix]:
        """Both ways, by weighted least squares with a ridge."""
        total = float(weights.sum()) if weights is not None else float(len(self.first))
        ridge = np.full(12, _RIDGE * total)
        ridge[0] = 1e-9 * total
        to_a, to_b = (self._solve(terms, both, weights, ridge) for terms, both in self._ways)
        return to_a, to_b

    @staticmethod
    def _solve(terms: Array, both: Array, weights: Array | None, ridge: Matrix) -> Matrix:
        weighted = terms if weights is None else terms * weights[:, None]
        # Normal matrix and right side in one product.
        normal = (weighted.T @ both).astype(np.float64)
        normal[:, :12][np.diag_indices(12)] += ridge
        return np.asarray(np.linalg.solve(normal[:, :12], normal[:, 12:]))


def _straight(sign: float, channels: int) -> Matrix:
    """The map that keeps every colour, or turns light into dark."""
    found = np.zeros((12, channels))
    found[0] = 0.0 if sign > 0 else 1.0
    found[1:4] = sign * (np.eye(3) if channels == 3 else _LUMA[:, None])
    return found


def one_tone(colours: Array) -> bool:
    """Whether the colours (n, 3) lie on one curve over luminance."""
    luma = colours @ _LUMA
    chroma = (colours - luma[:, None]).astype(np.float64)
    square = luma * luma
    curve = np.stack([np.ones_like(luma), luma, square, square * luma], 1).astype(np.float64)
    # Four columns of values in [0, 1]: the normal equations lose no digit that counts against the bound.
    ridge = 1e-9 * len(luma) * np.eye(4)
    left = chroma - curve @ np.linalg.solve(curve.T @ curve + ridge, curve.T @ chroma)
    return bool(np.sqrt(np.mean(left**2)) < GREY)


def _tone(colours: Array) -> Array:
    return np.asarray(colours @ _LUMA, np.float32)[..., None]


def _terms(colours: Array) -> Array:
    r, g, b = np.ascontiguousarray(colours.T)
    most, least = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    return np.ascontiguousarray(
        np.stack([np.ones_like(r), r, g, b, most, least, r * r, g * g, b * b, r * g, g * b, b * r]).T
    )
