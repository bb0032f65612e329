"""How well a score tells two groups apart, with intervals; higher scores speak for the first group.

Area under the ROC curve with DeLong's variance (DeLong, DeLong & Clarke-Pearson 1988) on the logit scale; where the
groups do not overlap that variance is 0, and an exact bound takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forensics.statistics.ranks import clopper_pearson
from forensics.statistics.validity import both


@dataclass(frozen=True, slots=True)
class Rate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    k: int = 0
    """Of `n`, where the figure is a share."""
    n: int = 0


def share(k: int, n: int) -> Rate:
    """k of n with the exact interval; 0 with the interval from 0 to 1 where there is nothing to count."""
    return Rate(k / n if n else 0.0, *clopper_pearson(k, n), k, n)


def auc(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Rate:
    """Probability that a score of the first group exceeds one of the second, ties counted half.

    Raises:
        ValueError: a group without a score.
    """
    from scipy.stats import norm, rankdata  # takes most of a second, and few commands come here

    x, y = both(first, second)
    m, n = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    above = (ranks[:m] - rankdata(x)) / n  # for each of the first, the share of the second below it
    below = 1 - (ranks[m:] - rankdata(y)) / m
    area = float(above.mean())
    variance = 0.0
    if m > 1 and n > 1:
        variance = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    tail = (1 - level) / 2
    if not 0 < area < 1:
        # min(m, n) independent pairs, all in one order: the exact bound of a proportion.
        edge = tail ** (1 / min(m, n))
        return Rate(area, edge if area else 0.0, 1.0 if area else 1 - edge)
    if min(m, n) < 2:
        return Rate(area, 0.0, 1.0)
    half = norm.ppf(1 - tail) * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(-(centre + sign * half))) for sign in (-1, 1))
    return Rate(area, low, high)


def tpr_at_fpr(first: ArrayLike, second: ArrayLike, rate: float) -> Rate:
    """Share of the first group above the score that at most `rate` of the second group exceed; exact interval."""
    x, y = both(first, second)
    allowed = math.floor(rate * len(y) + 1e-9)
    threshold = np.sort(y)[::-1][allowed] if allowed < len(y) else -math.inf
    return share(int((x > threshold).sum()), len(x))


def uniform(p_values: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance from the uniform distribution, and its p. Raises ValueError without values."""
    from scipy.stats import kstest

    if not len(p_values):
        raise ValueError("no p-values to compare with the uniform distribution")
    found = kstest(np.asarray(p_values, dtype=np.float64), "uniform")
    return float(found.statistic), float(found.pvalue)
