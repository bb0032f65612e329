"""One interface for every diffusion family, so that no inversion asks which model it has.

The sampler's state and time variable are the adapter's own; what callers may rely on is that
`d state / d time = velocity`, that `encode` gives the state at `times(n)[0]` (data), that `times(n)[-1]` is noise, and
that the path is linear in data and noise, so that x̂0(t) = state − time · velocity (Karras et al. 2022, section 2;
Song et al. 2021, DDIM as Euler steps of this ODE; Lipman et al. 2023 for flows).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from forensics.case import Checkpoint

GRADIENT_COST = 3
"""Evaluations that one forward pass with its backward pass is charged as."""


HIDDEN = "hidden"
"""Name of the tensor that every family has: (1, L, D) hidden states, one vector a token."""

Tensors = Mapping[str, Tensor]
"""What the network is given beside the picture, by name; every tensor has its rows first."""
VALUE_BITS = 32
"""Bits of a value that is told as it stands, in float32."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A prompt made ready for the network. `guidance` 1 means none."""

    prompt: str
    guidance: float
    tokens: int
    """Tokens of the prompt, without start and end marks."""
    charges: tuple[float, ...]
    """Bits that each row costs to tell: tokens of a vocabulary, vectors value by value. Nothing else is supplied:
    pooled vectors, masks, sizes and scores follow from the words and the picture's size."""
    given: Tensors
    """Of the prompt: `hidden`, and what else the family needs (pooled vectors, masks). One row, or one a prompt."""
    without: Tensors | None
    """The same of the empty prompt, one row; none where no second pass is made (`DiffusionModel.passes`)."""
    dropped: int = 0
    """Tokens beyond the text encoder's window: the network never saw them, and the report says so."""

    def __post_init__(self) -> None:
        if len(self.charges) != self.rows:
            raise ValueError(f"{len(self.charges)} charges for {self.rows} rows")

    @property
    def bits(self) -> float:
        """Bits of all rows together: what a ledger of supplied bits charges for the condition."""
        return sum(self.charges)

    @property
    def positive(self) -> Tensor:
        """(B, L, D) hidden states of the prompts."""
        return self.given[HIDDEN]

    @property
    def negative(self) -> Tensor | None:
        """(1, L, D) hidden states of the empty prompt, or None."""
        return None if self.without is None else self.without[HIDDEN]

    @property
    def rows(self) -> int:
        """Prompts in the batch."""
        return len(self.positive)

    def unguided(self) -> Condition:
        """The same prompt without guidance."""
        return replace(self, guidance=1.0, without=None)

    def select(self, rows: Tensor) -> Condition:
        """The condition with these rows (n,) of the prompts; what is searched for and differentiated passes through."""
        given = {name: tensor[rows.to(tensor.device)] for name, tensor in self.given.items()}
        return replace(self, given=given, charges=tuple(self.charges[row] for row in rows.tolist()))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """The condition with every tensor of the prompts changed; what it costs to tell stays."""
        return replace(self, given={name: change(tensor) for name, tensor in self.given.items()})

    def told_in(self, bits: float) -> Condition:
        """The same tensors where each row was told in so many bits, >= 0: vectors that were quantised."""
        return replace(self, charges=(bits,) * self.rows)


def from_hidden(
    hidden: Tensor, guidance: float = 1.0, tokens: int = 0, *, prompt: str = "", without: Tensor | None = None
) -> Condition:
    """A condition that is hidden states (B, L, D) alone; they are charged for value by value."""
    charges = (float(hidden[0].numel() * VALUE_BITS),) * len(hidden)
    return Condition(
        prompt, guidance, tokens, charges, {HIDDEN: hidden}, None if without is None else {HIDDEN: without}
    )


def stack(conditions: Sequence[Condition]) -> Condition:
    """One condition with the rows of the given ones, in their order; they must share one guidance.

    Raises:
        ValueError: nothing to stack, or different guidance.
    """
    if not conditions:
        raise ValueError("no conditions to stack")
    first = conditions[0]
    if any(c.guidance != first.guidance for c in conditions):
        raise ValueError("conditions of different guidance cannot share a batch")
    return Condition(
        prompt="\n".join(c.prompt for c in conditions),
        guidance=first.guidance,
        tokens=sum(c.tokens for c in conditions),
        charges=tuple(bits for c in conditions for bits in c.charges),
        given={name: torch.cat([c.given[name] for c in conditions]) for name in first.given},
        without=first.without,
        dropped=sum(c.dropped for c in conditions),
    )


class DiffusionModel(Protocol):
    """A loaded checkpoint."""

    checkpoint: Checkpoint
    native_px: int
    """Side of the square picture it was made for."""
    stride: int
    """Pixels per cell of the coarsest grid: sides of pictures must be multiples of it."""
    vocabulary: int
    """Number of tokens, log2 of which is the price of one prompt token in bits; 0 where the network takes no words."""
    noise_range: tuple[float, float]
    """Least and greatest noise over signal, sqrt(1 - abar) / sqrt(abar), of the training; may be infinite."""
    evaluations: int
    """Forward passes of the denoising network so far, per picture (a batch of 8 counts 8; guidance doubles).

    A pass whose result is differentiated counts `GRADIENT_COST`.
    """

    def passes(self, guidance: float) -> int:
        """Evaluations that one `velocity` under this guidance takes for each picture: 2 with a second pass, else 1."""
        ...

    def capacity(self, height: int, width: int) -> int:
        """Pictures of height × width pixels that go through the networks at once, >= 1."""
        ...

    def gradient_capacity(self, height: int, width: int) -> int:
        """The same for a pass through the denoising network whose result is differentiated, >= 1."""
        ...

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(C, h, w) of the state of a picture of height × width pixels, both multiples of `stride`."""
        ...

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> state at times[0], float32 (B, C, h, w). Deterministic: the posterior mode."""
        ...

    def decode(self, state: Tensor) -> Tensor:
        """State at times[0] -> (B, 3, H, W) in [0, 1]."""
        ...

    def condition(self, prompt: str, guidance: float) -> Condition:
        """The prompt as the network takes it; guidance >= 1."""
        ...

    def full_precision(self) -> AbstractContextManager[None]:
        """Inside, the networks run in float32, whatever the device's precision: gradients need it."""
        ...

    def times(self, steps: int) -> Tensor:
        """(steps + 1,) float64 values of the time variable, from data to noise; times[0] does not depend on steps."""
        ...

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """d state / d time, float32 (B, C, h, w), at one time () for the whole batch or at one time a row (B,)."""
        ...

    def start(self, noise: Tensor, steps: int) -> Tensor:
        """Unit-variance noise (B, C, h, w) -> the state at times(steps)[-1]."""
        ...

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        """The state scaled to unit-variance convention (sqrt(abar) x0 + sqrt(1 - abar) eps), for statistics of z_T."""
        ...

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        """The time at which noise over signal is `sigma`; float64."""
        ...

    def diffuse(self, data: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Unit-variance latents and noise (B, C, h, w) -> states of the forward process at times () or (B,).

        `state - time * velocity` is the model's estimate of the data.
        """
        ...
