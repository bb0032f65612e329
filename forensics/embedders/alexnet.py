"""The five convolutions of AlexNet that ship for LPIPS, once for two uses.

The perceptual distance compares their maps place by place, the copy descriptor pools them over the whole picture.

A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; weights of torchvision (row
`lpips-alexnet` of `forensics.weights`), trained on ImageNet, frozen here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

CONVOLUTIONS = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))
"""Number of the layer in torchvision's `features`, stride, padding; a rectifier follows each of them."""
CHANNELS = (64, 192, 384, 256, 256)
"""Of each map, in the same order."""
WEIGHTS = "lpips-alexnet"
"""Row of `forensics.weights.TABLE`."""
_POOLED = (3, 6)
"""Layers whose input is reduced first: the largest of 3 × 3 places, every second one."""
_KERNELS = (11, 5, 3, 3, 3)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def sides(layer: int, side: int) -> int:
    """Places along a side of a map, counted from 1, for pictures of `side` pixels; 0 where there are none."""
    for number, (index, stride, padding) in enumerate(CONVOLUTIONS, 1):
        if index in _POOLED:
            side = (side - 3) // 2 + 1
        side = (side + 2 * padding - _KERNELS[number - 1]) // stride + 1
        if number == layer:
            return max(0, side)
    raise IndexError(f"AlexNet has {len(CONVOLUTIONS)} maps, not {layer}")


class Trunk:
    """Frozen; float32 on one device."""

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        """From torchvision's names, `features.{N}.weight` and `.bias`. Raises KeyError where one is missing."""
        where = device or torch.device("cpu")
        self._weights = {
            number: tuple(weights[f"features.{number}.{part}"].float().to(where) for part in ("weight", "bias"))
            for number, _, _ in CONVOLUTIONS
        }
        self._shift, self._scale = (torch.tensor(v, device=where)[None, :, None, None] for v in (_SHIFT, _SCALE))

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> the five feature maps (B, C, h, w), with gradients where the caller asks."""
        h = (2 * pixels - 1 - self._shift) / self._scale
        found = []
        for number, stride, padding in CONVOLUTIONS:
            if number in _POOLED:
                h = F.max_pool2d(h, 3, 2)
            weight, bias = self._weights[number]
            h = F.relu(F.conv2d(h, weight, bias, stride, padding), inplace=True)
            found.append(h)
        return found
