"""A measure added by one file and one row: root mean square error, as scikit-image computes its square."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import torch
from skimage.metrics import mean_squared_error
from torch import Tensor

from forensics.case import Better, Metric
from forensics.similarity.inputs import SIZE_SENTENCE, common


class RootMeanSquare:
    """Root mean square difference of two whole pictures."""

    needs: ClassVar[tuple[str, ...]] = ()
    facts: Metric = Metric(
        name="rmse",
        title="Root mean square error, without alignment",
        version="skimage-mean_squared_error/1",
        better=Better.LOWER,
        low=0.0,
        high=1.0,
        answers="How far do the pixel values of the two pictures differ on the whole?",
        silent="A shift of a few pixels raises it although the content corresponds.",
        protocol=f"{SIZE_SENTENCE}; no alignment. Square root of the mean squared difference of sRGB values in [0, 1].",
        reference="S. van der Walt et al., scikit-image, PeerJ 2014.",
    )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64 in [0, 1]; 0 for equal pixels. Raises ValueError on wrong shape or range."""
        pairs = zip(*(t.double().numpy() for t in common(a, b)), strict=True)
        return torch.tensor([sqrt(mean_squared_error(x, y)) for x, y in pairs], dtype=torch.float64)
