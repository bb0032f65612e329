"""How good likelihood ratios are: their cost, its parts, and the curves that show it.

Ratios are log10 throughout. "First" are those of sources for which the first proposition is true, "second" those for
which the second is. Cllr: Brümmer & du Preez 2006; pool adjacent violators (PAV): Zadrozny & Elkan 2002; empirical
cross-entropy (ECE): Ramos et al. 2013; Tippett plots: Evett & Buckleton 1996.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
_LN10 = math.log(10)


def cllr(first: ArrayLike, second: ArrayLike) -> float:
    """Cost of the log10 likelihood ratios in bits: 0 is perfect, 1 says nothing, infinite is possible.

    Raises:
        ValueError: a proposition without a single ratio, or a ratio that is not a number.
    """
    h1, h2 = both(first, second)
    return float(cost(h1).mean() + cost(-h2).mean()) / 2


def cost(llr: Values) -> Values:
    """log2(1 + 1 / LR) without overflow."""
    return np.asarray(np.logaddexp(0.0, -llr * _LN10) / math.log(2), dtype=np.float64)


def pav(first: ArrayLike, second: ArrayLike) -> tuple[Values, Values]:
    """The log10 ratios that a perfect monotone recalibration on these very data would give; -inf and inf occur.

    A diagnostic only: fitted to the data it is judged on, it shows discrimination without calibration.
    """
    h1, h2 = both(first, second)
    scores = np.concatenate([h1, h2])
    truth = np.concatenate([np.ones(len(h1)), np.zeros(len(h2))])
    # Both propositions weigh the same, whatever their numbers.
    weight = np.concatenate([np.full(len(h1), 1 / len(h1)), np.full(len(h2), 1 / len(h2))])
    levels, where = np.unique(scores, return_inverse=True)
    total = np.bincount(where, weight)
    positive = np.bincount(where, weight * truth)
    blocks: list[tuple[float, float, int]] = []  # weight, weight of the first proposition, levels pooled
    for i in range(len(levels)):
        block = (float(total[i]), float(positive[i]), 1)
        while blocks and blocks[-1][1] * block[0] >= block[1] * blocks[-1][0]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    odds = np.concatenate([np.full(n, _log10_odds(p, w - p)) for w, p, n in blocks])[where]
    return odds[: len(h1)], odds[len(h1) :]


def _log10_odds(first: float, second: float) -> float:
    # Sums of 1/n leave a remainder of rounding where a block is pure.
    if second < 1e-12:
        return math.inf
    return -math.inf if first < 1e-12 else math.log10(first / second)


def cllr_min(first: ArrayLike, second: ArrayLike) -> float:
    """Cost after PAV: what is lost by lack of discrimination alone."""
    return cllr(*pav(first, second))


def cllr_cal(first: ArrayLike, second: ArrayLike) -> float:
    """Cost in excess of `cllr_min`: what is lost by calibration."""
    return cllr(first, second) - cllr_min(first, second)


def devpav(first: ArrayLike, second: ArrayLike) -> float | None:
    """How far the ratios lie from what their own frequencies say: mean distance, in units of log10, between the line
    through the points (ratio, ratio after PAV) and the line of equality, over the range of ratios in which PAV gives
    neither 0 nor infinity; 0 is perfect (Vergeer et al. 2021, Measuring calibration of likelihood-ratio systems: a
    comparison of four metrics, including a new metric devPAV, Forensic Science International 321, 110722).

    None where no ratio lies in that range: the two propositions do not overlap, and calibration cannot be seen.

    Raises:
        ValueError: as for `cllr`; or infinite ratios inside that range, whose distance has no end.
    """
    h1, h2 = both(first, second)
    points = sorted({*zip(np.concatenate([h1, h2]).tolist(), np.concatenate(pav(h1, h2)).tolist(), strict=True)})
    points = [(x, y) for x, y in points if math.isfinite(y)]
    if not points:
        return None
    if not all(math.isfinite(x) for x, _ in points):
        raise ValueError("an infinite ratio misleads: its distance from calibration has no end")
    (left, _), (right, _) = points[0], points[-1]
    if left == right:
        return abs(points[0][1] - left)
    surface = 0.0
    for (x, y), (x_next, y_next) in itertools.pairwise(points):
        one, other = y - x, y_next - x_next
        if one * other >= 0:
            height = (abs(one) + abs(other)) / 2
        else:  # the line crosses equality inside: two triangles
            height = (one**2 + other**2) / (2 * (abs(one) + abs(other)))
        surface += height * (x_next - x)
    return surface / (right - left)


def ece(first: ArrayLike, second: ArrayLike, log10_prior_odds: ArrayLike) -> Values:
    """Empirical cross-entropy in bits at each prior odds; at prior odds 1 it is Cllr."""
    h1, h2 = both(first, second)
    odds = np.atleast_1d(np.asarray(log10_prior_odds, dtype=np.float64))
    prior = 1 / (1 + 10.0**-odds)
    own = np.array([cost(h1 + o).mean() for o in odds])
    other = np.array([cost(-h2 - o).mean() for o in odds])
    return np.asarray(prior * own + (1 - prior) * other, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Tippett:
    """Share of ratios at or above each threshold, under either proposition."""

    thresholds: Values
    """log10, rising."""
    first: Values
    second: Values


def tippett(first: ArrayLike, second: ArrayLike) -> Tippett:
    """The two falling curves, with a point at every ratio that occurs."""
    h1, h2 = both(first, second)
    at = np.unique(np.concatenate([h1, h2]))

    def share(values: Values) -> Values:
        return np.asarray(1 - np.searchsorted(np.sort(values), at, side="left") / len(values), dtype=np.float64)

    return Tippett(at, share(h1), share(h2))


@dataclass(frozen=True, slots=True)
class Misleading:
    """Ratios that point to the proposition that is not true."""

    first: int
    """Ratios below 1 although the first proposition is true."""
    second: int
    """Ratios above 1 although the second proposition is true."""
    n_first: int
    n_second: int
    worst_first: float
    """The smallest log10 ratio under the first proposition, at most 0."""
    worst_second: float
    """The largest log10 ratio under the second proposition, at least 0."""


def misleading(first: ArrayLike, second: ArrayLike) -> Misleading:
    """Count the ratios that mislead, and how far the worst goes."""
    h1, h2 = both(first, second)
    return Misleading(
        int((h1 < 0).sum()), int((h2 > 0).sum()), len(h1), len(h2), min(0.0, float(h1.min())), max(0.0, float(h2.max()))
    )


def both(first: ArrayLike, second: ArrayLike) -> tuple[Values, Values]:
    h1, h2 = (np.asarray(v, dtype=np.float64).ravel() for v in (first, second))
    if not len(h1) or not len(h2):
        raise ValueError(f"{len(h1)} and {len(h2)} ratios: both propositions need at least one")
    if np.isnan(h1).any() or np.isnan(h2).any():
        raise ValueError("a likelihood ratio is not a number")
    return h1, h2
