"""What the tensors of weight files hold, whatever they are called and however they are laid out.

One autoencoder goes about as a folder of diffusers, as a file in the publishers' names, inside whole checkpoints, and
in half precision. The digests of those files differ; this one does not, so that one autoencoder is not taken for two.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def weights_digest(files: Sequence[Path], prefixes: tuple[str, ...] = ("",)) -> str:
    """SHA-256 over the sorted digests of all tensors, each rounded to float16.

    Names and shapes do not enter: layouts call tensors differently, and some write a 1 × 1 convolution as a matrix.

    Args:
        files: safetensors files whose headers have been read before (`read_header`).
        prefixes: beginnings of the names of the tensors that count.
    """
    every = sorted(digest for path in files for digest in _digests(path, prefixes))
    return hashlib.sha256("\n".join(every).encode()).hexdigest()


def _digests(path: Path, prefixes: tuple[str, ...]) -> Iterator[str]:
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        entries: dict[str, Any] = json.loads(file.read(length))
        for name, entry in entries.items():
            if name != "__metadata__" and name.startswith(prefixes):
                begin, end = entry["data_offsets"]
                file.seek(8 + length + begin)
                yield hashlib.sha256(_rounded(file.read(end - begin), entry["dtype"])).hexdigest()


def _rounded(data: bytes, kind: str) -> bytes:
    if kind == "BF16":
        # The upper half of a float32.
        values: NDArray[Any] = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif kind in _TYPES:
        values = np.frombuffer(data, _TYPES[kind])
    else:
        return data
    with np.errstate(over="ignore"):
        return values.astype("<f2").tobytes()
