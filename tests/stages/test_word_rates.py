"""The error rates beside an outcome are those of the very bounds that gave it, or none."""

from __future__ import annotations

import json
from pathlib import Path

from forensics.overlay import correspondence, outcome
from forensics.resources import samples
from forensics.stages import word_rates

SHIPPED = samples() / "reference" / "comparison-study.json"


def test_the_shipped_study_is_quoted_with_its_limits() -> None:
    made = json.loads(SHIPPED.read_text(encoding="utf-8"))
    said = word_rates.sentence()
    for row in made["not copies"]["test"]:
        count = f"{row['pairs']:_}".replace("_", "\u202f")
        assert f"of {count} pairs of works ({row['pairs of']}) “reproduces” was said of {row['reproduces']} " in said
    rows = word_rates._program(made)
    changed = [r for r in rows if "reproduces" in r["required"]]
    assert f"required in {sum(r['right'] for r in changed)} of {sum(r['works'] for r in changed)}" in said
    for row in (r for r in rows if r not in changed):
        wrong = sum(n for word, n in row["words"].items() if "reproduces" in word)
        assert f"{row['case']} {wrong} of {row['works']}" in said
    assert "no rate is known" in said


def test_a_study_of_other_bounds_lends_no_rate(tmp_path: Path) -> None:
    made = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for version in (correspondence.VERSION, outcome.VERSION):
        other = tmp_path / "study.json"
        other.write_text(json.dumps(made | {"versions": [v for v in made["versions"] if v != version]}), "utf-8")
        assert word_rates.sentence(other) == word_rates.NONE
    assert word_rates.sentence(tmp_path / "absent.json") == word_rates.NONE
