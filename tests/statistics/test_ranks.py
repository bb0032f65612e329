"""Laws first, then values against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from forensics.case import Better
from forensics.statistics.ranks import clopper_pearson, extreme, holm, rank_p

scores = st.lists(st.floats(-5, 5), max_size=30)


def test_without_controls_nothing_is_claimed() -> None:
    assert rank_p(0, 0) == 1
    assert clopper_pearson(0, 0) == (0, 1)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 20), (3, 20), (20, 20)])
def test_p_is_never_zero_and_never_above_one(k: int, n: int) -> None:
    assert 0 < rank_p(k, n) <= 1


@given(scores, st.floats(-5, 5))
def test_both_directions_are_mirror_images(controls: list[float], value: float) -> None:
    mirrored = extreme(-value, [-c for c in controls], Better.LOWER)
    assert extreme(value, controls, Better.HIGHER) == mirrored


@given(scores, st.floats(-5, 5), st.randoms())
def test_the_order_of_the_controls_does_not_matter(controls: list[float], value: float, random) -> None:
    shuffled = controls[:]
    random.shuffle(shuffled)
    assert extreme(value, controls, Better.LOWER) == extreme(value, shuffled, Better.LOWER)


def test_ties_count_against_the_finding() -> None:
    assert extreme(1.0, [1.0, 1.0, 2.0], Better.LOWER) == 2


@pytest.mark.parametrize(("k", "n"), [(0, 9), (1, 19), (7, 19), (19, 19)])
def test_interval_agrees_with_scipy(k: int, n: int) -> None:
    exact = binomtest(k, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(k, n) == pytest.approx((exact.low, exact.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 8, 32, 99, 1000])
def test_the_interval_is_that_of_the_beta_distribution_bit_for_bit(n: int) -> None:
    """Closed cases hold intervals that scipy's distribution gave."""
    for k in range(0, n + 1, max(1, n // 40)):
        low = 0.0 if k == 0 else float(beta.ppf((1 - 0.95) / 2, k, n - k + 1))
        high = 1.0 if k == n else float(beta.ppf(1 - (1 - 0.95) / 2, k + 1, n - k))
        assert clopper_pearson(k, n) == (low, high)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="k = "):
        rank_p(k, n)
    with pytest.raises(ValueError, match="k = "):
        clopper_pearson(k, n)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1, made monotone: 0.03, 0.06, 0.06.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    corrected = np.array(holm(p_values))
    p = np.array(p_values)
    assert np.all(corrected >= p)
    assert np.all(corrected <= np.minimum(1, p * max(1, len(p_values))) + 1e-12)


def test_controls_from_the_same_population_give_uniform_p() -> None:
    random = np.random.default_rng(0)
    p = [rank_p(extreme(x[0], list(x[1:]), Better.HIGHER), 19) for x in random.normal(size=(4000, 20))]
    share = np.mean(np.array(p) <= 0.05)
    low, high = clopper_pearson(int(share * 4000), 4000, 0.999)
    assert low <= 0.05 <= high
