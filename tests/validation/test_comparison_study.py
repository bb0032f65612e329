"""The comparison study: jobs keep the halves apart, rows are functions of their key, bounds come from one half."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forensics.case import Outcome
from forensics.overlay.outcome import BOUNDS
from tests.studies import comparison_tables
from tests.studies.comparison_cases import CASES, REPAINT, SUBJECT, foreign_detail, reduced
from tests.studies.comparison_study import PAIRS, WORKS, Job, Study, read
from tests.studies.comparison_tables import SAME_CREATOR, UNRELATED


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("study") / "rows.jsonl")


def test_every_group_has_its_pairs_and_no_work_serves_both_halves(study: Study) -> None:
    jobs = list(study.jobs())
    assert len({job.key for job in jobs}) == len(jobs)
    count = Counter((job.half, job.group) for job in jobs)
    assert all(count["test", case.name] == WORKS for case in CASES)
    assert count["test", UNRELATED] == PAIRS["test"][UNRELATED] >= 3000
    assert count["test", SAME_CREATOR] == PAIRS["test"][SAME_CREATOR] >= 200
    used = {h: {i for j in jobs if j.half == h for i in (j.work, j.other) if i} for h in ("calibration", "test")}
    assert not used["calibration"] & used["test"]
    families = {h: {study.works[i]["family"] for i in ids if study.works[i]["half"] == h} for h, ids in used.items()}
    assert not families["calibration"] & families["test"]
    for job in jobs:
        if job.group in (UNRELATED, SUBJECT):
            assert study.works[job.work]["creator"] != study.works[job.other]["creator"]


def test_a_case_is_a_function_of_its_key() -> None:
    rng = np.random.default_rng(0)
    work, other = (rng.integers(0, 255, (128, 128, 3), np.uint8) for _ in range(2))
    for case in CASES:
        first, second = (case.make(work, other, random.Random("key")) for _ in range(2))
        assert np.array_equal(first, second), case.name


def test_a_thumbnail_and_foreign_detail_agree_up_to_their_size() -> None:
    rng = np.random.default_rng(1)
    work, other = (rng.integers(0, 255, (128, 128, 3), np.uint8) for _ in range(2))
    assert np.abs(reduced(foreign_detail(work, other, 32), 16) - reduced(work, 16).astype(int)).mean() < 12


def test_a_row_says_what_was_done_and_a_run_goes_on_where_it_stopped(study: Study) -> None:
    cases = {case.name: case for case in CASES}
    work, other = study.half("test")[:2]
    row = study._row(Job("test", "mirror", work, other), cases["mirror"])
    again = study._row(Job("test", "mirror", work, other), cases["mirror"])
    assert row == again
    assert row["parts"][0]["mirrored"]
    assert row["descriptor"] > row["parts"][0]["lpips"]
    study.rows.write_text(json.dumps(row) + '\n{"key": "cut o')
    assert [r["key"] for r in read(study.rows)] == [row["key"]]


def _row(half: str, group: str, number: int, **values: Any) -> dict[str, Any]:
    """A row as the study makes it: a part with everything agreeing, or none."""
    part = {
        "level": 0,
        "cells": values.get("cells", 0),
        "places": 0,
        "share_a": values.get("share", 0.0),
        "share_b": values.get("share", 0.0),
        "covered": 1.0,
        "coarse": values.get("coarse", 0.1),
        "score": 0.2,
        "steps": [16, 24, 32, 48, 64],
        "bands": [values.get("band", 0.1)] * 5,
        "contrast": [0.1] * 5,
        "lpips": 0.1,
    }
    return {
        "key": f"{half}/{group}/{number}",
        "half": half,
        "group": group,
        "parts": [part],
        "quality": [100, 100],
        "structure": [200, 200],
        "layout": {"value": values.get("layout", 0.1)},
        "clip": values.get("clip", 0.3),
        "manner": values.get("manner", 0.0),
        "descriptor": 0.1,
        "pdq": 120,
        "phash": 30,
        "ssim": 0.3,
        "lpips": 0.6,
        "seconds": 0.1,
    }


def _rows() -> list[dict[str, Any]]:
    found = []
    for half in ("calibration", "test"):
        for n in range(20):
            found += [
                _row(half, c.name, n, cells=40, share=0.95, band=0.97)
                for c in CASES
                if c.required is Outcome.REPRODUCES
            ]
            found.append(_row(half, SUBJECT, n, clip=0.9))
            found.append(_row(half, REPAINT, n, manner=0.9))
            found.append(_row(half, "paraphrase", n, coarse=0.7))
            found.append(_row(half, UNRELATED, n, cells=3, clip=0.5, manner=0.1))
            found.append(_row(half, SAME_CREATOR, n))
    return found


def test_bounds_are_those_of_the_calibration_half_alone() -> None:
    rows = _rows()
    found = comparison_tables.tables(rows)
    assert all(row["right"] == row["works"] for row in found["words"]["test"] if row["works"])
    # Whatever the test half holds, the bounds stay.
    worse = [_row("test", UNRELATED, 100 + n, cells=60, share=1.0, band=1.0) for n in range(5)]
    moved = comparison_tables.tables([*rows, *worse])
    assert moved["calibrated"] == found["calibrated"]
    said = next(r for r in moved["not copies"]["test"] if r["pairs of"] == UNRELATED)
    assert said["reproduces"] == 5
    assert said["said to reproduce, wholly or in part"] == [r["key"] for r in worse]


def test_an_unrelated_pair_that_agrees_shuts_out_the_bounds_that_let_it_pass() -> None:
    rows = [*_rows(), _row("calibration", UNRELATED, 99, cells=9, share=0.9, band=0.9)]
    bounds = comparison_tables.tables(rows)["calibrated"]["bounds"]
    assert bounds["cells"] > 9


def test_unrelated_pairs_set_the_bound_of_the_layout() -> None:
    paraphrases = [_row("test", "paraphrase", 50 + n, layout=0.9) for n in range(4)]
    base = [*_rows(), *(_row("calibration", UNRELATED, 100 + n) for n in range(380)), *paraphrases]
    alike = [_row("calibration", UNRELATED, 900 + n, layout=0.6 + 0.05 * n) for n in range(4)]
    found = comparison_tables.tables([*base, *alike])
    assert found["calibrated"]["bounds"]["layout"] == 0.66
    words = next(r for r in found["words"]["test"] if r["case"] == "paraphrase")["words"]
    assert words == {str(Outcome.ARRANGEMENT): 24}


def test_the_program_has_the_bounds_of_the_committed_study() -> None:
    path = Path(__file__).resolve().parents[2] / "samples" / "reference" / "comparison-study.json"
    document = json.loads(path.read_text("utf-8"))
    assert document["calibrated"]["bounds"] == json.loads(json.dumps(document["in the program"]["bounds"]))
    from dataclasses import asdict

    assert document["calibrated"]["bounds"] == asdict(BOUNDS)
