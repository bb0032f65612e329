"""When a picture counts as the target come back, unless the caller brings a test of its own (`Plan.reproduces`).

N. Carlini et al., "Extracting Training Data from Diffusion Models", USENIX Security 2023, section 4.2: both pictures
are cut into 16 tiles, and the root mean square difference of the two tiles that differ most must not exceed 0.15.
"""

from __future__ import annotations

from torch import Tensor

from forensics.pictures.tensors import resize
from forensics.pictures.tiles import TILES, tile_distances

NEAR = 0.15
"""The threshold of the publication, stated there for 512 × 512 pixels."""


def near_copy(pictures: Tensor, target: Tensor) -> Tensor:
    """(N, 3, H, W) and (1, 3, H, W) of one size -> (N,) bool."""
    return tiled_distance(pictures, target) <= NEAR


def tiled_distance(pictures: Tensor, target: Tensor) -> Tensor:
    """(N,) float64 in [0, 1]: the largest root mean square difference of two tiles at one place."""
    height, width = (max(TILES, side // TILES * TILES) for side in pictures.shape[-2:])
    a, b = (resize(t.cpu().float(), height, width) for t in (pictures, target))
    return tile_distances(a, b).amax(dim=(1, 2))
