"""The noise distribution and the quantised latent against torch.distributions and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence

from forensics.case import Absent
from forensics.device import generator, noise
from forensics.diffusion.sd import StableDiffusion
from forensics.inversion.base import Plan
from forensics.inversion.latent import FULL_BITS, Latent, invert
from forensics.inversion.noise import IMPROVEMENT, RISE, WINDOW, Noise, Normal, reweigh
from forensics.inversion.quantise import SCALE_BITS, quantise
from forensics.inversion.whiteness import whiteness
from forensics.protocol import Search

SEARCH = Search(noise_steps=6, noise_draws=3, noise_checks=3, noise_pictures=2, latent_bits=(1, 2, 4))
PLAN = Plan("", "none", 1.0, 3, (), 2, SEARCH)


def picture() -> Tensor:
    return torch.rand(1, 3, 32, 32, generator=generator(1, "test"))


def test_kl_against_torch_and_against_its_definition() -> None:
    mean, log_variance = noise((4, 8, 8), 1), 0.5 * noise((4, 8, 8), 2)
    found = Normal(mean, log_variance)
    scale = (log_variance.double() / 2).exp()
    p, q = TorchNormal(mean.double(), scale), TorchNormal(torch.zeros(()).double(), torch.ones(()).double())
    exact = float(kl_divergence(p, q).sum())
    assert float(found.kl) == pytest.approx(exact, rel=1e-5)
    assert found.bits == pytest.approx(exact / math.log(2), rel=1e-5)
    # E[log p - log q] over the distribution's own draws.
    draws = found.draw(noise((20_000, 4, 8, 8), 3)).double()
    direct = float((p.log_prob(draws) - q.log_prob(draws)).flatten(1).sum(1).mean())
    assert found.bits == pytest.approx(direct / math.log(2), rel=0.01)
    assert Normal(torch.zeros(2, 3, 3), torch.zeros(2, 3, 3)).bits == 0


def test_weight_of_the_penalty() -> None:
    """A little higher at every step, halved at the end of a window that brought nothing."""
    falling = [1.0 - 2 * IMPROVEMENT * i for i in range(2 * WINDOW)]
    assert reweigh(1.0, falling) == 1.0 + RISE
    assert reweigh(1.0, [1.0] * (2 * WINDOW)) == 0.5
    assert reweigh(1.0, [1.0] * (2 * WINDOW + 1)) == 1.0 + RISE
    assert reweigh(1.0, [1.0] * WINDOW) == 1.0 + RISE  # no window before it to compare with


def test_without_help_standard_noise_is_enough(models: dict[str, StableDiffusion]) -> None:
    """Where every picture counts as the target, the least informative distribution costs nothing."""
    plan = replace(PLAN, reproduces=lambda pictures, _: torch.ones(len(pictures), dtype=torch.bool))
    found = Noise()(picture(), models["v"], plan)
    assert found.supplied_bits == 0
    assert found.score("succeeded") == 1
    worded = Noise()(picture(), models["v"], replace(plan, prompt="a cat"))
    assert worded.supplied_bits == pytest.approx(4 * math.log2(55))


def test_failure_is_an_absence_with_its_reason(models: dict[str, StableDiffusion]) -> None:
    plan = replace(PLAN, reproduces=lambda pictures, _: torch.arange(len(pictures)) == 0)  # one of two: not all
    found = Noise()(picture(), models["epsilon"], plan)
    assert isinstance(found.supplied_bits, Absent)
    assert "6 steps" in found.supplied_bits.reason
    assert (found.score("succeeded"), found.score("hits"), found.score("draws")) == (0, 1, 2)
    assert found.score("kl bits") > 0  # type: ignore[operator]


def test_what_the_search_adds_to_the_noise_is_charged_at_every_check(models: dict[str, StableDiffusion]) -> None:
    model = models["v"]
    found = Noise()(picture(), model, replace(PLAN, search=replace(SEARCH, noise_steps=20)))
    course = next(f.value for f in found.facts if f.name.startswith("KL to standard noise"))
    bits = [float(part.split(": ")[1].split()[0]) for part in course.split("; ")]
    assert bits[0] == 0
    assert bits[1] > 0
    assert bits[2] > 0


def test_too_few_checks_are_refused(models: dict[str, StableDiffusion]) -> None:
    with pytest.raises(ValueError, match="two checks"):
        Noise()(picture(), models["v"], replace(PLAN, search=replace(SEARCH, noise_checks=1)))


@pytest.mark.parametrize("serves", [2, 4, None])
def test_the_coarsest_latent_that_serves_is_charged(models: dict[str, StableDiffusion], serves: int | None) -> None:
    """The test of fidelity is the caller's: here it accepts from the quantisation of `serves` bits on."""
    levels = [None, 1, 2, 4]

    def reproduces(pictures: Tensor, target: Tensor) -> Tensor:
        assert len(pictures) == len(levels)
        assert target.shape == (1, 3, 32, 32)
        return torch.tensor([b is None or (serves is not None and b >= serves) for b in levels])

    found = Latent()(picture(), models["v"], replace(PLAN, reproduces=reproduces))
    dims = 4 * 8 * 8
    assert found.supplied_bits == (dims * FULL_BITS if serves is None else dims * serves + SCALE_BITS)
    assert found.score("bits per value") == (serves or FULL_BITS)


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_the_picture_is_the_replay_of_the_quantised_latent(models: dict[str, StableDiffusion], kind: str) -> None:
    model = models[kind]
    plan = replace(PLAN, reproduces=lambda p, _: torch.arange(len(p)) >= 2)
    found = Latent()(picture(), model, plan)
    with torch.no_grad():
        z = invert(picture(), model, plan)
        told = quantise(z, 2).values
        state, times = model.start(told, plan.steps), model.times(plan.steps).flip(0)
        for here, there in pairwise(times):
            state = state + float(there - here) * model.velocity(state, here, model.condition("", 1.0))
    assert torch.allclose(found.pictures, model.decode(state), atol=1e-4)
    assert found.score("energy") == pytest.approx(whiteness(z[0]).energy)


def test_a_latent_outside_the_band_is_called_a_message(models: dict[str, StableDiffusion]) -> None:
    """A picture of one grey tone cannot come from a draw of this random network's own noise."""
    found = Latent()(torch.full((1, 3, 32, 32), 0.5), models["v"], PLAN)
    verdict = next(f.value for f in found.facts if f.name == "z_T as noise")
    inside = whiteness(invert(torch.full((1, 3, 32, 32), 0.5), models["v"], PLAN)[0].detach()).inside
    assert not inside
    assert "a message about the target, not a draw" in verdict
