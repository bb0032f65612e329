"""The largest pixel difference of any sixteenth of the picture.

N. Carlini et al., "Extracting Training Data from Diffusion Models", USENIX Security 2023, section 4.2: both pictures
are cut into 16 tiles and the largest distance of two tiles at the same place counts, so that a large plain background
cannot hide that the rest differs. Distances are root mean squares of the differences of values in [0, 1].
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from forensics.case import Better, Metric
from forensics.pictures import tiles
from forensics.pictures.tiles import TILES
from forensics.similarity.inputs import SIDE, SIZE_SENTENCE, common, same_size


def tile_distances(a: Tensor, b: Tensor) -> Tensor:
    """(B, 4, 4) float64 in [0, 1]: root mean square difference of each tile.

    Raises:
        ValueError: wrong shape or range, different sizes, or sides that are not multiples of four.
    """
    same_size(a, b)
    return tiles.tile_distances(a, b)


class Tiled:
    """Largest root mean square difference over 16 tiles."""

    needs: ClassVar[tuple[str, ...]] = ()
    facts: Metric = Metric(
        name="tiled",
        title="Tiled distance, without alignment",
        version="carlini-2023/1",
        better=Better.LOWER,
        low=0.0,
        high=1.0,
        answers="How far do the pixel values differ in the sixteenth of the picture that differs most?",
        silent=(
            "A shift of a few pixels, a crop, a mirror image or a change of brightness or colour raises it although "
            "the content corresponds. It responds to values of pixels, not to meaning, and not to fine detail."
        ),
        protocol=(
            f"{SIZE_SENTENCE}; no alignment. 4 × 4 tiles of {SIDE // TILES} × {SIDE // TILES} pixels; in each the root "
            "mean square difference of the sRGB values in [0, 1] over all pixels and channels; the largest of the 16; "
            "float64 on the CPU. The publication works at 512 × 512 pixels; values at other sizes are not comparable."
        ),
        reference=(
            "N. Carlini, J. Hayes, M. Nasr, M. Jagielski, V. Sehwag, F. Tramèr, B. Balle, D. Ippolito, E. Wallace, "
            "Extracting Training Data from Diffusion Models, USENIX Security Symposium 2023, section 4.2."
        ),
    )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64 in [0, 1]; 0 for equal pixels. Raises ValueError on wrong shape or range."""
        return tile_distances(*common(a, b)).amax(dim=(1, 2))
