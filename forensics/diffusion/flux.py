"""FLUX.1 dev and schnell: a rectified flow whose guidance, if any, is an input of the network (Black Forest Labs 2024).

Latents stay (B, C, h, w) for everyone else; 2 × 2 cells are packed into one position just before the network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, Tensors
from forensics.diffusion.encoded import PipelineModel, t5
from forensics.diffusion.schedule import Schedule
from forensics.diffusion.words import Encoder

_POOLED = "pooled"
_PACK = 2
"""Cells along the side of a position."""
_LONGEST = {True: 512, False: 256}
"""Positions of T5's prompt in dev and in schnell, as the publisher has them."""


class Flux(PipelineModel):
    """`DiffusionModel` for this family. A prompt search moves the words of T5; CLIP's pooled vector reads none then."""

    def _coarsest(self) -> int:
        return _PACK

    def _width(self) -> int:
        return int(self.network.config.num_attention_heads * self.network.config.attention_head_dim) // _PACK**2

    def _schedule(self, schedule: Schedule) -> Schedule:
        return schedule.sized((self.native_px // self.stride) ** 2, plain_sigmas=True)

    @property
    def guided_inside(self) -> bool:
        """Whether the network takes a guidance scale: dev does, schnell does not."""
        return bool(self.network.config.guidance_embeds)

    def passes(self, guidance: float) -> int:
        """See `DiffusionModel`: never a second pass."""
        return 1

    def _searched(self) -> list[Encoder]:
        return [t5(self.texts["text_encoder_2"], self.tokenizers["tokenizer_2"], self._longest)]

    @property
    def _longest(self) -> int:
        return min(_LONGEST[self.guided_inside], int(self.tokenizers["tokenizer_2"].model_max_length))

    def _encode(self, prompts: list[str]) -> Tensors:
        return self._encoded(prompts, prompts)

    def _encode_searched(self, prompts: list[str]) -> Tensors:
        return self._encoded([""] * len(prompts), prompts)

    def _encoded(self, pooled_from: list[str], prompts: list[str]) -> Tensors:
        hidden, pooled, _ = self.pipeline.encode_prompt(
            prompt=pooled_from,
            prompt_2=prompts,
            device=self.device.device,
            num_images_per_prompt=1,
            max_sequence_length=self._longest,
        )
        return {HIDDEN: hidden, _POOLED: pooled}

    def _empty(self) -> Tensors | None:
        return None

    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        dtype, (rows, channels, height, width) = self.device.dtype, x.shape
        packed = self.pipeline._pack_latents(x, rows, channels, height, width)  # (B, h · w / 4, 4 · C)
        places = self.pipeline._prepare_latent_image_ids(rows, height // _PACK, width // _PACK, x.device, dtype)
        output: Tensor = self.network(
            hidden_states=packed.to(dtype),
            timestep=clock.to(dtype) / 1000,
            guidance=torch.full((rows,), guidance, device=x.device) if self.guided_inside else None,
            pooled_projections=given[_POOLED].to(dtype),
            encoder_hidden_states=given[HIDDEN].to(dtype),
            txt_ids=torch.zeros(given[HIDDEN].shape[1], 3, device=x.device, dtype=dtype),
            img_ids=places,
        ).sample
        # Back: (B, h/2, w/2, C, 2, 2) -> (B, C, h, w).
        cells = output.reshape(rows, height // _PACK, width // _PACK, channels, _PACK, _PACK)
        return cells.permute(0, 3, 1, 4, 2, 5).reshape(rows, channels, height, width)
