"""Deterministic ODE inversion to z_T and back (Song et al. 2021, section 4.3), made consistent by fixed-point steps.

Any picture, learned or not, has such a latent: a good replay proves nothing. What is worth reading is the price in bits
and whether z_T looks like noise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from forensics.case import Fact, Given, Step
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.autoencoder import BITS_PER_VALUE
from forensics.inversion.base import Attempt, Plan, Progress, Rung, fit_all, groups
from forensics.inversion.solvers import Point, backward_euler, euler, last
from forensics.inversion.whiteness import Whiteness, whiteness
from forensics.pictures.tensors import unfit


class Ode(Rung):
    """Empty prompt, no guidance: guidance makes the ODE stiff and its inversion fail (prompt-to-prompt, issue 27)."""

    name = "ode"
    title = "ODE inversion to noise and back"
    short = "Latent inversion"
    letter = "I"
    given = Given.PICTURE
    version = "1"
    inverts = True

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        return targets * (inversion_evaluations(plan) + plan.steps)

    @torch.no_grad()
    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. Uses `steps` and `refinements` of the plans."""
        fitted = fit_all(targets, model)
        keys = [(f.fitted, p.steps, p.refinements) for (_, f), p in zip(fitted, plans, strict=True)]
        batches = groups(keys, lambda i: model.capacity(*fitted[i][1].fitted))
        progress = Progress(emit, sum(2 * plans[b[0]].steps for b in batches), self.title, len(targets))
        done: dict[int, Attempt] = {}
        for batch in batches:
            plan = plans[batch[0]]
            began, before = time.perf_counter(), model.evaluations
            run = _invert(torch.cat([fitted[i][0] for i in batch]), model, plan, progress)
            pictures = model.decode(run.replayed).cpu()  # (B, 3, H, W)
            seconds = (time.perf_counter() - began) / len(batch)
            evaluations = (model.evaluations - before) // len(batch)
            for row, i in enumerate(batch):
                step = fitted[i][1]
                dims = run.noise[row].numel()
                done[i] = Attempt(
                    method=self.name,
                    title=self.title,
                    version=self.version,
                    supplied=f"The whole noise latent z_T, {dims} values at {BITS_PER_VALUE} bits each, and no prompt.",
                    supplied_bits=float(dims * BITS_PER_VALUE),
                    prompt="",
                    prompt_source="none",
                    guidance=1.0,
                    steps=plan.steps,
                    seeds=(),
                    evaluations=evaluations,
                    seconds=seconds,
                    pictures=unfit(pictures[row : row + 1], step),
                    fit=step,
                    trace=run.traces[row],
                    facts=(Fact("size", step.sentence), *run.facts(row, plan)),
                )
        return [done[i] for i in range(len(targets))]


class _Run:
    """One batch of inversions: what the facts are made from."""

    def __init__(self, start: Tensor, noise: Tensor, replayed: Tensor, traces: list[tuple[Step, ...]]) -> None:
        self.start = start
        """(B, C, h, w) the encoded targets."""
        self.noise = noise
        """(B, C, h, w) z_T in unit-variance convention."""
        self.replayed = replayed
        """(B, C, h, w) the states that z_T led back to."""
        self.traces = traces

    def facts(self, row: int, plan: Plan) -> tuple[Fact, ...]:
        error = (self.replayed[row] - self.start[row]).norm() / self.start[row].norm()
        return (
            Fact("prompt", "empty, guidance 1"),
            Fact("solver", f"DDIM (Euler), {plan.steps} steps, {plan.refinements} fixed-point corrections a step"),
            Fact("round trip error of the latent", f"{float(error):.3g} of its norm"),
            *noise_facts(whiteness(self.noise[row])),
        )


def noise_facts(white: Whiteness) -> tuple[Fact, ...]:
    """Whether z_T is what a seed would have drawn, with both bands."""
    return (
        Fact("energy of z_T per value", _band(white.energy, white.energy_band)),
        Fact("correlation of neighbouring values of z_T", _band(white.correlation, white.correlation_band)),
        Fact("z_T as noise", _verdict(white)),
    )


def inversion_evaluations(plan: Plan) -> int:
    """Evaluations of one inversion: the first slope and every correction, or one slope a step without corrections."""
    return 1 + plan.steps * plan.refinements if plan.refinements else plan.steps


def _invert(images: Tensor, model: DiffusionModel, plan: Plan, progress: Progress) -> _Run:
    """(B, 3, H, W) to noise and back along the same times."""
    condition = model.condition("", 1.0)
    times = model.times(plan.steps)
    traces: list[list[Step]] = [[] for _ in images]

    def velocity(state: Tensor, at: Tensor) -> Tensor:
        return model.velocity(state, at, condition)

    def record(point: Point) -> None:
        norm, residual = (_rms(model.unit(x, point.time)) for x in (point.state, point.correction))
        for trace, n, r in zip(traces, norm, residual, strict=True):
            trace.append(Step(float(point.time), r, n))
        if len(traces[0]) > 1:
            progress.advance()

    start = model.encode(images)
    end = last(backward_euler(velocity, start, times, plan.refinements), record)
    back = last(euler(velocity, end.state, times.flip(0)), lambda p: progress.advance() if p.time < times[-1] else None)
    return _Run(start, model.unit(end.state, end.time), back.state, [tuple(t) for t in traces])


def _rms(x: Tensor) -> list[float]:
    """Root mean square of each row of (B, ...)."""
    return [float(v) for v in x.flatten(1).square().mean(dim=1).sqrt()]


def _band(value: float, band: tuple[float, float]) -> str:
    return f"{value:.4f}; 99 of 100 draws of noise lie in {band[0]:.4f} to {band[1]:.4f}"


def _verdict(white: Whiteness) -> str:
    if white.inside:
        return "within both bands"
    return "outside the band of noise: this latent is a message about the target, not a draw, and no seed"
