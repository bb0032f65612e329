"""A real open_clip model of a few thousand weights, saved in open_clip's local format: no mocks."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}


def save_tiny_open_clip(folder: Path, seed: int = 0) -> Path:
    """A folder that `Embedder.open` reads; another seed gives another model."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**{k: (v.copy() if isinstance(v, dict) else v) for k, v in MODEL.items()})
        # The default initialisation keeps vectors almost parallel; spread them so that ranks mean something.
        with torch.no_grad():
            for parameter in model.visual.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(3)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS, "name": "tiny test model"}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
