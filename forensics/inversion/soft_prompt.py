"""Soft prompt: k vectors in place of k tokens, free in all their values, then told in as few bits as still serve.

Textual inversion (Gal et al. 2023) with the codelength of the target as its loss; Haviv et al. 2024 ask how many such
vectors a picture needs. A vector is no word: it can carry pixels, so its bits are counted, and the same search is run
on every control. Published counts give the number of vectors, not the price of their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact, Given
from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel, stack
from forensics.diffusion.words import PromptSpace, prompt_space
from forensics.inversion.base import Plan, Progress
from forensics.inversion.objective import Draws, Objective, gradient_evaluations
from forensics.inversion.prompt_search import Found, PromptSearch, codelength_facts, plain_and_found
from forensics.inversion.quantise import SCALE_BITS, Quantised, quantise
from forensics.inversion.regeneration import generation_evaluations
from forensics.protocol import Search

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


class SoftPrompt(PromptSearch):
    """The vectors under which vectors and target together need the fewest bits."""

    name = "soft_prompt"
    title = "Regeneration from searched vectors in place of words"
    short = "Searched vectors"
    letter = "V"
    given = Given.SEARCH
    version = "1"
    source = "vectors searched for with the target in hand"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        s = plan.search
        count = len(lengths(s, prompt_space(model)))
        looked = gradient_evaluations(count, s.soft_draws, s.soft_steps)
        chosen = (1 + count * (1 + len(s.soft_bits))) * s.finalist_draws
        return targets * (looked + chosen + 2 * s.report_draws + generation_evaluations(plan, model))

    def searches(self, search: Search) -> int:
        """See `PromptSearch`."""
        return search.soft_steps

    @torch.no_grad()
    def find(self, target: Tensor, space: PromptSpace, plan: Plan, model: DiffusionModel, progress: Progress) -> Found:
        """See `PromptSearch`."""
        search = plan.search
        with model.full_precision():
            objective = Objective(target, model, search.cut, search.seed)
            lists = find(objective, space, search, progress)
            best = min(lists, key=lambda v: v.two_part)
            condition = space.from_embeddings(best.told.values[None], plan.guidance).told_in(best.told.price)
            plain, bits = plain_and_found(objective, space, search, condition)
        k, d = best.told.values.shape
        return Found(
            condition=condition,
            text="",
            told=f"{k} vectors of {d} values at {best.told.bits} bits each and their scale at {SCALE_BITS} bits",
            plain=plain,
            bits=bits,
            facts=(*_facts(lists, best, search), *codelength_facts(plain, bits, condition.bits, "vectors")),
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

    def made(flat: Tensor) -> Condition:
        return stack([space.from_embeddings(part[None], 1.0) for part in flat.split(list(sizes))])

    for number in range(search.soft_steps):
        draws = objective.draws(search.soft_draws, "soft prompt", number)
        _, parameters.grad = objective.slope(draws, parameters, made)
        optimiser.step()
        progress.advance()
    fresh = objective.draws(search.finalist_draws, "quantisation")
    plain = float(objective.bits(fresh, space.from_tokens((), 1.0)))
    return [_tell(v, objective, fresh, plain, space, search) for v in parameters.detach().split(list(sizes))]


def _tell(
    vectors: Tensor, objective: Objective, fresh: Draws, plain: float, space: PromptSpace, search: Search
) -> Vectors:
    """The vectors (k, d) in the fewest bits that keep the asked share of what they gain over no prompt."""
    told = [quantise(vectors, bits) for bits in search.soft_bits]
    forms = [vectors, *(t.values for t in told)]
    prompts = stack([space.from_embeddings(form[None], 1.0) for form in forms])
    free, *coarse = objective.bits(fresh, prompts).tolist()
    bound = plain - search.keep * (plain - free)
    for form, bits in zip(told, coarse, strict=True):
        if free < plain and bits <= bound:
            return Vectors(form, free, bits, kept=True)
    return Vectors(told[-1], free, coarse[-1], kept=False)


def _facts(found: Sequence[Vectors], best: Vectors, search: Search) -> tuple[Fact, ...]:
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
    )
