"""Vectors of pictures that were described before: in this process, and the controls of the package at shipping.

A vector is a function of the descriptor and of the pixels alone, and computing one costs thousands of times what it
costs to recognise the pixels. Controls are described by every comparison, in several places of an examination.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, frombuffer, stack, uint8

from forensics import files
from forensics.errors import WeightsError
from forensics.pictures.tensors import digest


@dataclass(slots=True)
class Remembered:
    """Digest of the pixels of a picture -> its vector."""

    vectors: dict[str, Tensor] = field(default_factory=dict)
    limit: int = 4096
    """Vectors that are kept."""
    pixels: int = 1 << 23
    """Numbers of a picture above which it is described again: recognising it would cost what describing it does."""

    def of(self, pixels: Tensor, describe: Callable[[Tensor], Tensor]) -> Tensor:
        """What `describe` makes of pictures (B, 3, H, W); of one picture alone it may be remembered.

        Vectors of several at once are computed: a value must not depend on which others share its batch.
        """
        if len(pixels) != 1 or pixels.numel() > self.pixels:
            return describe(pixels)
        name = digest(pixels)
        if name not in self.vectors:
            if len(self.vectors) >= self.limit:
                return describe(pixels)
            self.vectors[name] = describe(pixels)
        return self.vectors[name].clone()


def write(path: Path, descriptor: str, vectors: dict[str, Tensor]) -> None:
    """A file of vectors (1, D); equal vectors give equal bytes.

    Args:
        descriptor: digest of what made them.
        vectors: by the digests of the pixels.
    """
    names = sorted(vectors)
    tensors = {
        "pixels": stack([frombuffer(bytearray.fromhex(name), dtype=uint8) for name in names]),
        "vectors": stack([vectors[name][0] for name in names]),
    }
    files.write(path, save(tensors, {"descriptor": descriptor}))


def read(path: Path, descriptor: str) -> dict[str, Tensor]:
    """The vectors of a file of the package; none where there is no such file, or another descriptor made them.

    Raises:
        WeightsError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as stored:
            if (stored.metadata() or {}).get("descriptor") != descriptor:
                return {}
            names, vectors = stored.get_tensor("pixels"), stored.get_tensor("vectors").float()
        return {bytes(name.tolist()).hex(): vector[None] for name, vector in zip(names, vectors, strict=True)}
    except (OSError, SafetensorError, ValueError, TypeError) as exc:
        raise WeightsError(f"{path.name} could not be read.", hint="Install the package again.") from exc
