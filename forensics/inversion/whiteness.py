"""Is a latent a draw of standard normal noise? One outside the band carries a message.

Inverted latents are known to be correlated in flat areas (Staniszewski et al. 2024), so the question is asked of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEVEL = 0.99
"""Coverage of both bands."""


@dataclass(frozen=True, slots=True)
class Whiteness:
    """Energy and lag-1 autocorrelation of one latent, each with its band under N(0, I)."""

    energy: float
    """||z||² / dims; 1 is expected."""
    energy_band: tuple[float, float]
    correlation: float
    """Mean product of neighbouring cells over the mean square, horizontal and vertical, in [-1, 1]; 0 is expected."""
    correlation_band: tuple[float, float]

    @property
    def inside(self) -> bool:
        """Whether both lie in their bands, as 99 of 100 draws would for each."""
        return (
            self.energy_band[0] <= self.energy <= self.energy_band[1]
            and self.correlation_band[0] <= self.correlation <= self.correlation_band[1]
        )


def whiteness(z: Tensor) -> Whiteness:
    """Of one latent (C, h, w), h and w at least 2.

    The energy of a draw is chi-squared over its degrees of freedom, exactly. The products of neighbours are
    uncorrelated with variance 1, so their mean over m pairs is normal with variance 1/m (central limit).
    """
    z = z.double().cpu()
    dims = z.numel()
    square = float(z.square().mean())
    products = torch.cat([(z[:, :, 1:] * z[:, :, :-1]).flatten(), (z[:, 1:] * z[:, :-1]).flatten()])
    tail = (1 - LEVEL) / 2
    from scipy import stats  # takes most of a second, and few commands come here

    low, high = (float(stats.chi2.ppf(q, dims)) / dims for q in (tail, 1 - tail))
    half = float(stats.norm.ppf(1 - tail)) / products.numel() ** 0.5
    return Whiteness(square, (low, high), float(products.mean()) / square if square else 0.0, (-half, half))
