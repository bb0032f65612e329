"""Empirical upper and lower bounds of a likelihood ratio (ELUB): where the data end, the number ends.

Vergeer, van Es, de Jongh, Alberink & Stoel 2016, "Numerical likelihood ratios outputted by LR systems are often based
on extrapolation: when to stop extrapolating?", Science & Justice 56, 482-491. A ratio is believed up to the threshold
at which deciding by the system, with one misleading ratio added on either side, still costs no more than deciding
without it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from forensics.statistics.validity import both

STEP = 0.01
"""Resolution of the bounds in log10."""
EXTREME = 9.0
"""Infinite ratios are taken as 10 to this power."""


def elub(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Lower and upper bound, log10, of ratios whose truth is known; lower <= 0 <= upper.

    Raises:
        ValueError: a proposition without a single ratio.
    """
    h1, h2 = (np.clip(v, -EXTREME, EXTREME) for v in both(first, second))
    low = max(min(h1.min(), h2.min()), -math.log10(len(h1) + 1))
    high = min(max(h1.max(), h2.max()), math.log10(len(h2) + 1))
    below, above = min(0, int(low // STEP)), max(0, int(high // STEP) + 1)
    rho = np.linspace(below * STEP, above * STEP, above - below + 1)
    theta = 10.0**rho
    # One misleading ratio on either side: never accepted under the first, always under the second proposition.
    missed = (np.searchsorted(np.sort(h1), rho, side="right") + 1) / (len(h1) + 1)
    false = (len(h2) - np.searchsorted(np.sort(h2), rho, side="right") + 1) / (len(h2) + 1)
    worse = np.minimum(1.0, theta) < missed + theta * false
    lower = max(rho[(rho <= 0) & worse] + STEP, default=rho.min())
    upper = min(rho[(rho >= 0) & worse] - STEP, default=rho.max())
    return min(float(lower), 0.0), max(float(upper), 0.0)


def bounds(first: ArrayLike, second: ArrayLike, n_first: int, n_second: int) -> tuple[float, float]:
    """ELUB, and never beyond the number of sources: -log10(n_first) <= lower <= 0 <= upper <= log10(n_second).

    Args:
        n_first: independent sources for which the first proposition is true, >= 1.
        n_second: the same for the second proposition, >= 1.
    """
    if n_first < 1 or n_second < 1:
        raise ValueError(f"{n_first} and {n_second} sources: both propositions need at least one")
    lower, upper = elub(first, second)
    return max(lower, -math.log10(n_first)), min(upper, math.log10(n_second))
