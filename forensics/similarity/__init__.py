"""Measures of likeness. A new one is a new file and a new row; the contract tests and the report find it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forensics.errors import WeightsError
from forensics.registry import Registry
from forensics.similarity.base import Similarity

if TYPE_CHECKING:
    from forensics.embedders.copies import CopyDescriptor
    from forensics.embedders.open_clip import Embedder

METRICS: Registry[Callable[..., Similarity]] = Registry(
    "measure of likeness",
    {
        "ssim": "forensics.similarity.ssim:Ssim",
        "lpips": "forensics.similarity.lpips:Lpips",
        "aligned": "forensics.similarity.aligned:Aligned",
        "tiled": "forensics.similarity.tiled:Tiled",
        "descriptor": "forensics.similarity.descriptor:Descriptor",
        "clip": "forensics.similarity.clip:Clip",
    },
)
"""Classes whose `needs` names what their constructor takes: `embedder`, `descriptor`, or nothing."""


def load(name: str, *, embedder: Embedder | None = None, descriptor: CopyDescriptor | None = None) -> Similarity:
    """The measure called `name`, ready to use.

    Raises:
        SettingsError: no such row.
        WeightsError: it needs weights, an embedder or a descriptor that are not at hand.
    """
    factory = METRICS.load(name)
    needs = getattr(factory, "needs", ())
    if "embedder" in needs and embedder is None:
        raise WeightsError(
            f"The measure {name!r} needs an image embedding model and none is at hand.",
            hint="Run `forensics weights fetch --recommended` once, or name an open_clip model (MODEL/PRETRAINED) or a "
            "folder that holds one.",
        )
    if "descriptor" in needs and descriptor is None:
        raise WeightsError(
            f"The measure {name!r} needs a descriptor of edited renderings and none is at hand.",
            hint="Run `forensics weights fetch sscd/disc_mixup`, or install the package with its samples.",
        )
    given = {"embedder": embedder, "descriptor": descriptor}
    return factory(**{need: given[need] for need in needs})


__all__ = ["METRICS", "Similarity", "load"]
