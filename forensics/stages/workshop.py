"""What examinations work with, opened once for those that come one after the other.

Opening is most of what an examination costs beside its measurements: weights are hashed and read, networks built, an
index opened. Nothing that is opened here enters a result but through the digest that names it, so a case is the same
whether a workshop was fresh or had served others. Whether a file is still the one that was hashed is asked again for
every case, by the identity of the file on the disk; where it is another, it is opened anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from forensics import diffusion, inputs
from forensics.case import Checkpoint
from forensics.device import Device, memory_gib
from forensics.diffusion.base import DiffusionModel
from forensics.pictures.tensors import digest

T = TypeVar("T")
DESCRIBED = 4096
"""Descriptions of pictures that are kept: those of an index's works come back in every case, some 80 KB each."""


@dataclass(slots=True)
class Workshop:
    """Things opened once; by default nothing is kept, and every examination opens its own."""

    keeps: bool = False
    """Whether what was opened serves the next examination too. Without it one network is in memory at a time."""
    _things: dict[Hashable, tuple[Any, Mapping[Path, inputs.Seen]]] = field(default_factory=dict)
    _models: dict[Hashable, DiffusionModel] = field(default_factory=dict)
    _described: dict[tuple[str, str], Any] = field(default_factory=dict)

    def once(self, key: Hashable, opened: Callable[[], T]) -> T:
        """What `opened` gives, or gave for this key before, as long as every file that it named is what it was.

        Args:
            key: everything that the result depends on beside the files themselves.
        """
        if not self.keeps:
            return opened()
        if (found := self._things.get(key)) is not None and inputs.again(found[1]):
            kept: T = found[0]
            return kept
        with inputs.gathered() as seen:
            made = opened()
        self._things[key] = made, seen
        return made

    def model(
        self, checkpoint: Checkpoint, device: Device, prompts: Sequence[tuple[str, float]] | None = None
    ) -> DiffusionModel:
        """The identified checkpoint, ready to run; see `diffusion.load`. Others are let go where memory is short.

        Raises:
            CheckpointError: as there.
        """
        if not self.keeps:
            return diffusion.load(checkpoint, device, prompts)
        # The digest is that of the very bytes: files that changed since are another checkpoint.
        key = checkpoint.location, checkpoint.digest, checkpoint.lora, device
        if (found := self._models.get(key)) is not None:
            diffusion.announce(found, prompts or ())
            return found
        if self._models and memory_gib(device) < 2 * _gib(checkpoint, device):
            self._models.clear()
        self._models[key] = diffusion.load(checkpoint, device, prompts)
        return self._models[key]

    def describing(self, name: str, describe: Callable[[Tensor], T]) -> Callable[[Tensor], T]:
        """`describe`, which is not done again for a picture (1, 3, H, W) of equal pixels.

        Args:
            name: of the description, with its version and the weights behind it.
            describe: a function of the pixels alone.
        """
        if not self.keeps:
            return describe

        def described(pixels: Tensor) -> T:
            key = name, digest(pixels)
            if key not in self._described:
                if len(self._described) >= DESCRIBED:
                    return describe(pixels)
                self._described[key] = describe(pixels)
            kept: T = self._described[key]
            return kept

        return described


def _gib(checkpoint: Checkpoint, device: Device) -> float:
    """Memory that the weights take at most: files in half precision are twice as large in float32."""
    widened = 2 if device.precision == "fp32" else 1
    return widened * sum(file.size_bytes for file in checkpoint.files) / 2**30
