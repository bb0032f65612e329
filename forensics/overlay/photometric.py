"""What happened to the tones and colours between two aligned pictures, fitted and put in words.

Per channel a gain, an offset and a power are fitted by least squares over the overlap (three numbers a channel, no
more: a freer curve would explain away differences). The words follow from the numbers by fixed bounds.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay.overlay import Overlay
from forensics.verbal import TONES_UNCHANGED

_POWERS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.7, 2.0, 2.5)
_SIDE = 64
_TURN = 12.0
"""Degrees of hue by which colours must turn on average before it is said."""
_LIGHT = 0.04
_GAIN = 0.12
_SATURATED = 0.15
"""Chroma below which a colour counts as grey."""
_NAMES = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (195, "cyan"),
    (260, "blue"),
    (290, "violet"),
    (345, "magenta"),
    (361, "red"),
)


@dataclass(frozen=True, slots=True)
class Tones:
    """How the first picture's values follow from the second's."""

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    power: tuple[float, float, float]
    """first ≈ gain · second^power + offset, for red, green, blue in [0, 1]; a negative gain inverts."""
    before: float
    """Root mean square difference over the overlap as the pictures are, at 64 pixels."""
    after: float
    """The same once the fit is applied."""
    hue: float
    """Chroma-weighted mean turn of hue from the second picture to the first, in degrees, in (-180, 180]."""
    inverted: bool
    words: tuple[str, ...]


def fit(over: Overlay) -> Tones:
    """Fit the overlap of a (the first picture) and b (the second), reduced to 64 pixels."""
    a, b = _reduced(over)
    gains, offsets, powers = [], [], []
    predicted = np.empty_like(a)
    for c in range(3):
        gain, offset, power = _channel(b[:, c], a[:, c])
        predicted[:, c] = np.clip(gain * b[:, c] ** power + offset, 0, 1)
        gains.append(gain)
        offsets.append(offset)
        powers.append(power)
    before, after = (float(np.sqrt(np.mean((a - p) ** 2))) for p in (b, predicted))
    weights = np.array([0.299, 0.587, 0.114])
    la, lb = a @ weights, b @ weights
    inverted = _correlation(la, lb) < -0.3
    turn = _hue_turn(a, b)
    words = tuple(_words(a, b, la, lb, inverted, turn))
    g, o, p = ((float(v[0]), float(v[1]), float(v[2])) for v in (gains, offsets, powers))
    return Tones(g, o, p, before, after, turn, inverted, words)


def _reduced(over: Overlay) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    height, width = over.mask.shape
    scale = _SIDE / max(height, width)
    size = (max(4, round(width * scale)), max(4, round(height * scale)))
    mask = cv2.resize(over.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.98
    if not mask.any():
        mask[:] = True
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA)[mask].astype(np.float64) / 255 for p in (over.a, over.b))
    return a, b


def _channel(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    if x.std() < 0.01:
        return 1.0, float(y.mean() - x.mean()), 1.0
    best = (np.inf, 1.0, 0.0, 1.0)
    for power in _POWERS:
        z = x**power
        gain = float(np.cov(z, y, bias=True)[0, 1] / max(z.var(), 1e-9))
        offset = float(y.mean() - gain * z.mean())
        error = float(np.mean((y - gain * z - offset) ** 2))
        # A power other than one has to earn its place, or noise would name a curve.
        if error * (1.0 if power == 1.0 else 1.02) < best[0]:
            best = (error, gain, offset, power)
    return best[1], best[2], best[3]


def _chroma(v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    alpha = v[:, 0] - 0.5 * (v[:, 1] + v[:, 2])
    beta = np.sqrt(3) / 2 * (v[:, 1] - v[:, 2])
    return np.hypot(alpha, beta), np.arctan2(beta, alpha)


def _hue_turn(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    ca, ha = _chroma(a)
    cb, hb = _chroma(b)
    weight = np.where((ca > _SATURATED) & (cb > _SATURATED), ca * cb, 0)
    if weight.sum() < 1e-6 or (weight > 0).mean() < 0.02:
        return 0.0
    turn = np.angle((weight * np.exp(1j * (ha - hb))).sum())
    return float(np.degrees(turn))


def _words(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    la: NDArray[np.float64],
    lb: NDArray[np.float64],
    inverted: bool,
    turn: float,
) -> list[str]:
    if inverted:
        return ["tones inverted: light is dark and dark is light"]
    words = []
    ca, cb = _chroma(a)[0], _chroma(b)[0]
    colour_a, colour_b = float(np.quantile(ca, 0.95)), float(np.quantile(cb, 0.95))
    if colour_b > _SATURATED and colour_a < 0.06:
        words.append("colour removed")
    elif colour_a > _SATURATED and colour_b < 0.06:
        words.append("colour added")
    elif abs(turn) >= _TURN:
        words.append(_recoloured(a, b, cb, turn))
    else:
        saturation = _ratio(ca.mean(), cb.mean())
        if colour_b > _SATURATED and abs(saturation - 1) > 0.2:
            words.append(f"colours {'stronger' if saturation > 1 else 'weaker'} (chroma × {saturation:.2f})")
    shift = float(la.mean() - lb.mean())
    if abs(shift) > _LIGHT:
        words.append(f"{'lighter' if shift > 0 else 'darker'} by {abs(shift):.2f} of the range on average")
    contrast = _ratio(la.std(), lb.std())
    if abs(contrast - 1) > _GAIN:
        words.append(f"contrast {'raised' if contrast > 1 else 'lowered'} (× {contrast:.2f})")
    return words or [TONES_UNCHANGED]


def _recoloured(a: NDArray[np.float64], b: NDArray[np.float64], chroma: NDArray[np.float64], turn: float) -> str:
    strongest = chroma >= np.quantile(chroma, 0.9)
    names = [_name(v[strongest].mean(0)) for v in (b, a)]
    turned = f"hues turned by {abs(turn):.0f} degrees"
    return f"recoloured: {turned}" + (f", {names[0]} to {names[1]}" if names[0] != names[1] else "")


def _name(rgb: NDArray[np.float64]) -> str:
    hue, saturation, _ = colorsys.rgb_to_hsv(*(float(v) for v in rgb))
    if saturation < 0.12:
        return "grey"
    return next(name for bound, name in _NAMES if hue * 360 < bound)


def _ratio(x: float, y: float) -> float:
    return float(x / y) if y > 1e-6 else 1.0


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    size = x.std() * y.std()
    return float(np.mean((x - x.mean()) * (y - y.mean())) / size) if size > 1e-9 else 0.0
