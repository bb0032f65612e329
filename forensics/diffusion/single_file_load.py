"""Load one `.safetensors` file of Stable Diffusion 1.x / 2.x, offline: everything the file does not carry is made here.

diffusers maps the publishers' tensor names to its own; it wants configurations from the hub, so they are written from
the header's shapes and the generation's conventions. The tokenizer is CLIP's, from the byte-pair table in open_clip.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from forensics.case import Checkpoint
from forensics.diffusion import parts as components
from forensics.diffusion import schedule
from forensics.diffusion.headers import Header, read_header
from forensics.diffusion.parts import Parts
from forensics.diffusion.single_file import CONTEXT, SCALING, TEXT_1, TEXT_2, UNET, VAE, generation
from forensics.errors import CheckpointError

_WINDOW = 77
_MERGES = 49152 - 256 - 2
"""Merges of CLIP's table in use (Radford et al. 2021; the file holds more)."""


def load(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> Parts:
    """The parts of the file. Raises CheckpointError where the tensors do not fit the family's networks."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
    from safetensors.torch import load_file
    from transformers import CLIPTextModel

    header = read_header(path)
    version = generation(header, path.name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        configs = {
            "unet": unet_config(header, version, checkpoint.native_px),
            "vae": vae_config(header),
            "text_encoder": text_config(header, version),
        }
        for name, config in configs.items():
            (root / name).mkdir()
            (root / name / "config.json").write_text(json.dumps(config))
        write_tokenizer(root / "tokenizer", pad="!" if version == 2 else "<|endoftext|>")
        tensors = load_file(path)
        source = {"config": str(root), "local_files_only": True}
        try:
            # Each loader takes what it needs out of the mapping, so each gets its own.
            unet = UNet2DConditionModel.from_single_file(dict(tensors), subfolder="unet", torch_dtype=dtype, **source)
            vae = AutoencoderKL.from_single_file(dict(tensors), subfolder="vae", torch_dtype=torch.float32, **source)
            text = create_diffusers_clip_model_from_ldm(
                CLIPTextModel, dict(tensors), subfolder="text_encoder", torch_dtype=dtype, **source
            )
            tokenizer = components.clip_tokenizer(root / "tokenizer")
        except (KeyError, ValueError, RuntimeError, OSError) as exc:
            raise CheckpointError(
                f"The tensors of {path.name} do not fit Stable Diffusion {version}.x.",
                hint="Convert the file to a diffusers folder and give that, or fetch it again.",
            ) from exc
    for name, network in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        components.complete(name, [k for k, v in network.named_parameters() if v.is_meta])
    noise = {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "prediction_type": checkpoint.prediction,
    }
    return Parts(unet, vae, text, tokenizer, schedule.from_config(noise, checkpoint.prediction))


def unet_config(header: Header, version: int, native_px: int) -> dict[str, Any]:
    """Configuration of the UNet: widths from the header, the rest by the generation's convention."""
    shapes = header.shapes
    widths = [shapes[f"{UNET}input_blocks.{i}.0.in_layers.2.weight"][0] for i in (1, 4, 7, 10)]
    context = shapes[CONTEXT][1]
    cross, plain = "CrossAttnDownBlock2D", "DownBlock2D"
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": native_px // 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": [cross, cross, cross, plain],
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
        "cross_attention_dim": context,
        # 1.x has 8 heads at every width, 2.x heads of 64 channels (the parameter's name is a known misnomer).
        "attention_head_dim": 8 if version == 1 else [max(1, w // 64) for w in widths],
        "use_linear_projection": len(shapes[f"{UNET}input_blocks.1.1.proj_in.weight"]) == 2,
    }


def vae_config(header: Header, prefix: str = VAE) -> dict[str, Any]:
    """Configuration of the autoencoder, whose tensors' names begin with `prefix`: widths from the header."""
    widths = [header.shapes[f"{prefix}encoder.down.{i}.block.0.conv2.weight"][0] for i in range(4)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": SCALING,
    }


def text_config(header: Header, version: int) -> dict[str, Any]:
    """Configuration of the text encoder; 2.x uses the last layer but one, so its last layer is never built."""
    shapes = header.shapes
    if version == 1:
        prefix, layer = f"{TEXT_1}text_model.", "encoder.layers."
        tokens, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
        inner = shapes[f"{prefix}{layer}0.mlp.fc1.weight"][0]
    else:
        prefix, layer = TEXT_2, "transformer.resblocks."
        tokens, width = shapes[f"{prefix}token_embedding.weight"]
        inner = shapes[f"{prefix}{layer}0.mlp.c_fc.weight"][0]
    depth = len({n.split(layer)[1].split(".")[0] for n in shapes if n.startswith(prefix + layer)})
    return {
        "model_type": "clip_text_model",
        "vocab_size": tokens,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": depth if version == 1 else min(depth, 23),
        "num_attention_heads": max(1, width // 64),
        "hidden_act": "quick_gelu" if version == 1 else "gelu",
        "max_position_embeddings": _WINDOW,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
    }


def write_tokenizer(folder: Path, pad: str) -> None:
    """CLIP's tokenizer files from the byte-pair table that open_clip ships (Radford et al. 2021, section 2.3).

    2.x pads with "!", token 0; as in diffusers' own folders of 2.x, an exclamation mark in a prompt reads as 0 too.
    """
    table = resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(table.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    letters = byte_letters()
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokens = [*letters, *(c + "</w>" for c in letters), *("".join(m.split()) for m in lines), start, end]
    marks = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": _WINDOW, "do_lower_case": True, **marks}
    folder.mkdir()
    folder.joinpath("vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}), "utf-8")
    folder.joinpath("merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", "utf-8")
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def byte_letters() -> list[str]:
    """The 256 printable letters that byte-pair tables write bytes with (GPT-2), in CLIP's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(others))]
