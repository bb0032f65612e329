"""The known-item test: what it counts, and that the file that ships is what it gives."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from forensics import resources, retrieval
from forensics.retrieval import PARTS, order
from tests.studies import retrieval_study as study
from tests.studies import search_order

REFERENCE = resources.samples() / "reference"
SHIPPED = REFERENCE / "retrieval-study.json"


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


def test_the_study_runs_on_few_works_and_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(study, "CHANGES", {n: study.CHANGES[n] for n in ("none", "inset")})
    out = tmp_path / "study.json"
    made = study.study(REFERENCE, keep=partial(study.write, out), each=2)
    assert json.loads(out.read_text(encoding="utf-8")) == made
    assert made["works"] == 4
    unchanged = [row for row in made["rows"] if row["change"] == "none"]
    assert [row["asked"] for row in unchanged] == list(study.ASKED)
    assert all(row["all"]["hit@1"]["hits"] == 4 for row in unchanged if row["asked"] != PARTS)
    assert all(row["all"]["hit@5"]["hits"] == 4 for row in made["rows"] if row["asked"] in (PARTS, study.FUSED))
    monkeypatch.setattr(study, "queries", lambda *_: pytest.fail("computed again"))
    assert study.study(REFERENCE, before=made, each=2) == made


def test_the_halves_share_no_work() -> None:
    halves = [{w.id for w in study.works(REFERENCE, half)[0]} for half in ("calibration", "test")]
    assert not halves[0] & halves[1]
    few, _ = study.works(REFERENCE, each=3)
    assert [w.group for w in few] == [study.NEW] * 3 + [study.SEEN] * 3


def test_the_fit_of_the_order_finds_what_tells_the_right_row() -> None:
    source = np.random.default_rng(2)
    queries = []
    for _ in range(40):
        meaning, copies = source.normal(size=30), source.uniform(0, 0.4, 30)
        right = int(source.integers(30))
        copies[right] = 0.8
        known = [
            order.Parts(float(m), float(c), None, 9 if i == right else 0)
            for i, (m, c) in enumerate(zip(meaning, copies, strict=True))
        ]
        queries.append(search_order.Query("none", tuple(known), right))
    weights = search_order.fitted(queries)
    assert weights.copies > 1
    assert weights.cells > 0.1
    assert weights.meaning < 0.5
    assert all(query.rank(weights) == 1 for query in queries)
    lost = search_order.Query("none", queries[0].parts, None)
    assert lost.rank(weights) == order.CANDIDATES + 1


def test_the_file_that_ships_is_of_this_index_and_of_enough_works() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    info = retrieval.open(REFERENCE / "index").info()
    assert shipped["index"]["rows_digest"] == info.rows_digest
    assert shipped["works"] >= 30
    assert {row["change"] for row in shipped["rows"]} == set(study.CHANGES)
    for row in shipped["rows"]:
        for figure in (row["all"], *row["groups"].values()):
            rates = [figure[f"hit@{at}"] for at in study.RANKS]
            assert all(f["low"] <= f["rate"] <= f["high"] for f in rates)
            assert [f["hits"] for f in rates] == sorted(f["hits"] for f in rates)
