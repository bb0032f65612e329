"""Cosine of copy-detection descriptors, and the same less what a query reaches on unrelated works.

E. Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022. The descriptor is trained to place
edited renderings of one picture near each other; which one measures, and how a picture becomes its vector, is part of
the protocol. `Background` holds the score normalisation of section 4.4 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from forensics.case import Better, Metric
from forensics.embedders.copies import NEIGHBOURS, CopyDescriptor, background_similarity
from forensics.similarity.inputs import check, found, singly


class Descriptor:
    """Cosine similarity of the unit vectors of one descriptor."""

    needs: ClassVar[tuple[str, ...]] = ("descriptor",)

    def __init__(self, descriptor: CopyDescriptor) -> None:
        """Measure with this model; its name, digest and preparation become part of the protocol."""
        self._descriptor = descriptor
        self.facts = Metric(
            name="descriptor",
            title="Descriptor of edited renderings (SSCD and its kind)",
            version=f"{descriptor.name}/{descriptor.version} {descriptor.digest[:12]}",
            better=Better.HIGHER,
            low=-1.0,
            high=1.0,
            answers="Would a search for edited renderings of the one picture return the other?",
            silent=(
                "A low value does not say that nothing corresponds: at the point where nine of ten returns are right, "
                "the published descriptor finds little more than a third of the edited renderings of its benchmark. "
                "Some pictures lie near many, so that the number is informative only beside the same number on works "
                "known to be unrelated."
            ),
            protocol=(
                f"Cosine of unit vectors of the descriptor {descriptor.name}, version {descriptor.version} (digest "
                f"{descriptor.digest}): {descriptor.protocol}; no alignment; network in float32, cosine in float64."
            ),
            reference=(
                "E. Pizzi, S. Dutta Roy, S. N. Ravindra, P. Goyal, M. Douze, A Self-Supervised Descriptor for Image "
                "Copy Detection, CVPR 2022."
            ),
        )

    @property
    def model(self) -> CopyDescriptor:
        """The descriptor itself, for vectors that are kept."""
        return self._descriptor

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64 in [-1, 1]. Raises ValueError on wrong shape or range."""
        check(a, b)
        # One picture at a time: a value must not depend on which others share its batch.
        rows = [cosine(self.vector(x), self.vector(y)) for x, y in zip(singly(a), singly(b), strict=True)]
        return torch.stack(rows) if rows else torch.zeros(0, dtype=torch.float64)

    def vector(self, pixels: Tensor) -> Tensor:
        """(D,) float64 of norm 1 for a picture (1, 3, H, W)."""
        return found(pixels, f"vector {self._descriptor.digest}", lambda: self._descriptor.embed(pixels)[0].double())


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """() float64 in [-1, 1] of two vectors (D,)."""
    return (a @ b / (a.norm() * b.norm())).clamp(-1, 1)


@dataclass(frozen=True, slots=True)
class Normalised:
    """One cosine beside what the disputed image, and the work, reach on unrelated works."""

    cosine: float
    background: float
    """Mean cosine of the disputed image to its three nearest unrelated works."""
    k: int
    """Unrelated works that lie as near to the work as the disputed image does."""
    n: int

    @property
    def value(self) -> float:
        """The normalised score: about 0 or below where nothing is remarkable."""
        return self.cosine - self.background


class Background:
    """Works known to be unrelated to what is examined, as vectors of one descriptor."""

    def __init__(self, measure: Descriptor, works: Sequence[Tensor]) -> None:
        """Describe the works (1, 3, H, W). Raises ValueError for fewer than three of them."""
        if len(works) < NEIGHBOURS:
            raise ValueError(f"{len(works)} unrelated works, at least {NEIGHBOURS} are needed")
        self._measure = measure
        self._vectors = torch.stack([measure.vector(pixels) for pixels in works])

    def normalise(self, disputed: Tensor, work: Tensor) -> Normalised:
        """The disputed image (1, 3, H, W) and a work."""
        query, reference = (self._measure.vector(pixels) for pixels in (disputed, work))
        own = float(cosine(query, reference))
        reached = self._vectors @ reference
        return Normalised(
            own,
            float(background_similarity(query[None], self._vectors)[0]),
            int((reached >= own).sum()),
            len(self._vectors),
        )
