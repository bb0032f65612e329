"""The network of LPIPS: five feature maps of AlexNet, compared place by place and weighted by a linear head each.

R. Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, version 0.1. The
package `lpips` publishes the heads and computes the same sums, but builds torchvision's AlexNet for it, with random
weights and torch's compiler in tow: two seconds of every start. `tests/oracles/test_lpips_oracle.py` holds the two
against each other, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from forensics.embedders.alexnet import CONVOLUTIONS, Trunk

_EPSILON = 1e-10


class Network:
    """Frozen; float32 on the CPU."""

    def __init__(self, trunk: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        """From the published names: `features.{N}.weight` and `.bias`, `lin{k}.model.1.weight`.

        Raises KeyError where one is missing.
        """
        self._trunk = Trunk(trunk)
        self.heads = [heads[f"lin{k}.model.1.weight"].float() for k in range(len(CONVOLUTIONS))]
        """(1, C, 1, 1) each: weight of every channel of a map."""

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> the five feature maps (B, C, h, w), before any weighting."""
        return self._trunk.maps(pixels)

    def units(self, pixels: Tensor) -> list[Tensor]:
        """`maps` with features of length 1 at every place: all that a distance needs to know of a batch."""
        return [_unit(features) for features in self.maps(pixels)]

    def parts(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
        """(B,) of each feature map: what it adds to the distance of two batches, each as `units` gives it."""
        return [F.conv2d((x - y) ** 2, head).mean([1, 2, 3]) for x, y, head in zip(a, b, self.heads, strict=True)]


def _unit(features: Tensor) -> Tensor:
    """Features of length 1 at every place."""
    return features / (torch.sqrt(torch.sum(features**2, dim=1, keepdim=True)) + _EPSILON)
