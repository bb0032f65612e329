"""Noise: the least informative distribution N(mu, sigma²) of initial noise from which the target comes back (InvMM).

Ma et al., ICCV 2025 (arXiv 2405.05846): mu and sigma are fitted so that the model denoises x_t = c·x0 + s·n, n ~ N(mu,
sigma²), to the target at every level, with a penalty on KL(N(mu, sigma²) || N(0, I)) whose weight rises as long as the
fit improves and is halved where it does not. The KL in bits is what a draw from that distribution costs the sender
(relative entropy coding), the price that the publication's measure leaves in nats per value.

Differences, stated because they matter: one guidance instead of the best of seven; the plan's prompt, charged for, in
place of a free mixture of all tokens; no early end, so that every control costs the same; no success is an absence, not
an infinite number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics import device
from forensics.case import Absent, Fact, Given
from forensics.diffusion.base import GRADIENT_COST, Condition, DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Plan, Progress, Rung, fit_all
from forensics.inversion.fidelity import near_copy
from forensics.inversion.regeneration import ceiling, generate
from forensics.pictures.tensors import Fit, unfit
from forensics.protocol import Search

LEARNING_RATE = 0.1
PENALTY = 1.0
"""Weight of the KL per value at the start."""
RISE = 5e-4
"""What a step adds to the weight while the fit improves."""
WINDOW = 10
"""Steps from one look at the fit to the next; the value for unconditional latent models, as runs here are short."""
IMPROVEMENT = 1e-3
"""Fall of the mean loss over the last two windows that counts as an improvement."""


@dataclass(frozen=True, slots=True)
class Normal:
    """A diagonal normal distribution of initial noise, (C, h, w) each."""

    mean: Tensor
    log_variance: Tensor

    @property
    def kl(self) -> Tensor:
        """() nats of KL(N(mean, variance) || N(0, I)), over all values."""
        return (self.mean.square() + self.log_variance.exp() - self.log_variance - 1).sum() / 2

    @property
    def bits(self) -> float:
        """The same in bits."""
        return float(self.kl.detach().double()) / math.log(2)

    def draw(self, eps: Tensor) -> Tensor:
        """(B, C, h, w) from standard normal noise of that shape."""
        return self.mean + (self.log_variance / 2).exp() * eps


@dataclass(frozen=True, slots=True)
class Check:
    """Pictures drawn from the distribution at one point of the search."""

    step: int
    bits: float
    """KL in bits."""
    pictures: Tensor
    """(N, 3, H, W) on the CPU, at the model's size."""
    hits: int

    @property
    def succeeded(self) -> bool:
        """Whether every picture drawn is the target."""
        return self.hits == len(self.pictures)


class Noise(Rung):
    """Each target by itself, so that what is found for a control can be kept.

    Scores: `succeeded`, 1 or 0; `kl bits` of the check that is shown; `hits` and `draws` there.
    """

    name = "noise"
    title = "Regeneration from a searched distribution of noise"
    short = "Searched noise"
    letter = "Z"
    given = Given.SEARCH
    version = "1"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        s = plan.search
        drawn = s.noise_checks * s.noise_pictures * plan.steps * model.passes(_guidance(plan))
        return targets * (GRADIENT_COST * s.noise_steps * s.noise_draws + drawn)

    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. The plan's seeds are not used: the pictures are drawn from what was found.

        Raises:
            ValueError: fewer than two checks, or more than steps plus one.
        """
        if any(not 2 <= p.search.noise_checks <= p.search.noise_steps + 1 for p in plans):
            raise ValueError("the search over noise needs at least two checks and no more than its steps and one")
        progress = Progress(emit, sum(p.search.noise_steps for p in plans), self.title, len(targets))
        return [
            self._one(picture, step, plan, model, progress)
            for (picture, step), plan in zip(fit_all(targets, model), plans, strict=True)
        ]

    def _one(self, target: Tensor, step: Fit, plan: Plan, model: DiffusionModel, progress: Progress) -> Attempt:
        began, before = time.perf_counter(), model.evaluations
        condition = model.condition(plan.prompt, _guidance(plan))
        checks = search(target, condition, plan, model, progress)
        good = [c for c in checks if c.succeeded]
        shown = min(good, key=lambda c: c.bits) if good else checks[-1]
        price: float | Absent = condition.bits + shown.bits
        if not good:
            price = Absent(
                f"supplied bits of the rung {self.name!r}",
                f"No distribution of noise was found in {plan.search.noise_steps} steps all of whose "
                f"{plan.search.noise_pictures} draws give the target back; that does not show that there is none.",
                "Use the profile deep, which searches longer.",
            )
        told = f"a prompt of {condition.tokens} tokens" if condition.tokens else "no prompt"
        return Attempt(
            method=self.name,
            title=self.title,
            version=self.version,
            supplied=(
                f"A normal distribution of the initial noise, searched for with the target in hand, {shown.bits:.0f} "
                f"bits from standard noise, and {told}."
            ),
            supplied_bits=price,
            prompt=plan.prompt,
            prompt_source=plan.prompt_source,
            guidance=_guidance(plan),
            steps=plan.steps,
            seeds=tuple(range(len(shown.pictures))),
            evaluations=model.evaluations - before,
            seconds=time.perf_counter() - began,
            pictures=unfit(shown.pictures, step),
            fit=step,
            facts=_facts(checks, plan.search),
            scores=(
                ("succeeded", float(bool(good))),
                ("kl bits", shown.bits),
                ("hits", float(shown.hits)),
                ("draws", float(len(shown.pictures))),
            ),
        )


def _guidance(plan: Plan) -> float:
    """Guidance away from the empty prompt does nothing to the empty prompt but double its cost."""
    return plan.guidance if plan.prompt else 1.0


def search(target: Tensor, condition: Condition, plan: Plan, model: DiffusionModel, progress: Progress) -> list[Check]:
    """Fit the distribution to a fitted target and draw pictures from it at each check, the first before any step."""
    s = plan.search
    with torch.no_grad():
        data = model.unit(model.encode(target), model.times(1)[0])  # (1, C, h, w)
    mean = torch.zeros_like(data[0]).requires_grad_(True)
    log_variance = torch.zeros_like(data[0]).requires_grad_(True)
    optimiser = torch.optim.Adam([mean, log_variance], lr=LEARNING_RATE)
    # Levels that the sampler visits; pure data, the first, needs no denoising.
    times = model.times(plan.steps)[1:]
    unguided = condition.unguided()
    due = {round(i * s.noise_steps / (s.noise_checks - 1)) for i in range(s.noise_checks)}
    aim = ceiling(target, model)
    fitted = _Aim(data, times, unguided, model.gradient_capacity(*aim.shape[-2:]))
    weight, losses = PENALTY, list[float]()
    checks = [_check(0, Normal(mean, log_variance), condition, aim, plan, model)]
    for number in range(1, s.noise_steps + 1):
        with model.full_precision():
            loss = _fit(Normal(mean, log_variance), fitted, number, s, model)
        penalty = weight * Normal(mean, log_variance).kl / data.numel()
        penalty.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss)
        weight = reweigh(weight, losses)
        if number in due:
            checks.append(_check(number, Normal(mean, log_variance), condition, aim, plan, model))
        progress.advance()
    return checks


def reweigh(weight: float, losses: Sequence[float]) -> float:
    """The next weight of the penalty: halved at the end of a window without improvement, else a little higher."""
    if len(losses) % WINDOW or len(losses) < 2 * WINDOW:
        return weight + RISE
    latest, before = (losses[-WINDOW:], losses[-2 * WINDOW : -WINDOW])
    improved = sum(before) / WINDOW - sum(latest) / WINDOW
    return weight / 2 if improved < IMPROVEMENT else weight + RISE


@dataclass(frozen=True, slots=True)
class _Aim:
    """What every step of the fit has in common."""

    data: Tensor
    """(1, C, h, w) state without noise."""
    times: Tensor
    """Levels that are drawn from."""
    condition: Condition
    size: int
    """Draws that go through the network at a time."""


def _fit(
    normal: Normal,
    aim: _Aim,
    number: int,
    s: Search,
    model: DiffusionModel,
) -> float:
    """Add the gradient of the mean squared error of x̂0 over fresh draws and levels; return it.

    Args:
        number: of the step; its draws hang on it and on the seed alone.
    """
    data, times, condition, size = aim.data, aim.times, aim.condition, aim.size
    chosen = torch.randint(len(times), (s.noise_draws,), generator=device.generator(s.seed, "noise", number, "levels"))
    eps = device.noise((s.noise_draws, *data.shape[1:]), s.seed, "noise", number).to(data.device)
    total = 0.0
    for first in range(0, s.noise_draws, size):
        rows = slice(first, first + size)
        at = times[chosen[rows]]
        state = model.diffuse(data.expand(len(at), -1, -1, -1), normal.draw(eps[rows]), at)
        velocity = model.velocity(state, at, condition)
        estimate = state - at.to(velocity.device, velocity.dtype).reshape(-1, 1, 1, 1) * velocity
        error = (estimate - data).square().mean(dim=(1, 2, 3)).sum() / s.noise_draws
        error.backward()
        total += float(error.detach())
    return total


@torch.no_grad()
def _check(step: int, normal: Normal, condition: Condition, aim: Tensor, plan: Plan, model: DiffusionModel) -> Check:
    s = plan.search
    eps = device.noise((s.noise_pictures, *normal.mean.shape), s.seed, "noise", "check")
    draws = normal.draw(eps.to(normal.mean.device))
    size = model.capacity(*aim.shape[-2:])
    pictures = torch.cat([generate(part, model, condition, plan.steps) for part in draws.split(size)])
    hits = int(torch.count_nonzero((plan.reproduces or near_copy)(pictures, aim)))
    return Check(step, normal.bits, pictures, hits)


def _facts(checks: Sequence[Check], s: Search) -> tuple[Fact, ...]:
    course = "; ".join(f"step {c.step}: {c.bits:.0f} bits, {c.hits} of {len(c.pictures)}" for c in checks)
    return (
        Fact("search", f"{s.noise_steps} steps of {s.noise_draws} draws, {s.noise_checks} checks, one guidance"),
        Fact("KL to standard noise and near-copies, by check", course),
        Fact("success means", f"all {s.noise_pictures} draws of a check are near-copies of the target"),
    )
