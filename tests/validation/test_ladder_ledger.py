"""Ledgers side by side: nothing of the cases is lost or added, and the shipped ones are those of the shipped twin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forensics import diffusion
from forensics.case import Absent
from forensics.resources import samples
from tests.report.cases import complete
from tests.studies import ladder_ledger

REFERENCE = samples() / "reference"
SHIPPED = json.loads((REFERENCE / "ledger-study.json").read_text("utf-8"))


def test_every_rung_and_curve_of_a_case_stands_in_the_tables(tmp_path: Path) -> None:
    case = complete(tmp_path)
    assert case.ledger
    assert case.curves
    found = ladder_ledger.study([("one", case), ("two", case)])
    rows = ladder_ledger.table(found).splitlines()
    assert len(rows) == 2 + 2 * len(case.ledger)
    for row, printed in zip((*case.ledger, *case.ledger), rows[2:], strict=True):
        assert row.rung in printed
        assert f"| {row.controls_reached} of {row.n} | {row.p:.3f} |" in printed
        assert ("not counted" in printed) == isinstance(row.bits, Absent)
        assert ("not reached" in printed) == isinstance(row.codec_bits, Absent)
    curves = ladder_ledger.curves(found, [0.3]).splitlines()[2:]
    assert [line.split(" | ")[1] for line in curves] == [c.name for c in (*case.curves, *case.curves)]
    drawn = ladder_ledger.figure(found)
    assert drawn.count("<polyline") <= 2 * len(case.curves)
    assert drawn.count(">one<") == drawn.count(">two<") == 1


def test_cases_of_different_checkpoints_are_not_put_side_by_side(tmp_path: Path) -> None:
    case = complete(tmp_path)
    assert not isinstance(case.checkpoint, Absent)
    other = replace(case, checkpoint=replace(case.checkpoint, digest="0" * 64))
    none = replace(case, checkpoint=Absent("checkpoint", "none was named"))
    for second in (other, none):
        with pytest.raises(ValueError, match="one and the same checkpoint"):
            ladder_ledger.study([("a", case), ("b", second)])


def test_a_label_may_hold_an_equals_sign_and_may_be_left_out() -> None:
    assert ladder_ledger._labelled("n = 1=cases/a") == ("n = 1", Path("cases/a"))
    assert ladder_ledger._labelled("cases/a") == ("a", Path("cases/a"))


def test_the_shipped_figure_shows_the_shipped_numbers_of_the_shipped_twin() -> None:
    assert SHIPPED["checkpoint"] == diffusion.identify(str(REFERENCE / "twin-a"), demonstration=True).digest
    assert (REFERENCE / "runs" / "ledgers.svg").read_text("utf-8") == ladder_ledger.figure(SHIPPED)


def test_a_work_seen_often_comes_back_for_a_tenth_of_what_a_codec_needs_and_the_others_do_not_come_back() -> None:
    often, *others = (
        next(row for row in case["ledger"] if row["rung"] == ladder_ledger.FROM_PROMPT)
        for case in SHIPPED["cases"].values()
    )
    assert often["reached"]
    assert often["bits"] < 200
    assert often["codec_bits"] >= 10 * often["bits"]
    assert often["controls_reached"] == 0
    assert len(others) == 2
    for row in others:
        assert not row["reached"]
        assert row["p"] > 0.05
