"""Families whose words are encoded by the `encode_prompt` of their own pipeline in diffusers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from forensics.case import Checkpoint
from forensics.device import Device
from forensics.diffusion.base import Condition, Tensors
from forensics.diffusion.families import family
from forensics.diffusion.latent import LatentModel
from forensics.diffusion.parts import Parts
from forensics.diffusion.words import Encoder, PipelineWords


class PipelineModel(LatentModel):
    """A latent model with several text encoders, or with one that is not CLIP."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        super().__init__(checkpoint, device, parts)
        self.pipeline = self._pipeline(parts)
        """The pipeline of diffusers over the same modules; its sampler is not used."""
        self.words: PipelineWords = PipelineWords(self._searched(), self._encode_searched, self._empty, self._ready)
        self.vocabulary = self.words.vocabulary

    # Of transformers over patches; a family whose configuration counts otherwise says so itself.

    def _coarsest(self) -> int:
        return int(self.network.config.patch_size)

    def _width(self) -> int:
        return (
            int(self.network.config.num_attention_heads * self.network.config.attention_head_dim)
            // self._coarsest() ** 2
        )

    def _pipeline(self, parts: Parts) -> Any:
        import diffusers

        row = family(self.checkpoint.family)
        texts = {name: self.texts.get(name) for name in row.parts if name.startswith("text_encoder")}
        tokenizers = {name: self.tokenizers.get(name) for name in row.tokenizers}
        components = {row.network: self.network, "vae": self.vae, "scheduler": parts.schedule.scheduler}
        return getattr(diffusers, row.pipeline)(**components, **texts, **tokenizers, **self._settings(parts))

    def _settings(self, parts: Parts) -> dict[str, Any]:
        """What the pipeline's constructor takes beside the components."""
        return {}

    @abstractmethod
    def _searched(self) -> list[Encoder]:
        """The encoders whose tables a prompt search moves: all of one vocabulary."""

    @abstractmethod
    def _encode(self, prompts: list[str]) -> Tensors:
        """The named tensors of prompts, one row each; gradients pass through."""

    def _encode_searched(self, prompts: list[str]) -> Tensors:
        """The same where only the encoders of `_searched` see the words; the others get the empty prompt."""
        return self._encode(prompts)

    @abstractmethod
    def _empty(self) -> Tensors | None:
        """The named tensors of the second pass under guidance; None where the family makes none."""

    def _condition(self, prompt: str, guidance: float) -> Condition:
        tokens, dropped = self.words.count(prompt)
        given = self._encode([prompt])
        without = self._empty() if self.passes(guidance) > 1 else None
        return Condition(prompt, guidance, tokens, (self.words.bits(tokens),), given, without, dropped)


def clip(model: Any, tokenizer: Any) -> Encoder:
    """A CLIP text encoder: one mark before the words, one behind them, padded to the window."""
    window = min(int(tokenizer.model_max_length), int(model.config.max_position_embeddings))
    return Encoder(model, tokenizer, 1, window - 2)


def t5(model: Any, tokenizer: Any, longest: int) -> Encoder:
    """A T5 encoder: one mark behind the words, padded to `longest` positions."""
    return Encoder(model, tokenizer, 0, longest - 1)
