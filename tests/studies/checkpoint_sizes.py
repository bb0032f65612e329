"""Checkpoints of true shape: `python -m tests.studies.checkpoint_sizes {sd,sdxl} [--precision P] [--px N]`.

Writes a diffusers folder in float16 with the true shapes of every network, as headers with holes: the values are
nothing, which changes neither the memory nor the time of an evaluation, and the folder takes no room on the disk. One
process each identifies it, loads it and evaluates the network once; what it prints is seconds and the largest resident
memory, in which pages of the mapped files are counted. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from forensics import diffusion
from forensics.device import choose, noise
from tests.diffusion import holes, tiny

_XL = {
    "sample_size": 128,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


def _clip(*, large: bool) -> Any:
    width, layers, heads = (1280, 32, 20) if large else (768, 12, 12)
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        hidden_act="gelu" if large else "quick_gelu",
        vocab_size=49408,
    )
    return (transformers.CLIPTextModelWithProjection if large else transformers.CLIPTextModel)(config)


def write(kind: str, root: Path) -> Path:
    """The folder of `sd` (Stable Diffusion 1.5) or `sdxl` (XL's base)."""
    with torch.device("meta"):
        parts: dict[str, Any] = {
            "unet": diffusers.UNet2DConditionModel(
                **(_XL if kind == "sdxl" else {"sample_size": 64, "cross_attention_dim": 768})
            ),
            "vae": diffusers.AutoencoderKL(**_VAE, sample_size=512),
            "text_encoder": _clip(large=False),
        }
        if kind == "sdxl":
            parts["text_encoder_2"] = _clip(large=True)
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionXLPipeline" if kind == "sdxl" else "StableDiffusionPipeline"
    }
    for name, part in parts.items():
        text = name.startswith("text_encoder")
        (root / name).mkdir(parents=True)
        config = part.config.to_dict() if text else {**part.config, "_class_name": type(part).__name__}
        (root / name / "config.json").write_text(json.dumps(config))
        shapes = {n: tuple(t.shape) for n, t in part.state_dict().items()}
        holes.write(root / name / f"{'model' if text else 'diffusion_pytorch_model'}.safetensors", shapes)
        index[name] = ["transformers" if text else "diffusers", type(part).__name__]
        if text:
            tokenizer = name.replace("text_encoder", "tokenizer")
            tiny.write_tokenizer(root / tokenizer)
            index[tokenizer] = ["transformers", "CLIPTokenizer"]
    tiny.scheduler().save_pretrained(root / "scheduler")
    index["scheduler"] = ["diffusers", "DDIMScheduler"]
    (root / "model_index.json").write_text(json.dumps(index))
    return root


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kilobytes on Linux


def measure(root: Path, precision: str, px: int, threads: int) -> dict[str, float]:
    """Gibibytes and seconds of each step, in this process."""
    torch.set_num_threads(threads)
    said = {"before, GiB": _resident()}
    began = time.perf_counter()
    found = diffusion.identify(str(root))
    said |= {"network, million parameters": found.parameters / 1e6, "identified, s": time.perf_counter() - began}
    began = time.perf_counter()
    model = diffusion.load(found, choose("cpu", precision))
    said |= {"loaded, s": time.perf_counter() - began, "loaded, GiB": _resident()}
    with torch.no_grad():
        condition = model.condition("a b", 1.0)
        state = model.start(noise(model.latent_shape(px, px), 1)[None], 4)
        began = time.perf_counter()
        model.velocity(state, model.times(4)[2], condition)
    return said | {f"one evaluation at {px} px, s": time.perf_counter() - began, "evaluated, GiB": _resident()}


def main(given: Sequence[str] | None = None) -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("sd", "sdxl"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--px", type=int, help="side of the picture  [default: the native one]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(given)
    px = asked.px or (1024 if asked.kind == "sdxl" else 512)
    if asked.folder:
        print(json.dumps(_rounded(measure(asked.folder, asked.precision, px, asked.threads))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = write(asked.kind, Path(temporary) / "checkpoint")
        stored = sum(f.stat().st_size for f in root.rglob("*.safetensors")) / 2**30
        own = [asked.kind, "--precision", asked.precision, "--px", str(px), "--threads", str(asked.threads)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.studies.checkpoint_sizes", *own, "--folder", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        print(json.dumps({"files, GiB": round(stored, 2), **json.loads(done.stdout.splitlines()[-1])}, indent=1))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


if __name__ == "__main__":
    main()
