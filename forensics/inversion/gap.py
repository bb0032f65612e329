"""Score gap: how far a caption moves the very first step of generation, from pure noise, without any picture.

Wen et al. 2024 ("Detecting, Explaining, and Mitigating Memorization in Diffusion Models", section 3), the variant of
one step: the mean over draws of ‖eps(x_T, T, caption) - eps(x_T, T, "")‖₂. Here it is the velocity, which for models
that predict eps is eps itself, and which for models that predict v stays finite where x_T holds no signal.

No picture is in the loop. A large gap says that the caption is specific to the model; it does not say that a work
comes back. It is worth reading as a rank among captions of the same kind, and only where a classifier that sees the
captions alone, and no model, cannot tell them apart (`blind`): on the benchmark commonly used for this measure, such a
classifier reaches an AUC of 0.999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from forensics.device import noise
from forensics.diffusion.base import DiffusionModel, stack
from forensics.events import Emit, Event, ignore

VERSION = "1"
DRAWS = 4
"""Draws of noise of one gap in an examination."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The score gap of one caption."""

    caption: str
    magnitude: float
    """Mean over the draws, >= 0; exactly 0 for the empty caption."""
    spread: float
    """Standard deviation between draws; 0 for a single draw."""


def gap_evaluations(captions: int, draws: int) -> int:
    """Evaluations that `score_gaps` takes: every draw once with each caption and once without any."""
    return draws * (captions + 1)


@torch.no_grad()
def score_gaps(
    captions: Sequence[str], model: DiffusionModel, steps: int, draws: int, seed: int = 0, emit: Emit = ignore
) -> list[Gap]:
    """The gap of every caption at the first step of a sampler of so many, with the same draws of noise for all.

    Raises:
        ValueError: fewer than one draw.
    """
    if draws < 1:
        raise ValueError("at least one draw is needed")
    side = model.native_px // model.stride * model.stride
    shape, last = model.latent_shape(side, side), model.times(steps)[-1]
    batch = 2 * model.capacity(side, side)  # neither guidance nor decoding: half of what a guided picture takes
    states = [model.start(noise(shape, seed, "score gap", k)[None], steps) for k in range(draws)]
    empty = model.condition("", 1.0)
    bare = [model.velocity(state, last, empty) for state in states]  # (1, C, h, w) each
    found = torch.empty(len(captions), draws, dtype=torch.float64)
    for first in range(0, len(captions), batch):
        part = captions[first : first + batch]
        condition = stack([model.condition(caption, 1.0) for caption in part])
        for k, state in enumerate(states):
            velocity = model.velocity(state.expand(len(part), -1, -1, -1), last, condition)
            found[first : first + len(part), k] = (velocity - bare[k]).double().flatten(1).norm(dim=1).cpu()
        emit(Event("score gap", first + len(part), len(captions), "captions"))
    spread = found.std(dim=1) if draws > 1 else torch.zeros(len(captions))
    return [Gap(c, float(row.mean()), float(s)) for c, row, s in zip(captions, found, spread, strict=True)]
