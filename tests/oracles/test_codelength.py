"""Codelength against what can be known without a network: Gaussian data, and the bound computed another way."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from forensics.device import noise
from forensics.diffusion.base import Condition, from_hidden
from forensics.diffusion.sd import StableDiffusion
from forensics.inversion.codelength import Grid, codelengths

VARIANCE = 1.7


class GaussianModel:
    """A real `DiffusionModel` whose data are N(0, VARIANCE) per value: its denoiser is known in closed form.

    State and time are those of an epsilon model: x0 + sigma * eps, time sigma.
    """

    native_px, stride, vocabulary, evaluations = 32, 8, 2, 0
    noise_range = (0.01, 100.0)

    def capacity(self, height: int, width: int) -> int:
        return 8

    def encode(self, image: Tensor) -> Tensor:
        # The picture's own values decide nothing here: one fixed draw of the data stands for it.
        return noise((1, 4, 32, 32), 5, "data") * VARIANCE**0.5

    def times(self, steps: int) -> Tensor:
        return torch.tensor([0.0, 100.0], dtype=torch.float64)

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        return state

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        return sigma

    def diffuse(self, data: Tensor, draw: Tensor, time: Tensor) -> Tensor:
        return data + time.float().reshape(-1, 1, 1, 1) * draw

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        self.evaluations += len(state)
        t = time.float().reshape(-1, 1, 1, 1)
        return (state - state * VARIANCE / (VARIANCE + t**2)) / t  # (x - E[x0 | x]) / sigma


EMPTY = from_hidden(torch.zeros(1, 1, 1))


def gaussian_bits(cut: float, highest: float, dims: int) -> float:
    """E KL summed over infinitely fine levels: the mutual information I(x0; z) gained, dims/2 · log2 of the ratio."""
    return dims / 2 * (math.log2(1 + VARIANCE / cut**2) - math.log2(1 + VARIANCE / highest**2))


@pytest.mark.parametrize("cut", [0.3, 1.0])
def test_gaussian_data_cost_their_mutual_information(cut: float) -> None:
    model = GaussianModel()
    found = codelengths([torch.zeros(1, 3, 32, 32)], [EMPTY], model, Grid(800, cut, 1))[0]
    data = model.encode(torch.zeros(1)).double()
    # (1) The expectation over data is replaced by this draw's own energy: E‖x0 - x̂0‖² given x0, integrated over SNR.
    s = torch.logspace(2, math.log10(cut), 200_001, dtype=torch.float64)
    snr, shrink = s**-2, VARIANCE / (VARIANCE + s**2)
    mse = (1 - shrink) ** 2 * float(data.square().sum()) + shrink**2 * s**2 * data.numel()
    integral = float(torch.trapezoid(mse, snr)) / (2 * math.log(2))
    assert found.total == pytest.approx(integral, rel=0.01)
    # (2) Over all data, the mutual information; this one draw of 4,096 values has its own energy.
    assert found.total == pytest.approx(gaussian_bits(cut, 100, data.numel()), rel=0.03)
    assert found.evaluations == 800


def test_a_coarser_grid_never_costs_less() -> None:
    totals = [
        codelengths([torch.zeros(1, 3, 32, 32)], [EMPTY], GaussianModel(), Grid(n, 0.5, 1))[0].total
        for n in (8, 32, 128)
    ]
    assert totals[0] > totals[1] > totals[2]


@pytest.mark.parametrize("kind", ["epsilon", "v", "v-zero-snr"])
@torch.no_grad()
def test_sum_equals_the_posterior_form_of_ho_et_al(models: dict[str, StableDiffusion], kind: str) -> None:
    """Σ ‖mu_q − mu_θ‖² / (2 σ²), eq. 7 and 8 of Ho et al. 2020, on a real UNet with its own schedule."""
    model = models[kind]
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    condition = model.condition("a red bird", 1.0)
    grid = Grid(6, 0.8, 2)
    found = codelengths([picture], [condition], model, grid)[0]
    data = model.unit(model.encode(picture), model.times(1)[0])
    expected = torch.zeros(2, 6, dtype=torch.float64)
    for k in range(2):
        for i in range(6):
            eps = noise(tuple(data.shape[1:]), k, "codelength", i)[None]
            high, low = found.sigmas[i], found.sigmas[i + 1]
            abar_t, abar_s = 1 / (1 + high**2), 1 / (1 + low**2)
            time = model.at_noise_level(high)
            state = model.diffuse(data, eps, time)
            estimate = state - float(time) * model.velocity(state, time, condition)
            beta = 1 - abar_t / abar_s
            weight = abar_s.sqrt() * beta / (1 - abar_t)  # of x0 in the posterior mean, eq. 7
            variance = (1 - abar_s) / (1 - abar_t) * beta
            difference = weight * (data - estimate).double()
            expected[k, i] = difference.square().sum() / (2 * variance * math.log(2))
    assert torch.allclose(found.bits, expected, rtol=1e-4)


def test_the_same_draws_are_used_for_every_target(models: dict[str, StableDiffusion]) -> None:
    model = models["epsilon"]
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    condition = model.condition("", 1.0)
    one, two = codelengths([picture, picture], [condition, condition], model, Grid(4, 1.0, 2))
    assert torch.equal(one.bits, two.bits)
    assert one.spread > 0


def test_guidance_is_no_probability_model(models: dict[str, StableDiffusion]) -> None:
    model = models["epsilon"]
    with pytest.raises(ValueError, match="without guidance"):
        codelengths([torch.zeros(1, 3, 32, 32)], [model.condition("a", 3.0)], model, Grid(4, 1.0, 1))
