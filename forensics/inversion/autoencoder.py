"""The autoencoder round trip: the ceiling of detail a latent model can show at all. It is not evidence of anything."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from forensics.case import Fact, Given
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Need, Plan, Progress, Rung, fit_all, groups
from forensics.pictures.tensors import unfit

BITS_PER_VALUE = 16
"""A latent value as it is commonly stored, in half precision."""


class Autoencoder(Rung):
    """Encode, decode; no noise, no denoising network, no prompt."""

    name = "autoencoder"
    title = "Autoencoder round trip"
    short = "Autoencoder"
    letter = "A"
    given = Given.PICTURE
    version = "1"
    needs = (Need.AUTOENCODER,)

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """See `Rung`."""
        return 0

    @torch.no_grad()
    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`. The plans are not used: there is nothing to choose."""
        fitted = fit_all(targets, model)
        done: dict[int, Attempt] = {}
        progress = Progress(emit, len(targets), self.title, len(targets))
        for batch in groups([f.fitted for _, f in fitted], lambda i: model.capacity(*fitted[i][1].fitted)):
            began = time.perf_counter()
            state = model.encode(torch.cat([fitted[i][0] for i in batch]))  # (B, C, h, w)
            pictures = model.decode(state).cpu()  # (B, 3, H, W)
            seconds = (time.perf_counter() - began) / len(batch)
            dims = state[0].numel()
            for row, i in enumerate(batch):
                step = fitted[i][1]
                done[i] = Attempt(
                    method=self.name,
                    title=self.title,
                    version=self.version,
                    supplied=(
                        f"The whole latent of the target, {dims} values at {BITS_PER_VALUE} bits each: the ceiling of "
                        "detail, not evidence."
                    ),
                    supplied_bits=float(dims * BITS_PER_VALUE),
                    prompt="",
                    prompt_source="none",
                    guidance=1.0,
                    steps=0,
                    seeds=(),
                    evaluations=0,
                    seconds=seconds,
                    pictures=unfit(pictures[row : row + 1], step),
                    fit=step,
                    facts=(Fact("size", step.sentence), Fact("latent", " × ".join(map(str, state.shape[1:])))),
                )
                progress.advance()
        return [done[i] for i in range(len(targets))]
