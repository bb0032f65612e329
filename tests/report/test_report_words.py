"""Rounding, units, escapes and charts: the places where a number could be misread."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from forensics import resources, verbal
from forensics.case import Absent, Better, ControlScore, LikelihoodRatio, Pair, Statistic
from forensics.report import glyphs, words
from forensics.report.charts import strips as charts
from forensics.report.charts import svg
from forensics.stages.rank import compared
from tests.report.cases import CASES, SSIM
from tests.report.wording import violations


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.9412, "0.941"), (-0.0004, "0.000"), (-0.5, "−0.500"), (1.0, "1.000")],
)
def test_measured(value: float, shown: str) -> None:
    assert words.measured(value, SSIM) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.04, "0.040"), (0.28, "0.28"), (1.0, "1.0"), (113.2, "110"), (0, "0")])
def test_two_significant_digits(value: float, shown: str) -> None:
    assert words.significant(value) == shown


def test_digest_in_groups_of_eight() -> None:
    grouped = words.groups("0123456789abcdef" * 4)
    assert [len(g) for g in grouped.split()] == [8] * 8
    assert grouped.replace(" ", "") == "0123456789abcdef" * 4


def _ratio(value: float, unbounded: float | None = None) -> LikelihoodRatio:
    at = math.log10(value)
    before = at if unbounded is None else math.log10(unbounded)
    return LikelihoodRatio(at, at - 0.3, at + 0.3, before, -1.6, 2.0, verbal.band(at), 40, 100, (), "c" * 64)


def test_likelihood_ratio_keeps_its_propositions_interval_and_bound_and_is_symmetric() -> None:
    _, first, second = words.PAIRS[Pair.RETENTION]
    shown = words.ratio(_ratio(40.0), Pair.RETENTION)
    assert shown.startswith("about 40 (95")
    assert "interval 20 to 80): moderate support for the proposition that " + first in shown
    assert "calibrated on 40 and 100 works" in shown
    other = words.ratio(_ratio(1 / 40), Pair.RETENTION)
    assert other.startswith("about 0.025 (95")
    assert f"moderate support for the proposition that {second}, rather than that {first}" in other
    bound = words.ratio(_ratio(100.0, 5000.0), Pair.RETENTION)
    assert bound.startswith("100, the bound that the validation data allow: moderately strong support")
    assert "5" not in bound.split(":")[0]
    assert "no support either way" in words.ratio(_ratio(1.3), Pair.RETENTION)
    assert words.ratio(Absent("x", "No record exists."), Pair.ORIGIN) == "not evaluated: no record exists."


def test_moment_is_read_by_people() -> None:
    assert words.moment("2026-11-22T09:12:44Z") == "22 November 2026, 09:12:44 UTC"
    assert words.moment("spring 2019") == "spring 2019"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Вечер über Ωμέγα", "Вечер über Ωμέγα"),
        ("夕方", "[U+5915][U+65B9]"),
        ("gpj.\u202eexe", "gpj.[U+202E]exe"),
        ("nul\x00", "nul[U+0000]"),
        ("🦊", "[U+1F98A]"),
    ],
)
def test_what_cannot_be_printed_is_named(text: str, shown: str) -> None:
    assert glyphs.escape(text, resources.templates() / "fonts") == shown


def test_templates_need_no_escape() -> None:
    fonts = resources.templates() / "fonts"
    for path in sorted(resources.templates().rglob("*.j2")):
        text = path.read_text(encoding="utf-8")
        assert glyphs.escape(text, fonts) == text, path.name


def test_templates_keep_the_wording_rules() -> None:
    for path in sorted(resources.templates().rglob("*.j2")):
        assert violations(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize(
    "sentence",
    [
        "The images match.",
        "This proves it.",
        "The picture was copied.",
        "It is identical.",
        "Overall score: 0.9",
        "The work is stored in the model.",
        "We are certain.",
    ],
)
def test_lint_finds(sentence: str) -> None:
    assert violations(sentence)
    assert violations(sentence, [sentence]) == []


def test_more_alike_lies_to_the_right() -> None:
    def place(better: Better) -> float:
        statistic = next(s for s in Statistic if s.kind.better is better)
        c = compared("K", statistic, "s", 0.1, (ControlScore("a", 0.5), ControlScore("b", 0.9)))
        drawing = str(charts.strip(c))
        return float(drawing.split('<polygon points="')[1].split(",")[0])

    assert place(Better.LOWER) > charts.WIDTH / 2 > place(Better.HIGHER)


def test_charts_state_their_numbers(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    for comparison in case.comparisons:
        drawing = str(charts.strip(comparison))
        assert f"{comparison.k} of {comparison.n} controls" in drawing.split("</title>")[0]
        assert drawing.count("<circle") == comparison.n
        small = str(charts.small_strip(comparison))
        assert f"{comparison.k} of {comparison.n} controls" in small.split("</title>")[0]
        assert small.count("<circle") == comparison.n


def test_ticks_are_round_and_inside() -> None:
    assert svg.ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    assert all(0.13 <= t <= 0.72 for t in svg.ticks(0.13, 0.72))
    assert svg.ticks(1.0, 1.0) == [1.0]
