"""The record of a question: what is fitted where, what counts once, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from forensics.case import Absent, Better, LikelihoodRatio, Pair
from forensics.schema import canonical, decode
from forensics.statistics.record import PropositionRecord, likelihood_ratio
from forensics.validation import assess as assessing
from forensics.validation.assess import Feature, Material, Question, Row

SCORE = Feature("score", Better.HIGHER)
QUESTION = Question(Pair.RETENTION, SCORE, (SCORE,), "known works", "unknown works")

assess = partial(assessing.assess, resamples=20)


def rows(gap: float, seed: int = 1, first: int = 40, second: int = 120) -> list[Row]:
    random = np.random.default_rng(seed)
    made = []
    for half in ("calibration", "test"):
        for status, n, mean in ((True, first, gap), (False, second, 0.0)):
            for i, value in enumerate(random.normal(mean, 1, n)):
                group = "often" if status else "control"
                made.append(Row(f"{half}{status}{i}", half, status, group, {"score": float(value)}))
    return made


def test_scores_of_known_distributions_give_the_ratios_they_should() -> None:
    """Normal scores two deviations apart: log LR = 2 · score − 2, AUC = Phi(√2)."""
    record = assess(QUESTION, Material(rows(2.0, first=400, second=400)))
    assert record.calibrator.log10_lr([1.0]) == pytest.approx(0, abs=0.12)
    assert record.calibrator.weights[0] / record.calibrator.scales[0] == pytest.approx(2 / math.log(10), abs=0.12)
    assert record.auc.low < 0.921 < record.auc.high
    assert record.cllr < 0.6
    assert abs(record.cllr_cal) < 0.05
    assert record.cllr_interval[0] < record.cllr < record.cllr_interval[1]
    assert (record.n_sources.test_first, record.n_sources.test_second) == (400, 400)


def test_the_test_half_moves_nothing_that_is_fitted() -> None:
    before = assess(QUESTION, Material(rows(2.0)))
    assert len(before.resampled) == 20
    moved = [replace(r, values={"score": r.values["score"] + 3}) if r.half == "test" else r for r in rows(2.0)]
    after = assess(QUESTION, Material(moved))
    assert (after.calibrator, after.bounds, after.resampled) == (before.calibrator, before.bounds, before.resampled)
    assert after.cllr != before.cllr


def test_order_of_the_rows_does_not_matter() -> None:
    ordered, material = rows(2.0), rows(2.0)
    np.random.default_rng(5).shuffle(material)  # type: ignore[arg-type]
    one, other = assess(QUESTION, Material(ordered)), assess(QUESTION, Material(material))
    assert one.calibrator.intercept == pytest.approx(other.calibrator.intercept, abs=1e-9)
    assert one.bounds == other.bounds
    assert one.cllr == pytest.approx(other.cllr, abs=1e-9)


def test_two_rows_of_one_work_count_once() -> None:
    single = rows(4.0)
    record = assess(QUESTION, Material([*single, *single]))
    once = assess(QUESTION, Material(single))
    assert record.n_sources == once.n_sources
    assert record.bounds.upper <= math.log10(120)
    assert record.bounds.upper == pytest.approx(once.bounds.upper, abs=0.1)


def test_controls_are_flagged_as_often_as_the_level_says_and_a_shift_shows() -> None:
    found = assess(QUESTION, Material(rows(2.0, second=400))).p_values[0]
    assert found.n == found.controls == 400
    assert found.expected_05[0] <= found.false_05.k <= found.expected_05[1]
    assert found.ks_p > 0.01
    shifted = [
        replace(r, values={"score": r.values["score"] + (r.half == "test" and not r.first)})
        for r in rows(2.0, second=400)
    ]
    other = assess(QUESTION, Material(shifted)).p_values[0]
    assert other.ks_p < 1e-6
    assert other.false_05.k > other.expected_05[1]


def test_levels_robustness_and_further_works_are_reported() -> None:
    base = rows(2.0)
    shown = [Row(f"seldom{i}", "test", None, "seldom", {"score": 0.1 * i}) for i in range(5)]
    worse = [replace(r, values={"score": r.values["score"] / 2}) for r in base if r.half == "test"]
    controls = [r for r in base if r.half == "calibration" and r.first is False]
    record = assess(
        QUESTION, Material([*base, *shown], {"blurred": worse}, {"twin": (shown, controls)}, {"size": [64.0, 128.0]})
    )
    assert [(level.name, level.n, level.in_first) for level in record.levels] == [
        ("often", 40, True),
        ("seldom", 5, False),
    ]
    assert record.robustness[0].median_change_first < 0
    assert record.robustness[0].auc.value == pytest.approx(record.auc.value)
    assert [p.name for p in record.p_values] == ["controls of the test half", "twin"]
    assert (record.domain[0].low, record.domain[0].high) == (64.0, 128.0)


def test_without_a_signal_the_ratio_is_refused() -> None:
    shuffled = rows(-1.0)  # first below second: the feature is left out, every ratio is 1
    record = assess(QUESTION, Material(shuffled))
    assert record.calibrator.weights == (0.0,)
    assert record.cllr == pytest.approx(1)
    assert "say nothing" in record.refused
    found = likelihood_ratio(record, "d", {"score": 5.0}, {})
    assert isinstance(found, Absent)
    assert found.reason == record.refused


def test_the_form_is_chosen_on_the_calibration_half_alone() -> None:
    """Scores far out in a long tail say less than a straight line believes: they are bent, whatever the other half."""
    random = np.random.default_rng(7)
    made = []
    for half in ("calibration", "test"):
        for status, values in ((True, np.exp(random.normal(2, 3, 80))), (False, random.normal(0, 1, 200))):
            made += [Row(f"{half}{status}{i}", half, status, "", {"score": float(v)}) for i, v in enumerate(values)]
    record = assess(QUESTION, Material(made))
    assert record.calibrator.bends[0].width > 0
    assert "bent by asinh" in record.form
    other = [replace(r, values={"score": -r.values["score"]}) if r.half == "test" else r for r in made]
    again = assess(QUESTION, Material(other))
    assert (again.calibrator, again.form) == (record.calibrator, record.form)
    # Bent or not, the ratio rises with the score.
    found = ratio(record, [-50.0, -1.0, 0.5, 3.0, 1000.0])
    assert [f.log10 for f in found] == sorted(f.log10 for f in found)


@pytest.mark.parametrize(("first", "second", "stated"), [(19, 60, False), (20, 19, False), (20, 20, True)])
def test_few_works_give_ranks_and_error_rates_but_no_ratio(first: int, second: int, stated: bool) -> None:
    record = assess(QUESTION, Material(rows(3.0, first=first, second=second)))
    assert (record.refused == "") is stated
    assert record.p_values[0].n == second
    found = likelihood_ratio(record, "d", {"score": 1.0}, {})
    assert isinstance(found, LikelihoodRatio if stated else Absent)
    if isinstance(found, Absent):
        assert "below 20 no ratio is stated" in found.reason


@pytest.mark.parametrize("half", ["calibration", "test"])
@pytest.mark.parametrize("status", [True, False])
def test_an_empty_half_is_an_error(half: str, status: bool) -> None:
    left = [r for r in rows(1.0) if (r.half, r.first) != (half, status)]
    with pytest.raises(ValueError, match=f"no work of the {half} half"):
        assess(QUESTION, Material(left))


def test_a_work_in_both_halves_is_an_error() -> None:
    made = rows(1.0)
    with pytest.raises(ValueError, match="in both halves"):
        assess(QUESTION, Material([*made, replace(made[0], half="test")]))


@pytest.mark.parametrize("n", [1, 20])
def test_few_controls_give_little(n: int) -> None:
    record = assess(QUESTION, Material(rows(9.0, second=n)))
    assert 0 <= record.bounds.upper <= math.log10(n)


def ratio(record, values: Sequence[float]) -> list[LikelihoodRatio]:
    found = [likelihood_ratio(record, "d" * 64, {"score": v}, {}) for v in values]
    assert all(isinstance(f, LikelihoodRatio) for f in found)
    return found  # type: ignore[return-value]


def test_ratios_rise_with_the_score_inside_their_bounds() -> None:
    record = assess(QUESTION, Material(rows(3.0)))
    found = ratio(record, [-50.0, -1.0, 1.0, 2.0, 4.0, 50.0])
    values = [f.log10 for f in found]
    assert values == sorted(values)
    for f in found:
        assert -math.log10(40) <= f.lower <= f.low <= f.log10 <= f.high <= f.upper <= math.log10(120)
    assert found[0].bounded
    assert found[-1].bounded
    assert not found[2].bounded
    assert (found[0].log10, found[-1].log10) == (record.bounds.lower, record.bounds.upper)


def test_unlike_pictures_other_prompts_and_missing_values_are_refused() -> None:
    question = replace(QUESTION, prompts=("claimed",))
    record = assess(question, Material(rows(3.0), domain={"size": [64.0, 128.0]}))
    reasons = {
        "kind claimed, not of the kind neighbour": ({"score": 1.0}, {"size": 100.0}, "neighbour"),
        "size is 512, theirs lies between 64 and 128": ({"score": 1.0}, {"size": 512.0}, "claimed"),
        "size is not known": ({"score": 1.0}, {}, "claimed"),
        "Not measured in this examination: score": ({}, {"size": 100.0}, "claimed"),
    }
    for reason, (values, domain, prompt) in reasons.items():
        found = likelihood_ratio(record, "d", values, domain, prompt)
        assert isinstance(found, Absent)
        assert reason in found.reason
    assert isinstance(likelihood_ratio(record, "d", {"score": 1.0}, {"size": 64.0}, "claimed"), LikelihoodRatio)


def test_both_kinds_of_calibration_are_tried_on_the_calibration_half_and_the_choice_is_printed() -> None:
    """Scores that no straight or bent line calibrates are bi-Gaussianised, whatever the test half says of it."""

    def cubed(made: list[Row]) -> list[Row]:
        return [replace(r, values={"score": (r.values["score"] - 1) ** 3}) for r in made]

    straight, bent = (assess(QUESTION, Material(m)) for m in (rows(2.0, 3, 300, 300), cubed(rows(2.0, 3, 300, 300))))
    for record in (straight, bent):
        assert "Of 16 forms" in record.form
        assert "bi-Gaussianised" in record.form
        assert "calibration half (300 and 300 works)" in record.form
        assert record.form.count("devPAV") == 1
        assert record.devpav is not None
    assert straight.calibrator.warp is None
    assert straight.warps == ()
    assert bent.calibrator.warp is not None
    assert len(bent.warps) == len(bent.resampled) == 20
    found = likelihood_ratio(bent, "d", {"score": 0.2}, {})
    assert isinstance(found, LikelihoodRatio)
    assert found.low <= found.log10 <= found.high
    assert found.low < found.high


def test_a_bi_gaussianised_record_is_the_same_after_being_written_and_read() -> None:
    made = [replace(r, values={"score": (r.values["score"] - 1) ** 3}) for r in rows(2.0, 3, 300, 300)]
    form = assess(QUESTION, Material(made))
    assert decode(PropositionRecord, json.loads(canonical(form))) == form


def test_where_nothing_overlaps_the_simpler_calibration_stays() -> None:
    """Two groups without overlap on the calibration half: every steep form costs nothing, and nothing can be chosen."""
    random = np.random.default_rng(5)
    made = [
        Row(f"{half}{status}{i}", half, status, "g", {"score": float(value)})
        for half in ("calibration", "test")
        for status, mean in ((True, 60.0), (False, 0.0))
        for i, value in enumerate(random.exponential(3.0, 80) + mean)
    ]
    record = assess(QUESTION, Material(made))
    assert record.calibrator.warp is None
    assert "by logistic regression alone, features" in record.form
    assert "do not overlap" in record.form
