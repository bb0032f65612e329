"""Checkpoints: what they are (`identify`, from headers alone, no torch) and how they run (`load`).

A new architecture is one file with a model class and one row of `families.FAMILIES`; what its single files look like
stands in `marks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forensics.case import Checkpoint
from forensics.diffusion.checkpoint import identify
from forensics.diffusion.families import family
from forensics.diffusion.wishes import Wishes
from forensics.registry import loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from forensics.device import Device
    from forensics.diffusion.base import DiffusionModel
    from forensics.diffusion.parts import Parts


def architecture(name: str) -> Callable[[Checkpoint, Device, Parts], DiffusionModel]:
    """What makes the model of a family, of an identified checkpoint, a device and the parts that were read.

    Raises:
        CheckpointError: there is no such row of `FAMILIES`.
    """
    return loaded(family(name).model)


def load(checkpoint: Checkpoint, device: Device) -> DiffusionModel:
    """The identified checkpoint, on the device, ready to run.

    Raises:
        CheckpointError: the files are gone, have changed size since they were hashed, or do not fit together.
    """
    model = architecture(checkpoint.family)
    from forensics.diffusion.read_parts import load_parts  # takes torch, which identification does without

    return model(checkpoint, device, load_parts(checkpoint, device.dtype))


__all__ = ["Wishes", "architecture", "identify", "load"]
