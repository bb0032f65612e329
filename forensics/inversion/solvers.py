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

    Each step solves y = here + h · v(y, there) (Pan et al. 2023, AIDI, eq. 8; Garibi et al. 2024, ReNoise, section 4).
    The first guess is Euler's, with the last slope of the step before, which costs nothing; a row whose corrections
    have begun to grow keeps its state, since the iteration contracts only where the network is smooth enough.

    Args:
        refinements: corrections a step, >= 0; 0 is plain Euler. One evaluation each.
    """
    state = start
    yield Point(times[0], state, torch.zeros_like(state))
    slope: Tensor | None = None
    for here, there in pairwise(times):
        span = _span(here, there)
        if slope is None or not refinements:
            slope = velocity(state, here)
        origin, state = state, state + span * slope
        correction = torch.zeros_like(state)
        size = torch.full((len(state),), torch.inf, device=state.device)
        for _ in range(refinements):
            slope = velocity(state, there)
            change = origin + span * slope - state
            now = change.flatten(1).norm(dim=1)  # (B,)
            keep = (now < size).reshape(-1, 1, 1, 1)
            size = torch.where(now < size, now, size)
            correction = torch.where(keep, change, correction)
            state = torch.where(keep, state + change, state)
        yield Point(there, state, correction)


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
