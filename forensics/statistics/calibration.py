"""Scores to likelihood ratios by regularised logistic regression on at most four features, bi-Gaussianised or not.

Both propositions weigh the same in the fit, so that the logit is the logarithm of the likelihood ratio (Morrison 2013).
Bi-Gaussianised calibration (Morrison 2024, Bi-Gaussianized calibration of likelihood ratios, Law, Probability and Risk
23, mgae004) then moves these ratios to where those of a perfectly calibrated pair of Gaussians would lie: with variance
s of the natural logarithm and means s/2 and -s/2, which has the same cost.
Fitting needs scikit-learn, which is imported when it is asked for; applying a fitted calibrator needs arithmetic only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from forensics.statistics.validity import Values, cost

MOST = 4
"""Features at most: with a few dozen sources more would fit their accidents."""
STRENGTH = 1.0
"""Inverse strength of the L2 penalty on standardised features where nothing else was chosen."""


@dataclass(frozen=True, slots=True)
class Bend:
    """asinh((value - middle) / width): nearly linear within a width of the middle, logarithmic far from it.

    Scores of works that were trained on lie many spreads of the controls away, where a straight line believes too much.
    Increasing, so that the order of values stays what it was.
    """

    middle: float
    width: float
    """Above 0."""

    def __call__(self, value: float) -> float:
        """The bent value."""
        return math.asinh((value - self.middle) / self.width)


STRAIGHT = Bend(0.0, 0.0)
"""Stands for no bend."""


def bend(values: ArrayLike) -> Bend:
    """The bend for a feature, from its values for sources of the second proposition: median and median deviation."""
    x = np.asarray(values, dtype=np.float64)
    middle = float(np.median(x))
    width = 1.4826 * float(np.median(np.abs(x - middle)))
    return Bend(middle, width) if width > 0 else STRAIGHT


@dataclass(frozen=True, slots=True)
class Warp:
    """A rising piecewise linear map of log10 ratios; beyond its ends it is level, as nothing was seen there."""

    before: tuple[float, ...]
    """Rising; at least one."""
    after: tuple[float, ...]

    def __call__(self, log10: float) -> float:
        """The ratio moved."""
        return float(np.interp(log10, self.before, self.after))

    def thinned(self, knots: int) -> Warp:
        """The same map with at most so many knots, spread evenly over those there are, ends included."""
        places = np.unique(np.linspace(0, len(self.before) - 1, min(knots, len(self.before))).round().astype(int))
        return Warp(tuple(self.before[i] for i in places), tuple(self.after[i] for i in places))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Linear in the features, each bent where it has a bend: log10 LR = intercept + sum of weight · (value - centre) /
    scale; then moved by the warp, where there is one."""

    features: tuple[str, ...]
    directions: tuple[int, ...]
    """1 where a higher value speaks for the first proposition, -1 where a lower one does."""
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    """log10 per standard deviation. Never against the direction of the feature; 0 for a feature left out for that."""
    intercept: float
    bends: tuple[Bend, ...] = ()
    """One a feature, `STRAIGHT` for none; empty where no feature has one."""
    warp: Warp | None = None
    """Bi-Gaussianised; None for logistic regression alone."""

    def log10_lr(self, values: Sequence[float]) -> float:
        """log10 of the likelihood ratio, not yet bounded. Raises ValueError on a missing or non-finite value."""
        if len(values) != len(self.features) or not all(map(math.isfinite, values)):
            raise ValueError(f"expected finite values of {', '.join(self.features)}, got {list(values)}")
        terms = zip(self.weights, bent(values, self.bends), self.centres, self.scales, strict=True)
        linear = self.intercept + sum(w * (v - c) / s for w, v, c, s in terms)
        return linear if self.warp is None else self.warp(linear)

    def many(self, rows: Sequence[Sequence[float]]) -> Values:
        """One log10 ratio a row."""
        return np.array([self.log10_lr(row) for row in rows], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class How:
    """The form of a fit."""

    bends: Sequence[Bend] = ()
    """One a feature, or none at all."""
    strength: float = STRENGTH
    """Inverse strength of the L2 penalty on the standardised features."""
    gaussian: bool = False
    """Whether the ratios are bi-Gaussianised after the regression."""


def fit(
    features: Sequence[str],
    directions: Sequence[int],
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    weights: Sequence[float] = (),
    how: How | None = None,
) -> Calibrator:
    """Fit on sources of known status, rows of feature values.

    Args:
        weights: of the rows, first proposition before second: one over the number of rows of the source, so that each
            source counts once; none for a row a source.
        how: bends, penalty, and whether the ratios are bi-Gaussianised; nothing of it by default.

    A feature that the fit would count against its own direction is left out and the fit repeated, so that no
    measurement can speak for a proposition by pointing to the other one.

    Raises:
        ValueError: no or more than four features, a proposition without a row, a value that is not finite.
    """
    how = how or How()
    if not 0 < len(features) <= MOST or len(directions) != len(features):
        raise ValueError(f"between 1 and {MOST} features with a direction each are needed, got {list(features)}")
    rows = [bent(row, how.bends) for row in (*first, *second)]
    x = np.array(rows, dtype=np.float64).reshape(-1, len(features))
    share = np.asarray(weights if len(weights) else np.ones(len(x)), dtype=np.float64)
    if not len(first) or not len(second) or not np.isfinite(x).all():
        raise ValueError("both propositions need at least one row of finite values")
    y = np.array([1] * len(first) + [0] * len(second))
    centre, spread = x.mean(0), x.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    kept = list(range(len(features)))
    while kept:
        slopes, intercept = logistic((x[:, kept] - centre[kept]) / scale[kept], y, share, how.strength)
        wrong = [i for i, slope in zip(kept, slopes, strict=True) if slope * directions[i] < 0]
        if not wrong:
            break
        # The one that goes furthest against its direction leaves first: the others may turn with it gone.
        worst = min(wrong, key=lambda i: slopes[kept.index(i)] * directions[i])
        kept.remove(worst)
    else:
        slopes, intercept = np.zeros(0), 0.0
    found = dict(zip(kept, slopes, strict=True))
    made = Calibrator(
        tuple(features),
        tuple(directions),
        tuple(map(float, centre)),
        tuple(map(float, scale)),
        tuple(float(found.get(i, 0.0)) / math.log(10) for i in range(len(features))),
        float(intercept) / math.log(10),
        tuple(how.bends),
    )
    if not how.gaussian or not kept:
        return made
    m = len(first)
    return replace(made, warp=bi_gaussian(made.many(first), made.many(second), share[:m], share[m:]))


def bi_gaussian(first: Values, second: Values, share_first: Values, share_second: Values) -> Warp | None:
    """The warp of log10 ratios that were fitted on the same sources; None where they say nothing.

    Args:
        share_first: weights of the ratios of the first proposition: one over the number of rows of the source.

    The empirical distribution gives both propositions half the weight, and each one source more than it has, so that it
    ends short of 0 and 1. Every ratio goes to where the pair of Gaussians reaches the same share.
    """
    shares = (share_first, share_second)
    costs = [np.average(cost(r), weights=w) for r, w in zip((first, -second), shares, strict=True)]
    variance = variance_of(float(np.mean(costs)))
    if variance == 0:
        return None
    scores = np.concatenate([first, second])
    weight = np.concatenate([w / 2 / (w.sum() + 1) for w in shares])
    before, where = np.unique(scores, return_inverse=True)
    reached = np.cumsum(np.bincount(where, weight))
    spread = math.sqrt(variance)
    points = np.linspace(-variance / 2 - 10 * spread, variance / 2 + 10 * spread, 20_001)
    shares_below = (_below((points - variance / 2) / spread) + _below((points + variance / 2) / spread)) / 2
    after = np.interp(reached, shares_below, points) / math.log(10)
    return Warp(tuple(map(float, before)), tuple(map(float, after)))


def variance_of(bits: float) -> float:
    """Variance of the natural logarithm of a perfectly calibrated pair of Gaussians that costs so many bits.

    Found by solving the cost itself, not by the curve fitted to it in the paper; 0 for a cost of 1 or more, and at most
    `_WIDEST`, where the cost is below 1e-9.
    """
    from scipy.optimize import brentq

    if bits >= 1:
        return 0.0
    if bits <= gaussian_cost(_WIDEST):
        return _WIDEST
    return float(brentq(lambda v: gaussian_cost(v) - bits, 1e-12, _WIDEST, xtol=1e-10))


def gaussian_cost(variance: float) -> float:
    """Cost in bits of ratios whose natural logarithm is normal about half its variance, on either side."""
    z = np.linspace(-12, 12, 4_801)
    density_ = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    logs = (variance / 2 + math.sqrt(variance) * z) / math.log(10)
    return float(np.sum(cost(logs) * density_) * (z[1] - z[0]))


_WIDEST = 150.0


def _below(z: Values) -> Values:
    from scipy.special import ndtr

    return np.asarray(ndtr(z), dtype=np.float64)


def bent(values: Sequence[float], bends: Sequence[Bend]) -> list[float]:
    """Values, each bent where it has a bend."""
    if not bends:
        return list(values)
    return [b(v) if b.width > 0 and math.isfinite(v) else v for v, b in zip(values, bends, strict=True)]


def logistic(x: Values, y: ArrayLike, share: Values | None = None, strength: float = STRENGTH) -> tuple[Values, float]:
    """Slopes and intercept in natural units, both propositions weighing the same.

    Run to convergence: the same data give the same ratios everywhere.
    """
    import sklearn
    from sklearn.linear_model import LogisticRegression

    truth = np.asarray(y)
    weight = np.ones(len(truth)) if share is None else share
    total = weight.sum()
    balance = np.where(truth == 1, total / 2 / weight[truth == 1].sum(), total / 2 / weight[truth == 0].sum())
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        model.fit(x, truth, sample_weight=weight * balance)
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])


def density(values: ArrayLike, at: ArrayLike) -> Values:
    """Gaussian kernel density with Silverman's bandwidth, for plots alone.

    Raises:
        ValueError: no values.
    """
    x, points = (np.asarray(v, dtype=np.float64).ravel() for v in (values, at))
    if not len(x):
        raise ValueError("no values to draw a density from")
    spread = float(x.std()) or 1.0
    width = spread * (4 / (3 * len(x))) ** 0.2
    z = (points[:, None] - x[None, :]) / width
    return np.asarray(np.exp(-0.5 * z**2).mean(1) / (width * math.sqrt(2 * math.pi)), dtype=np.float64)
