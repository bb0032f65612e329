"""Checkpoints: what they are (`identify`, from headers alone, no torch) and how they run (`load`).

A new architecture is one file with a model class and one row of `families.FAMILIES`; what its single files look like
stands in `marks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forensics.case import Checkpoint
from forensics.diffusion.checkpoint import identify
from forensics.diffusion.families import FAMILIES
from forensics.diffusion.wishes import Wishes
from forensics.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from forensics.device import Device
    from forensics.diffusion.base import DiffusionModel
    from forensics.diffusion.parts import Parts

ARCHITECTURES: Registry[Callable[[Checkpoint, Device, Parts], DiffusionModel]] = Registry(
    "architecture family", {row.name: row.model for row in FAMILIES}
)
"""Architecture family -> its model, made of an identified checkpoint, a device and the parts that were read."""


def load(checkpoint: Checkpoint, device: Device) -> DiffusionModel:
    """The identified checkpoint, on the device, ready to run.

    Raises:
        CheckpointError: the files are gone, have changed size since they were hashed, or do not fit together.
    """
    model = ARCHITECTURES.load(checkpoint.family)
    from forensics.diffusion.read_parts import load_parts  # takes torch, which identification does without

    return model(checkpoint, device, load_parts(checkpoint, device.dtype))


__all__ = ["ARCHITECTURES", "Wishes", "identify", "load"]
