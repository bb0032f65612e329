"""Latent: all of z_T by ODE inversion, told in the fewest bits with which the target still comes back.

Any picture has such a latent, learned or not: what is worth reading is its price beside the controls' and beside an
ordinary codec's, and whether z_T is what a seed would have drawn.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact, Given
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Plan, Progress, Rung, fit_all
from forensics.inversion.fidelity import near_copy
from forensics.inversion.ode import inversion_evaluations, noise_facts
from forensics.inversion.quantise import SCALE_BITS, Quantised, quantise
from forensics.inversion.regeneration import ceiling
from forensics.inversion.solvers import backward_euler, euler, last
from forensics.inversion.whiteness import whiteness
from forensics.pictures.tensors import Fit, unfit

FULL_BITS = 32
"""Bits per value where no quantisation that was tried gives the target back: float32, as z_T was found."""


@dataclass(frozen=True, slots=True)
class Replay:
    """z_T told in some bits, and what it led back to."""

    told: Quantised | None
    """None: as found."""
    picture: Tensor
    """(1, 3, H, W)."""
    reproduces: bool


class Latent(Rung):
    """Empty prompt, no guidance, as `Ode`. Each target by itself, so that what is found for a control can be kept.

    Scores: `bits per value`, of the coarsest quantisation that reproduces; `energy` and `correlation` of z_T.
    """

    name = "latent"
    title = "Noise latent found by inversion, quantised"
    short = "Quantised latent"
    letter = "T"
    given = Given.SEARCH
    version = "1"
    inverts = True

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        return targets * (inversion_evaluations(plan) + (1 + len(plan.search.latent_bits)) * plan.steps)

    @torch.no_grad()
    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. Uses `steps`, `refinements`, `search.latent_bits` and `reproduces` of the plans."""
        progress = Progress(emit, len(targets), self.title, len(targets))
        done = []
        for (picture, step), plan in zip(fit_all(targets, model), plans, strict=True):
            done.append(self._one(picture, step, plan, model))
            progress.advance()
        return done

    def _one(self, target: Tensor, step: Fit, plan: Plan, model: DiffusionModel) -> Attempt:
        began, before = time.perf_counter(), model.evaluations
        z = invert(target, model, plan)  # (1, C, h, w)
        runs = replays(z, target, plan, model)
        dims = z.numel()
        found = next((r for r in runs[1:] if r.reproduces), None)
        per_value = found.told.bits if found and found.told else FULL_BITS
        price = found.told.price if found and found.told else float(dims * FULL_BITS)
        scale = f" and their scale at {SCALE_BITS} bits" if found else ""
        white = whiteness(z[0])
        return Attempt(
            method=self.name,
            title=self.title,
            version=self.version,
            supplied=f"The whole noise latent z_T, {dims} values at {per_value} bits each{scale}, and no prompt.",
            supplied_bits=price,
            prompt="",
            prompt_source="none",
            guidance=1.0,
            steps=plan.steps,
            seeds=(),
            evaluations=model.evaluations - before,
            seconds=time.perf_counter() - began,
            pictures=unfit((found or runs[0]).picture, step),
            fit=step,
            facts=(
                Fact("prompt", "empty, guidance 1"),
                Fact("solver", f"DDIM (Euler), {plan.steps} steps, {plan.refinements} fixed-point corrections a step"),
                Fact("target comes back from z_T as found", "yes" if runs[0].reproduces else "no"),
                Fact("target comes back, by bits per value", _by_bits(runs[1:])),
                Fact("bits of z_T under an ideal code for its codes' frequencies", _entropy(found)),
                *noise_facts(white),
            ),
            scores=(
                ("bits per value", float(per_value)),
                ("energy", white.energy),
                ("correlation", white.correlation),
            ),
        )


def invert(target: Tensor, model: DiffusionModel, plan: Plan) -> Tensor:
    """(1, C, h, w) z_T of a fitted target in unit-variance convention."""
    condition = model.condition("", 1.0)
    points = backward_euler(
        lambda state, at: model.velocity(state, at, condition),
        model.encode(target),
        model.times(plan.steps),
        plan.refinements,
    )
    end = last(points)
    return model.unit(end.state, end.time)


def replays(z: Tensor, target: Tensor, plan: Plan, model: DiffusionModel) -> list[Replay]:
    """From z_T as found, and then from it told in each number of bits, rising."""
    told = [quantise(z, bits) for bits in sorted(plan.search.latent_bits)]
    starts = torch.cat([z, *(t.values for t in told)])
    condition = model.condition("", 1.0)
    times = model.times(plan.steps).flip(0)
    made = []
    for part in starts.split(model.capacity(*target.shape[-2:])):
        end = last(euler(lambda s, at: model.velocity(s, at, condition), model.start(part, plan.steps), times))
        made.append(model.decode(end.state).cpu())
    pictures = torch.cat(made)
    back = (plan.reproduces or near_copy)(pictures, ceiling(target, model))
    return [Replay(t, p[None], bool(b)) for t, p, b in zip([None, *told], pictures, back, strict=True)]


def _by_bits(runs: Sequence[Replay]) -> str:
    return ", ".join(f"{r.told.bits}: {'yes' if r.reproduces else 'no'}" for r in runs if r.told)


def _entropy(found: Replay | None) -> str:
    return f"{found.told.entropy:.0f}" if found and found.told else "no quantisation that was tried serves"
