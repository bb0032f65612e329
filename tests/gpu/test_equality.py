"""A card gives what the CPU gives: the same quantities within a tolerance of the precision, on any input.

Rows without the mark `gpu` run the same comparison on the CPU in bfloat16, so that the tests themselves are known to
work where there is no card. Differences are relative: norm of the difference over norm of the CPU's float32 result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forensics import diffusion
from forensics.device import Device, batch_size, choose, facts, memory_gib, noise, session
from forensics.diffusion.base import Condition, DiffusionModel, stack
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import OutOfMemoryError
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Plan, run_many
from forensics.inversion.codelength import Grid, codelengths
from forensics.resources import samples

TOLERANCE = {"fp32": 2e-4, "bf16": 3e-2}
"""Relative difference of one evaluation. `choose` keeps a card from taking float32 for TF32 in convolutions."""
ROWS = [
    pytest.param(("cpu", "bf16"), id="cpu-bf16"),
    pytest.param(("cuda", "fp32"), id="cuda-fp32", marks=pytest.mark.gpu),
    pytest.param(("cuda", "bf16"), id="cuda-bf16", marks=pytest.mark.gpu),
]


@pytest.fixture(params=ROWS)
def device(request: pytest.FixtureRequest) -> Device:
    """The device and precision under test."""
    return choose(*request.param)


@pytest.fixture
def model(device: Device, folder: Path) -> Iterator[DiffusionModel]:
    """The checkpoint there, with deterministic algorithms."""
    with session(device):
        yield diffusion.load(diffusion.identify(str(folder)), device)


def pictures(count: int, side: int = 32) -> Tensor:
    """(count, 3, side, side) smooth random pictures in [0, 1]."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(11))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").clamp(0, 1)


def apart(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over norm of what is expected."""
    difference = found.detach().cpu().double() - expected.detach().cpu().double()
    return float(difference.norm() / expected.detach().cpu().double().norm())


def plan(**changes: object) -> Plan:
    """A short plan."""
    return dataclasses.replace(Plan("sea", "claimed caption", 1.0, 4, (0, 1), 2), **changes)  # type: ignore[arg-type]


def conditions(model: DiffusionModel, guidance: float) -> Condition:
    return stack([model.condition(text, guidance) for text in ("sea", "dry land", "")])


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_velocity(model: DiffusionModel, reference: DiffusionModel, device: Device, guidance: float) -> None:
    state = torch.stack([noise(reference.latent_shape(32, 32), k, "gpu") for k in range(3)])
    times = reference.at_noise_level(torch.tensor([0.3, 2.0, 9.0], dtype=torch.float64))
    found = model.velocity(state, times, conditions(model, guidance))
    expected = reference.velocity(state, times, conditions(reference, guidance))
    assert found.dtype == torch.float32
    assert apart(found, expected) < TOLERANCE[device.precision] * guidance


def test_autoencoder_is_float32_everywhere(model: DiffusionModel, reference: DiffusionModel) -> None:
    images = pictures(2)
    expected = reference.encode(images)
    assert apart(model.encode(images), expected) < TOLERANCE["fp32"]
    assert apart(model.decode(expected), reference.decode(expected)) < TOLERANCE["fp32"]


def test_a_row_does_not_depend_on_its_batch(model: DiffusionModel, device: Device) -> None:
    state = torch.stack([noise(model.latent_shape(32, 32), k, "gpu") for k in range(4)])
    times = model.at_noise_level(torch.tensor([0.3, 2.0, 9.0, 1.0], dtype=torch.float64))
    condition = model.condition("sea", 1.0)
    together = model.velocity(state, times, condition)
    for row in range(4):
        alone = model.velocity(state[row : row + 1], times[row : row + 1], condition)
        assert apart(together[row : row + 1], alone) < TOLERANCE[device.precision]


def test_codelength(model: DiffusionModel, reference: DiffusionModel, device: Device) -> None:
    grid = Grid(6, 1.0, 2)
    targets = list(pictures(2).split(1))
    found = codelengths(targets, [model.condition("sea", 1.0)] * 2, model, grid)
    expected = codelengths(targets, [reference.condition("sea", 1.0)] * 2, reference, grid)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.evaluations == theirs.evaluations
        assert apart(mine.bits, theirs.bits) < TOLERANCE[device.precision]
        assert mine.total == pytest.approx(theirs.total, rel=TOLERANCE[device.precision])


@pytest.mark.parametrize("method", ["autoencoder", "ode", "regeneration"])
def test_rungs(model: DiffusionModel, reference: DiffusionModel, device: Device, method: str) -> None:
    rung = INVERSIONS.load(method)()
    targets, plans = list(pictures(2).split(1)), [plan(), plan(prompt="dry land")]
    found, expected = (run_many(rung, targets, plans, at) for at in (model, reference))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.evaluations == theirs.evaluations
        assert mine.seeds == theirs.seeds
        # A few steps of the solver, each with the error of one evaluation.
        assert apart(mine.pictures, theirs.pictures) < 5 * TOLERANCE[device.precision]


def test_twice_is_the_same_to_the_bit(model: DiffusionModel) -> None:
    rung = INVERSIONS.load("regeneration")()
    first, again = (run_many(rung, [pictures(1)], [plan(guidance=3.0)], model)[0].pictures for _ in range(2))
    assert torch.equal(first, again)


def test_noise_is_drawn_on_the_cpu(device: Device) -> None:
    assert noise((2, 3), 5, "a").device.type == "cpu"
    assert torch.equal(noise((2, 3), 5, "a").to(device.device).cpu(), noise((2, 3), 5, "a"))


def test_embedders_run_in_float32(device: Device) -> None:
    reference = samples() / "reference"
    images = pictures(3, 64)
    for open_it in (lambda at: Embedder.open(str(reference / "openclip"), at), lambda at: open_descriptor(None, at)):
        found, expected = (open_it(at) for at in (device, choose("cpu")))
        name = "images" if hasattr(found, "images") else "embed"
        mine, theirs = (torch.as_tensor(getattr(at, name)(images)) for at in (found, expected))
        assert apart(mine, theirs) < TOLERANCE["fp32"]


def test_float32_is_float32_in_convolutions_too() -> None:
    torch.backends.cudnn.allow_tf32 = True
    choose("cpu")
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.gpu
def test_exhausted_memory_is_a_clear_error() -> None:
    with pytest.raises(OutOfMemoryError), session(choose("cuda")):
        torch.empty(2**50, dtype=torch.uint8, device="cuda")


@pytest.mark.gpu
def test_what_the_report_says_of_the_card() -> None:
    named = {fact.name: fact.value for fact in facts(choose("cuda"))}
    assert named["graphics card"]
    assert named["cuda"] == torch.version.cuda


@pytest.mark.gpu
def test_memory_is_measured_and_bounds_the_batch() -> None:
    device = choose("cuda")
    held = memory_gib(device)
    assert 0 < held <= torch.cuda.get_device_properties(0).total_memory / 2**30
    assert batch_size(device, held * 1024, 64) == 1
    assert batch_size(device, 1.0, 64) == 64
