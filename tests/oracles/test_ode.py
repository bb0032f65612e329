"""The ODE against what others say it is: the closed form for Gaussian data, and diffusers' DDIM schedulers."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMInverseScheduler
from torch import Tensor

from forensics.device import noise
from forensics.diffusion.sd import StableDiffusion
from forensics.inversion.solvers import backward_euler, euler, heun, last
from tests.diffusion import tiny

MU, V = 0.7, 0.25


def gaussian_velocity(state: Tensor, time: Tensor) -> Tensor:
    """dx/dσ = (x − E[x0 | x]) / σ for x0 ~ N(MU, V): the exact denoiser is known (Karras et al. 2022, eq. 1 and 3)."""
    return (state - MU) * time.to(state.dtype) / (V + time.to(state.dtype) ** 2)


def gaussian_path(x0: Tensor, sigma: float) -> Tensor:
    """x(σ) = mu + (x0 − mu) sqrt((v + σ²) / v)."""
    return MU + (x0 - MU) * math.sqrt((V + sigma**2) / V)


def errors(solver: object, steps: int) -> tuple[float, float]:
    """Largest error at the end of the way to noise, and after the way back."""
    x0 = torch.linspace(-1, 2, 7, dtype=torch.float64).reshape(1, 1, 1, 7)
    times = torch.linspace(0, 10, steps + 1, dtype=torch.float64)
    end = last(solver(gaussian_velocity, x0, times)).state  # type: ignore[operator]
    back = last(solver(gaussian_velocity, end, times.flip(0))).state  # type: ignore[operator]
    return float((end - gaussian_path(x0, 10)).abs().max()), float((back - x0).abs().max())


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_order_of_convergence(solver: object, order: int) -> None:
    coarse, fine = errors(solver, 200)[0], errors(solver, 400)[0]
    assert coarse / fine == pytest.approx(2**order, rel=0.06)


def test_round_trip_shrinks_with_the_step() -> None:
    for solver in (euler, heun):
        assert errors(solver, 400)[1] < 0.6 * errors(solver, 200)[1]


def test_backward_euler_is_undone_by_euler() -> None:
    x0 = torch.linspace(-1, 2, 7, dtype=torch.float64).reshape(1, 1, 1, 7)
    times = torch.linspace(0, 10, 101, dtype=torch.float64)
    found = {}
    for refinements in (0, 1, 3, 10):
        end = last(backward_euler(gaussian_velocity, x0, times, refinements)).state
        found[refinements] = float((last(euler(gaussian_velocity, end, times.flip(0))).state - x0).abs().max())
    assert found[0] > 10 * found[1] > 1000 * found[3]
    assert found[10] < 1e-9


def test_backward_euler_without_refinement_is_euler() -> None:
    x0, times = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.linspace(0, 10, 11, dtype=torch.float64)
    plain = last(euler(gaussian_velocity, x0, times)).state
    assert torch.equal(plain, last(backward_euler(gaussian_velocity, x0, times, 0)).state)


CASES = [("epsilon", {}), ("epsilon-to-one", {"to_one": True}), ("v", {}), ("v-zero-snr", {"zero_snr": True})]


def prediction(kind: str) -> str:
    return "v_prediction" if kind.startswith("v") else "epsilon"


@pytest.mark.parametrize(("kind", "options"), CASES)
@torch.no_grad()
def test_generation_is_ddim(models: dict[str, StableDiffusion], kind: str, options: dict[str, bool]) -> None:
    """Euler in our time variable gives the latents of diffusers' DDIMScheduler with eta = 0, step for step."""
    model, steps = models[kind], 10
    condition = model.condition("a cat", 1.0)
    scheduler = tiny.scheduler(prediction(kind), **options)
    scheduler.set_timesteps(steps)
    x = noise((4, 8, 8), 3)[None].repeat(2, 1, 1, 1) * torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1)
    points = euler(lambda s, t: model.velocity(s, t, condition), model.start(x, steps), model.times(steps).flip(0))
    next(points)
    for timestep, point in zip(scheduler.timesteps, points, strict=True):
        output = model.unet(x, timestep, encoder_hidden_states=condition.positive.expand(2, -1, -1)).sample
        x = scheduler.step(output, timestep, x, eta=0.0).prev_sample
        # float32 rounding of a state up to 15 times larger than x
        assert torch.allclose(model.unit(point.state, point.time), x, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "options"), [c for c in CASES if not c[1].get("zero_snr")])
@torch.no_grad()
def test_inversion_is_ddim_inverse(models: dict[str, StableDiffusion], kind: str, options: dict[str, bool]) -> None:
    """Against DDIMInverseScheduler as its own pipeline drives it: the network sees the state before the step, at the
    timestep after it. That is one fixed-point iteration from "nothing changed", so it is written so here."""
    model, steps = models[kind], 10
    condition, times = model.condition("", 1.0), model.times(steps)
    forward = tiny.scheduler(prediction(kind), **options)
    inverse = DDIMInverseScheduler.from_config(forward.config)
    inverse.set_timesteps(steps)
    x = model.unit(model.encode(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))), times[0])
    state = x * float(model.schedule.scale(times[0]))
    for timestep, here, there in zip(inverse.timesteps, times[:-1], times[1:], strict=True):
        held = model.unit(state, here) * float(model.schedule.scale(there))
        if kind.startswith("v"):
            # The output is taken at `there`, but data and noise are told apart at `here`.
            clock = model.schedule.timestep(there).expand(1)
            seen = model.unit(held, there)
            output = model.unet(seen, clock, encoder_hidden_states=condition.positive).sample
            slope = model.schedule.velocity(seen * float(model.schedule.scale(here)), output, here)
        else:
            slope = model.velocity(held, there, condition)
        state = last(euler(lambda s, t, slope=slope: slope, state, torch.stack([here, there]))).state
        output = model.unet(x, timestep, encoder_hidden_states=condition.positive).sample
        x = inverse.step(output, timestep, x).prev_sample
        assert torch.allclose(model.unit(state, there), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "options"), [c for c in CASES if not c[1].get("zero_snr")])
@torch.no_grad()
def test_explicit_inversion_is_ddim_inverse_step(
    models: dict[str, StableDiffusion], kind: str, options: dict[str, bool]
) -> None:
    """The same scheduler, driven as the paper writes it (Song et al. 2021, eq. 14): state and clock both before the
    step. That is Euler without refinement."""
    model, steps = models[kind], 10
    condition, times = model.condition("", 1.0), model.times(steps)
    inverse = DDIMInverseScheduler.from_config(tiny.scheduler(prediction(kind), **options).config)
    inverse.set_timesteps(steps)
    start = model.encode(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    x = model.unit(start, times[0])
    points = backward_euler(lambda s, t: model.velocity(s, t, condition), start, times, 0)
    next(points)
    for timestep, here, point in zip(inverse.timesteps, times[:-1], points, strict=True):
        clock = model.schedule.timestep(here).expand(1)
        output = model.unet(x, clock, encoder_hidden_states=condition.positive).sample
        x = inverse.step(output, timestep, x).prev_sample
        assert torch.allclose(model.unit(point.state, point.time), x, atol=1e-4, rtol=1e-4)
