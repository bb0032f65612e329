"""The known-item test: what it counts, and that the file that ships is what it gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forensics import resources, retrieval
from forensics.retrieval import CLIP, COPY, PARTS, Hits
from tests.studies import retrieval_study as study

REFERENCE = resources.samples() / "reference"
SHIPPED = REFERENCE / "retrieval-study.json"


def hits(*ids: int) -> Hits:
    return Hits(np.array(ids), np.linspace(1, 0.5, len(ids)), "exact", "all")


def test_the_columns_take_turns() -> None:
    answers = {CLIP: hits(7, 3, 9), COPY: hits(4, 7, 5)}
    assert [study.rank(answers, n, 3) for n in (7, 4, 3, 9)] == [1, 2, 3, None]
    assert [study.rank({COPY: answers[COPY]}, n, 3) for n in (4, 7, 5, 3)] == [1, 2, 3, None]


def test_hits_and_bounds() -> None:
    made = study.figures([1, 1, 2, 6, None])
    assert [(made[f"hit@{at}"]["hits"], made[f"hit@{at}"]["of"]) for at in study.RANKS] == [
        (2, 5),
        (3, 5),
        (3, 5),
        (4, 5),
    ]
    assert made["hit@1"]["low"] == pytest.approx(0.0527, abs=1e-3)  # Clopper-Pearson for 2 of 5
    assert made["hit@1"]["high"] == pytest.approx(0.8534, abs=1e-3)


def test_the_study_runs_on_few_works(monkeypatch: pytest.MonkeyPatch) -> None:
    known, outside = study.works(REFERENCE, 4)
    monkeypatch.setattr(study, "works", lambda reference, training: (known[:3] + known[-3:], outside))
    monkeypatch.setattr(study, "CHANGES", {n: study.CHANGES[n] for n in ("none", "collage")})
    made = study.study(REFERENCE, 4)
    assert made["works"] == 6
    unchanged = [row for row in made["rows"] if row["change"] == "none"]
    assert [row["asked"] for row in unchanged] == list(study.ASKED)
    assert all(row["all"]["hit@1"]["hits"] == 6 for row in unchanged if row["asked"] != PARTS)
    assert all(row["all"]["hit@20"]["hits"] == 6 for row in made["rows"] if row["asked"] == study.TURNS)
    monkeypatch.setattr(study, "queries", lambda *_: pytest.fail("computed again"))
    assert study.study(REFERENCE, 4, before=made) == made


def test_the_file_that_ships_is_of_this_index_and_of_enough_works() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    info = retrieval.open(REFERENCE / "index").info()
    assert shipped["index"]["rows_digest"] == info.rows_digest
    assert shipped["works"] >= 300
    assert {row["change"] for row in shipped["rows"]} == set(study.CHANGES)
    for row in shipped["rows"]:
        for figure in (row["all"], *row["groups"].values()):
            rates = [figure[f"hit@{at}"] for at in study.RANKS]
            assert all(f["low"] <= f["rate"] <= f["high"] for f in rates)
            assert [f["hits"] for f in rates] == sorted(f["hits"] for f in rates)
