"""Write the trained parts in the formats that diffusers and open_clip load, float16, shared parts once."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL
from PIL import Image

from forensics.embedders.copies import CONFIG, WEIGHTS
from samples.recipe import decoder, training
from samples.recipe import tokenizer as bpe
from samples.recipe.twin import build_scheduler, trained_unet

LORA = "pytorch_lora_weights.safetensors"
SHEETS = ("regenerate-", "controls-", "copies", "finetune")
"""Contact sheets that the card shows."""
SHARED = ("vae", "text_encoder", "tokenizer", "scheduler")
COMPONENTS = {
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def link(path: Path, target: str) -> None:
    """A relative link, replacing what stood there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    path.symlink_to(target)


def fresh(folder: Path) -> Path:
    """An empty folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def edit_json(path: Path, **changes: str | None) -> None:
    """Set fields of a JSON file; None removes one."""
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in fields.items() if changes.get(key, "") is not None}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def pack_shared(work: Path, samples: Path) -> None:
    """Autoencoder (with the tuned decoder, if there is one), text encoder, tokenizer and scheduler, once for both."""
    shared = samples / "shared"
    tuned = work / decoder.FOLDER / "vae"
    vae = AutoencoderKL.from_pretrained(tuned if tuned.exists() else work / "autoencoder" / "vae")
    vae.half().save_pretrained(fresh(shared / "vae"))
    edit_json(shared / "vae" / "config.json", _name_or_path=None)
    bpe.load(work).save_pretrained(fresh(shared / "tokenizer"))
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(work / "tokenizer" / name, shared / "tokenizer" / name)
    shutil.copytree(work / "clip" / "text_encoder", fresh(shared / "text_encoder"), dirs_exist_ok=True)
    # float16 on disk, but a plain from_pretrained() is to give one precision for all parts
    edit_json(shared / "text_encoder" / "config.json", dtype="float32")
    build_scheduler().save_pretrained(fresh(shared / "scheduler"))


def pack_clip(work: Path, samples: Path) -> None:
    """The open_clip folder; its tokenizer files are links to the shared ones."""
    folder = fresh(samples / "openclip")
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        shutil.copyfile(work / "clip" / "openclip" / name, folder / name)
    for path in sorted((samples / "shared" / "tokenizer").iterdir()):
        link(folder / path.name, f"../shared/tokenizer/{path.name}")


def pack_twin(work: Path, samples: Path, twin: str) -> None:
    """A `StableDiffusionPipeline` folder: its own UNet, links to the shared parts, the run manifest."""
    folder = samples / f"twin-{twin}"
    folder.mkdir(parents=True, exist_ok=True)
    unet, manifest = trained_unet(work, twin)
    unet.half().save_pretrained(fresh(folder / "unet"))
    for name in SHARED:
        link(folder / name, f"../shared/{name}")
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        **COMPONENTS,
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    shared = samples / "shared" / "vae" / "diffusion_pytorch_model.safetensors"
    manifest["digests"]["autoencoder_float16"] = training.digest(shared)
    manifest["digests"]["unet"] = training.digest(folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "run.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def pack_finetune(work: Path, samples: Path) -> None:
    """The LoRA as diffusers loads it, and the manifest of its run."""
    folder = fresh(samples / "finetune")
    shutil.copyfile(work / "finetune" / "packed" / LORA, folder / LORA)
    manifest = json.loads((work / "finetune" / "run.json").read_text(encoding="utf-8"))
    manifest["digests"]["lora"] = training.digest(folder / LORA)
    (folder / "run.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def pack_descriptor(work: Path, samples: Path) -> None:
    """The folder that `forensics.embedders.copies` loads, and the manifest of the run."""
    folder = fresh(samples / "copydescriptor")
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(work / "copydescriptor" / "packed" / name, folder / name)
    shutil.copyfile(work / "copydescriptor" / "run.json", folder / "run.json")


def pack_runs(work: Path, samples: Path) -> None:
    """Run manifests, training curves, and what the measuring commands left in the work folder: figures and sheets."""
    runs = samples / "runs"
    runs.mkdir(exist_ok=True)
    for path in sorted((work / "figures").glob("*.figures.json")):
        shutil.copyfile(path, runs / path.name)
    for path in sorted(p for name in SHEETS for p in (work / "sheets").glob(f"{name}*.png")):
        Image.open(path).convert("RGB").save(runs / f"{path.stem}.webp", quality=70, method=6)
    shutil.copyfile(work / "data.json", runs / "data.json")
    for name in ("autoencoder", decoder.FOLDER, "clip", "twin-a", "twin-b", "finetune"):
        if (source := work / name / "log.jsonl").exists():
            shutil.copyfile(source, runs / f"{name}.log.jsonl")
        # the other run manifests lie in the folders of their models
        if name in ("autoencoder", decoder.FOLDER, "clip") and (work / name / "run.json").exists():
            shutil.copyfile(work / name / "run.json", runs / f"{name}.run.json")


def write_digests(samples: Path) -> None:
    """`digests.txt`: SHA-256 of the manifest and the models, in the format of sha256sum."""
    names = ["manifest.jsonl"]
    for folder in ("copydescriptor", "finetune", "openclip", "shared", "twin-a", "twin-b"):
        # links are left out: what they lead to is listed under its own name
        found = (p for p in sorted(samples.glob(f"{folder}/**/*")) if p.is_file() and not p.is_symlink())
        own = (p.relative_to(samples) for p in found if not p.parent.is_symlink())
        names.extend(path.as_posix() for path in own)
    lines = [f"{training.digest(samples / name)}  {name}\n" for name in names]
    (samples / "digests.txt").write_text("".join(lines), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pack`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--twin", choices=("a", "b"), action="append", help="default: every twin that has a checkpoint")


def run(args: argparse.Namespace) -> None:
    """Pack what is trained."""
    twins = args.twin or [t for t in "ab" if (args.work / f"twin-{t}" / "last.pt").exists()]
    with torch.no_grad():
        pack_shared(args.work, args.samples)
        pack_clip(args.work, args.samples)
        for twin in twins:
            pack_twin(args.work, args.samples, twin)
    for name, pack in (("finetune", pack_finetune), ("copydescriptor", pack_descriptor)):
        if (args.work / name / "packed").exists():
            pack(args.work, args.samples)
    pack_runs(args.work, args.samples)
    write_digests(args.samples)
    files = [path for path in args.samples.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        path.chmod(0o644)  # safetensors files come out readable by their owner only
    total = sum(path.stat().st_size for path in files)
    print(f"{args.samples}: {total / 1e6:.1f} MB")
