"""The UNet2DConditionModel of Stable Diffusion 1.x, 2.x and XL, with what its variants are given beside the latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from forensics.diffusion.base import HIDDEN, Tensors
from forensics.diffusion.latent import LatentModel

_FARTHEST = -1.0
"""Depth at the far end of the range to which the pipeline scales every map."""


class UNetModel(LatentModel):
    """A latent model whose network is a UNet2DConditionModel."""

    def _coarsest(self) -> int:
        return int(2 ** (len(self.network.config.block_out_channels) - 1))

    def _width(self) -> int:
        return int(self.network.config.block_out_channels[0])

    @property
    def guided_inside(self) -> bool:
        """Whether guidance is an input of the network, as in latent consistency models (Luo et al. 2023)."""
        return self.network.config.time_cond_proj_dim is not None

    def passes(self, guidance: float) -> int:
        """See `DiffusionModel`."""
        return 1 if self.guided_inside else super().passes(guidance)

    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        dtype = self.device.dtype
        more: dict[str, Any] = {}
        if self.guided_inside:
            more["timestep_cond"] = _embedded(guidance - 1, int(self.network.config.time_cond_proj_dim), x).to(dtype)
        if added := self._added(x, given):
            more["added_cond_kwargs"] = {name: tensor.to(dtype) for name, tensor in added.items()}
        output: Tensor = self.network(
            self._masked(x).to(dtype), clock, encoder_hidden_states=given[HIDDEN].to(dtype), **more
        ).sample
        return output

    def _added(self, x: Tensor, given: Tensors) -> dict[str, Tensor]:
        """Further conditions, in the names of `added_cond_kwargs`."""
        return {}

    def _masked(self, x: Tensor) -> Tensor:
        """For an inpainting network: the latents, a mask over the whole picture, and the latents of a grey picture.

        For one that is given depth: the latents and a flat map, everywhere the farthest of its range. Nothing is left
        to copy from, so that what it draws comes from its weights and the prompt alone.
        """
        channels, taken = x.shape[1], int(self.network.config.in_channels)
        if taken == channels:
            return x
        if taken == channels + 1:
            return torch.cat([x, torch.full_like(x[:, :1], _FARTHEST)], dim=1)
        height, width = (side * self.cell for side in x.shape[-2:])
        grey = self._latents(torch.zeros(1, 3, height, width, device=x.device)).expand(len(x), -1, -1, -1)
        return torch.cat([x, torch.ones_like(x[:, :1]), grey], dim=1)


def _embedded(value: float, width: int, like: Tensor) -> Tensor:
    """(B, width) sines and cosines of a guidance scale (Luo et al. 2023, section 4.2), as diffusers computes them."""
    half = width // 2
    step = torch.log(torch.tensor(10000.0)) / (half - 1)
    angles = 1000.0 * value * torch.exp(-step * torch.arange(half, dtype=torch.float32))
    row = torch.cat([angles.sin(), angles.cos()])
    return torch.nn.functional.pad(row, (0, width - 2 * half)).to(like.device).expand(len(like), -1)
