"""Stable Diffusion 1.x / 2.x shaped checkpoints: UNet2DConditionModel + AutoencoderKL + CLIPTextModel.

Rombach et al. 2022. Any latent size and channel count; epsilon and v prediction; inpainting variants, masked whole;
latent consistency models, whose guidance is an input of the network.
"""

from __future__ import annotations

from typing import Any

from forensics.case import Checkpoint
from forensics.device import Device
from forensics.diffusion.base import HIDDEN, Condition
from forensics.diffusion.parts import Parts
from forensics.diffusion.unet import UNetModel
from forensics.diffusion.words import ClipWords


class StableDiffusion(UNetModel):
    """`DiffusionModel` for this family."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        super().__init__(checkpoint, device, parts)
        encoder, tokenizer = self.text_encoder, self.tokenizer
        self.window = min(int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings))
        """Tokens the text encoder takes, with start and end marks."""
        self.words: ClipWords = ClipWords(encoder, tokenizer, self.window, second_pass=not self.guided_inside)
        self.vocabulary = self.words.vocabulary

    @property
    def unet(self) -> Any:
        """The network, under the name that diffusers gives it."""
        return self.network

    @property
    def text_encoder(self) -> Any:
        return self.texts["text_encoder"]

    @property
    def tokenizer(self) -> Any:
        return self.tokenizers["tokenizer"]

    def _condition(self, prompt: str, guidance: float) -> Condition:
        asked = len(self.tokenizer(prompt, add_special_tokens=False).input_ids) if prompt else 0
        tokens = min(asked, self.window - 2)
        without = {HIDDEN: self.words.hidden("")} if self.passes(guidance) > 1 else None
        given, charges = {HIDDEN: self.words.hidden(prompt)}, (self.words.bits(tokens),)
        return Condition(prompt, guidance, tokens, charges, given, without, asked - tokens)
