"""What the searches for a prompt share, be it of words or of vectors: the codelength as their loss, then pictures.

Each target is searched by itself: what is found does not depend on the company, so controls can be cached.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact
from forensics.diffusion.base import Condition, DiffusionModel, stack
from forensics.diffusion.words import PromptSpace, prompt_space
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Need, Plan, Progress, Rung, fit_all
from forensics.inversion.drawing import draw, draw_batches, need_seeds
from forensics.inversion.objective import Objective
from forensics.pictures.tensors import Fit
from forensics.protocol import Search


@dataclass(frozen=True, slots=True)
class Found:
    """The best prompt of one search, and what it is worth."""

    condition: Condition
    """At the guidance of the plan; its bits are the price of the prompt."""
    text: str
    """The prompt as it can be typed; empty where there are no words."""
    told: str
    """What was supplied, as the beginning of a sentence."""
    plain: float
    """Codelength of the target without a prompt, on fresh draws."""
    bits: float
    """Codelength under the prompt, on the same draws."""
    facts: tuple[Fact, ...]


class PromptSearch(Rung, ABC):
    """A rung that searches a prompt with the target in hand and draws the plan's seeds under it.

    Scores: `plain bits` and `bits`, the codelength without and with the prompt on the same fresh draws; `prompt bits`;
    `two-part bits`, prompt and target together; those of `hits.judged`.
    """

    needs = (Need.WORDS,)
    source: str
    """How the prompt was come by, as the account says it."""

    @abstractmethod
    def searches(self, search: Search) -> int:
        """Steps of the search, each a unit of progress."""

    @abstractmethod
    def find(self, target: Tensor, space: PromptSpace, plan: Plan, model: DiffusionModel, progress: Progress) -> Found:
        """Search in full precision, and measure what was found on the draws of the report."""

    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. The plan's prompt is not used; its guidance, steps and seeds are, for the pictures.

        Raises:
            CheckpointError: the model does not open its text encoder.
            ValueError: a plan without seeds.
        """
        need_seeds(plans, self.title.lower())
        space = prompt_space(model)
        fitted = fit_all(targets, model)
        units = sum(
            self.searches(p.search) + draw_batches(p, f, model) for (_, f), p in zip(fitted, plans, strict=True)
        )
        progress = Progress(emit, units, self.title, len(targets))
        return [
            self._one(picture, step, plan, model, space, progress)
            for (picture, step), plan in zip(fitted, plans, strict=True)
        ]

    def _one(
        self, target: Tensor, step: Fit, plan: Plan, model: DiffusionModel, space: PromptSpace, progress: Progress
    ) -> Attempt:
        began, before = time.perf_counter(), model.evaluations
        found = self.find(target, space, plan, model, progress)
        with torch.no_grad():
            drawn = draw(found.condition, target, step, plan, model, progress)
        return Attempt(
            method=self.name,
            title=self.title,
            version=self.version,
            supplied=f"{found.told}, searched for with the target in hand, and {drawn.rate.choice}.",
            supplied_bits=found.condition.bits + drawn.rate.bits,
            prompt=found.text,
            prompt_source=self.source,
            guidance=plan.guidance,
            steps=plan.steps,
            seeds=plan.seeds,
            evaluations=model.evaluations - before,
            seconds=time.perf_counter() - began,
            pictures=drawn.pictures,
            fit=step,
            facts=(*found.facts, *drawn.facts),
            scores=(
                ("plain bits", found.plain),
                ("bits", found.bits),
                ("prompt bits", found.condition.bits),
                ("two-part bits", found.condition.bits + found.bits),
                *drawn.scores,
            ),
        )


def plain_and_found(objective: Objective, space: PromptSpace, search: Search, prompt: Condition) -> tuple[float, float]:
    """Codelengths without a prompt and under one prompt, on the draws of the report."""
    both = stack([space.from_tokens((), 1.0), prompt.unguided()])
    plain, bits = objective.bits(objective.draws(search.report_draws, "report"), both).tolist()
    return plain, bits


def codelength_facts(plain: float, bits: float, price: float, what: str) -> tuple[Fact, ...]:
    """What the target costs without and with the prompt: `what` names the prompt's parts."""
    return (
        Fact("codelength without a prompt, bits", f"{plain:.0f}"),
        Fact(f"codelength under the {what}, bits", f"{bits:.0f}"),
        Fact(f"{what} and target together, bits", f"{price + bits:.0f}"),
    )
