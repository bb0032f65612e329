"""Checkpoints: what they are (`identify`, from headers alone, no torch) and how they run (`load`).

A new architecture is one file with a model class and one row of `families.FAMILIES`; what its single files look like
stands in `marks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from forensics.case import Checkpoint
from forensics.diffusion.checkpoint import identify
from forensics.diffusion.families import family
from forensics.diffusion.wishes import Wishes
from forensics.registry import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forensics.device import Device
    from forensics.diffusion.base import DiffusionModel
    from forensics.diffusion.latent import LatentModel
    from forensics.diffusion.parts import Parts


def architecture(name: str) -> Callable[[Checkpoint, Device, Parts], Any]:
    """What makes the model of a family, of an identified checkpoint, a device and the parts that were read.

    Raises:
        CheckpointError: there is no such row of `FAMILIES`.
    """
    return loaded(family(name).model)


def load(
    checkpoint: Checkpoint,
    device: Device,
    prompts: Sequence[tuple[str, float]] | None = None,
    *,
    stay: bool | None = None,
) -> DiffusionModel:
    """The identified checkpoint, on the device, ready to run.

    Args:
        prompts: every prompt with its guidance that will be asked for, where that is known; none where it is not. The
            text encoders of large families then run before the network is read, and are let go: their memory and the
            network's are not needed at once. A prompt that was not announced reads them again, and they stay.
        stay: whether the network's weights stay in their files; by default where memory is short.

    Raises:
        CheckpointError: the files are gone, have changed size since they were hashed, or do not fit together.
    """
    model = architecture(checkpoint.family)
    from forensics.diffusion import read_parts  # takes torch, which identification does without

    stay = short_of_memory(checkpoint, device) if stay is None else stay
    if prompts is None or not family(checkpoint.family).lets_go:
        whole: DiffusionModel = model(checkpoint, device, read_parts.load_parts(checkpoint, device.dtype, stay=stay))
        return whole
    made: LatentModel = model(checkpoint, device, read_parts.without_network(checkpoint, device.dtype))
    made.take(prompts, read_parts.Later(checkpoint, device.dtype, stay))
    return made


def short_of_memory(checkpoint: Checkpoint, device: Device) -> bool:
    """Whether the network, widened to float32, would take more than half of the host memory that can be had.

    Its weights then stay in their files (`in_files`): slower by the time it takes to widen them at each pass, and equal
    to the last bit. On another device, or in another precision, they are read whole.
    """
    from forensics.device import memory_gib

    if device.is_cuda or device.precision != "fp32":
        return False
    return 4 * checkpoint.parameters / 2**30 > memory_gib(device) / 2


def announce(model: DiffusionModel, prompts: Sequence[tuple[str, float]]) -> None:
    """Say to a model that was loaded before which prompts with their guidance will be asked for now.

    Where its text encoders were let go they are read for the prompts that it does not know, and let go again.

    Raises:
        CheckpointError: as `load`.
    """
    if family(model.checkpoint.family).lets_go:
        latent = cast("LatentModel", model)
        latent.announce(prompts)


__all__ = ["Wishes", "announce", "architecture", "identify", "load"]
