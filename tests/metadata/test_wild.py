"""Files after public reports: the values that are right are found, or the file is refused in words that allow it.

The inputs lie in `tests/assets/wild`, each named with its source in `cases.tsv`; the judgements are the study's.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.studies import wild

ROOT = Path(__file__).parents[1] / "assets" / "wild"
with (ROOT / "cases.tsv").open(encoding="utf-8", newline="") as stream:
    CASES = [row["name"] for row in csv.DictReader(stream, delimiter="\t")]


@pytest.mark.parametrize("name", CASES)
def test_the_right_values_are_found(name: str) -> None:
    got = wild.judge(ROOT, name)
    assert got is not None, "the study has no judgement for it"
    assert not got.wrong, got.said


def test_a_judgement_can_fail() -> None:
    other = wild.record("web UI", prompt="a fox")
    assert (
        wild.record("web UI", prompt="a hare in the grass, ink drawing")(ROOT / "in" / "a1111-hashes.png").wrong == ""
    )
    assert other(ROOT / "in" / "a1111-hashes.png").wrong
    assert wild.refused("format")(ROOT / "in" / "original.png").wrong == "not refused"
    assert wild.entries([("a",)], "caption")(ROOT / "src" / "hf-parquet").wrong
