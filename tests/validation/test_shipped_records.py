"""The records that ship: their figures follow from the ratios and p-values they publish, and errors stay in bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import kstest

from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.statistics import record as records
from forensics.statistics import validity
from forensics.statistics.record import PropositionRecord, ValidationRecord

SHIPPED = sorted((samples() / "reference").glob("validation-*.json"))
CARRIED: tuple[str, ...] = ()
"""Records whose retention and origin were measured under an earlier protocol: none any more."""
NOTHING = (
    "controls of the test half",
    "controls of the test half, prompted with the caption of their neighbour",
    "the members, under the control checkpoint, which was not trained on them",
)
"""Groups that are exchangeable with the controls they are ranked among."""


def forms(record: ValidationRecord) -> list[PropositionRecord]:
    return [form for form in record.forms.values() if isinstance(form, PropositionRecord)]


@pytest.fixture(params=SHIPPED, ids=lambda p: p.stem)
def record(request: pytest.FixtureRequest) -> ValidationRecord:
    path: Path = request.param
    return records.load(path)[0]


def test_each_was_made_with_the_protocol_in_force(record: ValidationRecord) -> None:
    protocol = PROFILES["standard"]
    assert record.protocol_version == protocol.version
    assert record.protocol_digest == protocol.digest
    # What was carried over from an earlier protocol is said among the limits, and nothing else is.
    carried = any("measured under version 3 of the protocol" in limit for limit in record.limits)
    assert carried == (record.name in CARRIED)
    assert (
        records.unfit(record, record.checkpoint_digest, protocol.version, {r.name: r.value for r in protocol.rows})
        == ""
    )


def test_figures_follow_from_the_ratios_published(record: ValidationRecord) -> None:
    for form in forms(record):
        assert validity.cllr(form.ratios_first, form.ratios_second) == pytest.approx(form.cllr, abs=1e-4)
        assert validity.cllr_min(form.ratios_first, form.ratios_second) == pytest.approx(form.cllr_min, abs=1e-4)
        wrong = validity.misleading(form.ratios_first, form.ratios_second)
        assert (wrong.first, wrong.second) == (form.misleading_first.k, form.misleading_second.k)
        for group in form.p_values:
            assert group.false_05.k == sum(p <= 0.05 + 1e-9 for p in group.values)
            assert min(group.values) >= 1 / (1 + group.controls) - 1e-6


def test_no_ratio_goes_beyond_its_bound_or_the_number_of_works(record: ValidationRecord) -> None:
    for form in forms(record):
        everything = [*form.ratios_first, *form.ratios_second]
        assert form.bounds.lower - 1e-4 <= min(everything)
        assert max(everything) <= form.bounds.upper + 1e-4
        assert 10**form.bounds.upper <= form.bounds.n_second * (1 + 1e-9)
        assert 10**-form.bounds.lower <= form.bounds.n_first * (1 + 1e-9)
        if not form.refused:
            assert form.cllr < 1
            assert min(form.n_sources.test_first, form.n_sources.test_second) >= 20


def test_works_that_nothing_should_be_found_of_are_flagged_as_often_as_stated(record: ValidationRecord) -> None:
    for form in forms(record):
        for group in (g for g in form.p_values if g.name in NOTHING):
            assert group.false_05.k <= max(group.expected_05[1], group.binomial_05[1]), group.name
            assert group.false_01.k <= max(group.expected_01[1], group.binomial_01[1]), group.name
            assert group.ks_p > 0.01, group.name
            # p-values themselves against the uniform distribution, as they were published.
            assert kstest(group.values, "uniform").statistic < 0.2
