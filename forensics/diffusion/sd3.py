"""Stable Diffusion 3 and 3.5: a rectified flow over an MMDiT, with two CLIP encoders and T5 (Esser et al. 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, Tensors
from forensics.diffusion.encoded import PipelineModel, clip
from forensics.diffusion.schedule import Schedule
from forensics.diffusion.words import Encoder

_POOLED = "pooled"


class StableDiffusion3(PipelineModel):
    """`DiffusionModel` for this family. A prompt search moves the words of the CLIP encoders; T5 reads none then."""

    def _schedule(self, schedule: Schedule) -> Schedule:
        return schedule.sized((self.native_px // self.stride) ** 2)

    def _searched(self) -> list[Encoder]:
        return [
            clip(self.texts[name], self.tokenizers[name.replace("text_encoder", "tokenizer")])
            for name in ("text_encoder", "text_encoder_2")
        ]

    def _encode(self, prompts: list[str]) -> Tensors:
        return self._encoded(prompts, prompts)

    def _encode_searched(self, prompts: list[str]) -> Tensors:
        return self._encoded(prompts, [""] * len(prompts))

    def _encoded(self, prompts: list[str], third: list[str]) -> Tensors:
        hidden, _, pooled, _ = self.pipeline.encode_prompt(
            prompt=prompts,
            prompt_2=prompts,
            prompt_3=third,
            device=self.device.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
        return {HIDDEN: hidden, _POOLED: pooled}

    def _empty(self) -> Tensors | None:
        with torch.no_grad():
            return self._encode([""])

    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        dtype = self.device.dtype
        output: Tensor = self.network(
            hidden_states=x.to(dtype),
            timestep=clock,
            encoder_hidden_states=given[HIDDEN].to(dtype),
            pooled_projections=given[_POOLED].to(dtype),
        ).sample
        return output
