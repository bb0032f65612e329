"""Hard prompt: the k tokens under which the checkpoint needs the fewest bits for the target, found by gradient.

Projected gradient of Wen et al. 2023 ("Hard Prompts Made Easy", algorithm 1), with the codelength of the target under
the checkpoint itself as its loss, in place of a likeness under CLIP: the vectors move, the gradient is taken at the
nearest tokens. The search sees the target, so what comes back is reconstruction; but a prompt of k tokens holds only
k · log2(V) bits of it. Whoever fails here has not shown that no such prompt exists.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact
from forensics.device import generator
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.words import PromptSpace, prompt_space
from forensics.events import Emit, ignore
from forensics.images import Fit
from forensics.inversion.base import Attempt, Plan, Progress, Search, fit_all
from forensics.inversion.drawing import draw, draw_batches, need_seeds
from forensics.inversion.objective import Objective, gradient_evaluations
from forensics.inversion.regeneration import generation_evaluations

LEARNING_RATE = 0.1
"""Of AdamW on the vectors, and its weight decay: the values of the publication."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The best prompt of one length."""

    tokens: tuple[int, ...]
    bits: float
    """Codelength under it, on the draws of the finalists."""

    def two_part(self, vocabulary: int) -> float:
        """Bits of the prompt and of the target given the prompt."""
        return len(self.tokens) * math.log2(vocabulary) + self.bits


class HardPrompt:
    """Each target is searched by itself: what is found does not depend on the company, so controls can be cached.

    Scores: `plain bits` and `bits`, the codelength without and with the prompt on the same fresh draws; `prompt bits`;
    `two-part bits`, prompt and target together; those of `hits.judged`.
    """

    name = "hard_prompt"
    title = "Regeneration from a searched prompt"
    version = "1"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        s = plan.search
        count = len(lengths(s, prompt_space(model)))
        looked = gradient_evaluations(count, s.hard_draws, s.hard_steps) + count * s.finalists * s.finalist_draws
        return targets * (looked + 2 * s.report_draws + generation_evaluations(plan))

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
        units = sum(p.search.hard_steps + draw_batches(p, f, model) for (_, f), p in zip(fitted, plans, strict=True))
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
        with model.full_precision():
            objective = Objective(target, model, search.cut, search.seed)
            found = find(objective, space, search, progress)
            best = min(found, key=lambda p: p.two_part(model.vocabulary))
            report = objective.draws(search.report_draws, "report")
            both = torch.cat([space.from_tokens(t, 1.0).positive for t in ((), best.tokens)])
            plain, bits = objective.bits(report, both).tolist()
        condition = space.from_tokens(best.tokens, plan.guidance)
        with torch.no_grad():
            drawn = draw(condition, target, step, plan, model, progress)
        price = len(best.tokens) * math.log2(model.vocabulary)
        return Attempt(
            method=self.name,
            title=self.title,
            version=self.version,
            supplied=(
                f"A prompt of {len(best.tokens)} tokens, each one of {model.vocabulary}, searched for with the target "
                f"in hand, and {drawn.rate.choice}."
            ),
            supplied_bits=price + drawn.rate.bits,
            prompt=condition.prompt,
            prompt_source="searched for with the target in hand",
            guidance=plan.guidance,
            steps=plan.steps,
            seeds=plan.seeds,
            evaluations=model.evaluations - before,
            seconds=time.perf_counter() - began,
            pictures=drawn.pictures,
            fit=step,
            facts=(*_facts(found, best, plain, bits, search, space, model), *drawn.facts),
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
    return tuple(k for k in search.lengths if k <= space.longest) or (space.longest,)


def find(objective: Objective, space: PromptSpace, search: Search, progress: Progress) -> list[Prompt]:
    """The best prompt of every length, all lengths in the same batches."""
    table, allowed = space.table(), space.searchable().to(space.table().device)
    sizes = lengths(search, space)
    vectors = [table[_first(k, allowed, search.seed)] for k in sizes]  # (k, d) each
    parameters = [v.clone().requires_grad_(True) for v in vectors]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=LEARNING_RATE)
    visited: list[dict[tuple[int, ...], list[float]]] = [{} for _ in sizes]

    def hidden(flat: Tensor) -> Tensor:
        return torch.cat([space.from_embeddings(part[None], 1.0).positive for part in flat.split(list(sizes))])

    for number in range(search.hard_steps):
        at = [nearest(p.detach(), table, allowed) for p in parameters]
        draws = objective.draws(search.hard_draws, "hard prompt", number)
        bits, slope = objective.slope(draws, table[torch.cat(at)], hidden)
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
        scored = objective.bits(fresh, torch.cat([space.from_tokens(t, 1.0).positive for t in chosen])).tolist()
        done.append(min((Prompt(t, b) for t, b in zip(chosen, scored, strict=True)), key=lambda p: p.bits))
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


def _facts(
    found: Sequence[Prompt], best: Prompt, plain: float, bits: float, search: Search, space: PromptSpace,
    model: DiffusionModel,
) -> tuple[Fact, ...]:  # fmt: skip
    tried = "; ".join(f"{len(p.tokens)} tokens: {p.bits:.0f}" for p in found)
    same = "yes" if space.survives(best.tokens) else "no: enter the token numbers, not the text"
    return (
        Fact("search", f"projected gradient, {search.hard_steps} steps of {search.hard_draws} draws for each length"),
        Fact("codelength in bits by length, on the draws of the choice", tried),
        Fact("length chosen by", "the fewest bits of prompt and target together"),
        Fact("tokens", " ".join(map(str, best.tokens))),
        Fact("text is read back as the same tokens", same),
        Fact("codelength without a prompt, bits", f"{plain:.0f}"),
        Fact("codelength under the prompt, bits", f"{bits:.0f}"),
        Fact("prompt and target together, bits", f"{best.two_part(model.vocabulary) - best.bits + bits:.0f}"),
    )
