"""The ladder study: its figures against scipy, its raw rows against the codelength, its file against its aims."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import mannwhitneyu

from forensics.case import Absent, Statistic
from forensics.device import choose, noise
from forensics.diffusion.sd import StableDiffusion
from forensics.embedders.copies import open_descriptor
from forensics.inversion.codelength import Grid, codelengths
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES, VERSION
from forensics.resources import samples
from forensics.similarity.lpips import Lpips
from forensics.statistics.ranks import clopper_pearson
from forensics.validation import journal, ladder_rows
from forensics.validation.ladder_rows import StudyWork
from tests.diffusion.conftest import folders, models, one_thread
from tests.studies import ladder_regeneration, ladder_study

__all__ = ["folders", "models", "one_thread"]
STUDY = json.loads((samples() / "reference" / "ladder-study.json").read_text("utf-8"))


def test_auc_is_that_of_mann_and_whitney() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 9, 40).tolist(), random.integers(0, 6, 70).tolist()
    expected = mannwhitneyu(a, b).statistic / (len(a) * len(b))
    assert ladder_study.area(a, b)["auc"] == pytest.approx(expected)


def test_a_raw_row_gives_the_codelength_at_every_cut(models: dict[str, StableDiffusion], tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8), "RGB")
    picture.save(tmp_path / "work.png")
    work = StudyWork("w", tmp_path / "work.png", "a red bird", "", "", "control", 0, "test")
    model = models["v"]
    row = ladder_rows.row(work.id, work.picture, work.caption, model)
    for cut in (10, 25):
        sigma = row["sigmas"][cut]
        grid = Grid(ladder_rows.STUDY_GRID.levels, sigma, ladder_rows.STUDY_GRID.draws, ladder_rows.STUDY_GRID.cut)
        for kind, prompt in (("prompted", work.caption), ("plain", "")):
            found = codelengths([to_tensor(work.picture)], [model.condition(prompt, 1.0)], model, grid)[0]
            assert ladder_rows.bits(row, kind, cut, 2) == pytest.approx(found.total, rel=1e-4)
    assert row["evaluations"] == 2 * 2 * ladder_rows.STUDY_GRID.levels


def test_a_row_cut_short_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"work": "a"}\n{"work": "b", "si')
    assert [row["work"] for row in journal.rows(path)] == ["a"]
    assert path.read_text() == '{"work": "a"}\n'


def test_the_study_file_states_its_intervals_and_levels() -> None:
    parts = [*STUDY["measurements"].values(), *STUDY["as_examined"].values()]
    found = [of["levels"] for row in parts for of in (row, row["twin_b"])]
    drawn = [levels for twin in ("twin_a", "twin_b") for levels in STUDY["regeneration"][twin].values()]
    assert len(drawn) == 2 * len(ladder_regeneration.STATISTICS)
    for levels in (*found, *drawn):
        assert list(levels) == ["0", "1", "4", "16", "64", "256"]
        assert [level["n"] for level in levels.values()][1:] == [20, 20, 20, 20, 12]
        for level in levels.values():
            for share in ("tpr_at_fpr01", "share_p01"):
                low, high = clopper_pearson(round(level[share] * level["n"]), level["n"])
                assert level[f"{share}_interval"] == pytest.approx([low, high])
            assert level["auc_interval"][0] <= level["auc"] <= level["auc_interval"][1]


def test_the_primary_measurements_are_those_that_the_calibration_half_chose() -> None:
    found = STUDY["choice"]
    assert PROFILES["standard"].retention(controlled=False) is Statistic(found["chosen"])
    assert PROFILES["standard"].retention(controlled=True) is Statistic(found["chosen_with_control_checkpoint"])
    quality = {name: row["calibration_mean_auc"] for name, row in found["candidates"].items()}
    assert quality[found["chosen_with_control_checkpoint"]] == max(quality.values())
    del quality[found["chosen_with_control_checkpoint"]]
    assert quality[found["chosen"]] == max(quality.values())
    # The same two also lead on the works of which pictures were generated.
    shared = {name: row["calibration_mean_auc_on_shared_works"] for name, row in found["candidates"].items()}
    assert list(shared.values())[:2] == sorted(shared.values(), reverse=True)[:2]
    for row in found["candidates"].values():
        levels = [row["calibration_auc"][level] for level in ("1", "4", "16", "64")]
        assert row["calibration_mean_auc"] == pytest.approx(sum(levels) / len(levels))


def test_a_row_of_pictures_holds_one_likeness_for_every_seed(
    models: dict[str, StableDiffusion], tmp_path: Path
) -> None:
    descriptor = open_descriptor(None, choose("cpu", "fp32"))
    assert not isinstance(descriptor, Absent)
    works = []
    for name in ("a", "b"):
        picture = np.random.default_rng(ord(name)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(picture, "RGB").save(tmp_path / f"{name}.png")
        works.append(StudyWork(name, tmp_path / f"{name}.png", "a red bird", "", "", "control", 0, "test"))
    protocol = ladder_regeneration.PROTOCOL
    together = ladder_regeneration.rows(works, models["epsilon"], Lpips(), descriptor)
    for row in together:
        assert len(row["lpips"]) == len(row["cosine"]) == protocol.seeds
        assert row["evaluations"] == 2 * protocol.seeds * protocol.steps
    assert together[0]["lpips"] != together[1]["lpips"]  # the same seeds and words, beside another work


def test_every_planted_work_is_drawn_and_as_many_controls_as_an_examination_uses() -> None:
    works = ladder_regeneration.among(ladder_rows.study_works(samples() / "reference"))
    for half in ("calibration", "test"):
        assert sum(w.role == "planted" and w.half == half for w in works) == 92
        assert sum(w.role == "control" and w.half == half for w in works) == PROFILES["standard"].controls


def _flagged(levels: list[dict]) -> tuple[int, int]:
    return sum(round(x["share_p01"] * x["n"]) for x in levels), sum(x["n"] for x in levels)


def test_an_examination_flags_works_never_trained_on_no_oftener_than_one_in_a_hundred() -> None:
    """Controls, and the planted works under the twin that never saw them: within the exact binomial bound of 1 %."""
    for name, row in STUDY["as_examined"].items():
        assert row["levels"]["0"]["share_p01_interval"][0] <= 0.01, name
        assert clopper_pearson(*_flagged(list(row["twin_b"]["levels"].values())[1:]))[0] <= 0.01, name


EXCEEDS = {
    ladder_study.AGAINST: "with the cut chosen on the calibration half 13 of 320 controls, where 1 % allows 7",
}
"""Measurements that miss the aim, with what the card says of them."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=EXCEEDS[name])) if name in EXCEEDS else name
        for name in STUDY["measurements"]
    ],
)
def test_works_never_trained_on_are_flagged_no_oftener_than_chance_allows(name: str) -> None:
    """Controls, and the planted works under the twin that never saw them: within the exact bound of 1 %."""
    row = STUDY["measurements"][name]
    low, _ = row["levels"]["0"]["share_p01_interval"]
    assert low <= 0.01
    assert clopper_pearson(*_flagged(list(row["twin_b"]["levels"].values())[1:]))[0] <= 0.01


def test_works_seen_often_are_told_apart() -> None:
    """The aims: 0.99 of works at 16 repetitions with a control checkpoint; without one 0.95 at 64 and 0.8 at 16."""
    against = STUDY["as_examined"]["share saved against the control checkpoint, with caption"]["levels"]
    alone = STUDY["as_examined"]["share that the caption saves"]["levels"]
    assert all(against[level]["share_p01"] >= 0.99 for level in ("16", "64", "256"))
    assert all(alone[level]["share_p01"] >= 0.95 for level in ("64", "256"))
    assert alone["16"]["share_p01"] >= 0.8
    assert against["1"]["share_p01_interval"][0] <= 0.01  # seen once a pass: not told apart, published as it is
    chosen = STUDY["measurements"][ladder_study.AGAINST]["levels"]
    assert chosen["64"]["share_p01"] == chosen["256"]["share_p01"] == 1
    assert chosen["16"]["auc"] > 0.99
    assert chosen["1"]["share_p01_interval"][0] <= 0.01


def _rows(errors: dict[str, float]) -> dict[str, dict]:
    sigmas = np.geomspace(14.6, 0.1, ladder_rows.STUDY_GRID.levels + 1).tolist()
    flat = {name: [[error] * ladder_rows.STUDY_GRID.levels] * 2 for name, error in errors.items()}
    return {name: {"sigmas": sigmas, "prompted": row, "plain": [[1.0] * len(row[0])] * 2} for name, row in flat.items()}


def test_controls_of_a_remembered_hand_are_told_from_the_others_and_ranked_among_the_other_half() -> None:
    def work(name: str, creator: str, repetitions: int, half: str) -> StudyWork:
        role = "planted" if repetitions else "control"
        return StudyWork(name, Path(name), "", creator, "", role, repetitions, half)

    works = [work("often", "remembered", 64, "test"), work("seldom", "seen", 4, "test"), work("none", "", 64, "test")]
    works += [work(f"calibration {i}", "somebody", 0, "calibration") for i in range(200)]
    works += [work(f"near {i}", "remembered", 0, "test") for i in range(4)]
    works += [work(f"far {i}", creator, 0, "test") for i, creator in enumerate(("seen", "", "somebody"))]
    here = {w.id: 0.9 + 0.0001 * i for i, w in enumerate(works)} | {"near 0": 0.1, "near 1": 0.2}
    data = ladder_study.Data(tuple(works), _rows(here), _rows(dict.fromkeys(here, 1.0)), {})
    every = ladder_study.of_one_hand(data)
    # One work of the creator that was seen 4 times joins those remembered at the lowest of the levels.
    assert [every[level][ladder_study.PROMPT]["creator_planted"]["n"] for level in ("4", "16", "64")] == [5, 4, 4]
    found = every["16"]
    for name in (ladder_study.AGAINST, ladder_study.PROMPT):
        assert found[name]["creator_planted"]["share_p01"] == 0.5
        assert found[name]["other_creators"]["n"] == 3
        assert found[name]["other_creators"]["share_p01"] == 0
        assert found[name]["other_creators"]["median"] == pytest.approx(1 - here["far 1"])
        # The two that stand out and the two below them all cost less than the three others: 12 of 12 pairs.
        assert found[name]["auc"] == 1


SHIFTED = pytest.mark.xfail(
    strict=True, reason="area 0.57 (0.51 to 0.63): such works rank somewhat higher, as published"
)


@pytest.mark.parametrize("name", [ladder_study.AGAINST, ladder_study.PROMPT])
@pytest.mark.parametrize("least", map(str, ladder_study.HANDS))
def test_a_remembered_hand_does_not_have_unseen_works_flagged(least: str, name: str) -> None:
    found = STUDY["same_creator"][least][name]
    assert found["creator_planted"]["n"] + found["other_creators"]["n"] == 320
    assert found["creator_planted"]["share_p01_interval"][0] <= 0.01


@pytest.mark.parametrize(
    ("least", "name"),
    [
        pytest.param(str(least), name, marks=SHIFTED if (least, name) == (64, ladder_study.PROMPT) else ())
        for least in ladder_study.HANDS
        for name in (ladder_study.AGAINST, ladder_study.PROMPT)
    ],
)
def test_a_remembered_hand_does_not_have_unseen_works_rank_higher(least: str, name: str) -> None:
    assert STUDY["same_creator"][least][name]["auc_interval"][0] <= 0.5


def test_the_kept_estimates_are_those_that_the_bits_so_far_pay_for(models: dict[str, StableDiffusion]) -> None:
    model = models["epsilon"]
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    grid = Grid(8, 1.0, 2, 0.5, 2)
    found = codelengths([picture], [model.condition("a", 1.0)], model, grid)[0]
    assert found.places == (2, 4, 6)
    assert found.told[1, 2] == pytest.approx(float(found.bits[1, :6].sum()))
    assert found.estimates is not None
    place, draw = 4, 1
    data = model.unit(model.encode(picture), model.times(1)[0])
    eps = noise(tuple(data.shape[1:]), draw, "codelength", place)[None]
    time = model.at_noise_level(found.sigmas[place])
    state = model.diffuse(data, eps, time)
    with torch.no_grad():
        estimate = state - float(time) * model.velocity(state, time, model.condition("a", 1.0))
    kept = model.unit(found.estimates[draw, 1][None], model.times(1)[0])
    assert torch.allclose(kept, estimate, atol=1e-4)
    assert found.sigmas[-1] == pytest.approx(0.5)
    nearest = int((found.sigmas - 1.0).abs().argmin())
    assert math.isclose(found.total, float(found.bits[:, :nearest].sum(1).mean()))


def test_the_fine_tune_is_ranked_against_its_base_on_every_work_of_the_creator() -> None:
    found = STUDY["finetune"]
    assert (found["trained on"]["n"], found["same creator, not trained on"]["n"]) == (12, 26)
    for row in (found["trained on"], found["same creator, not trained on"]):
        assert len(row["p"]) == row["n"]
        assert sum(p <= 0.01 for p in row["p"].values()) == round(row["share_p01"] * row["n"])
        assert all(1 / (1 + row["controls"]) <= p <= 1 for p in row["p"].values())


def test_the_study_is_of_the_protocol_in_force() -> None:
    assert STUDY["protocol_version"] == VERSION
