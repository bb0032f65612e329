"""Ranks, the false discovery rate, matching and the test of the set, against what is known by hand or by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from forensics.case import Absent, Statistic
from forensics.statistics import blind
from forensics.statistics.discrimination import auc
from forensics.survey import assess
from forensics.survey.results import SetTest

S = Statistic.SAVED_AGAINST_CONTROL


def test_q_is_that_of_benjamini_and_hochberg_by_hand() -> None:
    # sorted: .01, .02, .03, .5; times 4 over the place: .04, .04, .04, .5
    assert assess.benjamini_hochberg([0.5, 0.01, 0.03, 0.02]) == pytest.approx((0.5, 0.04, 0.04, 0.04))
    assert assess.benjamini_hochberg([]) == ()


@pytest.mark.parametrize(("works", "controls"), [(1, 19), (36, 80), (120, 120), (300, 99)])
def test_so_many_works_must_share_the_smallest_p_and_no_fewer(works: int, controls: int) -> None:
    smallest = 1 / (1 + controls)
    least = assess.least_together(works, smallest)
    for share, found in ((least, True), (least - 1, False)):
        if not 0 < share <= works:
            continue
        q = assess.benjamini_hochberg([smallest] * share + [1.0] * (works - share))
        assert (q[0] <= assess.LEVEL + 1e-12) is found


def test_the_false_discovery_rate_holds_where_the_controls_are_shared() -> None:
    draw, share = np.random.default_rng(0), []
    for _ in range(200):
        controls = [{S: v} for v in draw.normal(size=99)]
        values = np.concatenate([draw.normal(size=40), draw.normal(5, 1, 20)])
        among = assess.Among(controls, S)
        q = assess.benjamini_hochberg([among.rank(S, float(v)).p for v in values])
        flagged = np.array(q) <= assess.LEVEL
        share.append(flagged[:40].sum() / max(1, flagged.sum()))
    error = np.std(share) / np.sqrt(len(share))
    assert np.mean(share) <= assess.LEVEL + 2 * error


def test_ties_with_a_control_count_against_the_work() -> None:
    ranked = assess.Among([{S: 0.5}, {S: 0.1}], S).rank(S, 0.5)
    assert (ranked.k, ranked.n, ranked.p) == (1, 2, pytest.approx(2 / 3))


def test_pairs_are_of_like_pictures_and_none_is_used_twice() -> None:
    works, controls = np.array([[0.0], [10.0], [20.0]]), np.array([[19.0], [40.0], [1.0], [11.0]])
    assert sorted(blind.matched(works, controls)) == [(0, 2), (1, 3), (2, 0)]
    assert len(blind.matched(controls, works)) == 3


def _scores(mean: float, seed: int, n: int = 60) -> list[dict[Statistic, float]]:
    draw = np.random.default_rng(seed)
    return [{S: float(a), Statistic.PROMPT_DETAIL: float(b)} for a, b in draw.normal(mean, 1, (n, 2))]


def test_a_set_that_differs_is_told_and_one_that_does_not_is_not() -> None:
    told = assess.set_test(_scores(1.5, 1), _scores(0, 2), [], 0)
    same = [assess.set_test(_scores(0, 3 + s), _scores(0, 100 + s), [], s) for s in range(40)]
    assert isinstance(told, SetTest)
    assert told.p < 1e-3
    assert (told.pairs, told.tested) == (60, 30)
    assert sum(isinstance(t, SetTest) and t.p <= 0.05 for t in same) <= 6  # 2 expected; 7 or more: p = 0.003


def test_the_test_is_refused_where_the_sets_differ_without_the_model_or_are_small() -> None:
    draw = np.random.default_rng(0)
    told = blind.told("their pictures alone", draw.normal(2, 1, (40, 3)), draw.normal(0, 1, (40, 3)))
    assert told is not None
    assert told.exceeded
    refused = assess.set_test(_scores(3, 1), _scores(0, 2), [told], 0)
    assert isinstance(refused, Absent)
    assert f"{told.auc.value:.2f}" in refused.reason
    assert f"{told.auc.low:.2f} to {told.auc.high:.2f}" in refused.reason
    assert isinstance(assess.set_test(_scores(3, 1, 19), _scores(0, 2, 19), [], 0), Absent)


def test_noise_is_not_told_apart_and_captions_that_differ_are() -> None:
    draw = np.random.default_rng(5)
    areas = [
        t.auc.value
        for _ in range(10)
        if (t := blind.told("noise", draw.normal(size=(60, 8)), draw.normal(size=(60, 8)))) is not None
    ]
    assert 0.42 < np.mean(areas) < 0.55
    captions = blind.words([f"red fox {n}" for n in range(20)] + [f"blue whale {n}" for n in range(20)])
    told = blind.told("captions", captions[:20], captions[20:])
    assert told is not None
    assert told.auc.value > 0.95
    assert blind.told("few", captions[:9], captions[20:]) is None
    assert blind.words(["", ""]).shape[0] == 2


def test_partners_are_held_out_together() -> None:
    """Copies cannot be told apart; held out one by one, each is called by the name of its copy."""
    rows = np.random.default_rng(0).normal(size=(40, 60))
    together = blind.told("copies", rows, rows, paired=True)
    assert together is not None
    assert together.auc.value == pytest.approx(0.5, abs=0.1)
    with pytest.raises(ValueError, match="pairs of 40 and 39"):
        blind.told("copies", rows, rows[:39], paired=True)


def _series(seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Sixty rows of each set, half of each out of the same thirty series; the first shifted in three columns."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(15, 20))
    first, second = (centres[np.arange(60) % 15] + 0.5 * draw.normal(size=(60, 20)) for _ in range(2))
    first[:, :3] += shift
    return first, second


def test_sets_out_of_the_same_series_are_not_called_different_nor_is_a_difference_between_them_hidden() -> None:
    """Likes turn the names round: an area far below one half, which is no sign that works and controls differ."""
    bare = [blind._area(*_series(seed), seed, []).value for seed in range(12)]
    assert np.mean(bare) < 0.42
    alike = [t for seed in range(12) if (t := blind.told("rows", *_series(seed), seed)) is not None]
    assert any("likes held out together" in t.inputs for t in alike)
    assert sum(t.exceeded for t in alike) <= 2
    apart = [t for seed in range(12) if (t := blind.told("rows", *_series(seed, 0.5), seed)) is not None]
    assert sum(t.exceeded for t in apart) >= 10


def test_an_area_surely_below_one_half_is_no_clearance() -> None:
    turned = blind.Told("their pictures alone", auc([0.1, 0.2] * 20, [0.8, 0.9] * 20), blind.LIMIT)
    assert turned.exceeded
    assert "takes works for controls" in turned.what
    refused = assess.set_test(_scores(3, 1), _scores(0, 2), [turned], 0)
    assert isinstance(refused, Absent)
    assert turned.what in refused.reason
