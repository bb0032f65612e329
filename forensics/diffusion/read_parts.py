"""The parts of a checkpoint, read from a folder or a single file into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from forensics import inputs
from forensics.case import Checkpoint
from forensics.diffusion import configs, lora, schedule
from forensics.diffusion.checkpoint import resolve
from forensics.diffusion.headers import read_json
from forensics.diffusion.parts import TOKENIZERS, Parts, clip_tokenizer, network, quiet
from forensics.diffusion.weight_files import component_weights
from forensics.errors import CheckpointError


def load_parts(checkpoint: Checkpoint, dtype: torch.dtype) -> Parts:
    """The parts of a checkpoint, on the CPU: UNet and text encoder in `dtype`, the autoencoder in float32.

    The autoencoder always runs in float32: in float16 its activations overflow (a known fault of this decoder), and
    bfloat16 resolves less than one grey level, so that the round trip would measure the precision.

    Raises:
        CheckpointError: see `forensics.diffusion.load`.
    """
    root = resolve(checkpoint.location)
    _unchanged(checkpoint, root)
    with quiet():
        if checkpoint.layout == "single file":
            from forensics.diffusion import single_file_load

            parts = single_file_load.load(checkpoint, root, dtype)
        else:
            parts = _from_folder(checkpoint, root, dtype)
    if checkpoint.lora:
        lora.merge(lora.read(checkpoint.lora), {"unet": parts.unet, "text_encoder": parts.text_encoder})
    for name, part in (("unet", parts.unet), ("vae", parts.vae), ("text_encoder", parts.text_encoder)):
        configs.finite(part, f"{name} with its LoRA" if checkpoint.lora else name)
    return parts


def _from_folder(checkpoint: Checkpoint, root: Path, dtype: torch.dtype) -> Parts:
    import transformers
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = _network(UNet2DConditionModel, root, "unet", torch_dtype=dtype)
    vae = _network(AutoencoderKL, root, "vae", torch_dtype=torch.float32)
    text_encoder = _network(transformers.CLIPTextModel, root, "text_encoder", dtype=dtype)
    entry: Any = read_json(root / "model_index.json").get("tokenizer")
    kind = entry[1] if isinstance(entry, list) and len(entry) == 2 else "CLIPTokenizer"
    if kind not in TOKENIZERS:
        known = ", ".join(TOKENIZERS)
        raise CheckpointError(f"The tokenizer class {kind!r} is not supported.", hint=f"Known: {known}.")
    tokenizer = clip_tokenizer(root / "tokenizer", kind)
    config = read_json(root / "scheduler" / "scheduler_config.json")
    return Parts(unet, vae, text_encoder, tokenizer, schedule.from_config(config, checkpoint.prediction))


def _network(cls: Any, root: Path, name: str, **dtype: torch.dtype) -> Any:
    return network(cls, root / name, component_weights(root, name).variant, name, **dtype)


def _unchanged(checkpoint: Checkpoint, root: Path) -> None:
    for file in checkpoint.files:
        path = (root if root.is_dir() else root.parent) / file.path
        if checkpoint.lora and file.path.startswith(f"{lora.FOLDER}/"):
            path = lora.read(checkpoint.lora).path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            raise CheckpointError(
                f"{file.path} has changed since the checkpoint was identified.",
                hint="Keep the checkpoint still during the run.",
            )
        inputs.unmoved(path)
