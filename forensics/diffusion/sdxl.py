"""Stable Diffusion XL: base and refiner, epsilon, v and EDM (Podell et al. 2023; Li et al. 2024 for Playground 2.5).

Beside the hidden states of two CLIP encoders the network is given a pooled vector, and the size and the crop that a
picture claims to have had: the size drawn and no crop, as the pipeline does where nothing else is asked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, Tensors
from forensics.diffusion.encoded import PipelineModel, clip
from forensics.diffusion.parts import Parts
from forensics.diffusion.unet import UNetModel
from forensics.diffusion.words import Encoder

_POOLED, _SCORE = "pooled", "score"
_SCORES = (6.0, 2.5)
"""Aesthetic score that the refiner is told of the picture, with the prompt and without: its pipeline's own."""


class StableDiffusionXL(UNetModel, PipelineModel):
    """`DiffusionModel` for this family."""

    def _settings(self, parts: Parts) -> dict[str, Any]:
        self._refines = bool(parts.index.get("requires_aesthetics_score", "text_encoder" not in parts.texts))
        zeros = bool(parts.index.get("force_zeros_for_empty_prompt", True))
        return {"force_zeros_for_empty_prompt": zeros, "add_watermarker": False}

    def _searched(self) -> list[Encoder]:
        return [
            clip(encoder, self.tokenizers[name.replace("text_encoder", "tokenizer")])
            for name, encoder in sorted(self.texts.items())
        ]

    def _encode(self, prompts: list[str]) -> Tensors:
        hidden, _, pooled, _ = self.pipeline.encode_prompt(
            prompt=prompts, device=self.device.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return self._named(hidden, pooled, _SCORES[0])

    def _empty(self) -> Tensors | None:
        if self.guided_inside:
            return None
        with torch.no_grad():
            _, hidden, _, pooled = self.pipeline.encode_prompt(
                prompt=[""], device=self.device.device, num_images_per_prompt=1, do_classifier_free_guidance=True
            )
        return self._named(hidden, pooled, _SCORES[1])

    def _named(self, hidden: Tensor, pooled: Tensor, score: float) -> Tensors:
        named = {HIDDEN: hidden, _POOLED: pooled}
        if self._refines:
            named[_SCORE] = torch.full((len(hidden), 1), score, device=hidden.device)
        return named

    def _added(self, x: Tensor, given: Tensors) -> dict[str, Tensor]:
        height, width = (float(side * self.cell) for side in x.shape[-2:])
        size = torch.tensor([height, width], device=x.device).expand(len(x), -1)
        rest = given[_SCORE] if self._refines else size
        return {"text_embeds": given[_POOLED], "time_ids": torch.cat([size, torch.zeros_like(size), rest], dim=1)}
