"""PixArt alpha and sigma: a diffusion transformer with T5 alone (Chen et al. 2023, 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, Tensors
from forensics.diffusion.encoded import PipelineModel, t5
from forensics.diffusion.words import Encoder

_MASK = "mask"
_LONGEST = 300


class PixArt(PipelineModel):
    """`DiffusionModel` for this family."""

    def _searched(self) -> list[Encoder]:
        return [t5(self.texts["text_encoder"], self.tokenizers["tokenizer"], self._longest)]

    @property
    def _longest(self) -> int:
        # The network was made for so many positions of text; alpha's pipeline states 120.
        most = 120 if self.network.config.use_additional_conditions else _LONGEST
        return min(most, int(self.tokenizers["tokenizer"].model_max_length))

    def _encode(self, prompts: list[str]) -> Tensors:
        hidden, mask, _, _ = self.pipeline.encode_prompt(
            prompts,
            do_classifier_free_guidance=False,
            num_images_per_prompt=1,
            device=self.device.device,
            max_sequence_length=self._longest,
        )
        return {HIDDEN: hidden, _MASK: mask}

    def _empty(self) -> Tensors | None:
        with torch.no_grad():
            return self._encode([""])

    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        dtype, channels = self.device.dtype, x.shape[1]
        output: Tensor = self.network(
            x.to(dtype),
            encoder_hidden_states=given[HIDDEN].to(dtype),
            encoder_attention_mask=given[_MASK],
            timestep=clock,
            added_cond_kwargs=self._added(x),
        ).sample
        # Networks with a learned variance give it behind the noise.
        return output[:, :channels]

    def _added(self, x: Tensor) -> dict[str, Tensor | None]:
        if not self.network.config.use_additional_conditions:
            return {"resolution": None, "aspect_ratio": None}
        height, width = (side * self.cell for side in x.shape[-2:])
        size = torch.tensor([[float(height), float(width)]], device=x.device, dtype=self.device.dtype)
        return {"resolution": size.expand(len(x), -1), "aspect_ratio": (size[:, :1] / size[:, 1:]).expand(len(x), -1)}
