"""GGUF files of a denoising network: identified from their headers, and taken back to plain numbers when loaded.

The package of the format's makers reads and unrounds them, in float32. diffusers' own quantisation computes the same on
the way through each layer, but in float16, takes the publisher's names for one width of FLUX alone, and leaves nothing
that a LoRA could be merged into. The memory here is that of the unrounded network.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forensics.case import Fact
from forensics.diffusion.headers import Header
from forensics.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SUFFIX = ".gguf"
_SHAPE = "comfy.gguf.orig_shape."
"""Before the name of a tensor that was stored as a matrix: its own shape."""
_PLAIN = ("F64", "F32", "F16", "BF16")
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error, MemoryError)
_LONGEST = 1000
"""Letters of a statement that are kept; longer ones are vocabularies."""


def is_gguf(path: Path) -> bool:
    """Whether a file is one by its name."""
    return path.suffix.lower() == SUFFIX


def header(path: Path) -> Header:
    """What the file says of itself. Raises CheckpointError: not to be read, or the package is not at hand."""
    reader = _opened(path)
    try:
        shapes = {tensor.name: _shape(tensor, reader) for tensor in reader.tensors}
        kinds = {tensor.name: str(tensor.tensor_type.name) for tensor in reader.tensors}
        stated = {name: _text(field) for name, field in reader.fields.items() if not name.startswith(_SHAPE)}
    except _BROKEN as exc:
        raise _damaged(path) from exc
    return Header(shapes, {name: text for name, text in stated.items() if text}, kinds)


def tensors(path: Path, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning, as plain numbers. Raises CheckpointError."""
    reader = _opened(path)
    import torch  # which identification does without
    from gguf import dequantize

    found = {}
    try:
        for tensor in reader.tensors:
            if tensor.name.startswith(prefix):
                plain = dequantize(tensor.data, tensor.tensor_type)
                values = torch.from_numpy(np.array(plain, dtype=np.float32))
                found[tensor.name.removeprefix(prefix)] = values.reshape(_shape(tensor, reader)).to(dtype)
    except (*_BROKEN, NotImplementedError, RuntimeError) as exc:
        raise CheckpointError(
            f"The numbers of {path.name} could not be read ({str(exc)[:80]}).",
            hint="Get the publisher's .safetensors file, or a GGUF file of a common kind (Q8_0, Q4_K).",
        ) from exc
    return found


def said(kinds: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> Fact:
    """That the weights are rounded, to how many bits, and what follows."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    counts: dict[str, int] = {}
    for name, kind in kinds.items():
        counts[kind] = counts.get(kind, 0) + math.prod(shapes[name])
    every = sum(counts.values())
    rows = []
    for kind, count in sorted(counts.items(), key=lambda item: -item[1]):
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
        rows.append(f"{kind} ({8 * size / block:.3g} bits a value) for {count / every:.1%}")
    rounded = any(kind not in _PLAIN for kind in counts)
    end = (
        "; what this rounding forgot of a work is not in these weights, whatever the unrounded ones hold. Unrounded "
        "again when loaded, so that memory is that of a whole network"
    )
    return Fact("number format of the file", f"GGUF: {', '.join(rows)}{end if rounded else ''}")


def _opened(path: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as exc:
        raise CheckpointError(
            f"{path.name} is a GGUF file, and the package that reads them is not installed.",
            hint="Install the extra: pip install 'forensics[gguf]' (it brings gguf). The publisher's .safetensors file "
            "needs none.",
        ) from exc
    try:
        return GGUFReader(path)
    except OSError as exc:
        raise CheckpointError(f"{path} cannot be read: {exc.strerror}.", hint="Check the path.") from exc
    except _BROKEN as exc:
        raise _damaged(path) from exc


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} is no GGUF file that can be read, or a part of one.",
        hint="The file is damaged or incomplete: fetch it again and compare its SHA-256 with the publisher's.",
    )


def _shape(tensor: Any, reader: Any) -> tuple[int, ...]:
    """Outer sides first, as everywhere else; the format has them the other way round."""
    field = reader.fields.get(f"{_SHAPE}{tensor.name}")
    if field is not None:
        return tuple(int(field.parts[place][0]) for place in field.data)
    return tuple(int(side) for side in reversed(tensor.shape))


def _text(field: Any) -> str:
    """A statement as text; empty for lists."""
    value = field.contents()
    return str(value)[:_LONGEST] if isinstance(value, str | int | float | bool) else ""


__all__ = ["SUFFIX", "header", "is_gguf", "said", "tensors"]
