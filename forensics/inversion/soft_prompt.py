"""Soft prompt: k vectors in place of k tokens, free in all their values, then told in as few bits as still serve.

Textual inversion (Gal et al. 2023) with the codelength of the target as its loss; Haviv et al. 2024 ask how many such
vectors a picture needs. A vector is no word: it can carry pixels, so its bits are counted, and the same search is run
on every control. Published counts give the number of vectors, not the price of their values.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact
from forensics.device import noise
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.words import PromptSpace, prompt_space
from forensics.events import Emit, ignore
from forensics.images import Fit
from forensics.inversion.base import Attempt, Plan, Progress, Search, fit_all
from forensics.inversion.drawing import draw, draw_batches, need_seeds
from forensics.inversion.objective import Draws, Objective, gradient_evaluations
from forensics.inversion.quantise import SCALE_BITS, Quantised, quantise
from forensics.inversion.regeneration import generation_evaluations

LEARNING_RATE = 0.02
"""Of Adam on the vectors; near the spread of a CLIP text encoder's table, which starts at 0.02."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of one length, told in the fewest bits that keep their use."""

    told: Quantised
    """(k, d)."""
    free: float
    """Codelength under the vectors as found, on the draws of the choice."""
    bits: float
    """Codelength under the vectors as told, on the same draws."""
    kept: bool
    """Whether the asked share of the gain is kept; where no number of bits keeps it, the most are taken."""

    @property
    def two_part(self) -> float:
        """Bits of the vectors and of the target given them."""
        return self.told.price + self.bits


class SoftPrompt:
    """Each target is searched by itself: what is found does not depend on the company, so controls can be cached.

    Scores as those of `HardPrompt`.
    """

    name = "soft_prompt"
    title = "Regeneration from searched vectors in place of words"
    version = "1"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        s = plan.search
        count = len(lengths(s, prompt_space(model)))
        looked = gradient_evaluations(count, s.soft_draws, s.soft_steps)
        chosen = (1 + count * (1 + len(s.soft_bits))) * s.finalist_draws
        return targets * (looked + chosen + 2 * s.report_draws + generation_evaluations(plan))

    def __call__(self, target: Tensor, model: DiffusionModel, plan: Plan, emit: Emit = ignore) -> Attempt:
        """See `Rung`."""
        return self.many([target], [plan], model, emit)[0]

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
        units = sum(p.search.soft_steps + draw_batches(p, f, model) for (_, f), p in zip(fitted, plans, strict=True))
        progress = Progress(emit, units, self.title, len(targets))
        return [
            self._one(picture, step, plan, model, space, progress)
            for (picture, step), plan in zip(fitted, plans, strict=True)
        ]

    def _one(
        self, target: Tensor, step: Fit, plan: Plan, model: DiffusionModel, space: PromptSpace, progress: Progress
    ) -> Attempt:
        began, before = time.perf_counter(), model.evaluations
        search = plan.search
        with model.full_precision(), torch.no_grad():
            objective = Objective(target, model, search.cut, search.seed)
            found = find(objective, space, search, progress)
            best = min(found, key=lambda v: v.two_part)
            condition = space.from_embeddings(best.told.values[None], plan.guidance)
            report = objective.draws(search.report_draws, "report")
            both = torch.cat([space.from_tokens((), 1.0).positive, condition.positive])
            plain, bits = objective.bits(report, both).tolist()
        with torch.no_grad():
            drawn = draw(condition, target, step, plan, model, progress)
        k, d = best.told.values.shape
        price = best.told.price
        return Attempt(
            method=self.name,
            title=self.title,
            version=self.version,
            supplied=(
                f"{k} vectors of {d} values at {best.told.bits} bits each and their scale at {SCALE_BITS} bits, "
                f"searched for with the target in hand, and {drawn.rate.choice}."
            ),
            supplied_bits=price + drawn.rate.bits,
            prompt="",
            prompt_source="vectors searched for with the target in hand",
            guidance=plan.guidance,
            steps=plan.steps,
            seeds=plan.seeds,
            evaluations=model.evaluations - before,
            seconds=time.perf_counter() - began,
            pictures=drawn.pictures,
            fit=step,
            facts=(*_facts(found, best, plain, bits, search), *drawn.facts),
            scores=(
                ("plain bits", plain),
                ("bits", bits),
                ("prompt bits", price),
                ("two-part bits", price + bits),
                *drawn.scores,
            ),
        )


def lengths(search: Search, space: PromptSpace) -> tuple[int, ...]:
    """The lengths that the text encoder's window holds; at least one, if need be its longest."""
    return tuple(k for k in search.soft_lengths if k <= space.longest) or (space.longest,)


def find(objective: Objective, space: PromptSpace, search: Search, progress: Progress) -> list[Vectors]:
    """The vectors of every length, searched in the same batches, each told in the fewest bits that serve."""
    table = space.table()
    sizes = lengths(search, space)
    spread = table[space.searchable().to(table.device)].std()
    start = torch.cat([noise((k, table.shape[1]), search.seed, "soft prompt", k) for k in sizes])
    parameters = (start.to(table.device) * spread).requires_grad_(True)  # (sum of k, d)
    optimiser = torch.optim.Adam([parameters], lr=LEARNING_RATE)

    def hidden(flat: Tensor) -> Tensor:
        return torch.cat([space.from_embeddings(part[None], 1.0).positive for part in flat.split(list(sizes))])

    for number in range(search.soft_steps):
        draws = objective.draws(search.soft_draws, "soft prompt", number)
        _, parameters.grad = objective.slope(draws, parameters, hidden)
        optimiser.step()
        progress.advance()
    fresh = objective.draws(search.finalist_draws, "quantisation")
    plain = float(objective.bits(fresh, space.from_tokens((), 1.0).positive))
    return [_tell(v, objective, fresh, plain, space, search) for v in parameters.detach().split(list(sizes))]


def _tell(
    vectors: Tensor, objective: Objective, fresh: Draws, plain: float, space: PromptSpace, search: Search
) -> Vectors:
    """The vectors (k, d) in the fewest bits that keep the asked share of what they gain over no prompt."""
    told = [quantise(vectors, bits) for bits in search.soft_bits]
    forms = [vectors, *(t.values for t in told)]
    positives = torch.cat([space.from_embeddings(form[None], 1.0).positive for form in forms])
    free, *coarse = objective.bits(fresh, positives).tolist()
    bound = plain - search.keep * (plain - free)
    for form, bits in zip(told, coarse, strict=True):
        if free < plain and bits <= bound:
            return Vectors(form, free, bits, kept=True)
    return Vectors(told[-1], free, coarse[-1], kept=False)


def _facts(found: Sequence[Vectors], best: Vectors, plain: float, bits: float, search: Search) -> tuple[Fact, ...]:
    tried = "; ".join(
        f"{len(v.told.values)} vectors: {v.free:.0f}, {v.bits:.0f} at {v.told.bits} bits a value" for v in found
    )
    kept = "yes" if best.kept else f"no: not even at {best.told.bits} bits, the most that were tried"
    return (
        Fact("search", f"gradient, {search.soft_steps} steps of {search.soft_draws} draws for each length"),
        Fact("codelength in bits by length, free and told, on the draws of the choice", tried),
        Fact("length chosen by", "the fewest bits of vectors and target together"),
        Fact(f"the told vectors keep {search.keep:.0%} of the gain over no prompt", kept),
        Fact("bits of the told vectors under an ideal code for their frequencies", f"{best.told.entropy:.0f}"),
        Fact("codelength without a prompt, bits", f"{plain:.0f}"),
        Fact("codelength under the vectors, bits", f"{bits:.0f}"),
        Fact("vectors and target together, bits", f"{best.told.price + bits:.0f}"),
    )
