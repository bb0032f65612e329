"""The distance of two pictures tile by tile, so that a large plain background cannot hide that the rest differs.

N. Carlini et al., "Extracting Training Data from Diffusion Models", USENIX Security 2023, section 4.2: both pictures
are cut into 16 tiles, and the root mean square of the differences of values in [0, 1] is taken in each.
"""

from __future__ import annotations

from torch import Tensor

TILES = 4
"""Tiles along each side."""


def tile_distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, 3, H, W) and (N or 1, 3, H, W) in [0, 1] -> (N, 4, 4) float64 in [0, 1]: of each tile.

    Raises:
        ValueError: the sides are not multiples of four.
    """
    height, width = a.shape[-2:]
    if height % TILES or width % TILES:
        raise ValueError(f"{height} x {width} pixels cannot be cut into {TILES} x {TILES} equal tiles")
    squared = (a.double() - b.double()).square()
    tiles = squared.unflatten(3, (TILES, width // TILES)).unflatten(2, (TILES, height // TILES))  # (N, 3, 4, h, 4, w)
    return tiles.mean(dim=(1, 3, 5)).sqrt()
