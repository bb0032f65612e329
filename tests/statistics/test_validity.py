"""Laws of calibration, cost, bounds and words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from forensics import verbal
from forensics.case import Better
from forensics.statistics import validity
from forensics.statistics.bounds import bounds, elub
from forensics.statistics.calibration import Calibrator, density, fit
from forensics.statistics.discrimination import auc, share, tpr_at_fpr, uniform
from forensics.statistics.ranks import clopper_pearson, extreme, rank_p

llrs = st.lists(st.floats(-12, 12), min_size=1, max_size=40)
two = st.tuples(llrs, llrs)


@given(two)
def test_cost_is_at_least_its_minimum_and_never_negative(pair: tuple[list[float], list[float]]) -> None:
    assert validity.cllr(*pair) >= validity.cllr_min(*pair) - 1e-9
    assert 0 <= validity.cllr_min(*pair) <= 1 + 1e-9


@given(two)
def test_exchanging_the_propositions_changes_nothing(pair: tuple[list[float], list[float]]) -> None:
    first, second = pair
    mirrored = [-v for v in second], [-v for v in first]
    assert validity.cllr(*pair) == pytest.approx(validity.cllr(*mirrored))
    assert validity.cllr_min(*pair) == pytest.approx(validity.cllr_min(*mirrored))


@given(two, st.randoms())
def test_order_does_not_matter(pair: tuple[list[float], list[float]], random) -> None:
    first, second = (sorted(v, key=lambda _: random.random()) for v in pair)
    assert validity.cllr(first, second) == pytest.approx(validity.cllr(*pair))
    assert validity.cllr_min(first, second) == pytest.approx(validity.cllr_min(*pair))
    assert elub(first, second) == elub(*pair)
    assert auc(first, second).low == pytest.approx(auc(*pair).low)


def test_ratios_of_one_cost_one_bit_and_perfect_ones_nothing() -> None:
    assert validity.cllr([0.0], [0.0, 0.0]) == pytest.approx(1)
    assert validity.cllr([math.inf], [-math.inf]) == 0
    assert validity.cllr([-math.inf], [-1.0]) == math.inf


@given(two)
def test_cross_entropy_at_even_odds_is_the_cost(pair: tuple[list[float], list[float]]) -> None:
    assert validity.ece(*pair, 0.0)[0] == pytest.approx(validity.cllr(*pair))


@given(two)
def test_recalibration_is_monotone(pair: tuple[list[float], list[float]]) -> None:
    scores = np.concatenate(pair)
    ratios = np.concatenate(validity.pav(*pair))
    in_order = ratios[np.argsort(scores, kind="stable")]
    assert (in_order[1:] >= in_order[:-1]).all()


@pytest.mark.parametrize("nothing", [([], [1.0]), ([1.0], []), ([], []), ([math.nan], [0.0])])
def test_without_both_propositions_there_is_no_figure(nothing: tuple[list[float], list[float]]) -> None:
    for figure in (validity.cllr, validity.cllr_min, validity.tippett, elub, auc):
        with pytest.raises(ValueError, match=r"both propositions|not a number"):
            figure(*nothing)


@given(two)
def test_tippett_curves_fall_from_one(pair: tuple[list[float], list[float]]) -> None:
    curves = validity.tippett(*pair)
    for curve, values in ((curves.first, pair[0]), (curves.second, pair[1])):
        assert curve[0] == 1
        assert (np.diff(curve) <= 0).all()
        expected = [sum(v >= t for v in values) / len(values) for t in curves.thresholds]
        np.testing.assert_allclose(curve, expected, atol=1e-12)


@given(two)
def test_misleading_ratios_are_those_on_the_wrong_side(pair: tuple[list[float], list[float]]) -> None:
    found = validity.misleading(*pair)
    assert found.first == sum(v < 0 for v in pair[0])
    assert found.second == sum(v > 0 for v in pair[1])
    assert found.worst_first <= 0 <= found.worst_second


@given(two, st.integers(1, 40), st.integers(1, 40))
def test_bounds_enclose_one_and_never_exceed_the_sources(pair: tuple[list[float], list[float]], m: int, n: int) -> None:
    lower, upper = bounds(*pair, m, n)
    assert -math.log10(m) <= lower <= 0 <= upper <= math.log10(n)


@pytest.mark.parametrize("n", [1, 20, 100, 1000])
def test_perfect_separation_allows_about_as_much_as_there_are_sources(n: int) -> None:
    lower, upper = bounds([9.0] * n, [-9.0] * n, n, n)
    assert math.log10(n) - 0.03 <= upper <= math.log10(n)
    assert -math.log10(n) <= lower <= -math.log10(n) + 0.03


def test_a_misleading_ratio_lowers_the_bound() -> None:
    clean = elub([2.0] * 50, [-2.0] * 300)[1]
    spoilt = elub([2.0] * 50, [-2.0] * 297 + [1.9] * 3)[1]
    assert spoilt < clean


scores = st.lists(st.floats(-5, 5), min_size=2, max_size=25)


@given(scores, scores, st.sampled_from([1, -1]))
def test_the_ratio_never_runs_against_the_direction_of_its_feature(
    first: list[float], second: list[float], direction: int
) -> None:
    made = fit(["score"], [direction], [[v] for v in first], [[v] for v in second])
    steps = made.many([[v] for v in np.linspace(-6, 6, 9)])
    assert (np.diff(steps) * direction >= 0).all()


def test_a_feature_that_points_the_wrong_way_is_left_out() -> None:
    random = np.random.default_rng(1)
    first = [[a, -b] for a, b in random.normal(1, 1, (60, 2))]
    second = [[a, -b] for a, b in random.normal(-1, 1, (60, 2))]
    made = fit(["right", "wrong"], [1, 1], first, second)
    assert made.weights[0] > 0
    assert made.weights[1] == 0


def test_calibrated_ratios_of_known_distributions() -> None:
    """Normal scores of equal variance: the true log ratio is linear, 2 · mean · score for means ± mean."""
    random = np.random.default_rng(7)
    first, second = random.normal(1, 1, 4000), random.normal(-1, 1, 4000)
    made = fit(["score"], [1], first[:, None].tolist(), second[:, None].tolist())
    for score in (-1.5, 0.0, 0.7, 2.0):
        assert made.log10_lr([score]) == pytest.approx(2 * score / math.log(10), abs=0.1)
    assert validity.cllr_cal(made.many(first[:, None].tolist()), made.many(second[:, None].tolist())) < 0.01


def test_order_and_number_of_the_sources_do_not_shift_the_ratio() -> None:
    random = np.random.default_rng(3)
    first, second = random.normal(1, 1, 30).tolist(), random.normal(-1, 1, 50).tolist()
    rows = [[v] for v in first], [[v] for v in second]
    one = fit(["s"], [1], *rows)
    other = fit(["s"], [1], rows[0][::-1], rows[1][::-1])
    assert one.log10_lr([0.4]) == pytest.approx(other.log10_lr([0.4]), abs=1e-9)


@pytest.mark.parametrize(
    ("names", "first", "second"),
    [([], [], []), (["a"] * 5, [[0.0] * 5], [[1.0] * 5]), (["a"], [], [[1.0]]), (["a"], [[math.nan]], [[1.0]])],
)
def test_what_cannot_be_fitted_is_refused(names: list[str], first: list, second: list) -> None:
    with pytest.raises(ValueError, match=r"needed|at least one row"):
        fit(names, [1] * len(names), first, second)


def test_a_missing_value_gives_no_ratio() -> None:
    made = Calibrator(("a", "b"), (1, 1), (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), 0.0)
    assert made.log10_lr([1.0, 2.0]) == 3
    for values in ([1.0], [1.0, math.nan], [1.0, math.inf]):
        with pytest.raises(ValueError, match="expected finite values of a, b"):
            made.log10_lr(values)


def test_density_integrates_to_one() -> None:
    at = np.linspace(-30, 30, 6001)
    assert np.trapezoid(density([-1.0, 0.0, 3.0], at), at) == pytest.approx(1, abs=1e-6)


@given(two)
def test_area_under_the_curve_is_the_share_of_ordered_pairs(pair: tuple[list[float], list[float]]) -> None:
    first, second = pair
    found = auc(first, second)
    assert found.value == pytest.approx(mannwhitneyu(first, second).statistic / (len(first) * len(second)))
    assert found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12


def test_interval_of_the_area_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    truth, runs = 0.5 * (1 + math.erf(math.sqrt(0.5))), 300  # normal scores with means √2 apart: P(x > y) = Phi(1)
    covered = 0
    for _ in range(runs):
        found = auc(random.normal(math.sqrt(2), 1, 30), random.normal(0, 1, 60))
        covered += found.low <= truth <= found.high
    low, high = clopper_pearson(covered, runs, 0.999)
    assert low <= 0.95 <= high


def test_without_overlap_the_interval_is_exact_and_not_empty() -> None:
    found = auc([2.0] * 10, [1.0] * 50)
    assert found.value == 1
    assert found.low == pytest.approx(clopper_pearson(10, 10)[0])
    assert auc([1.0] * 10, [2.0] * 50).high == pytest.approx(clopper_pearson(0, 10)[1])


def test_true_positives_at_a_false_positive_rate() -> None:
    second = list(range(100))
    found = tpr_at_fpr([98.5, 97.5, 200.0], second, 0.01)
    assert (found.k, found.n) == (2, 3)
    assert (found.low, found.high) == clopper_pearson(2, 3)
    assert tpr_at_fpr([99.0], second, 0.0).k == 0  # a tie is not above


def test_shares_of_nothing_claim_nothing() -> None:
    assert (share(0, 0).low, share(0, 0).high) == (0, 1)


@pytest.mark.parametrize("n", [1, 20, 320])
def test_ranks_of_exchangeable_scores_are_uniform(n: int) -> None:
    random = np.random.default_rng(n)
    p = [
        rank_p(extreme(v, list(random.normal(size=n)), Better.HIGHER), n) - random.random() / (n + 1)
        for v in random.normal(size=400)
    ]
    assert uniform(p)[1] > 0.01
    with pytest.raises(ValueError, match="no p-values"):
        uniform([])


@pytest.mark.parametrize(
    ("lr", "word"),
    [
        (1, "no"),
        (1.99, "no"),
        (2, "weak"),
        (9.99, "weak"),
        (10, "moderate"),
        (99, "moderate"),
        (100, "moderately strong"),
        (1e3, "strong"),
        (1e4, "very strong"),
        (1e6, "extremely strong"),
        (math.inf, "extremely strong"),
    ],
)
def test_words_are_those_of_the_table_and_symmetric(lr: float, word: str) -> None:
    assert verbal.band(math.log10(lr) if lr < math.inf else lr) == word
    assert verbal.band(-math.log10(lr) if lr < math.inf else -lr) == word
