"""Codelength: how many bits the checkpoint needs to be told, on top of its weights, to arrive at a picture.

A diffusion model is a code (Ho et al. 2020, section 4.3; Theis et al. 2022; Vonderfecht & Liu 2025, DiffC): from one
noise level to the next less noisy one, KL(q(z_s | z_t, x0) || p(z_s | z_t, c)) bits are sent. Both are Gaussian with
one variance, so that with SNR = abar / (1 - abar) and the model's estimate x̂0 (Kingma et al. 2021, eq. 14)

    bits(t -> s) = (SNR(s) - SNR(t)) · ‖x0 - x̂0(z_t, c)‖² / (2 ln 2)

z_t depends on the target and the draw of noise alone: all levels and all draws are one batch, nothing is sequential.
The grid of levels is coarse, so the sum is an upper bound of the code with every training step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.events import Emit, Event, ignore
from forensics.inversion.base import fit_all

VERSION = "2"
MAX_SIGMA = 150.0
"""Noise over signal above which nothing of the picture is left; bounds schedules with zero terminal SNR."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Levels and draws, fixed by the protocol."""

    levels: int
    """Intervals between pure noise and the finest level, equal in log noise level."""
    cut: float
    """Noise over signal at which the total stops: detail finer than that is not charged. The total ends at the level
    nearest to it."""
    draws: int
    finest: float | None = None
    """Noise over signal down to which bits are listed, for the rate-distortion curve; none means the cut."""
    shown: int = 0
    """Every so many levels the estimate of the picture is kept, for the curve; 0 keeps none."""

    def sigmas(self, highest: float) -> Tensor:
        """(levels + 1,) float64 noise levels, falling from `highest`. Raises ValueError if that is not the highest."""
        lowest = self.cut if self.finest is None else self.finest
        if highest <= self.cut or lowest > self.cut:
            raise ValueError(f"the cut {self.cut:.3g} does not lie between {highest:.3g} and {lowest:.3g}")
        return torch.logspace(math.log10(highest), math.log10(lowest), self.levels + 1, dtype=torch.float64)

    def places(self) -> list[int]:
        """The levels whose estimate is kept. The first has been told nothing and is left out."""
        return list(range(self.shown, self.levels, self.shown)) if self.shown else []


@dataclass(frozen=True, slots=True)
class Codelength:
    """Bits of one target under one condition."""

    bits: Tensor
    """(draws, levels) float64: bits sent from each level to the next."""
    sigmas: Tensor
    """(levels + 1,) float64, falling."""
    evaluations: int
    cut: float
    places: tuple[int, ...] = ()
    """Levels whose estimate was kept."""
    estimates: Tensor | None = None
    """(draws, places, C, h, w) states at times[0]: what a receiver of the bits so far would decode."""

    @property
    def totals(self) -> Tensor:
        """(draws,) bits down to the level nearest to the cut."""
        return self.bits[:, : last_level(self.sigmas, self.cut)].sum(1)

    @property
    def total(self) -> float:
        """Mean of the totals over the draws."""
        return float(self.totals.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the total between draws; 0 for a single draw."""
        return float(self.totals.std()) if len(self.bits) > 1 else 0.0

    @property
    def told(self) -> Tensor:
        """(draws, places) bits sent before each level whose estimate was kept."""
        before = torch.cat([torch.zeros(len(self.bits), 1, dtype=torch.float64), self.bits.cumsum(1)], dim=1)
        return before[:, list(self.places)]


def bits_of(errors: Tensor, sigmas: Tensor) -> Tensor:
    """(draws, levels) bits sent from each level to the next: the one place where errors become bits, for an examination
    and for validation alike.

    Args:
        errors: (draws, levels) float64, squared distance of target and estimate at each level.
        sigmas: (levels + 1,) float64 noise levels, falling.
    """
    snr = sigmas**-2
    return (snr[1:] - snr[:-1]) * errors / (2 * math.log(2))


def last_level(sigmas: Tensor, cut: float) -> int:
    """How many levels are counted down to a cut: to the noise level nearest to it, in logarithms."""
    return int((sigmas.log() - math.log(cut)).abs().argmin())


def share_saved(bits: float, reference: float) -> float:
    """One minus bits over reference: the complexity of the picture cancels, so that plain ones do not stand out."""
    return 1 - bits / reference


@torch.no_grad()
def codelengths(
    targets: Sequence[Tensor], conditions: Sequence[Condition], model: DiffusionModel, grid: Grid, emit: Emit = ignore
) -> list[Codelength]:
    """The codelength of every target (1, 3, H, W) under its condition, with the same draws of noise for all.

    Raises:
        ValueError: guidance other than 1, which is no probability model, or unequal numbers of targets and conditions.
    """
    if len(targets) != len(conditions):
        raise ValueError(f"{len(targets)} targets but {len(conditions)} conditions")
    if any(c.guidance != 1 for c in conditions):
        raise ValueError("codelength is defined without guidance")
    first = model.times(1)[0]
    sigmas = grid.sigmas(min(MAX_SIGMA, model.noise_range[1]))
    done = []
    fitted = [f for f, _ in fit_all(targets, model)]
    for number, (picture, condition) in enumerate(zip(fitted, conditions, strict=True)):
        emit(Event("codelength", number, len(targets), "bits per noise level"))
        before = model.evaluations
        data = model.unit(model.encode(picture), first).cpu()  # (1, C, h, w)
        places = grid.places()
        errors = torch.empty(grid.draws, grid.levels, dtype=torch.float64)
        kept = torch.empty(grid.draws, len(places), *data.shape[1:])
        capacity = model.capacity(*picture.shape[-2:])
        for rows, estimate in estimates(data, condition, model, sigmas[:-1], grid.draws, capacity):
            found = (estimate.double() - data.double()).square().flatten(1).sum(1)
            for (k, level), error, latent in zip(rows, found, estimate, strict=True):
                errors[k, level] = error
                if level in places:
                    kept[k, places.index(level)] = latent
        bits = bits_of(errors, sigmas)
        spent = model.evaluations - before
        if not places:
            done.append(Codelength(bits, sigmas, spent, grid.cut))
            continue
        states = kept / model.unit(torch.ones_like(kept[0]), first).cpu()  # as `decode` takes them
        done.append(Codelength(bits, sigmas, spent, grid.cut, tuple(places), states))
    emit(Event("codelength", len(targets), len(targets), "bits per noise level"))
    return done


@torch.no_grad()
def estimates(
    data: Tensor, condition: Condition, model: DiffusionModel, sigmas: Tensor, draws: int, batch: int
) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
    """The model's estimates x̂0 of the data (1, C, h, w) at every level and draw, in batches.

    Args:
        sigmas: (levels,) noise over signal.
        batch: the capacity of a guided picture; twice as many go at once, since there is no second pass.

    Yields:
        The (draw, level) of each row, and the estimates (B, C, h, w) float32 on the CPU.
    """
    shape = tuple(data.shape[1:])
    rows = [(k, level) for k in range(draws) for level in range(len(sigmas))]
    for start in range(0, len(rows), 2 * batch):
        part = rows[start : start + 2 * batch]
        time = model.at_noise_level(torch.stack([sigmas[level] for _, level in part]))  # (B,)
        # Independent at every level: only marginals enter, and the errors of the levels then average out.
        draw = torch.stack([noise(shape, k, "codelength", level) for k, level in part])  # (B, C, h, w)
        state = model.diffuse(data.expand(len(part), -1, -1, -1), draw, time)
        velocity = model.velocity(state, time, condition)
        yield part, (state - time.to(velocity.device, velocity.dtype).reshape(-1, 1, 1, 1) * velocity).cpu()
