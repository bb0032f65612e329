"""Uniform quantisation with its price: how few bits a searched vector can be told in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SCALE_BITS = 64
"""Centre and step of the grid, two float32 numbers, charged once for each quantised vector."""
_CLIPS = 40
"""Widths of the grid that are tried, from a fortieth of the range to all of it."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """A tensor told in a fixed number of bits per value."""

    codes: Tensor
    """int64, of the tensor's shape, in 0 .. 2^bits - 1."""
    values: Tensor
    """float32, of the same shape: centre + (code - (2^bits - 1) / 2) · step."""
    bits: int
    """Per value."""

    @property
    def price(self) -> float:
        """Bits of all values at a fixed rate, with the scale."""
        return float(self.codes.numel() * self.bits + SCALE_BITS)

    @property
    def entropy(self) -> float:
        """Bits of all values under an ideal code for the codes' own frequencies, without the table of these."""
        counts = torch.bincount(self.codes.flatten()).double()
        share = counts[counts > 0] / counts.sum()
        return float(-(share * share.log2()).sum()) * self.codes.numel()


def quantise(values: Tensor, bits: int) -> Quantised:
    """On a uniform grid of 2^bits points about the mean, its width the one with the least squared error.

    Values beyond the grid are told as its ends.

    Raises:
        ValueError: bits outside 1..16.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits must lie in 1..16, got {bits}")
    x = values.detach().float()
    levels = 2**bits
    centre = x.mean()
    reach = float((x - centre).abs().max())
    if reach == 0:
        return Quantised(torch.zeros_like(x, dtype=torch.int64), x.clone(), bits)
    best: Quantised | None = None
    least = math.inf
    for width in range(1, _CLIPS + 1):
        step = 2 * reach * width / _CLIPS / levels
        codes = ((x - centre) / step + (levels - 1) / 2).round().clamp(0, levels - 1)
        told = centre + (codes - (levels - 1) / 2) * step
        error = float((told - x).square().sum())
        if error < least:
            best, least = Quantised(codes.long(), told, bits), error
    assert best is not None
    return best
