"""GGUF files of tiny networks, by the writer of the format's own package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def write(path: Path, tensors: Mapping[str, Tensor], kind: str = "Q8_0", architecture: str = "flux") -> Path:
    """The tensors with matrices of whole blocks rounded to `kind`; the others in float32, as the tools leave them."""
    import gguf

    rounded = gguf.GGMLQuantizationType[kind]
    block = gguf.GGML_QUANT_SIZES[rounded][0]
    writer = gguf.GGUFWriter(path, architecture)
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        to = rounded if values.ndim == 2 and values.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(values, to), raw_dtype=to)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
