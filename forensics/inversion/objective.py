"""What a prompt search minimises: the codelength of the target, estimated without bias from few draws.

The sum of `codelength` over infinitely fine levels is an integral over the logarithm of the noise level; with u uniform
in [0, 1], log sigma = log cut + u · log(highest / cut) and x̂0 the model's estimate of the data,

    bits = E[ log(highest / cut) · SNR(sigma) · ‖x0 - x̂0‖² ] / ln 2

(Kingma et al. 2021, eq. 14, in continuous time). The levels of one estimate are stratified: one in each equal part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

from forensics import hands
from forensics.device import generator, noise
from forensics.diffusion.base import GRADIENT_COST, Condition, DiffusionModel
from forensics.inversion.codelength import MAX_SIGMA


@dataclass(frozen=True, slots=True)
class Draws:
    """States of the forward process of one target, and what an error there costs."""

    state: Tensor
    """(n, C, h, w)."""
    time: Tensor
    """(n,) float64."""
    price: Tensor
    """(n,) float32: bits per unit of ‖x0 - x̂0‖²."""


class Objective:
    """The codelength of one target as a function of the condition."""

    def __init__(self, target: Tensor, model: DiffusionModel, cut: float, seed: int) -> None:
        """`target` is (1, 3, H, W) at the model's size.

        Raises:
            ValueError: the model's noisiest level does not lie above the cut.
        """
        highest = min(MAX_SIGMA, model.noise_range[1])
        if highest <= cut:
            raise ValueError(f"the model's noisiest level {highest:.3g} does not lie above the cut {cut:.3g}")
        with torch.no_grad():
            self.data = model.unit(model.encode(target), model.times(1)[0])  # (1, C, h, w)
        self._model = model
        self._cut, self._span, self._seed = cut, math.log(highest / cut), seed
        height, width = (int(side) for side in target.shape[-2:])
        self._batch = model.capacity(height, width)
        self._gradient_batch = model.gradient_capacity(height, width)

    def draws(self, count: int, purpose: str, number: int = 0) -> Draws:
        """`count` fresh draws for one named purpose; the same for every target and every prompt."""
        offset = torch.rand(1, generator=generator(self._seed, purpose, number, "levels"), dtype=torch.float64)
        u = (torch.arange(count, dtype=torch.float64) + offset) / count
        sigma = self._cut * (u * self._span).exp()
        eps = noise((count, *self.data.shape[1:]), self._seed, purpose, number)
        time = self._model.at_noise_level(sigma)
        state = self._model.diffuse(self.data.expand(count, -1, -1, -1), eps, time)
        price = (self._span / math.log(2) * sigma**-2).float().to(state.device)
        return Draws(state, time, price)

    @torch.no_grad()
    def bits(self, draws: Draws, prompts: Condition) -> Tensor:
        """(P,) bits of the P prompts of a condition, each the mean over the same draws; guidance is left aside."""

        def priced(rows: Tensor) -> Tensor:
            return self._errors(draws, prompts, rows) * draws.price[rows % len(draws.time)]

        found = hands.each(priced, self._rows(draws, prompts, self._batch))
        return torch.cat(found).reshape(prompts.rows, -1).mean(dim=1).cpu()

    def slope(self, draws: Draws, parameters: Tensor, made: Callable[[Tensor], Condition]) -> tuple[Tensor, Tensor]:
        """(P,) bits and the gradient of their sum by `parameters`; `made(parameters)` is a condition of P prompts.

        The text encoder runs once; the network in batches, whose gradients add up.
        """
        leaf = parameters.detach().requires_grad_(True)
        with torch.enable_grad():
            prompts = made(leaf)
            # Cut between text encoder and network, at every tensor that depends on the parameters.
            through = [name for name, tensor in prompts.given.items() if tensor.requires_grad]

            def batch(rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
                given = {name: t.detach().requires_grad_(name in through) for name, t in prompts.given.items()}
                bits = self._errors(draws, replace(prompts, given=given), rows) * draws.price[rows % len(draws.time)]
                (bits.sum() / len(draws.time)).backward()
                # A tensor that the network made no use of has no gradient.
                return bits.detach(), {n: grad for n in through if (grad := given[n].grad) is not None}

            found = hands.each(batch, self._rows(draws, prompts, self._gradient_batch))
            slopes = {name: reduce(torch.add, [grads[name] for _, grads in found]) for name in found[0][1]}
            torch.autograd.backward([prompts.given[name] for name in slopes], list(slopes.values()))
        assert leaf.grad is not None
        return torch.cat([bits for bits, _ in found]).reshape(prompts.rows, -1).mean(dim=1).cpu(), leaf.grad

    def _rows(self, draws: Draws, prompts: Condition, batch: int) -> tuple[Tensor, ...]:
        """Prompt-major rows: row r is prompt r // n with draw r % n."""
        return torch.arange(prompts.rows * len(draws.time), device=draws.state.device).split(batch)

    def _errors(self, draws: Draws, prompts: Condition, rows: Tensor) -> Tensor:
        """(rows,) ‖x0 - x̂0‖²."""
        count = len(draws.time)
        prompt, draw = rows // count, rows % count
        condition = prompts.unguided().select(prompt)
        state, time = draws.state[draw], draws.time[draw.cpu()]
        velocity = self._model.velocity(state, time, condition)
        estimate = state - time.to(velocity.device, velocity.dtype).reshape(-1, 1, 1, 1) * velocity
        return (estimate - self.data).square().flatten(1).sum(dim=1)


def gradient_evaluations(prompts: int, draws: int, steps: int) -> int:
    """Evaluations that `steps` calls of `Objective.slope` are charged as."""
    return GRADIENT_COST * prompts * draws * steps
