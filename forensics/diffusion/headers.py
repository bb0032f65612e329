"""Reading weight files without loading weights: safetensors headers and digests.

A safetensors file is 8 bytes (header length, little-endian), a JSON header, then the data; the offsets in the header
say how long the file must be, so truncation shows without reading it (safetensors format description, "Format").
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path

from forensics import foreign, inputs
from forensics.case import FileDigest
from forensics.errors import CheckpointError

_MAX_HEADER = 16 * foreign.MIB
"""Bytes. The reference implementation allows 100 million, which take a gigabyte to parse; the longest header of a
published image model has less than one."""
_MAX_JSON = 64 * foreign.MIB
"""Bytes; the longest is the table of a tokenizer."""
SOURCE = "converted_from_sha256"
"""Key in the metadata of a converted file: SHA-256 of the pickle file that it was made of."""
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
"""Suffixes of files that run code when they are opened."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says about itself."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    """The free `__metadata__` entries, for instance `modelspec.architecture`."""
    kinds: dict[str, str] = field(default_factory=dict)
    """Tensor -> number format as the file has it: `F16`, `BF16`, `F8_E4M3` and so on."""

    def parameters(self, prefix: str = "") -> int:
        """Number of scalars in the tensors whose name begins with `prefix`."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if name.startswith(prefix))


def read_header(path: Path) -> Header:
    """The header of a safetensors file.

    Raises:
        CheckpointError: not there, not a safetensors file, damaged, or shorter than its header says.
    """
    damaged = "The file is damaged or incomplete: fetch it again and compare its SHA-256 with the publisher's."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(8)
            length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise CheckpointError(f"{path.name} is not a complete safetensors file.", hint=damaged)
            text = file.read(length)
    except OSError as exc:
        raise CheckpointError(f"{path} cannot be read: {exc.strerror}.", hint="Check the path.") from exc
    try:
        entries = foreign.parse(text, depth=8)
        metadata = {str(k): str(v) for k, v in (entries.pop("__metadata__", None) or {}).items()}
        shapes = {name: tuple(_extent(n) for n in entry["shape"]) for name, entry in entries.items()}
        kinds = {name: str(entry["dtype"]) for name, entry in entries.items()}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as exc:
        raise CheckpointError(f"{path.name} has no readable safetensors header.", hint=damaged) from exc
    if 8 + length + end != size:
        raise CheckpointError(
            f"{path.name} is truncated: its header promises {8 + length + end} bytes, it has {size}.", hint=damaged
        )
    return Header(shapes, metadata, kinds)


def _extent(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a tensor has sides of whole numbers")
    return value


def file_digest(path: Path, name: str) -> FileDigest:
    """SHA-256 of a file, streamed, recorded under `name` (relative, forward slashes)."""
    return FileDigest(name, inputs.sha256(path, CheckpointError), path.stat().st_size)


def combined_digest(files: tuple[FileDigest, ...]) -> str:
    """SHA-256 over the sorted lines "sha256  path": one name for the whole checkpoint, whatever folder it lies in."""
    lines = sorted(f"{f.sha256}  {f.path}\n" for f in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file of the checkpoint. Raises CheckpointError where it is missing or is not an object."""
    try:
        value = foreign.read_json(path, _MAX_JSON)
    except foreign.Unreadable as exc:
        said = f"{exc}" if path.exists() else "is missing"
        raise CheckpointError(f"{path} {said}.", hint="Fetch the checkpoint again.") from exc
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object.", hint="Fetch the checkpoint again.")
    return value
