"""The search rungs against other implementations and closed forms: intervals, quantiser, objective, planted prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from forensics.device import generator, noise
from forensics.diffusion.base import GRADIENT_COST, Condition, from_hidden, stack
from forensics.diffusion.sd import StableDiffusion
from forensics.events import ignore
from forensics.inversion import hard_prompt, soft_prompt
from forensics.inversion.base import Progress
from forensics.inversion.codelength import Grid, codelengths
from forensics.inversion.hits import HitRate
from forensics.inversion.objective import Objective
from forensics.inversion.quantise import SCALE_BITS, quantise
from forensics.protocol import Search
from forensics.statistics.ranks import clopper_pearson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 8), (3, 8), (8, 8), (1, 64), (60, 200), (200, 200)])
def test_hit_rate_interval(k: int, n: int) -> None:
    """Against beta quantiles, the project's own function, and the definition by binomial tails."""
    low, high = HitRate(k, n).interval
    assert (low, high) == pytest.approx(clopper_pearson(k, n))
    assert low == pytest.approx(0.0 if k == 0 else stats.beta.ppf(0.025, k, n - k + 1))
    assert high == pytest.approx(1.0 if k == n else stats.beta.ppf(0.975, k + 1, n - k))
    if k:
        assert stats.binom.sf(k - 1, n, low) == pytest.approx(0.025, rel=1e-6)
    if k < n:
        assert stats.binom.cdf(k, n, high) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_quantiser_rate_entropy_and_error(bits: int) -> None:
    x = noise((64, 128), 3, "quantiser")
    told = quantise(x, bits)
    codes = told.codes.numpy()
    assert told.price == 64 * 128 * bits + SCALE_BITS
    assert codes.min() >= 0
    assert codes.max() < 2**bits
    # Entropy against scipy, from counts.
    counts = np.bincount(codes.ravel())
    assert told.entropy == pytest.approx(stats.entropy(counts, base=2) * codes.size)
    assert told.entropy <= told.price
    # The values are those of the grid, and each value has the nearest one.
    grid = np.unique(told.values.numpy())
    assert len(grid) <= 2**bits
    nearest = np.abs(x.numpy().ravel()[:, None] - grid[None]).min(axis=1)
    assert np.allclose(np.abs(told.values.numpy() - x.numpy()).ravel(), nearest, atol=1e-5)
    # Error near that of the best uniform quantiser of a normal variable (Max 1960, table II).
    best = {1: 0.3634, 2: 0.1188, 3: 0.03744, 5: 0.003495, 8: 0.0001}[bits]
    assert float((told.values - x).square().mean()) == pytest.approx(best, rel=0.06 if bits < 8 else 0.5)


def test_a_constant_is_told_to_the_precision_of_its_mean() -> None:
    assert torch.allclose(quantise(torch.full((3, 4), 0.7), 1).values, torch.full((3, 4), 0.7), rtol=1e-6)
    assert torch.equal(quantise(torch.zeros(3, 4), 3).values, torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"1\.\.16"):
        quantise(torch.zeros(2), 0)


@pytest.mark.parametrize("kind", ["epsilon", "v", "v-zero-snr"])
def test_objective_is_the_codelength(models: dict[str, StableDiffusion], kind: str) -> None:
    """The same number as the sum over fine levels, within the scatter of the draws."""
    model = models[kind]
    picture = torch.rand(1, 3, 32, 32, generator=generator(1, "test"))
    exact = codelengths([picture], [model.condition("cat", 1.0)], model, Grid(256, 1.0, 1))[0].total
    objective = Objective(picture, model, 1.0, 0)
    estimate = objective.bits(objective.draws(256, "test"), model.condition("cat", 1.0))
    assert float(estimate) == pytest.approx(exact, rel=0.03)


def test_slope_adds_up_over_batches_and_prompts(models: dict[str, StableDiffusion]) -> None:
    """Against one plain pass of autograd through encoder and network."""
    model = models["v"]
    objective = Objective(torch.rand(1, 3, 32, 32, generator=generator(2, "test")), model, 1.0, 0)
    objective._gradient_batch = 3
    draws = objective.draws(4, "test")
    vectors = model.words.table()[[1, 2, 3]].clone()

    def made(flat: Tensor) -> Condition:
        one, two = flat.split([1, 2])
        return stack([model.words.from_embeddings(p[None], 1.0) for p in (one, two)])

    bits, slope = objective.slope(draws, vectors, made)
    assert torch.allclose(bits, objective.bits(draws, made(vectors)), rtol=1e-4)
    leaf = vectors.clone().requires_grad_(True)
    total = torch.zeros(())
    for row in made(leaf).positive:
        condition = from_hidden(row[None])
        velocity = model.velocity(draws.state, draws.time, condition)
        estimate = draws.state - draws.time.float().reshape(-1, 1, 1, 1) * velocity
        total = total + (draws.price * (estimate - objective.data).square().flatten(1).sum(1)).mean()
    total.backward()
    assert leaf.grad is not None
    assert torch.allclose(slope, leaf.grad, rtol=1e-3, atol=1e-3 * float(slope.abs().max()))


class Known:
    """A real `DiffusionModel` whose data are a fixed linear picture of the prompt's vectors, whatever the noise.

    x̂0 = A · (vectors of the prompt), zero beyond its length: the codelength of a planted prompt's picture is known for
    every prompt, and it is zero for the planted one alone.
    """

    native_px, stride, vocabulary, evaluations = 32, 8, 40, 0
    noise_range = (0.01, 20.0)
    longest, width = 4, 6

    def __init__(self, planted: Sequence[int]) -> None:
        self.words = self
        self._table = noise((self.vocabulary, self.width), 1, "table") * 0.1
        self._map = noise((4 * 8 * 8, self.longest * self.width), 2, "map")
        self.planted = self.picture(self.from_tokens(planted, 1.0).positive)[0]

    def picture(self, positive: Tensor) -> Tensor:
        return (positive.flatten(1) @ self._map.T).reshape(-1, 4, 8, 8)

    def table(self) -> Tensor:
        return self._table

    def searchable(self) -> Tensor:
        return torch.arange(self.vocabulary) > 1

    def from_embeddings(self, embeddings: Tensor, guidance: float) -> Condition:
        rest = embeddings.new_zeros(len(embeddings), self.longest - embeddings.shape[1], self.width)
        return from_hidden(torch.cat([embeddings, rest], 1), guidance, embeddings.shape[1])

    def from_tokens(self, tokens: Sequence[int], guidance: float) -> Condition:
        told = self.from_embeddings(self._table[list(tokens)][None], guidance)
        return told.told_in(len(tokens) * math.log2(self.vocabulary))

    def survives(self, tokens: Sequence[int]) -> bool:
        return True

    def full_precision(self) -> AbstractContextManager[None]:
        return nullcontext()

    def capacity(self, height: int, width: int) -> int:
        return 8

    gradient_capacity = capacity

    def encode(self, image: Tensor) -> Tensor:
        return self.planted[None]

    def times(self, steps: int) -> Tensor:
        return torch.tensor([0.0, 20.0], dtype=torch.float64)

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        return state

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        return sigma

    def diffuse(self, data: Tensor, draw: Tensor, time: Tensor) -> Tensor:
        return data + time.float().reshape(-1, 1, 1, 1) * draw

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        gradient = torch.is_grad_enabled() and condition.positive.requires_grad
        self.evaluations += (GRADIENT_COST if gradient else 1) * len(state)
        return (state - self.picture(condition.positive)) / time.float().reshape(-1, 1, 1, 1)

    def price(self, tokens: Sequence[int], cut: float) -> float:
        """‖x0 - x̂0‖² · (SNR(cut) - SNR(highest)) / (2 ln 2): the integral in closed form, as the error is constant."""
        error = self.picture(self.from_tokens(tokens, 1.0).positive)[0] - self.planted
        return float(error.square().sum()) * (cut**-2 - self.noise_range[1] ** -2) / (2 * math.log(2))


@pytest.mark.parametrize("planted", [(17,), (5, 33), (39, 2, 11, 20)])
def test_hard_prompt_finds_the_planted_tokens(planted: tuple[int, ...]) -> None:
    model = Known(planted)
    objective = Objective(torch.zeros(1, 3, 32, 32), model, 1.0, 0)
    search = Search(lengths=(1, 2, 4), hard_steps=60)
    found = {len(p.tokens): p for p in hard_prompt.find(objective, model, search, Progress(ignore, 60, "", 1))}
    assert found[len(planted)].tokens == planted
    assert found[len(planted)].bits == pytest.approx(0, abs=1e-6)
    best = min(found.values(), key=lambda p: p.two_part)
    assert best.tokens == planted
    wrong = (3, 4)
    estimate = objective.bits(objective.draws(4096, "closed form"), model.from_tokens(wrong, 1.0))
    assert float(estimate) == pytest.approx(model.price(wrong, 1.0), rel=0.01)


def test_soft_prompt_reaches_the_planted_picture_and_is_told_in_few_bits() -> None:
    model = Known((5, 33))
    objective = Objective(torch.zeros(1, 3, 32, 32), model, 1.0, 0)
    search = Search(soft_lengths=(1, 2), soft_steps=150)
    one, two = soft_prompt.find(objective, model, search, Progress(ignore, 150, "", 1))
    plain = model.price((), 1.0)
    assert two.free < 0.02 * plain < one.free
    assert two.kept
    assert two.bits <= plain - 0.9 * (plain - two.free)
    assert two.told.bits in search.soft_bits
    coarser = [b for b in search.soft_bits if b < two.told.bits]
    vectors = objective.draws(search.finalist_draws, "quantisation")
    for bits in coarser:
        told = quantise(two.told.values, bits)
        worse = float(objective.bits(vectors, model.from_embeddings(told.values[None], 1.0)))
        assert worse > two.bits
