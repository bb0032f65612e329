"""What an examiner may state of a checkpoint beside its location."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.settings import PREDICTIONS

__all__ = ["NONE", "PREDICTIONS", "Wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Statements that go before what the files say or convention holds; each is said in the report."""

    base: str | None = None
    """A diffusers folder that supplies what a file lacks: text encoders, tokenizer, autoencoder."""
    prediction: str | None = None
    """One of `PREDICTIONS`."""
    size: int | None = None
    """Native side in pixels, >= 16."""
    lora: tuple[str, ...] = ()
    """LoRA files or folders in the order of merging, each with an optional strength: `FILE:0.8`."""

    embeddings: tuple[str, ...] = ()
    """Textual inversions, each with an optional word that prompts name it by: `FILE:WORD`."""


NONE = Wishes()
