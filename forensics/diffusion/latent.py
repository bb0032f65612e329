"""What latent diffusion models share, whatever network denoises: the autoencoder, and text encoders run once.

Rombach et al. 2022. A family derives from `LatentModel` and says how its network is called (`_predict`) and how its
words become conditions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from forensics import hands
from forensics.case import Checkpoint
from forensics.device import Device
from forensics.diffusion.base import Condition
from forensics.diffusion.parts import Parts
from forensics.diffusion.sampled import SampledModel
from forensics.diffusion.schedule import column
from forensics.diffusion.words import PromptSpace

if TYPE_CHECKING:
    from forensics.diffusion.read_parts import Later

_KEPT = 64
"""Conditions that are kept; the largest, of FLUX.1, takes four megabytes."""


class LatentModel(SampledModel):
    """`DiffusionModel` but for the network and the words. Networks run in the device's precision, states in float32."""

    words: PromptSpace
    """The text encoders, opened to a search for prompts."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        super().__init__(checkpoint, device, parts)
        self.vae = self._placed(parts.vae)
        self.texts = {n: t.eval().requires_grad_(False).to(device.device) for n, t in parts.texts.items()}
        self.tokenizers = dict(parts.tokenizers)
        self._later: Later | None = None
        """What reads the text encoders again, while they are let go."""
        self._conditions: dict[tuple[str, float, torch.dtype], Condition] = {}
        config = self.vae.config
        self._scaling = float(config.scaling_factor)
        self._shift = self._statistic(config.get("latents_mean"), float(getattr(config, "shift_factor", None) or 0.0))
        self._spread = self._statistic(config.get("latents_std"), 1.0)

    def _stride(self, parts: Parts) -> int:
        self.cell = 2 ** (len(parts.vae.config.block_out_channels) - 1)
        """Pixels per latent cell."""
        return self.cell * self._coarsest()

    def _statistic(self, stated: Any, otherwise: float) -> Tensor:
        """(1, C or 1, 1, 1) a number for every latent channel."""
        values = [otherwise] if stated is None else [float(v) for v in stated]
        return torch.tensor(values, device=self.device.device).reshape(1, -1, 1, 1)

    @abstractmethod
    def _coarsest(self) -> int:
        """Latent cells along the side of the coarsest position the network knows."""

    def condition(self, prompt: str, guidance: float) -> Condition:
        """See `DiffusionModel`. Raises ValueError for guidance below 1.

        Text encoders run once for a prompt and a precision: rungs and controls ask for the same prompts over and over,
        and an encoder such as T5's takes longer on a processor than the network.
        """
        if guidance < 1:
            raise ValueError(f"guidance must be at least 1, got {guidance}")
        key = prompt, guidance, self.device.dtype
        if key not in self._conditions:
            if len(self._conditions) >= _KEPT:
                self._conditions.pop(next(iter(self._conditions)))
            self._ready()
            with torch.no_grad():
                self._conditions[key] = self._condition(prompt, guidance)
        return self._conditions[key]

    def take(self, prompts: Sequence[tuple[str, float]], later: Later) -> None:
        """Make the conditions of prompts with their guidance, let the text encoders go, and read the network.

        Raises:
            CheckpointError: see `forensics.diffusion.load`.
        """
        for prompt, guidance in prompts:
            self.condition(prompt, guidance)
        for encoder in self.texts.values():
            encoder.to("meta")
        self._later = later
        self.network = self._placed(later.network())

    def announce(self, prompts: Sequence[tuple[str, float]]) -> None:
        """Make the conditions of further prompts with their guidance; text encoders that were let go are let go again.

        Raises:
            CheckpointError: see `forensics.diffusion.load`.
        """
        later = self._later
        if later is None or all((*prompt, self.device.dtype) in self._conditions for prompt in prompts):
            return
        for prompt, guidance in prompts:
            self.condition(prompt, guidance)
        for encoder in self.texts.values():
            encoder.to("meta")
        self._later = later

    def _ready(self) -> None:
        """Read the text encoders again where they were let go; whoever asks once more will ask again, so they stay."""
        if self._later is None:
            return
        for name, fresh in self._later.texts().items():
            _fill(self.texts[name], fresh.requires_grad_(False).to(self.device.device))
            if self.device.dtype != self._later.dtype:  # within `full_precision`
                self.texts[name].to(self.device.dtype)
        self._later = None

    @abstractmethod
    def _condition(self, prompt: str, guidance: float) -> Condition:
        """The condition of a prompt, with the text encoders run."""

    def _activations(self, height: int, width: int) -> float:
        full, next_ = (*self.vae.config.block_out_channels, self.vae.config.block_out_channels[-1])[:2]
        decoder = (2 * full + 2 * next_) * height * width * 4
        return max(decoder, self._network_bytes(height * width // self.cell**2))

    def _half_precision_parts(self) -> list[Any]:
        return [self.network, *self.texts.values()]

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `DiffusionModel`."""
        return int(self.vae.config.latent_channels), height // self.cell, width // self.cell

    def encode(self, image: Tensor) -> Tensor:
        """See `DiffusionModel`. Raises ValueError where the sides are not multiples of `stride`."""
        z = self._latents(self._checked(image))  # the autoencoder expects [-1, 1]
        return z * column(self.schedule.scale(self._first()), z)

    def _latents(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> scaled latents (B, C, h, w)."""
        mode: Tensor = self.vae.encode(pixels).latent_dist.mode()
        return (mode - self._shift) / self._spread * self._scaling

    def decode(self, state: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        z = self.unit(state.to(self.device.device, torch.float32), self._first())
        z = z / self._scaling * self._spread + self._shift
        pixels = hands.by_rows(lambda rows: self.vae.decode(rows).sample, z)  # (B, 3, H, W)
        return (pixels / 2 + 0.5).clamp(0, 1)


def _fill(empty: Any, fresh: Any) -> None:
    """Give a module the tensors of another of the same making; hooks and whoever holds it stay."""
    for name, module in empty.named_modules():
        of = fresh.get_submodule(name)
        module._parameters.update(of._parameters)
        module._buffers.update(of._buffers)
