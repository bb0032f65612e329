"""Cosine of image embeddings: subject and idea, nothing else.

A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021. Two photographs
of one landmark score as high as a reproduction, and the scale belongs to the model: the number is only read beside the
same number for controls.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from forensics.case import Better, Metric
from forensics.embedders.open_clip import Embedder
from forensics.similarity.inputs import check, found


class Clip:
    """Cosine similarity of unit image embeddings."""

    needs: ClassVar[tuple[str, ...]] = ("embedder",)

    def __init__(self, embedder: Embedder) -> None:
        """Measure with this model; its name, digest and preprocessing become part of the protocol."""
        self._embedder = embedder
        self.facts = Metric(
            name="clip",
            title="CLIP similarity: subject and idea only",
            version=f"open_clip/1 {embedder.digest[:12]}",
            better=Better.HIGHER,
            low=-1.0,
            high=1.0,
            answers="Do the two pictures show a similar subject or idea, as an image-and-text model represents it?",
            silent=(
                "It does not measure the agreement of detail: different pictures of one subject score high. "
                "Its scale belongs to the model, so that the number is informative only beside the controls."
            ),
            protocol=(
                f"Cosine of unit image embeddings of the open_clip model {embedder.name} (digest {embedder.digest}); "
                f"{embedder.preprocessing.sentence}; no alignment; network in float32, cosine summed in float64."
            ),
            reference=(
                "A. Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021; "
                "implementation: open_clip."
            ),
        )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64 in [-1, 1]. Raises ValueError on wrong shape or range."""
        check(a, b)
        x, y = (self._vectors(t) for t in (a, b))
        cosine = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
        return cosine.clamp(-1, 1)

    def _vectors(self, batch: Tensor) -> Tensor:
        """(B, D) float64, made once of a picture that is measured against many while it is `held`."""
        return found(
            batch,
            f"embedding {self._embedder.digest}",
            lambda: torch.from_numpy(self._embedder.images(batch)).double(),
        )
