"""One interface for every diffusion family, so that no inversion asks which model it has.

The sampler's state and time variable are the adapter's own; what callers may rely on is that
`d state / d time = velocity`, that `encode` gives the state at `times(n)[0]` (data) and that `times(n)[-1]` is noise
(Karras et al. 2022, section 2; Song et al. 2021, DDIM as Euler steps of this ODE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from forensics.case import Checkpoint


@dataclass(frozen=True, slots=True)
class Condition:
    """A prompt made ready for the network. `guidance` 1 means no classifier-free guidance and costs half."""

    prompt: str
    guidance: float
    tokens: int
    """Tokens of the prompt, without start and end marks: what a ledger of supplied bits charges for."""
    positive: Tensor
    """(1, L, D) hidden states of the prompt."""
    negative: Tensor | None
    """(1, L, D) hidden states of the empty prompt; none when guidance is 1."""


class DiffusionModel(Protocol):
    """A loaded checkpoint."""

    checkpoint: Checkpoint
    native_px: int
    """Side of the square picture it was made for."""
    stride: int
    """Pixels per cell of the coarsest grid: sides of pictures must be multiples of it."""
    vocabulary: int
    """Number of tokens: log2 of it is the price of one prompt token in bits."""
    evaluations: int
    """Forward passes of the denoising network so far, per picture (a batch of 8 counts 8; guidance doubles)."""

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> state at times[0], float32 (B, C, h, w). Deterministic: the posterior mode."""
        ...

    def decode(self, state: Tensor) -> Tensor:
        """State at times[0] -> (B, 3, H, W) in [0, 1]."""
        ...

    def condition(self, prompt: str, guidance: float) -> Condition:
        """The prompt as the network takes it; guidance >= 1."""
        ...

    def times(self, steps: int) -> Tensor:
        """(steps + 1,) float64 values of the time variable, from data to noise."""
        ...

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """d state / d time, float32 (B, C, h, w), at one time for the whole batch."""
        ...

    def start(self, noise: Tensor, steps: int) -> Tensor:
        """Unit-variance noise (B, C, h, w) -> the state at times(steps)[-1]."""
        ...

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        """The state scaled to unit-variance convention (sqrt(abar) x0 + sqrt(1 - abar) eps), for statistics of z_T."""
        ...
