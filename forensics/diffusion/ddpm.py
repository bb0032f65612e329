"""Unconditional models in pixel space: a UNet2DModel alone, without autoencoder and without words (Ho et al. 2020).

The state is the picture itself, in [-1, 1]. Samplers of the libraries clip their estimate of the picture to that range
at every step where the scheduler says `clip_sample`; the ODE here does not, so that it can be followed both ways.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forensics.case import Checkpoint
from forensics.device import Device
from forensics.diffusion.base import HIDDEN, Condition, Tensors
from forensics.diffusion.parts import Parts
from forensics.diffusion.sampled import SampledModel
from forensics.diffusion.schedule import column
from forensics.errors import CheckpointError

_CHANNELS = 3


class PixelModel(SampledModel):
    """`DiffusionModel` for this family."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        super().__init__(checkpoint, device, parts)
        # One row, no position, no number: nothing is told.
        self._nothing: Tensors = {HIDDEN: torch.zeros(1, 0, 0, device=device.device)}

    def _stride(self, parts: Parts) -> int:
        return int(2 ** (len(self.network.config.block_out_channels) - 1))

    def _width(self) -> int:
        return int(self.network.config.block_out_channels[0])

    def _activations(self, height: int, width: int) -> float:
        return self._network_bytes(height * width)

    def passes(self, guidance: float) -> int:
        """See `DiffusionModel`: there is no prompt to be guided away from."""
        return 1

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `DiffusionModel`: the picture's own."""
        return _CHANNELS, height, width

    def encode(self, image: Tensor) -> Tensor:
        """See `DiffusionModel`. Exact. Raises ValueError where the sides are not multiples of `stride`."""
        x = self._checked(image)
        return x * column(self.schedule.scale(self._first()), x)

    def decode(self, state: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        pixels = self.unit(state.to(self.device.device, torch.float32), self._first())
        return (pixels / 2 + 0.5).clamp(0, 1)

    def condition(self, prompt: str, guidance: float) -> Condition:
        """See `DiffusionModel`.

        Raises:
            CheckpointError: there are words.
            ValueError: guidance below 1.
        """
        if prompt:
            raise CheckpointError(
                f"{self.checkpoint.name} is an unconditional model: its network takes no prompt.",
                hint="Leave out the words; what does not need them is measured.",
            )
        if guidance < 1:
            raise ValueError(f"guidance must be at least 1, got {guidance}")
        return Condition("", guidance, 0, (0.0,), self._nothing, None)

    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        output: Tensor = self.network(x.to(self.device.dtype), clock).sample
        # Networks with a learned variance give it behind the noise.
        return output[:, :_CHANNELS]
