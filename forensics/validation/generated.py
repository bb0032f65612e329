"""Pictures that a checkpoint made, and pictures of another autoencoder: what the question of origin is validated on.

The other autoencoder is made here, because a validation cannot count on a second one being at hand: a small one,
trained from nothing on the works that the checkpoint was trained on and tried on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image

from forensics.case import Absent
from forensics.device import noise
from forensics.inversion.regeneration import generate
from forensics.origin.reconstruction import LAYER, losses, on_grid
from forensics.pictures.tensors import fit, to_picture, to_tensor
from forensics.similarity.lpips import Lpips
from forensics.stages.given_back import STATISTICS
from forensics.validation.strangers import Other, small_autoencoder

SEED = 7
DRAW = "validation of origin"
_SIDE = 128
"""Pixels a side of the pictures that the other autoencoder learns from."""


class Maker:
    """Makes pictures, and puts pictures through the checkpoint's autoencoder as an examination does."""

    def __init__(self, model: Any, steps: int, guidance: float, works: Sequence[Image.Image], training: int) -> None:
        """
        Args:
            steps: of the sampler.
            works: what the other autoencoder is trained on.
            training: steps of that.
        """
        self.model, self.steps, self.guidance, self.works, self.training = model, steps, guidance, works, training

    @cached_property
    def lpips(self) -> Lpips:
        return Lpips()

    @cached_property
    def other(self) -> Other:
        """Trained in one thread: sums in another order would make another autoencoder."""
        pictures = [fit(to_tensor(work), _SIDE, 8)[0] for work in self.works]
        square = torch.cat([p for p in pictures if p.shape[-2:] == (_SIDE, _SIDE)])
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.enable_grad():
                return small_autoencoder(self.model, square, self.training, SEED, say=_silent)
        finally:
            torch.set_num_threads(threads)

    def made(self, caption: str, work: str, model: Any) -> Image.Image:
        """The picture that a checkpoint makes from a caption; its noise is drawn by the id of the work."""
        draw = noise(model.latent_shape(model.native_px, model.native_px), 0, DRAW, work)[None]
        return to_picture(generate(draw, model, model.condition(caption, self.guidance), self.steps))

    def given_back(self, picture: Image.Image) -> Image.Image:
        """The picture as the other autoencoder gives it back."""
        whole = on_grid(to_tensor(picture), self.model.stride)
        if isinstance(whole, Absent):
            raise ValueError(whole.reason)
        return to_picture(self.other.decode(self.other.encode(whole)).cpu())

    def reconstructed(self, picture: Image.Image) -> dict[str, float]:
        """The statistics of origin, by title; none of a picture that is too small."""
        whole = on_grid(to_tensor(picture), self.model.stride)
        if isinstance(whole, Absent):
            return {}
        row = losses([whole], self.model, lambda a, b: self.lpips.layer(a, b, LAYER))[0]
        return {title: float(f"{value(row):.6g}") for title, _, value in STATISTICS}


def _silent(*_: object, **__: object) -> None:
    return None
