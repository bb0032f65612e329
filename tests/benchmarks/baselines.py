"""What a user would run instead, written down from its formula: the sequential codelength and one-picture loops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.inversion.base import fit_all
from forensics.inversion.codelength import MAX_SIGMA, Grid


@dataclass(frozen=True, slots=True)
class Sequential:
    """Bits of one target, chain by chain."""

    totals: tuple[float, ...]
    """One a draw, down to the level nearest to the cut."""
    evaluations: int


@torch.no_grad()
def sequential_codelength(target: Tensor, condition: Condition, model: DiffusionModel, grid: Grid) -> Sequential:
    """The code as it is sent (Ho et al. 2020, Algorithm 3; DiffC 2025, section 3): one level, one row at a time.

    From z_t the receiver's estimate x̂0 gives the bits to the next level, then z_s is drawn from q(z_s | z_t, x0). The
    marginals are those of the forward process, so that the expected total is that of
    `forensics.inversion.codelength.codelengths` on the same grid.
    """
    picture = fit_all([target], model)[0][0]
    first = model.times(1)[0]
    data = model.unit(model.encode(picture), first).cpu()  # (1, C, h, w)
    sigmas = grid.sigmas(min(MAX_SIGMA, model.noise_range[1]))
    last = int((sigmas.log() - math.log(grid.cut)).abs().argmin())
    before, totals = model.evaluations, []
    for draw in range(grid.draws):
        eps = noise(tuple(data.shape), draw, "sequential")
        total = 0.0
        for level in range(last):
            here, there = sigmas[level], sigmas[level + 1]
            time = model.at_noise_level(here)
            state = model.diffuse(data, eps, time)
            velocity = model.velocity(state, time, condition)
            estimate = (state - time.to(velocity.device, velocity.dtype) * velocity).cpu()
            error = float((estimate.double() - data.double()).square().sum())
            total += float(there**-2 - here**-2) * error / (2 * math.log(2))
            # In units of the data, z = x0 + sigma·eps: q(z_s | z_t, x0) has the mean x0 + (s²/t²)(z_t − x0) and the
            # variance s²(1 − s²/t²).
            keep = float(there / here)
            eps = keep * eps + math.sqrt(1 - keep**2) * noise(tuple(data.shape), draw, "sequential", level + 1)
        totals.append(total)
    return Sequential(tuple(totals), model.evaluations - before)
