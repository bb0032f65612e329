"""Tiny real checkpoints: diffusers and transformers components with random weights, in the libraries' own format."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

WINDOW = 16
WIDTH = 16


def scheduler(prediction: str = "epsilon", *, zero_snr: bool = False, to_one: bool = False) -> DDIMScheduler:
    """The schedule of Stable Diffusion; trailing spacing where the last step has no signal."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=to_one,
        steps_offset=0 if zero_snr else 1,
        prediction_type=prediction,
        timestep_spacing="trailing" if zero_snr else "leading",
        rescale_betas_zero_snr=zero_snr,
    )


def unet() -> UNet2DConditionModel:
    """Two levels, 4 latent channels, 8 × 8 cells."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
    )


def vae() -> AutoencoderKL:
    """Cells of 4 × 4 pixels, 4 channels."""
    return AutoencoderKL(
        block_out_channels=(4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=0.7,
    )


def vocabulary() -> dict[str, int]:
    """Letters, letters at a word's end, and CLIP's two marks."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["!", *letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(tokens)}


def write_tokenizer(folder: Path) -> None:
    """CLIP's byte-pair files with no merges."""
    folder.mkdir(parents=True)
    folder.joinpath("vocab.json").write_text(json.dumps(vocabulary()))
    folder.joinpath("merges.txt").write_text("#version: 0.2\n")
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": WINDOW, "pad_token": "<|endoftext|>", **marks}
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config))


def text_encoder() -> CLIPTextModel:
    """Two layers of width 16."""
    words = vocabulary()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=WINDOW,
            bos_token_id=words["<|startoftext|>"],
            eos_token_id=words["<|endoftext|>"],
            pad_token_id=words["<|endoftext|>"],
        )
    )


def write_checkpoint(root: Path, prediction: str = "epsilon", *, zero_snr: bool = False, to_one: bool = False) -> Path:
    """A diffusers folder with all components; the weights depend on nothing but the fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        for name, part in {"unet": unet(), "vae": vae(), "text_encoder": text_encoder()}.items():
            part.save_pretrained(root / name, safe_serialization=True)
    scheduler(prediction, zero_snr=zero_snr, to_one=to_one).save_pretrained(root / "scheduler")
    write_tokenizer(root / "tokenizer")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.35.0",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    root.joinpath("model_index.json").write_text(json.dumps(index, indent=2))
    return root
