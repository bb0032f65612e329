"""Measures of likeness. A new one is a new file and a new row; the contract tests and the report find it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forensics.errors import WeightsError
from forensics.registry import Registry
from forensics.similarity.base import Similarity

if TYPE_CHECKING:
    from forensics.embedding import Embedder

METRICS: Registry[Callable[..., Similarity]] = Registry(
    "measure of likeness",
    {
        "ssim": "forensics.similarity.ssim:Ssim",
        "lpips": "forensics.similarity.lpips:Lpips",
        "tiled": "forensics.similarity.tiled:Tiled",
        "clip": "forensics.similarity.clip:Clip",
    },
)
"""Classes whose `needs` names what their constructor takes: `embedder`, or nothing."""


def load(name: str, *, embedder: Embedder | None = None) -> Similarity:
    """The measure called `name`, ready to use.

    Raises:
        SettingsError: no such row.
        WeightsError: it needs weights or an embedder that are not at hand.
    """
    factory = METRICS.load(name)
    if "embedder" not in getattr(factory, "needs", ()):
        return factory()
    if embedder is None:
        raise WeightsError(
            f"The measure {name!r} needs an image embedding model and none is at hand.",
            hint="Name an open_clip model (MODEL/PRETRAINED) or a folder that holds one.",
        )
    return factory(embedder=embedder)


__all__ = ["METRICS", "Similarity", "load"]
