"""What a measure of likeness is: a callable on two batches, with its protocol stated in a `Metric`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from forensics.case import Metric


class Similarity(Protocol):
    """One measure. Pictures of different sizes are brought together by the measure's own stated protocol."""

    facts: Metric

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B, 3, Ha, Wa) and (B, 3, Hb, Wb) in [0, 1] -> (B,) float64. Raises ValueError on wrong shape or range."""
        ...
