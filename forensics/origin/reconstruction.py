"""How well an autoencoder gives a picture back, once and twice.

A picture that came out of a decoder lies where that decoder can put pictures: encoding and decoding it changes it
little, and doing so again changes it as little once more. Any other picture loses much the first time and little the
second (ratio of the losses after AEDR, 2026; error in one layer of LPIPS after AEROBLADE, Ricker et al. 2024).

The trace sits on the decoder's grid of pixels. Pictures are therefore cut to whole cells from the top left and never
resampled; a picture that was cropped off the grid, resized or compressed strongly has lost it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from forensics.case import Absent, loss_ratio

LAYER = 1
"""The second of the five feature maps of LPIPS, counted from 0: the one on which AEROBLADE reports its results."""
SMALLEST = 32
"""Shorter side below which LPIPS has no last feature map, so that nothing is measured."""
LIMIT = 512
"""Longest side that is put through the autoencoder; of larger pictures a part of whole cells around the middle."""
LayerError = Callable[[Tensor, Tensor], Tensor]
"""Two batches (B, 3, H, W) in [0, 1] -> (B,): the LPIPS distance of one layer at the pictures' own size."""


class Autoencoder(Protocol):
    """What is asked of a checkpoint here; every `DiffusionModel` has it."""

    stride: int
    """Sides must be multiples of it, in pixels."""

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> latents (B, C, h, w), without randomness."""
        ...

    def decode(self, state: Tensor) -> Tensor:
        """Latents -> (B, 3, H, W) in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class Losses:
    """One picture under one autoencoder."""

    first: float
    """Mean squared difference between the picture and its reconstruction, values in [0, 1]."""
    second: float
    """The same between the reconstruction and its own reconstruction."""
    layer: float
    """LPIPS distance in `LAYER` between the picture and its reconstruction."""

    @property
    def ratio(self) -> float:
        """First over second: `loss_ratio`."""
        return loss_ratio(self.first, self.second)


def on_grid(picture: Tensor, stride: int) -> Tensor | Absent:
    """The part of a picture (1, 3, H, W) that is put through: whole cells, at most `LIMIT` a side, never resampled."""
    height, width = picture.shape[-2:]
    least = max(stride, SMALLEST)
    if min(height, width) < least:
        return Absent(
            "autoencoder reconstruction",
            f"The picture has {width} × {height} pixels; the autoencoder needs at least {least} on each side.",
        )
    sides = [min(side, max(LIMIT, stride)) // stride * stride for side in (height, width)]
    top, left = ((full - side) // 2 // stride * stride for full, side in zip((height, width), sides, strict=True))
    return picture[..., top : top + sides[0], left : left + sides[1]]


@torch.no_grad()
def losses(pictures: Sequence[Tensor], autoencoder: Autoencoder, layer_error: LayerError) -> list[Losses]:
    """The losses of pictures (1, 3, H, W) in [0, 1] whose sides are multiples of the stride; one at a time.

    The reconstruction is rounded to 8 bits before it is encoded again: the picture under examination was stored so.
    """
    rows = []
    for picture in pictures:
        once = _stored(autoencoder.decode(autoencoder.encode(picture)))
        twice = _stored(autoencoder.decode(autoencoder.encode(once)))
        rows.append(
            Losses(
                float((picture - once).double().square().mean()),
                float((once - twice).double().square().mean()),
                float(layer_error(picture, once)[0]),
            )
        )
    return rows


def _stored(batch: Tensor) -> Tensor:
    return (batch.float().cpu().clamp(0, 1) * 255).round() / 255
