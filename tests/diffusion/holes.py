"""Safetensors files that are a header and a hole: identification reads no further."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

LDM = "model.diffusion_model."
OLD_TEXT = "cond_stage_model.transformer.embeddings.token_embedding.weight"
TEXT = {
    "1": "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "2": "cond_stage_model.model.token_embedding.weight",
}
VAE = {
    "first_stage_model.encoder.conv_in.weight": (8, 3, 3, 3),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}
_BYTES = {"F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "F16": 2, "BF16": 2, "F32": 4}

Shapes = dict[str, tuple[int, ...]]


def write(
    path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None, kind: str = "F16"
) -> Path:
    """A file with these shapes; `kind` is the number format of every tensor."""
    entries: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * _BYTES[kind]
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def sd(version: str = "1", channels: int = 4, *, vae: bool = True, text: str | None = None) -> Shapes:
    """The tensors that tell a generation of Stable Diffusion, at small widths."""
    shapes: Shapes = {
        f"{LDM}input_blocks.0.0.weight": (8, channels, 3, 3),
        f"{LDM}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 768 if version == "1" else 1024),
    }
    named = TEXT[version] if text is None else text
    return shapes | (VAE if vae else {}) | ({named: (16, 8)} if named else {})


def sdxl(*, refiner: bool = False, vae: bool = True, texts: bool = True) -> Shapes:
    """The same of XL."""
    shapes: Shapes = {
        f"{LDM}input_blocks.0.0.weight": (8, 4, 3, 3),
        f"{LDM}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, 1280 if refiner else 2048),
        f"{LDM}label_emb.0.0.weight": (8, 2560 if refiner else 2816),
    }
    first = {"conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (16, 8)}
    second = {f"conditioner.embedders.{0 if refiner else 1}.model.token_embedding.weight": (16, 8)}
    return shapes | (VAE if vae else {}) | ((second if refiner else first | second) if texts else {})


def flux(prefix: str = "", channels: int = 64, *, dev: bool = True) -> Shapes:
    """The same of FLUX.1 in the publisher's names."""
    shapes: Shapes = {
        f"{prefix}double_blocks.0.img_attn.qkv.weight": (24, 8),
        f"{prefix}img_in.weight": (8, channels),
        f"{prefix}vector_in.in_layer.weight": (8, 768),
    }
    return shapes | ({f"{prefix}guidance_in.in_layer.weight": (8, 256)} if dev else {})


def sd3(prefix: str = LDM) -> Shapes:
    """The same of SD 3."""
    return {
        f"{prefix}joint_blocks.0.context_block.attn.qkv.weight": (24, 8),
        f"{prefix}x_embedder.proj.weight": (8, 16, 2, 2),
    }
