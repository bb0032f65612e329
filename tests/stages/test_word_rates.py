"""The error rates beside an outcome are those of the very bounds that gave it, or none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from scipy.stats import beta

from forensics.overlay import correspondence, judge, outcome
from forensics.resources import samples
from forensics.stages import word_rates


def limit(k: int, n: int) -> float:
    """Upper end of the exact two-sided 95 % interval (Clopper and Pearson 1934)."""
    return 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))


SHIPPED = samples() / "reference" / "overlay-study.json"


def test_the_shipped_study_is_of_the_bounds_in_force_and_quoted_with_its_limits() -> None:
    made = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert made["in the program"] == asdict(outcome.BOUNDS)
    rates = word_rates.rates()
    said = rates.said
    assert [(e.pairs_of, e.pairs, e.throughout, e.at_most) for e in rates.errors] == [
        (row["pairs of"], row["pairs"], row["corresponds throughout"], row["interval"][1])
        for row in made["test"]["no copies"]
    ]
    assert all(0 <= e.throughout + e.in_part + e.arrangement <= e.pairs for e in rates.errors)
    assert all(e.at_most == pytest.approx(limit(e.throughout, e.pairs), abs=1e-3) for e in rates.errors)
    edits = [row for row in made["test"]["copies"] if row["edit"] != "itself"]
    assert f"was said of {sum(r['right'] for r in edits)} of {sum(r['pairs'] for r in edits)}" in said
    assert "no rate is known" in said


def test_a_study_of_other_bounds_or_versions_lends_no_rate(tmp_path: Path) -> None:
    made = json.loads(SHIPPED.read_text(encoding="utf-8"))
    other = tmp_path / "study.json"
    for version in (correspondence.VERSION, judge.VERSION, outcome.VERSION):
        other.write_text(json.dumps(made | {"versions": [v for v in made["versions"] if v != version]}), "utf-8")
        assert word_rates.rates(other) == word_rates.Rates(word_rates.NONE)
    other.write_text(json.dumps(made | {"in the program": made["in the program"] | {"whole": 0.5}}), "utf-8")
    assert word_rates.rates(other) == word_rates.Rates(word_rates.NONE)
    assert word_rates.rates(tmp_path / "absent.json") == word_rates.Rates(word_rates.NONE)
