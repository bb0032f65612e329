"""A rung added by one file and one row: the picture's latent averaged over squares of four cells, and decoded."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from forensics.case import Given
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.base import Attempt, Plan, Progress, Rung, fit_all
from forensics.pictures.tensors import unfit

BITS_PER_VALUE = 16


class Coarse(Rung):
    """A quarter of the values of the latent: what is left of the detail that the autoencoder can show."""

    name = "coarse"
    title = "Coarse latent and back"
    short = "Coarse latent"
    letter = "B"
    given = Given.PICTURE
    version = "1"

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """No evaluation: there is no denoising."""
        return 0

    @torch.no_grad()
    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """See `Rung`."""
        made = []
        progress = Progress(emit, len(targets), self.title, len(targets))
        for fitted, step in fit_all(targets, model):
            began = time.perf_counter()
            state = model.encode(fitted)
            coarse = F.avg_pool2d(state, 2)
            picture = model.decode(F.interpolate(coarse, size=state.shape[-2:], mode="nearest")).cpu()
            made.append(
                Attempt(
                    method=self.name,
                    title=self.title,
                    version=self.version,
                    supplied=f"The latent of the target, averaged down to {coarse[0].numel()} values.",
                    supplied_bits=float(coarse[0].numel() * BITS_PER_VALUE),
                    prompt="",
                    prompt_source="none",
                    guidance=1.0,
                    steps=0,
                    seeds=(),
                    evaluations=0,
                    seconds=time.perf_counter() - began,
                    pictures=unfit(picture, step),
                    fit=step,
                )
            )
            progress.advance()
        return made
