"""A checkpoint's own way from words to conditions, opened for search: vectors in, hidden states out, with gradient.

A prompt of k tokens is the sequence start, k tokens, end, padding to the full window, exactly as the tokenizer of the
checkpoint would have written it. In place of the k tokens' rows of the embedding table any k vectors may stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, VALUE_BITS, Condition, DiffusionModel, Tensors
from forensics.errors import CheckpointError


def within(embeddings: Tensor, guidance: float, longest: int) -> tuple[int, int]:
    """(rows, vectors) of embeddings (rows, k, d). Raises ValueError for guidance below 1 or a length outside 1 to
    `longest`."""
    rows, k = embeddings.shape[:2]
    if guidance < 1 or not 1 <= k <= longest:
        raise ValueError(f"guidance {guidance} and {k} vectors; at least 1 and 1 to {longest} are needed")
    return rows, k


def vectors_bits(embeddings: Tensor) -> tuple[float, ...]:
    """Bits of each row of vectors (rows, k, d) as they stand; who tells them in fewer says so (`Condition.told_in`)."""
    return (float(embeddings[0].numel() * VALUE_BITS),) * len(embeddings)


class PromptSpace(Protocol):
    """What a search over prompts needs of a model; `prompt_space` asks a model for it."""

    longest: int
    """Tokens of the longest prompt, without start and end marks."""

    def table(self) -> Tensor:
        """(V, d) float32: the vector of every token."""
        ...

    def searchable(self) -> Tensor:
        """(V,) bool: tokens that may stand in a prompt, that is all but the tokenizer's marks."""
        ...

    def from_embeddings(self, embeddings: Tensor, guidance: float) -> Condition:
        """The condition of prompts given as vectors (B, k, d), 1 <= k <= `longest`; gradients pass through."""
        ...

    def from_tokens(self, tokens: Sequence[int], guidance: float) -> Condition:
        """The condition of one prompt given as token numbers; its `prompt` is the tokens as text."""
        ...

    def survives(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens, written out as text, are read back as the same tokens."""
        ...


def prompt_space(model: DiffusionModel) -> PromptSpace:
    """The prompt space of a model.

    Raises:
        CheckpointError: the model's family does not open its text encoder to a search.
    """
    space: PromptSpace | None = getattr(model, "words", None)
    if space is None:
        raise CheckpointError(
            f"Prompts cannot be searched for with a checkpoint of the family {model.checkpoint.family!r}.",
            hint="Choose a profile without prompt search.",
        )
    return space


class ClipWords:
    """`PromptSpace` of one CLIP text encoder of transformers with its tokenizer."""

    def __init__(self, encoder: Any, tokenizer: Any, window: int, *, second_pass: bool = True) -> None:
        self._second_pass = second_pass
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._window = window
        self.longest = window - 2
        self.vocabulary = int(encoder.config.vocab_size)
        """Tokens that a prompt is written with."""
        self._filler = int(self.searchable().nonzero()[0])

    def table(self) -> Tensor:
        """See `PromptSpace`."""
        weight: Tensor = self._encoder.get_input_embeddings().weight
        return weight.detach().float()

    def searchable(self) -> Tensor:
        """See `PromptSpace`."""
        allowed = torch.ones(len(self.table()), dtype=torch.bool)
        allowed[[i for i in _closed(self._tokenizer) if i < len(allowed)]] = False
        return allowed

    def from_embeddings(self, embeddings: Tensor, guidance: float) -> Condition:
        """See `PromptSpace`. Raises ValueError for guidance below 1 or a length outside the window."""
        rows, k = within(embeddings, guidance, self.longest)
        layer = self._encoder.get_input_embeddings()

        def put(_: Any, __: Any, rest: Tensor) -> Tensor:
            middle = embeddings.to(rest.device, rest.dtype)
            return torch.cat([rest[:, :1], middle, rest[:, k + 1 :]], dim=1)  # (B, window, d)

        ids = self._ids([self._filler] * k)  # the vectors take the places of these
        handle = layer.register_forward_hook(put)
        try:
            positive: Tensor = self._encoder(ids.expand(rows, -1))[0]
        finally:
            handle.remove()
        return Condition("", guidance, k, vectors_bits(embeddings), {HIDDEN: positive}, self._without(guidance))

    def from_tokens(self, tokens: Sequence[int], guidance: float) -> Condition:
        """See `PromptSpace`. Raises ValueError for guidance below 1 or more tokens than the window holds."""
        if guidance < 1 or len(tokens) > self.longest:
            raise ValueError(f"guidance {guidance}, {len(tokens)} tokens; at least 1 and at most {self.longest}")
        with torch.no_grad():
            positive: Tensor = self._encoder(self._ids(tokens))[0]
        count = len(tokens)
        given = {HIDDEN: positive}
        return Condition(self._text(tokens), guidance, count, (self.bits(count),), given, self._without(guidance))

    def bits(self, tokens: int) -> float:
        """What so many tokens cost to tell."""
        return tokens * math.log2(self.vocabulary)

    def _without(self, guidance: float) -> Tensors | None:
        return {HIDDEN: self.hidden("")} if guidance > 1 and self._second_pass else None

    def survives(self, tokens: Sequence[int]) -> bool:
        """See `PromptSpace`."""
        return list(self._tokenizer(self._text(tokens), add_special_tokens=False).input_ids) == list(tokens)

    def hidden(self, prompt: str) -> Tensor:
        """(1, L, D): last hidden state after the final norm, padded to the full window as the family was trained."""
        ids = self._tokenizer(
            prompt, padding="max_length", max_length=self._window, truncation=True, return_tensors="pt"
        ).input_ids.to(self._device())
        with torch.no_grad():
            hidden: Tensor = self._encoder(ids)[0]
        return hidden

    def _ids(self, tokens: Sequence[int]) -> Tensor:
        """(1, window) the tokens between the marks that the tokenizer itself puts around and behind a prompt."""
        empty = self._tokenizer("", padding="max_length", max_length=self._window, return_tensors="pt").input_ids[0]
        # The empty prompt is start, end, padding: the tokens push end and padding along, and the window cuts them.
        row = [int(empty[0]), *tokens, *(int(i) for i in empty[1:])][: self._window]
        return torch.tensor([row], device=self._device())

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))

    def _device(self) -> torch.device:
        device: torch.device = self._encoder.get_input_embeddings().weight.device
        return device


@dataclass(frozen=True, slots=True)
class Encoder:
    """One text encoder of several, and how its tokenizer places a prompt."""

    model: Any
    tokenizer: Any
    first: int
    """Marks before the first token: 1 for CLIP, 0 for T5."""
    window: int
    """Tokens of the longest prompt, without marks."""


class PipelineWords:
    """`PromptSpace` of the encoders that a pipeline's own `encode_prompt` runs, all over one vocabulary.

    The search moves the rows of all their embedding tables side by side: (V, d1 + d2 + …). While the pipeline encodes a
    prompt of k filler words, k rows of each encoder's embedding layer are replaced, so that everything behind them —
    which layers are read, pooling, masks, padding — stays the pipeline's own.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        encode: Callable[[list[str]], Tensors],
        without: Callable[[], Tensors | None],
        ready: Callable[[], None],
    ) -> None:
        """`encode` makes the named tensors of prompts with the pipeline; `without` those of the second pass, if any;
        `ready` sees to it that the encoders are in memory."""
        self._encoders, self._encode, self._without, self._ready = tuple(encoders), encode, without, ready
        self._tokenizer = self._encoders[0].tokenizer
        self._layers = [table_of(e.model) for e in self._encoders]
        self._widths = [int(layer.weight.shape[1]) for layer in self._layers]
        self.longest = min(e.window for e in self._encoders)
        self.vocabulary = min(len(layer.weight) for layer in self._layers)
        """Tokens that a prompt is written with."""
        self._filler = self._find_filler()

    def _find_filler(self) -> str:
        """A word that stays one token wherever it stands, in every tokenizer."""
        for number in self.searchable().nonzero().flatten().tolist():
            word = self._text([number])
            if word and all(_stays_one(word, encoder.tokenizer) for encoder in self._encoders):
                return word
        raise CheckpointError("The tokenizer of the checkpoint has no word of one token.", hint="Fetch it again.")

    def table(self) -> Tensor:
        """See `PromptSpace`."""
        self._ready()
        return torch.cat([layer.weight[: self.vocabulary].detach().float() for layer in self._layers], dim=1)

    def searchable(self) -> Tensor:
        """See `PromptSpace`."""
        allowed = torch.ones(self.vocabulary, dtype=torch.bool)
        # Tables are often longer than vocabularies; a row without a word cannot be typed.
        allowed[len(self._tokenizer) :] = False
        marks = {i for e in self._encoders for i in _closed(e.tokenizer)}
        allowed[[i for i in marks if i < len(allowed)]] = False
        return allowed

    def from_embeddings(self, embeddings: Tensor, guidance: float) -> Condition:
        """See `PromptSpace`. Raises ValueError for guidance below 1 or a length outside the window."""
        rows, k = within(embeddings, guidance, self.longest)
        self._ready()
        handles = [
            layer.register_forward_hook(_placed(part, encoder.first))
            for layer, encoder, part in zip(
                self._layers, self._encoders, embeddings.split(self._widths, dim=2), strict=True
            )
        ]
        try:
            given = self._encode([" ".join([self._filler] * k)] * rows)
        finally:
            for handle in handles:
                handle.remove()
        without = self._without() if guidance > 1 else None
        return Condition("", guidance, k, vectors_bits(embeddings), given, without)

    def from_tokens(self, tokens: Sequence[int], guidance: float) -> Condition:
        """See `PromptSpace`. Raises ValueError for guidance below 1 or more tokens than the window holds."""
        if guidance < 1 or len(tokens) > self.longest:
            raise ValueError(f"guidance {guidance}, {len(tokens)} tokens; at least 1 and at most {self.longest}")
        with torch.no_grad():
            self._ready()
            if not tokens:
                return Condition("", guidance, 0, (0.0,), self._encode([""]), self._without() if guidance > 1 else None)
            found = self.from_embeddings(self.table()[list(tokens)][None], guidance)
        return replace(found, prompt=self._text(tokens), charges=(self.bits(len(tokens)),))

    def bits(self, tokens: int) -> float:
        """What so many tokens cost to tell; they are told once, whatever number of encoders reads them."""
        return tokens * math.log2(self.vocabulary)

    def survives(self, tokens: Sequence[int]) -> bool:
        """See `PromptSpace`."""
        text = self._text(tokens)
        return all(list(e.tokenizer(text, add_special_tokens=False).input_ids) == list(tokens) for e in self._encoders)

    def count(self, prompt: str) -> tuple[int, int]:
        """Tokens of a prompt that are seen and that are dropped, by the first encoder's tokenizer."""
        asked = len(self._tokenizer(prompt, add_special_tokens=False).input_ids) if prompt else 0
        seen = min(asked, self._encoders[0].window)
        return seen, asked - seen

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))


def _closed(tokenizer: Any) -> set[int]:
    """Numbers that no search may take: the tokenizer's marks, and what was added to its vocabulary."""
    return {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}


def table_of(model: Any) -> Any:
    """The embedding layer that is run: T5's stack has one of its own, tied to the one that the model names."""
    inner = getattr(getattr(model, "encoder", None), "embed_tokens", None)
    return model.get_input_embeddings() if inner is None else inner


def _stays_one(word: str, tokenizer: Any) -> bool:
    ids = list(tokenizer(" ".join([word] * 3), add_special_tokens=False).input_ids)
    # A mark in the place of a word, as unknown words get, would be taken for the end of the prompt.
    return len(ids) == 3 and not set(ids) & set(tokenizer.all_special_ids)


def _placed(vectors: Tensor, first: int) -> Callable[[Any, Any, Tensor], Tensor]:
    """A hook that puts vectors (B, k, d) in the place of the rows behind the first marks."""

    def put(_: Any, __: Any, rest: Tensor) -> Tensor:
        end = first + vectors.shape[1]
        return torch.cat([rest[:, :first], vectors.to(rest.device, rest.dtype), rest[:, end:]], dim=1)

    return put
