"""The parts of the ladder stage on a tiny real checkpoint: stored scores, budgets, curves, ledger rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from forensics.case import Absent, CurveKind, Inversion, Measurement, PromptKind
from forensics.controls.cache import Cache, Values
from forensics.device import choose
from forensics.diffusion.sd import StableDiffusion
from forensics.embedders.copies import open_descriptor
from forensics.events import ignore
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Plan
from forensics.inversion.codelength import Grid, codelengths
from forensics.pictures.codecs import CODECS
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES
from forensics.similarity.ssim import Ssim
from forensics.stages import bit_ledger as account
from forensics.stages import budget, rates
from forensics.stages.control_scores import Scorer
from forensics.stages.ladder import Ladder, Rung
from forensics.stages.works import ControlGroup, Work
from tests.diffusion.conftest import folders, models, one_thread

__all__ = ["folders", "models", "one_thread"]


def _picture(seed: int) -> Tensor:
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return to_tensor(Image.fromarray(blocks, "RGB").resize((32, 32), Image.Resampling.BICUBIC))


def _group(count: int) -> ControlGroup:
    works = tuple(Work(f"c{i}", _picture(i), f"word {i}") for i in range(count))
    return ControlGroup(Absent("", ""), works, tuple(f"{i:064x}" for i in range(count)), tuple(range(count)))


PLAN = Plan("", "none", 3.0, 3, (0, 1), 0)


def _scorer(group: ControlGroup, cache: Cache) -> Scorer:
    return Scorer(group, {"ssim": Ssim()}, cache, choose("cpu", "fp32"), ignore)


def test_stored_scores_are_those_of_a_fresh_run_in_any_company(
    models: dict[str, StableDiffusion], tmp_path: Path
) -> None:
    model, group = models["epsilon"], _group(3)
    method = INVERSIONS.load("regeneration")()
    plans = [dataclasses.replace(PLAN, prompt=work.caption) for work in group.works]
    first = _scorer(group, Cache(tmp_path)).rung(method, plans, model, (0, 1, 2))
    cache = Cache(tmp_path)
    assert _scorer(group, cache).rung(method, plans, model, (0, 1, 2)) == first
    assert (cache.hits, cache.misses) == (3, 0)
    assert _scorer(group, Cache(None)).rung(method, [plans[2]], model, (2,)) == (first[2],)
    assert first[0]["evaluations"] == (float(method.budget(PLAN, 1, model)),)
    other = Cache(tmp_path)
    _scorer(group, other).rung(method, [dataclasses.replace(PLAN, seeds=(0, 2))], model, (0,))
    assert other.misses == 1


def test_codelength_of_controls_is_kept_by_prompt(models: dict[str, StableDiffusion], tmp_path: Path) -> None:
    model, group, grid = models["epsilon"], _group(2), Grid(6, 1.0, 2)
    scores = _scorer(group, Cache(tmp_path)).bits(["a", "b"], model, grid)
    whole = codelengths([w.pixels for w in group.works], [model.condition(p, 1.0) for p in "ab"], model, grid)
    for score, length in zip(scores, whole, strict=True):
        assert score["bits"] == pytest.approx(length.totals.tolist(), rel=1e-5)
    cache = Cache(tmp_path)
    _scorer(group, cache).bits(["a", "other"], model, grid)
    assert (cache.hits, cache.misses) == (1, 1)


def test_the_budget_is_what_the_rungs_then_spend(models: dict[str, StableDiffusion]) -> None:
    model, group = models["epsilon"], _group(2)
    tasks = [
        budget.Task("ode", (dataclasses.replace(PLAN, guidance=1.0, refinements=2),), 2),
        budget.Task("regeneration", (PLAN, PLAN), 2),
    ]
    planned = budget.plan(tasks, PROFILES["quick"], 2, None, model)
    spent = {}
    for task in tasks:
        before = model.evaluations
        method = INVERSIONS.load(task.method)()
        for plan in task.plans:
            method(_picture(9), model, plan)
        own = model.evaluations - before
        _scorer(group, Cache(None)).rung(method, [task.plans[0]] * 2, model, (0, 1))
        spent[task.method] = (own, model.evaluations - before - own)
    assert {name: (own, controls) for name, own, controls in planned.rows if name in spent} == spent
    length = PROFILES["quick"].codelength_levels
    assert ("codelength with prompt", length, 2 * length) in planned.rows
    assert f"{planned.own:,} evaluations" in planned.sentence


def test_a_curve_charges_the_prompt_and_falls_apart_nowhere(models: dict[str, StableDiffusion]) -> None:
    model, target = models["epsilon"], _picture(3)
    condition = model.condition("a red bird", 1.0)
    length = codelengths([target], [condition], model, Grid(12, 1.0, 2, 0.3, 4))[0]
    curve = rates.of_checkpoint("m", CurveKind.PROMPTED, length, condition, target, model, _axes())
    price = condition.tokens * np.log2(model.vocabulary)
    assert [p.bits for p in curve.points] == pytest.approx((length.told.mean(0) + price).tolist())
    assert all(p.bits_low <= p.bits <= p.bits_high for p in curve.points)
    assert all(p.distance_low <= p.distance <= p.distance_high for p in curve.points)
    assert f"{price:.0f} bits" in curve.overhead
    assert all(p.cosine is not None and -1 <= p.cosine <= 1 for p in curve.points)


def _axes() -> rates.Axes:
    descriptor = open_descriptor(None, choose("cpu", "fp32"))
    assert not isinstance(descriptor, Absent)
    return rates.Axes(Ssim(), descriptor)


def test_a_picture_agrees_with_itself_at_every_size_and_with_another_at_none() -> None:
    target = _picture(3).repeat(1, 1, 2, 2)
    same, blurred, other = _axes().of(target, torch.cat([target, _blurred(target), _picture(4).repeat(1, 1, 2, 2)]))
    assert (same.thumbnail, other.thumbnail) == (64, 0)
    assert 32 <= blurred.thumbnail < 64
    assert same.cosine == pytest.approx(1, abs=1e-5)
    assert other.cosine is not None
    assert other.cosine < 0.9


def _blurred(picture: Tensor) -> Tensor:
    small = torch.nn.functional.interpolate(picture, scale_factor=0.5, mode="area")
    return torch.nn.functional.interpolate(small, picture.shape[-2:], mode="bicubic").clamp(0, 1)


class _Difference:
    """Root mean square difference, a distance that needs no weights."""

    facts = Ssim.facts

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().flatten(1).mean(1).sqrt().double()


def test_a_codec_curve_keeps_only_codings_that_no_other_one_beats() -> None:
    curve = rates.of_codec(CODECS[0], _picture(5).repeat(1, 1, 2, 2), rates.Axes(_Difference()))
    pairs = [(p.bits, p.distance) for p in curve.points]
    assert pairs == sorted(pairs)
    assert [d for _, d in pairs] == sorted((d for _, d in pairs), reverse=True)
    found = rates.bits_at([curve], pairs[-1][1])
    assert found is not None
    assert found[1] == "JPEG"
    assert rates.bits_at([curve], 0.0 if pairs[-1][1] > 0 else -1.0) is None


def _rung(method: str, number: int, bits: float, own: float, controls: Sequence[float]) -> tuple[Rung, Measurement]:
    inversion = Inversion(
        f"L{number}",
        method,
        method,
        "1",
        "",
        bits,
        "",
        "none",
        PromptKind.NONE,
        1.0,
        1,
        (),
        1,
        0.0,
        (f"X{number}",),
        None,
        None,
    )
    scores: tuple[Values, ...] = tuple({"lpips": (value,)} for value in controls)
    rung = Rung(inversion, (torch.zeros(1, 3, 8, 8),), scores, tuple(range(len(controls))))
    return rung, Measurement(f"M{number}", "lpips", "Q1", f"X{number}", own)


@pytest.mark.parametrize(
    ("regenerated", "lowest", "stops"),
    # The image alone comes back; nobody does, which is no success of the controls; everybody does.
    [(0.12, 0.6, "autoencoder"), (0.75, 0.6, "autoencoder"), (0.12, 0.05, "regeneration")],
)
def test_the_ledger_stops_where_controls_succeed_too(regenerated: float, lowest: float, stops: str) -> None:
    ceiling = [0.05 + 0.005 * i for i in range(19)]
    parts = [
        _rung("autoencoder", 1, 32768.0, 0.1, ceiling),
        _rung("regeneration", 2, 70.0, regenerated, [lowest + 0.005 * i for i in range(19)]),
    ]
    ladder = Ladder(tuple(rung for rung, _ in parts))
    rows = account.ledger(ladder, [r.inversion for r in ladder.rungs], [m for _, m in parts], 0.05)
    assert [row.bits for row in rows] == [70.0, 32768.0]
    assert next(row.rung for row in rows if row.controls_succeed) == stops
    assert rows[0].reached == (regenerated < 0.2)
    assert (rows[0].controls_reached > 0) == (lowest < 0.2)
    assert rows[1].controls_reached == 19
    assert isinstance(rows[0].codec_bits, Absent)
