"""Regeneration: the prompt, N seeds, pure noise. Nothing of the target enters but the words and the choice of the best.

The protocol of Carlini et al. 2023 (section 4.2) with every seed kept, so that best and median are both on record, and
the share of near-copies with its exact interval. Scores: those of `hits.judged`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from forensics.case import Fact, Given
from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel, stack
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Need, Plan, Progress, Rung, fit_all, groups
from forensics.inversion.fidelity import near_copy
from forensics.inversion.hits import HitRate, judged
from forensics.inversion.solvers import euler, last
from forensics.pictures.tensors import unfit


class Regeneration(Rung):
    """One picture a seed. Prompts and seeds of all targets share batches."""

    name = "regeneration"
    title = "Regeneration from the prompt"
    short = "Generation"
    letter = "G"
    given = Given.WORDS
    version = "2"
    needs = (Need.WORDS,)

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        return targets * generation_evaluations(plan, model)

    @torch.no_grad()
    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. The target gives its size and, afterwards, the measure of what came back.

        Raises:
            ValueError: a plan without seeds.
        """
        if any(not p.seeds for p in plans):
            raise ValueError("regeneration needs at least one seed")
        fitted = fit_all(targets, model)
        fits = [f for _, f in fitted]
        conditions = [model.condition(p.prompt, p.guidance) for p in plans]
        rows = [(i, seed) for i, plan in enumerate(plans) for seed in plan.seeds]
        keys = [(fits[i].fitted, plans[i].guidance, plans[i].steps) for i, _ in rows]
        batches = groups(keys, lambda r: model.capacity(*fits[rows[r][0]].fitted))
        progress = Progress(emit, sum(plans[rows[b[0]][0]].steps for b in batches), self.title, len(targets))
        pictures: dict[int, Tensor] = {}
        spent = {i: [0.0, 0.0] for i in range(len(plans))}  # evaluations, seconds
        for batch in batches:
            began, before = time.perf_counter(), model.evaluations
            first = rows[batch[0]][0]
            shape = model.latent_shape(*fits[first].fitted)
            # A seed is one draw on the CPU: the same on every device and in every batch.
            draws = torch.stack([noise(shape, rows[r][1], self.name) for r in batch])  # (B, C, h, w)
            made = generate(draws, model, stack([conditions[rows[r][0]] for r in batch]), plans[first].steps, progress)
            for position, r in enumerate(batch):
                pictures[r] = made[position : position + 1]
                spent[rows[r][0]][0] += (model.evaluations - before) / len(batch)
                spent[rows[r][0]][1] += (time.perf_counter() - began) / len(batch)
        done = []
        for i, plan in enumerate(plans):
            made = torch.cat([pictures[r] for r, (owner, _) in enumerate(rows) if owner == i])
            aim = ceiling(fitted[i][0], model)
            rate, facts, scores = judged(made, aim, (plan.reproduces or near_copy)(made, aim))
            done.append(
                Attempt(
                    method=self.name,
                    title=self.title,
                    version=self.version,
                    supplied=_supplied(conditions[i].tokens, rate, model.vocabulary),
                    supplied_bits=conditions[i].bits + rate.bits,
                    prompt=plan.prompt,
                    prompt_source=plan.prompt_source,
                    guidance=plan.guidance,
                    steps=plan.steps,
                    seeds=plan.seeds,
                    evaluations=round(spent[i][0]),
                    seconds=spent[i][1],
                    pictures=unfit(made, fits[i]),
                    fit=fits[i],
                    facts=(*_facts(conditions[i], fits[i].fitted), *facts),
                    scores=scores,
                )
            )
        return done


def generate(
    draws: Tensor, model: DiffusionModel, condition: Condition, steps: int, progress: Progress | None = None
) -> Tensor:
    """(B, C, h, w) unit-variance noise -> (B, 3, H, W) pictures on the CPU, by DDIM with eta = 0."""
    times = model.times(steps).flip(0)
    points = euler(lambda state, at: model.velocity(state, at, condition), model.start(draws, steps), times)
    end = last(points, lambda p: progress.advance() if progress is not None and p.time < times[0] else None)
    return model.decode(end.state).cpu()


def generation_evaluations(plan: Plan, model: DiffusionModel) -> int:
    """Evaluations of one picture for each seed of the plan."""
    return len(plan.seeds) * plan.steps * model.passes(plan.guidance)


@torch.no_grad()
def ceiling(target: Tensor, model: DiffusionModel) -> Tensor:
    """(1, 3, H, W) on the CPU: a fitted target as the autoencoder shows it, the most that a picture can agree with."""
    return model.decode(model.encode(target)).cpu()


def _supplied(tokens: int, rate: HitRate, vocabulary: int) -> str:
    words = f"A prompt of {tokens} tokens, each one of {vocabulary}" if tokens else "No prompt"
    return f"{words}, and {rate.choice}."


def _facts(condition: Condition, fitted: tuple[int, int]) -> tuple[Fact, ...]:
    rows = [
        Fact("sampler", "DDIM, eta 0, from pure noise"),
        Fact("noise", "standard normal, drawn on the CPU from each seed by itself"),
        Fact("size generated", f"{fitted[1]} × {fitted[0]} pixels"),
        Fact("prompt tokens", str(condition.tokens)),
    ]
    if condition.dropped:
        rows.append(Fact("prompt tokens cut off", f"{condition.dropped}: beyond the text encoder's window"))
    return tuple(rows)
