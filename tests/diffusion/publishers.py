"""Tiny Stable Diffusion files in the publishers' layout: diffusers' networks with their tensors renamed.

The names follow the mapping in diffusers' scripts/convert_diffusers_to_original_stable_diffusion.py.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

WIDTHS = (32, 32, 64, 64)
TEXT = 64


def networks(version: int) -> dict[str, Any]:
    """UNet, autoencoder and text encoder of the generation's shape, narrow, from a fixed seed."""
    context = {1: 768, 2: 1024}[version]
    with torch.random.fork_rng():
        torch.manual_seed(11)
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=WIDTHS,
            cross_attention_dim=context,
            attention_head_dim=8 if version == 1 else [1, 1, 1, 1],
            use_linear_projection=version == 2,
        )
        vae = AutoencoderKL(
            block_out_channels=WIDTHS,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408,
                hidden_size=context,
                intermediate_size=TEXT,
                num_hidden_layers=1,
                num_attention_heads=context // 64,
                max_position_embeddings=77,
                hidden_act="quick_gelu" if version == 1 else "gelu",
                bos_token_id=49406,
                eos_token_id=49407,
            )
        )
    return {"unet": unet.eval(), "vae": vae.eval(), "text_encoder": text.eval()}


def write(path: Path, parts: dict[str, Any], version: int) -> Path:
    """All parts in one file."""
    tensors = unet_tensors(parts["unet"]) | vae_tensors(parts["vae"]) | text_tensors(parts["text_encoder"], version)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    return path


def xl_networks() -> dict[str, Any]:
    """The same of XL's shape: three levels, two text encoders, conditions of size."""
    with torch.random.fork_rng():
        torch.manual_seed(12)
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 1, 2),
            attention_head_dim=(1, 1, 1),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        vae = networks(1)["vae"]
        words: dict[str, Any] = {
            "vocab_size": 49408,
            "intermediate_size": TEXT,
            "num_hidden_layers": 2,
            "max_position_embeddings": 77,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        }
        one = CLIPTextModel(CLIPTextConfig(hidden_size=768, num_attention_heads=12, hidden_act="quick_gelu", **words))
        two = CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=1280, num_attention_heads=20, hidden_act="gelu", projection_dim=1280, **words)
        )
    return {"unet": unet.eval(), "vae": vae, "text_encoder": one.eval(), "text_encoder_2": two.eval()}


def write_xl(path: Path, parts: dict[str, Any]) -> Path:
    """All parts of XL in one file, as it is shared."""
    tensors = unet_tensors(parts["unet"]) | vae_tensors(parts["vae"])
    for name, value in parts["text_encoder"].state_dict().items():
        if "position_ids" not in name:
            tensors[f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}"] = value
    tensors |= open_clip_tensors(parts["text_encoder_2"], "conditioner.embedders.1.model.", 2)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    return path


def unet_tensors(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """`model.diffusion_model.*`."""
    blocks: dict[str, str] = {}
    levels = len(unet.config.block_out_channels)
    crossed = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    for i in range(levels):
        for j in range(2):
            blocks[f"down_blocks.{i}.resnets.{j}."] = f"input_blocks.{3 * i + j + 1}.0."
            blocks[f"down_blocks.{i}.attentions.{j}."] = f"input_blocks.{3 * i + j + 1}.1."
        blocks[f"down_blocks.{i}.downsamplers.0.conv."] = f"input_blocks.{3 * (i + 1)}.0.op."
        for j in range(3):
            blocks[f"up_blocks.{i}.resnets.{j}."] = f"output_blocks.{3 * i + j}.0."
            blocks[f"up_blocks.{i}.attentions.{j}."] = f"output_blocks.{3 * i + j}.1."
        blocks[f"up_blocks.{i}.upsamplers.0."] = f"output_blocks.{3 * i + 2}.{2 if crossed[i] else 1}."
    blocks |= {"mid_block.attentions.0.": "middle_block.1.", "mid_block.resnets.0.": "middle_block.0."}
    blocks |= {"mid_block.resnets.1.": "middle_block.2.", "time_embedding.linear_1.": "time_embed.0."}
    blocks |= {"time_embedding.linear_2.": "time_embed.2.", "conv_in.": "input_blocks.0.0."}
    blocks |= {"add_embedding.linear_1.": "label_emb.0.0.", "add_embedding.linear_2.": "label_emb.0.2."}
    blocks |= {"conv_norm_out.": "out.0.", "conv_out.": "out.2."}
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"}
    inner |= {"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
    found = {}
    for name, tensor in unet.state_dict().items():
        start = max((b for b in blocks if name.startswith(b)), key=len)
        rest = name.removeprefix(start)
        if "resnets" in start:
            rest = re.sub(r"^\w+", lambda m: inner.get(m[0], m[0]), rest)
        found["model.diffusion_model." + blocks[start] + rest] = tensor
    return found


def vae_tensors(vae: AutoencoderKL) -> dict[str, Tensor]:
    """`first_stage_model.*`."""
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    found = {}
    for old, tensor in vae.state_dict().items():
        name, value = old, tensor
        name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{3 - int(m[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in name:
            for new, was in attention.items():
                name = name.replace(f"attentions.0.{new}", f"attentions.0.{was}")
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            if value.ndim == 2:
                value = value[:, :, None, None]  # 1 × 1 convolutions in the publishers' files
        found["first_stage_model." + name] = value
    return found


def text_tensors(text: CLIPTextModel, version: int) -> dict[str, Tensor]:
    """`cond_stage_model.*`: transformers' names in 1.x, OpenCLIP's in 2.x, with the last layer that 2.x never uses."""
    state = {k.removeprefix("text_model."): v for k, v in text.state_dict().items() if "position_ids" not in k}
    if version == 1:
        return {"cond_stage_model.transformer.text_model." + k: v for k, v in state.items()}
    return open_clip_tensors(text, "cond_stage_model.model.", 1)


def open_clip_tensors(text: Any, root: str, layers: int) -> dict[str, Tensor]:
    """The tensors of a CLIP text encoder in OpenCLIP's names."""
    state = {k.removeprefix("text_model."): v for k, v in text.state_dict().items() if "position_ids" not in k}
    found = {}
    found[root + "token_embedding.weight"] = state["embeddings.token_embedding.weight"]
    found[root + "positional_embedding"] = state["embeddings.position_embedding.weight"]
    width = state["embeddings.token_embedding.weight"].shape[1]
    found[root + "text_projection"] = state.get("text_projection.weight", torch.eye(width)).T
    for end, number in itertools.product(("weight", "bias"), range(layers)):
        layer, block = f"encoder.layers.{number}.", f"{root}transformer.resblocks.{number}."
        found[root + f"ln_final.{end}"] = state[f"final_layer_norm.{end}"]
        joined = torch.cat([state[f"{layer}self_attn.{p}_proj.{end}"] for p in "qkv"])
        found[block + f"attn.in_proj_{end}"] = joined
        found[block + f"attn.out_proj.{end}"] = state[f"{layer}self_attn.out_proj.{end}"]
        found[block + f"ln_1.{end}"] = state[f"{layer}layer_norm1.{end}"]
        found[block + f"ln_2.{end}"] = state[f"{layer}layer_norm2.{end}"]
        found[block + f"mlp.c_fc.{end}"] = state[f"{layer}mlp.fc1.{end}"]
        found[block + f"mlp.c_proj.{end}"] = state[f"{layer}mlp.fc2.{end}"]
    return found
