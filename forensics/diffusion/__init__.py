"""Checkpoints: what they are (`identify`, from headers alone, no torch) and how they run (`load`).

A new architecture is one file with `load(checkpoint, device) -> DiffusionModel`, one row here, and its marks in
`families`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forensics.case import Checkpoint
from forensics.diffusion.checkpoint import identify
from forensics.registry import Registry

if TYPE_CHECKING:
    from forensics.device import Device
    from forensics.diffusion.base import DiffusionModel

ARCHITECTURES: Registry[Callable[[Checkpoint, Device], DiffusionModel]] = Registry(
    "architecture family",
    {
        "sd": "forensics.diffusion.sd:load",
    },
)
"""Architecture family -> its loader."""


def load(checkpoint: Checkpoint, device: Device) -> DiffusionModel:
    """The identified checkpoint, on the device, ready to run.

    Raises:
        CheckpointError: the files are gone, have changed size since they were hashed, or do not fit together.
    """
    return ARCHITECTURES.load(checkpoint.family)(checkpoint, device)


__all__ = ["ARCHITECTURES", "identify", "load"]
