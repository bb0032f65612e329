"""Hard prompt: the k tokens under which the checkpoint needs the fewest bits for the target, found by gradient.

Projected gradient of Wen et al. 2023 ("Hard Prompts Made Easy", algorithm 1), with the codelength of the target under
the checkpoint itself as its loss, in place of a likeness under CLIP: the vectors move, the gradient is taken at the
nearest tokens. The search sees the target, so what comes back is reconstruction; but a prompt of k tokens holds only
k · log2(V) bits of it. Whoever fails here has not shown that no such prompt exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact, Given
from forensics.device import generator
from forensics.diffusion.base import Condition, DiffusionModel, stack
from forensics.diffusion.words import PromptSpace, prompt_space
from forensics.inversion.base import Plan, Progress
from forensics.inversion.objective import Objective, gradient_evaluations
from forensics.inversion.prompt_search import Found, PromptSearch, codelength_facts, plain_and_found
from forensics.inversion.regeneration import generation_evaluations
from forensics.protocol import Search

LEARNING_RATE = 0.1
"""Of AdamW on the vectors, and its weight decay: the values of the publication."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The best prompt of one length."""

    tokens: tuple[int, ...]
    price: float
    """Bits of the prompt, as its condition charges."""
    bits: float
    """Codelength under it, on the draws of the finalists."""

    @property
    def two_part(self) -> float:
        """Bits of the prompt and of the target given the prompt."""
        return self.price + self.bits


class HardPrompt(PromptSearch):
    """The words under which prompt and target together need the fewest bits."""

    name = "hard_prompt"
    title = "Regeneration from a searched prompt"
    short = "Searched prompt"
    letter = "H"
    given = Given.SEARCH
    version = "1"
    source = "searched for with the target in hand"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        s = plan.search
        count = len(lengths(s, prompt_space(model)))
        looked = gradient_evaluations(count, s.hard_draws, s.hard_steps) + count * s.finalists * s.finalist_draws
        return targets * (looked + 2 * s.report_draws + generation_evaluations(plan, model))

    def searches(self, search: Search) -> int:
        """See `PromptSearch`."""
        return search.hard_steps

    def find(self, target: Tensor, space: PromptSpace, plan: Plan, model: DiffusionModel, progress: Progress) -> Found:
        """See `PromptSearch`."""
        search = plan.search
        with model.full_precision():
            objective = Objective(target, model, search.cut, search.seed)
            prompts = find(objective, space, search, progress)
            best = min(prompts, key=lambda p: p.two_part)
            plain, bits = plain_and_found(objective, space, search, space.from_tokens(best.tokens, 1.0))
        # In the checkpoint's own precision: what anyone gets who types these words.
        condition = space.from_tokens(best.tokens, plan.guidance)
        return Found(
            condition=condition,
            text=condition.prompt,
            told=f"A prompt of {len(best.tokens)} tokens, each one of {model.vocabulary}",
            plain=plain,
            bits=bits,
            facts=(*_facts(prompts, best, search, space), *codelength_facts(plain, bits, condition.bits, "prompt")),
        )


def lengths(search: Search, space: PromptSpace) -> tuple[int, ...]:
    """The lengths that the text encoder's window holds; at least one, if need be its longest."""
    return tuple(k for k in search.lengths if k <= space.longest) or (space.longest,)


def find(objective: Objective, space: PromptSpace, search: Search, progress: Progress) -> list[Prompt]:
    """The best prompt of every length, all lengths in the same batches."""
    table, allowed = space.table(), space.searchable().to(space.table().device)
    sizes = lengths(search, space)
    vectors = [table[_first(k, allowed, search.seed)] for k in sizes]  # (k, d) each
    parameters = [v.clone().requires_grad_(True) for v in vectors]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=LEARNING_RATE)
    visited: list[dict[tuple[int, ...], list[float]]] = [{} for _ in sizes]

    def made(flat: Tensor) -> Condition:
        return stack([space.from_embeddings(part[None], 1.0) for part in flat.split(list(sizes))])

    for number in range(search.hard_steps):
        at = [nearest(p.detach(), table, allowed) for p in parameters]
        draws = objective.draws(search.hard_draws, "hard prompt", number)
        bits, slope = objective.slope(draws, table[torch.cat(at)], made)
        for row, (tokens, part) in enumerate(zip(at, slope.split(list(sizes)), strict=True)):
            visited[row].setdefault(tuple(tokens.tolist()), []).append(float(bits[row]))
            parameters[row].grad = part
        optimiser.step()
        progress.advance()
    fresh = objective.draws(search.finalist_draws, "finalists")
    done = []
    for seen in visited:
        ranked = sorted(seen, key=lambda tokens: sum(seen[tokens]) / len(seen[tokens]))
        # Where fewer prompts were visited, the same ones fill the places: every target costs the same.
        chosen = [ranked[i % len(ranked)] for i in range(search.finalists)]
        finalists = stack([space.from_tokens(t, 1.0) for t in chosen])
        scored = zip(chosen, finalists.charges, objective.bits(fresh, finalists).tolist(), strict=True)
        done.append(min((Prompt(*one) for one in scored), key=lambda p: p.bits))
    return done


def nearest(vectors: Tensor, table: Tensor, allowed: Tensor) -> Tensor:
    """(k,) numbers of the allowed tokens whose vectors lie nearest to (k, d)."""
    distance = torch.cdist(vectors[None], table[None])[0]  # (k, V)
    return distance.masked_fill(~allowed, torch.inf).argmin(dim=1)


def _first(k: int, allowed: Tensor, seed: int) -> Tensor:
    """(k,) tokens to start from, drawn at random."""
    numbers = allowed.nonzero().flatten()
    drawn = torch.randint(len(numbers), (k,), generator=generator(seed, "hard prompt", k))
    return numbers[drawn.to(numbers.device)]


def _facts(found: Sequence[Prompt], best: Prompt, search: Search, space: PromptSpace) -> tuple[Fact, ...]:
    tried = "; ".join(f"{len(p.tokens)} tokens: {p.bits:.0f}" for p in found)
    same = "yes" if space.survives(best.tokens) else "no: enter the token numbers, not the text"
    return (
        Fact("search", f"projected gradient, {search.hard_steps} steps of {search.hard_draws} draws for each length"),
        Fact("codelength in bits by length, on the draws of the choice", tried),
        Fact("length chosen by", "the fewest bits of prompt and target together"),
        Fact("tokens", " ".join(map(str, best.tokens))),
        Fact("text is read back as the same tokens", same),
    )
