"""The study of which picture retention is asked of runs, and the committed one is of this version."""

from __future__ import annotations

import json

import pytest

from forensics.overlay import alteration, correspondence, outcome
from forensics.resources import samples
from forensics.validation import edits
from tests.studies import alteration_study

REFERENCE = samples() / "reference"


def test_a_mirrored_work_of_the_index_is_asked_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alteration_study, "CHANGES", {"mirrored": edits.mirror})
    rows = alteration_study.study(REFERENCE, 1)["rows"]
    assert [(row["group"], row["asked"]) for row in rows] == [
        ("works in the index", {"the work": 1, "the disputed picture": 0, "another picture": 0}),
        ("works not in the index", {"the work": 0, "the disputed picture": 1, "another picture": 0}),
    ]


def test_the_committed_study_is_of_this_version() -> None:
    made = json.loads((REFERENCE / "alteration-study.json").read_text(encoding="utf-8"))
    assert made["versions"] == [correspondence.VERSION, outcome.VERSION, alteration.VERSION]
    assert [row["change"] for row in made["rows"]][::2] == list(alteration_study.CHANGES)
    assert all(sum(row["asked"].values()) == row["n"] for row in made["rows"])
