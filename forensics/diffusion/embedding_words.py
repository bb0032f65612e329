"""Vectors of textual inversions behind words of prompts, for every tokenizer and text encoder alike.

The tokenizer spells a word as one placeholder for each vector. The text encoder never sees the placeholders' numbers:
each is replaced by that of an ordinary token, and where the table of tokens is read its row gives way to the vector.
Numbers beyond the vocabulary would mislead encoders that find the end of a prompt by the largest number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from forensics.diffusion.embedding import Embedding
from forensics.diffusion.parts import Parts
from forensics.diffusion.words import table_of
from forensics.errors import CheckpointError


def install(found: Sequence[Embedding], parts: Parts) -> None:
    """Open the words of the embeddings in the tokenizers and text encoders of `parts`, in place.

    Raises:
        CheckpointError: values that are not finite.
    """
    for component, encoder in parts.texts.items():
        own = [(e.word, _vectors(e, component)) for e in found if component in e.tensors]
        if own:
            _open(encoder, parts.tokenizers[component.replace("text_encoder", "tokenizer")], own)


def _vectors(embedding: Embedding, component: str) -> Tensor:
    """(n, d) float32."""
    with safe_open(embedding.path, framework="pt") as opened:
        held: Tensor = opened.get_tensor(embedding.tensors[component]).float()
    if not bool(held.isfinite().all()):
        raise CheckpointError(f"{embedding.path.name} holds values that are not finite.", hint="Fetch the file again.")
    return held.reshape(-1, held.shape[-1])


def _open(encoder: Any, tokenizer: Any, own: Sequence[tuple[str, Tensor]]) -> None:
    rows: list[Tensor] = []
    spelled: dict[str, str] = {}
    for word, vectors in own:
        names = [f"⟪{len(rows) + i}⟫" for i in range(len(vectors))]
        rows += list(vectors)
        spelled[word.casefold()] = " ".join(names)
    from transformers import AddedToken  # takes seconds, and every command that measures imports this module

    marks = [AddedToken(f"⟪{i}⟫", lstrip=True, normalized=False, special=False) for i in range(len(rows))]
    tokenizer.add_tokens(marks)
    first = int(tokenizer.convert_tokens_to_ids("⟪0⟫"))
    _spell(tokenizer, spelled)
    plain = next(i for i in range(first) if i not in tokenizer.all_special_ids)
    _replace(encoder, torch.stack(rows), first, plain)


def _spell(tokenizer: Any, spelled: Mapping[str, str]) -> None:
    """Let the tokenizer write the words out whenever it is called, whoever calls it."""
    # The longest first: a word may begin like another. `embedding:` is how node graphs name one in a prompt.
    words = sorted(spelled, key=len, reverse=True)
    pattern = re.compile("|".join(f"(?:embedding:)?{_bounded(word)}" for word in words), re.IGNORECASE)

    def write(text: Any) -> Any:
        if isinstance(text, str):
            return pattern.sub(lambda m: f" {spelled[m[0].casefold().removeprefix('embedding:')]} ", text)
        return [write(part) for part in text] if isinstance(text, list) else text

    kind = type(tokenizer)

    def call(self: Any, text: Any = None, *rest: Any, **options: Any) -> Any:
        return kind.__call__(self, write(text), *rest, **options)

    tokenizer.__class__ = type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})


def _bounded(word: str) -> str:
    """The word as a whole: letters right beside it would make it part of another."""
    start = r"(?<!\w)" if word[0].isalnum() or word[0] == "_" else ""
    end = r"(?!\w)" if word[-1].isalnum() or word[-1] == "_" else ""
    return f"{start}{re.escape(word)}{end}"


def _replace(encoder: Any, rows: Tensor, first: int, plain: int) -> None:
    """Let the encoder read rows (n, d) in the place of the token numbers `first` and following."""
    asked: list[Tensor] = []

    def before(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        ids: Tensor = named["input_ids"] if "input_ids" in named else given[0]
        placed = ids >= first
        # Numbers of an earlier call must not be left: an encoder that failed halfway would pass them on.
        asked[:] = [torch.where(placed, ids - first, -1)] if bool(placed.any()) else []
        plainly = torch.where(placed, plain, ids)
        return ((), {**named, "input_ids": plainly}) if "input_ids" in named else ((plainly, *given[1:]), named)

    def put(_: Any, __: Any, read: Tensor) -> Tensor:
        if not asked:
            return read
        which = asked.pop()
        own = rows.to(read.device, read.dtype)[which.clamp(min=0)]
        return torch.where((which >= 0)[..., None], own, read)

    encoder.register_forward_pre_hook(before, with_kwargs=True)
    table_of(encoder).register_forward_hook(put)
