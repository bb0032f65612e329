"""Checkpoints of true shape: `python -m tests.studies.checkpoint_sizes {sd,sdxl,sd3} [--precision P] [--px N]`.

Writes a diffusers folder in float16 with the true shapes of every network, as headers with holes: the values are
nothing, which changes neither the memory nor the time of an evaluation, and the folder takes no room on the disk. One
process each identifies it, loads it and evaluates the network once; what it prints is seconds and the largest memory so
far: resident, in which pages of the mapped files are counted, and of its own, which no system can take back. Nothing is
kept.

`sd3` is SD 3 medium; `--t5-layers N` shortens its third text encoder for machines of little memory. `--announced` says
beforehand what will be asked, as an examination does: then the text encoders are run and let go before the network is
read. `--in-files` has the network's weights stay in their files, as where memory is short.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from forensics import diffusion
from forensics.device import choose, noise
from tests.diffusion import families, holes, tiny

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


_SD3 = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
_T5_XXL = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
_PIPELINES = {
    "sd": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
}


def _clip(*, large: bool, projected: bool = False) -> Any:
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
    return (transformers.CLIPTextModelWithProjection if large or projected else transformers.CLIPTextModel)(config)


def _parts(kind: str, t5_layers: int) -> dict[str, Any]:
    """The networks, without values."""
    if kind == "sd3":
        return {
            "transformer": diffusers.SD3Transformer2DModel(**_SD3),
            "vae": diffusers.AutoencoderKL(
                **_VAE | {"latent_channels": 16, "shift_factor": 0.0609, "scaling_factor": 1.5305},
                sample_size=1024,
                use_quant_conv=False,
                use_post_quant_conv=False,
            ),
            "text_encoder": _clip(large=False, projected=True),
            "text_encoder_2": _clip(large=True),
            "text_encoder_3": transformers.T5EncoderModel(transformers.T5Config(**_T5_XXL, num_layers=t5_layers)),
        }
    unet = _XL if kind == "sdxl" else {"sample_size": 64, "cross_attention_dim": 768}
    parts = {
        "unet": diffusers.UNet2DConditionModel(**unet),
        "vae": diffusers.AutoencoderKL(**_VAE, sample_size=512),
        "text_encoder": _clip(large=False),
    }
    return parts | ({"text_encoder_2": _clip(large=True)} if kind == "sdxl" else {})


def write(kind: str, root: Path, t5_layers: int = 24) -> Path:
    """The folder of `sd` (Stable Diffusion 1.5), `sdxl` (XL's base) or `sd3` (medium)."""
    with torch.device("meta"):
        parts = _parts(kind, t5_layers)
    index: dict[str, Any] = {"_class_name": _PIPELINES[kind]}
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
            if isinstance(part, transformers.T5EncoderModel):
                families.t5_tokenizer(root / tokenizer, 77)
                index[tokenizer] = ["transformers", "PreTrainedTokenizerFast"]
            else:
                tiny.write_tokenizer(root / tokenizer)
                index[tokenizer] = ["transformers", "CLIPTokenizer"]
    scheduler: Any = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0) if kind == "sd3" else tiny.scheduler()
    scheduler.save_pretrained(root / "scheduler")
    index["scheduler"] = ["diffusers", type(scheduler).__name__]
    (root / "model_index.json").write_text(json.dumps(index))
    return root


class _Memory(threading.Thread):
    """Looks every twenty milliseconds how much memory of its own the process holds, and keeps the most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._own = 0

    def run(self) -> None:
        while True:
            said = Path("/proc/self/status").read_text("ascii")
            self._own = max(self._own, int(said.partition("RssAnon:")[2].split()[0]))
            time.sleep(0.02)

    def most(self, step: str) -> dict[str, float]:
        """Gibibytes so far; the system counts in kilobytes."""
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {f"{step}, resident GiB": resident / 2**20, f"{step}, own GiB": self._own / 2**20}


_PROMPT = ("a b", 1.0)


def measure(root: Path, precision: str, px: int, *, announced: bool, in_files: bool) -> dict[str, float]:
    """Gibibytes and seconds of each step, in this process."""
    memory = _Memory()
    memory.start()
    said = memory.most("before")
    began = time.perf_counter()
    found = diffusion.identify(str(root))
    said |= {"network, million parameters": found.parameters / 1e6, "identified, s": time.perf_counter() - began}
    began = time.perf_counter()
    model = diffusion.load(found, choose("cpu", precision), [_PROMPT] if announced else None, stay=in_files)
    said |= {"loaded, s": time.perf_counter() - began} | memory.most("loaded")
    with torch.no_grad():
        condition = model.condition(*_PROMPT)
        state = model.start(noise(model.latent_shape(px, px), 1)[None], 4)
        began = time.perf_counter()
        model.velocity(state, model.times(4)[2], condition)
    return said | {f"one evaluation at {px} px, s": time.perf_counter() - began} | memory.most("evaluated")


def main(given: Sequence[str] | None = None) -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(_PIPELINES))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--px", type=int, help="side of the picture  [default: the native one]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--t5-layers", type=int, default=24, metavar="N")
    parser.add_argument("--announced", action="store_true", help="say beforehand which prompt will be asked")
    parser.add_argument("--in-files", action="store_true", help="the network's weights stay in their files")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(given)
    px = asked.px or (512 if asked.kind == "sd" else 1024)
    if asked.folder:
        torch.set_num_threads(asked.threads)
        how = {"announced": asked.announced, "in_files": asked.in_files}
        print(json.dumps(_rounded(measure(asked.folder, asked.precision, px, **how))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = write(asked.kind, Path(temporary) / "checkpoint", asked.t5_layers)
        stored = sum(f.stat().st_size for f in root.rglob("*.safetensors")) / 2**30
        own = [asked.kind, "--precision", asked.precision, "--px", str(px), "--threads", str(asked.threads)]
        own += ["--announced"] if asked.announced else []
        own += ["--in-files"] if asked.in_files else []
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
