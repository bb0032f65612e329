"""The study of the overlay: bounds follow the calibration half alone, and the shipped tables are of this program."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from forensics.case import Outcome
from forensics.overlay import correspondence, judge, outcome
from forensics.resources import samples
from tests.studies import overlay_pictures as made
from tests.studies import overlay_study as study

SHIPPED = json.loads((samples() / "reference" / "overlay-study.json").read_text(encoding="utf-8"))


KINDS = (*made.COPIED, made.TEXTURE, made.PLAIN, made.SERIES)


def part(**changed: float) -> study.Row:
    seen = outcome.Seen(
        agreement=0.02,
        chance=0.01,
        evidence=0.5,
        level=0,
        corners=0.1,
        places=3,
        share_a=0.02,
        share_b=0.02,
        whole_a=0.02,
        whole_b=0.02,
        gap=0.9,
        spread=2,
        moved=0.03,
        covered=1.0,
        coarse=0.1,
    )
    return asdict(seen) | {"area_a": 0.02, "area_b": 0.02, "displacement": [0.0, 0.0]} | changed


def row(half: str, group: str, shown: tuple[float, float] = (90.0, 80.0), **changed: float) -> study.Row:
    return {
        "key": f"{half}/{group}",
        "half": half,
        "group": group,
        "kind": made.PHOTOGRAPH,
        "pair": ["a", "b"],
        "parts": [part(**changed)],
        "shown": list(shown),
        "structure": [300, 300],
        "layout": 0.1,
        "kept": 1.0,
        "inside": 0.0,
        "pdq": 120,
        "phash": 30,
        "xfeat": 12,
        "ssim": 0.2,
        "lpips": 0.7,
        "seconds": 0.5,
    }


WHOLE = {"agreement": 1.0, "share_a": 1.0, "share_b": 1.0, "evidence": 60.0, "level": 128, "places": 200, "gap": 0.0}
WHOLE |= {"whole_a": 1.0, "whole_b": 1.0}


def rows(half: str) -> list[study.Row]:
    changed = WHOLE | {"agreement": 0.85, "whole_a": 0.85, "whole_b": 0.85, "gap": 0.12}
    return [
        *(row(half, study.UNRELATED) for _ in range(200)),
        *(row(half, f"two of one kind: {made.PLAIN}", (4.2, 3.0)) for _ in range(10)),
        *(row(half, edit.name, **WHOLE) for edit in made.EDITS),
        *(row(half, made.CHANGED, **changed) for _ in range(8)),
    ]


def test_the_bounds_are_what_the_rules_say() -> None:
    bounds = study.calibrate(rows("calibration"))
    assert bounds.shown == 5.0
    assert bounds.agreement == 0.10
    assert bounds.spread == 12
    near = row("calibration", study.UNRELATED, agreement=0.2, share_a=0.2, evidence=5.0, level=32, places=18, spread=20)
    bounds = study.calibrate([*rows("calibration"), near])
    assert bounds.agreement == 0.3
    assert bounds.spread == 21
    assert bounds.places == 16  # what the higher share keeps out needs no more keypoints


def test_pairs_by_one_hand_enter_no_bound() -> None:
    shared = row(
        "calibration", study.UNRELATED, agreement=0.7, share_a=0.7, evidence=9.0, level=64, places=80, spread=30
    )
    shared["pair"] = ["stamps/town/one.png", "stamps/town/two.png"]
    assert made.one_hand(*shared["pair"])
    assert study.calibrate([*rows("calibration"), shared]) == study.calibrate(rows("calibration"))


def test_keypoints_of_strangers_set_the_bound_of_one_relation_and_pages_of_one_layout_do_not() -> None:
    many = {"places": 30, "covered": 0.8}
    assert study.calibrate(rows("calibration")).related == 24
    assert study.calibrate([*rows("calibration"), row("calibration", study.UNRELATED, **many)]).related == 45
    page = row("calibration", f"two of one kind: {made.PAGE}", **many)
    assert study.calibrate([*rows("calibration"), page]).related == 24


def test_a_stopped_run_leaves_the_same_share_of_every_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [made.Picture(f"{kind}/0/{n}", kind, np.zeros((8, 8, 3), np.uint8)) for kind in KINDS for n in range(40)]
    monkeypatch.setattr(made, "pictures", lambda folder: drawn)
    jobs = [j for j in study.Study(tmp_path).jobs() if j.half == "test"]
    assert len({j.key for j in jobs}) == len(jobs)
    groups, met = Counter(j.group for j in jobs), Counter(j.group for j in jobs[: len(jobs) // 2])
    assert all(abs(met[g] - n / 2) <= 1 + 5 for g, n in groups.items() if n >= 20)


def test_the_test_half_moves_no_bound() -> None:
    both = [*rows("calibration"), *rows("test")]
    worse = row("test", study.UNRELATED, agreement=0.9, share_a=0.9, evidence=50.0, level=64, places=90, spread=40)
    first, second = study.tables(both), study.tables([*both, worse])
    assert first["calibrated"] == second["calibrated"]
    told = next(r for r in second["test"]["no copies"] if r["pairs of"] == study.UNRELATED)
    assert told["words"]["corresponds in part"] == 1


def test_tied_bounds_give_the_middle_and_the_strictest_is_told() -> None:
    bounds = study.calibrate(rows("calibration"))
    strict = study.calibrate(rows("calibration"), strictest=True)
    assert bounds.whole < strict.whole
    assert study.word(row("test", "mirror", **WHOLE), bounds) is Outcome.THROUGHOUT


def test_every_edit_keeps_the_shape_of_a_picture() -> None:
    import random

    from skimage import data

    work = np.ascontiguousarray(data.coffee()[:200, :300])
    for edit in made.EDITS:
        disputed, kept = edit.make(work, work[:, ::-1], random.Random(1))
        assert disputed.dtype == np.uint8
        assert disputed.ndim == 3
        assert disputed.shape[2] == 3
        assert kept is None or 0 < kept <= 1


def test_the_shipped_tables_are_of_the_program_as_it_stands() -> None:
    assert {correspondence.VERSION, judge.VERSION, outcome.VERSION} <= set(SHIPPED["versions"])
    assert SHIPPED["in the program"] == asdict(outcome.BOUNDS)


@pytest.mark.parametrize("half", study.HALVES)
def test_the_shipped_intervals_are_exact(half: str) -> None:
    for table in SHIPPED[half]["copies"]:
        assert table["interval"] == study.interval(table["right"], table["pairs"])
        assert sum(table["words"].values()) == table["pairs"]


def test_no_stranger_corresponds_throughout() -> None:
    """An audit of the committed figures."""
    for table in SHIPPED["test"]["no copies"]:
        assert table["corresponds throughout"] == 0
    copies = SHIPPED["test"]["copies"]
    assert sum(t["right"] for t in copies) >= 0.9 * sum(t["pairs"] for t in copies)
    assert replace(outcome.BOUNDS) == outcome.Bounds()
