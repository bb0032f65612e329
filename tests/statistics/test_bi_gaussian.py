"""Bi-Gaussianised calibration and the distance from calibration, against laws and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forensics.statistics import validity
from forensics.statistics.calibration import How, Warp, bi_gaussian, fit, gaussian_cost, variance_of

LN10 = math.log(10)


def ideal(variance: float, n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of a perfectly calibrated pair of Gaussians, log10."""
    random = np.random.default_rng(seed)
    spread = math.sqrt(variance)
    return tuple(random.normal(side * variance / 2, spread, n) / LN10 for side in (1, -1))  # type: ignore[return-value]


@pytest.mark.parametrize("variance", [0.3, 2.0, 9.0, 40.0])
def test_variance_and_cost_are_each_others_inverse(variance: float) -> None:
    assert variance_of(gaussian_cost(variance)) == pytest.approx(variance, rel=1e-6)


def test_the_cost_of_a_pair_of_gaussians_is_that_of_ratios_drawn_from_it() -> None:
    first, second = ideal(6.0, 200_000)
    assert gaussian_cost(6.0) == pytest.approx(validity.cllr(first, second), abs=2e-3)
    # The curve fitted in the paper (Morrison 2024, coefficients of its published code) says the same where it is used.
    for bits in (0.2, 0.4, 0.6):
        fitted = -math.log(math.log(bits) / 17.665396790464737 + 1) / 0.009333834837656
        assert variance_of(bits) == pytest.approx(fitted, rel=0.05)


def test_a_cost_that_says_nothing_has_no_variance_and_a_perfect_one_an_end() -> None:
    assert variance_of(1.0) == variance_of(1.3) == 0.0
    assert variance_of(0.0) == 150.0


def test_ratios_that_are_calibrated_stay_where_they_are() -> None:
    first, second = ideal(4.0, 4_000)
    ones = np.ones(4_000)
    warp = bi_gaussian(first, second, ones, ones)
    assert warp is not None
    for ratio in (-1.5, -0.5, 0.0, 0.5, 1.5):
        assert warp(ratio) == pytest.approx(ratio, abs=0.1)


def test_a_bent_scale_is_straightened_and_order_is_kept() -> None:
    """Scores whose ratios are the cube root's opposite: no straight line can calibrate them."""
    variance = 6.0
    first, second = ideal(variance, 3_000)
    bent = [(np.sign(v) * np.abs(v) ** 3).reshape(-1, 1).tolist() for v in (first, second)]
    fresh = ideal(variance, 3_000, seed=4)
    fresh_bent = [(np.sign(v) * np.abs(v) ** 3).reshape(-1, 1).tolist() for v in fresh]
    plain, moved = (fit(["s"], [1], *bent, how=How(gaussian=gaussian)) for gaussian in (False, True))
    away = [validity.devpav(*(made.many(v) for v in fresh_bent)) for made in (plain, moved)]
    assert away[0] is not None
    assert away[1] is not None
    assert away[1] < 0.5 * away[0]
    assert moved.warp is not None
    assert list(moved.warp.after) == sorted(moved.warp.after)
    rising = moved.many(sorted(bent[0]))
    assert (np.diff(rising) >= 0).all()
    # Beyond what was seen the map is level.
    assert moved.log10_lr([1e6]) == moved.warp.after[-1]


def test_a_source_of_two_rows_counts_once() -> None:
    first, second = ideal(4.0, 200)
    once = bi_gaussian(first, second, np.ones(200), np.ones(200))
    twice = bi_gaussian(np.repeat(first, 2), second, np.full(400, 0.5), np.ones(200))
    assert once is not None
    assert twice is not None
    assert twice.before == pytest.approx(once.before)
    assert twice.after == pytest.approx(once.after, abs=1e-6)


def test_scores_that_say_nothing_are_not_moved() -> None:
    made = fit(["s"], [1], [[0.0], [1.0]], [[1.0], [2.0]], how=How(gaussian=True))  # against its direction: left out
    assert made.warp is None
    assert made.log10_lr([5.0]) == 0


def test_a_thinned_map_keeps_its_ends() -> None:
    full = Warp(tuple(map(float, range(100))), tuple(float(v) ** 0.5 for v in range(100)))
    few = full.thinned(5)
    assert len(few.before) == 5
    assert (few.before[0], few.before[-1]) == (0.0, 99.0)
    assert few(99.0) == full(99.0)


def test_distance_from_calibration_of_worked_examples() -> None:
    # One ratio for all: PAV gives 1, and the system says 1, or ten times too much.
    assert validity.devpav([0.0] * 5, [0.0] * 5) == pytest.approx(0, abs=1e-12)
    assert validity.devpav([1.0] * 5, [1.0] * 5) == pytest.approx(1)
    # Two levels, 3:1 and 1:3, stated as 100 and 1/100: off by 2 - log10(3) at both ends, the line crossing in between.
    first, second = [2.0] * 3 + [-2.0], [2.0] + [-2.0] * 3
    off = 2 - math.log10(3)
    assert validity.devpav(first, second) == pytest.approx(off / 2)
    # The same stated as they are.
    true = [math.log10(3)] * 3 + [-math.log10(3)], [math.log10(3)] + [-math.log10(3)] * 3
    assert validity.devpav(*true) == pytest.approx(0, abs=1e-12)
    # A factor of ten too much throughout: a distance of 1 everywhere.
    assert validity.devpav([v + 1 for v in true[0]], [v + 1 for v in true[1]]) == pytest.approx(1)


def test_without_overlap_there_is_no_distance() -> None:
    assert validity.devpav([1.0, 2.0], [-1.0, -2.0]) is None


def test_an_infinite_ratio_that_misleads_has_no_distance() -> None:
    with pytest.raises(ValueError, match="misleads"):
        validity.devpav([1.0, -math.inf], [-1.0, math.inf])
