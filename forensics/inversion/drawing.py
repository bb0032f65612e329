"""Pictures of seeds under a found condition, with how many of them reproduce the target: shared by the prompt rungs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forensics.case import Fact
from forensics.device import noise
from forensics.diffusion.base import Condition, DiffusionModel
from forensics.inversion.base import Plan, Progress
from forensics.inversion.fidelity import near_copy
from forensics.inversion.hits import HitRate, judged
from forensics.inversion.regeneration import ceiling, generate
from forensics.pictures.tensors import Fit, unfit


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture a seed."""

    pictures: Tensor
    """(N, 3, H, W) on the CPU, at the target's original size."""
    rate: HitRate
    facts: tuple[Fact, ...]
    scores: tuple[tuple[str, float], ...]


def draw(
    condition: Condition, target: Tensor, step: Fit, plan: Plan, model: DiffusionModel, progress: Progress
) -> Drawn:
    """Generate the plan's seeds, the same noise as `regeneration` draws, and judge them against the fitted target."""
    shape = model.latent_shape(*step.fitted)
    size = model.capacity(*step.fitted)
    made = []
    for first in range(0, len(plan.seeds), size):
        draws = torch.stack([noise(shape, seed, "regeneration") for seed in plan.seeds[first : first + size]])
        made.append(generate(draws, model, condition, plan.steps))
        progress.advance()
    pictures = torch.cat(made)
    aim = ceiling(target, model)
    rate, facts, scores = judged(pictures, aim, (plan.reproduces or near_copy)(pictures, aim))
    return Drawn(unfit(pictures, step), rate, facts, scores)


def draw_batches(plan: Plan, step: Fit, model: DiffusionModel) -> int:
    """Units of progress that `draw` will report."""
    return -(-len(plan.seeds) // model.capacity(*step.fitted))


def need_seeds(plans: Sequence[Plan], what: str) -> None:
    """Raises ValueError where a plan has no seeds."""
    if any(not plan.seeds for plan in plans):
        raise ValueError(f"{what} needs at least one seed")
