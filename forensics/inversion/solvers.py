"""Solvers of the probability-flow ODE, as generators over one signature: (velocity, start, times) -> points.

`times` may rise (inversion) or fall (generation). Each yields the start and then one `Point` a step; the last is the
result. Euler is DDIM with eta = 0 in the time variables of `forensics.diffusion.schedule` (Song et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(state (B, C, h, w), time ()) -> d state / d time."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a trajectory is after a step."""

    time: Tensor
    """() float64."""
    state: Tensor
    """(B, C, h, w) float32."""
    correction: Tensor
    """(B, C, h, w): the last fixed-point correction made to `state`; zero where there was none."""


def euler(velocity: Velocity, start: Tensor, times: Tensor) -> Iterator[Point]:
    """Euler's method, order 1, one evaluation a step."""
    state = start
    yield Point(times[0], state, torch.zeros_like(state))
    for here, there in pairwise(times):
        state = state + _span(here, there) * velocity(state, here)
        yield Point(there, state, torch.zeros_like(state))


def heun(velocity: Velocity, start: Tensor, times: Tensor) -> Iterator[Point]:
    """Heun's method (Karras et al. 2022, Alg. 1), order 2, two evaluations a step."""
    state = start
    yield Point(times[0], state, torch.zeros_like(state))
    for here, there in pairwise(times):
        span = _span(here, there)
        slope = velocity(state, here)
        state = state + span * (slope + velocity(state + span * slope, there)) / 2
        yield Point(there, state, torch.zeros_like(state))


def backward_euler(velocity: Velocity, start: Tensor, times: Tensor, refinements: int) -> Iterator[Point]:
    """Backward Euler by fixed-point iteration: the step that Euler, run the other way, undoes exactly.

    Each step solves y = here + h · v(y, there) (Pan et al. 2023, AIDI, section 3; Garibi et al. 2024, ReNoise). The
    first guess is Euler's, with the last slope of the step before, which costs nothing.

    Args:
        refinements: evaluations spent on each step's equation, >= 0; 0 is plain Euler.
    """
    state = start
    yield Point(times[0], state, torch.zeros_like(state))
    slope: Tensor | None = None
    for here, there in pairwise(times):
        span = _span(here, there)
        if slope is None or not refinements:
            slope = velocity(state, here)
        origin, guess = state, state + span * slope
        state, correction = guess, torch.zeros_like(guess)
        iteration = _FixedPoint(guess)
        for _ in range(refinements):
            slope = velocity(state, there)
            correction = origin + span * slope - state
            state = iteration.next(state, correction)
        yield Point(there, state, correction)


class _FixedPoint:
    """Anderson's acceleration with one past iterate, each row of the batch by itself (AIDI's accelerated form).

    A row whose correction has grown goes back to its best iterate and takes a shorter and shorter part of that one's
    correction: near the data the plain iteration does not always contract.
    """

    def __init__(self, guess: Tensor) -> None:
        rows = (len(guess), *[1] * (guess.ndim - 1))
        self._best = guess
        self._best_correction = torch.zeros_like(guess)
        self._best_size = torch.full(rows, torch.inf, device=guess.device, dtype=guess.dtype)
        self._part = torch.ones_like(self._best_size)
        self._past: tuple[Tensor, Tensor] | None = None

    def next(self, state: Tensor, correction: Tensor) -> Tensor:
        """The next iterate from this one and its correction g(state) − state, both (B, ...)."""
        size = correction.flatten(1).norm(dim=1).reshape(self._best_size.shape)
        shrank = size < self._best_size
        self._part = torch.where(shrank, 1.0, self._part / 2)
        self._best = torch.where(shrank, state, self._best)
        self._best_correction = torch.where(shrank, correction, self._best_correction)
        self._best_size = torch.minimum(size, self._best_size)
        image = state + correction  # g(state)
        proposal = image
        if self._past is not None:
            past_image, past_correction = self._past
            change = correction - past_correction
            weight = _dot(correction, change) / _dot(change, change).clamp_min(1e-30)
            # Limits on the extrapolation: rounding decides the weight once the corrections are all but equal.
            proposal = image - weight.clamp(-2, 0.9) * (image - past_image)
        self._past = image, correction
        return torch.where(shrank, proposal, self._best + self._part * self._best_correction)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each row, (B, 1, ...)."""
    return (a * b).flatten(1).sum(dim=1).reshape(-1, *[1] * (a.ndim - 1))


def last(points: Iterator[Point], each: Callable[[Point], None] = lambda _: None) -> Point:
    """Run a solver to its end, calling `each` on every point, and return the last."""
    point = next(points)
    each(point)
    for point in points:
        each(point)
    return point


def _span(here: Tensor, there: Tensor) -> float:
    # A Python float keeps float32 states float32, whatever the precision of the times.
    return float(there - here)
