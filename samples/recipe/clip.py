"""The small open_clip model; its text tower conditions the twins.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision": a symmetric contrastive
loss over image and caption, here with a narrow ModifiedResNet and a four-layer text transformer, trained from scratch
on training-role works with strong augmentation. As in Stable Diffusion 1 (Rombach et al. 2022, section 4.3), the
frozen text tower, converted key by key to transformers' `CLIPTextModel`, gives the states that the UNet attends to.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from samples.recipe import tokenizer as bpe
from samples.recipe import training
from samples.recipe.data import read_manifest

Config = dict[str, Any]

TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 128, 4, 4
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def model_config(vocabulary: int) -> Config:
    """open_clip's `model_cfg`: about 2 M parameters (4 MB as float16)."""
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 128, "layers": [1, 1, 1, 1], "width": 12, "head_width": 32, "patch_size": None},
        "text_cfg": {
            "context_length": bpe.CONTEXT,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "tokenizer",
            "width": TEXT_WIDTH,
            "heads": TEXT_HEADS,
            "layers": TEXT_LAYERS,
        },
    }


def build(config: Config) -> open_clip.CLIP:
    """The open_clip model of a `model_cfg`."""
    return open_clip.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])


def caption_variant(caption: str, rng: random.Random) -> str:
    """A caption with keywords shuffled or dropped, sometimes without its title, so that single words carry meaning."""
    title, *keywords = caption.split(", ")
    rng.shuffle(keywords)
    keywords = [k for k in keywords if rng.random() < 0.8]
    if keywords and rng.random() < 0.2:
        return ", ".join(keywords)
    if rng.random() < 0.15:
        parts = title.split()
        title = " ".join(w for w in parts if rng.random() < 0.8) or title
    return ", ".join([title, *keywords])


def shrink(cache: np.ndarray, size: int = 160) -> np.ndarray:
    """The renderings at the size that the views need: cutting and resizing them costs as much as the image tower."""
    parts = []
    for first in range(0, len(cache), 64):
        images = torch.from_numpy(cache[first : first + 64].copy()).permute(0, 3, 1, 2).float()
        small = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        parts.append(small.round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def views(cache: np.ndarray, index: list[int], rng: random.Random) -> torch.Tensor:
    """Augmented 128 px views in [-1, 1]: random resized crop on white, mirror, small colour changes."""
    out = torch.empty(len(index), 3, 128, 128)
    full = cache.shape[1]
    for k, i in enumerate(index):
        side = int(full * rng.uniform(0.6, 1.0))
        x, y = rng.randint(0, full - side), rng.randint(0, full - side)
        window = np.ascontiguousarray(cache[i, y : y + side, x : x + side])
        patch = torch.from_numpy(window).permute(2, 0, 1)[None].float()
        size = rng.randint(96, 128)
        patch = functional.interpolate(patch, (size, size), mode="bilinear", antialias=True)[0] / 127.5 - 1
        if rng.random() < 0.5:
            patch = patch.flip(2)
        if rng.random() < 0.15:
            patch = patch.mean(0, keepdim=True).expand(3, -1, -1)
        if rng.random() < 0.5:
            gain = torch.tensor([rng.uniform(0.7, 1.0) for _ in range(3)])[:, None, None]
            patch = 1 - (1 - patch) * gain
        image = torch.ones(3, 128, 128)
        dx, dy = rng.randint(0, 128 - size), rng.randint(0, 128 - size)
        image[:, dy : dy + size, dx : dx + size] = patch
        out[k] = image
    return out


def convert_text_tower(model: open_clip.CLIP, vocabulary: int) -> CLIPTextModel:
    """open_clip's text transformer as transformers' `CLIPTextModel`, key by key."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=model.text_projection.shape[1],
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=TEXT_HEADS,
        max_position_embeddings=bpe.CONTEXT,
        hidden_act="gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    text = CLIPTextModel(config)
    source = model.state_dict()
    state = {
        "embeddings.token_embedding.weight": source["token_embedding.weight"],
        "embeddings.position_embedding.weight": source["positional_embedding"],
        "final_layer_norm.weight": source["ln_final.weight"],
        "final_layer_norm.bias": source["ln_final.bias"],
    }
    names = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    for layer in range(TEXT_LAYERS):
        block, target = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            for ours, theirs in names.items():
                state[f"{target}.{ours}.{kind}"] = source[f"{block}.{theirs}.{kind}"]
            parts = source[f"{block}.attn.in_proj_{kind}"].chunk(3)
            for name, part in zip("qkv", parts, strict=True):
                state[f"{target}.self_attn.{name}_proj.{kind}"] = part
    # older releases of transformers keep these under `text_model.`
    prefix = "text_model." if any(key.startswith("text_model.") for key in text.state_dict()) else ""
    missing, unexpected = text.load_state_dict({prefix + k: v.float() for k, v in state.items()}, strict=False)
    if unexpected or [key for key in missing if not key.endswith("position_ids")]:
        raise RuntimeError(f"text tower does not fit: missing {missing}, unexpected {unexpected}")
    return text.eval()


@torch.no_grad()
def text_states(model: open_clip.CLIP, tokens: torch.Tensor) -> torch.Tensor:
    """Hidden states after the last layer norm of open_clip's text tower (what `CLIPTextModel` returns)."""
    x = model.token_embedding(tokens) + model.positional_embedding
    x = model.transformer(x, attn_mask=model.attn_mask)
    states: torch.Tensor = model.ln_final(x)
    return states


def save_open_clip(model: open_clip.CLIP, config: Config, tokenizer_folder: Path, folder: Path) -> None:
    """A folder that `open_clip.create_model_and_transforms("local-dir:...")` loads offline, float16."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=1), encoding="utf-8"
    )
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "open_clip_model.safetensors")
    for path in sorted(tokenizer_folder.iterdir()):
        shutil.copyfile(path, folder / path.name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `clip`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--minutes", type=float, help="plan the steps so that training takes about this long")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Train, resuming from the last checkpoint; save open_clip and transformers folders."""
    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / "clip"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = bpe.load(args.work)
    cache = shrink(np.load(args.work / "training-256.npy", mmap_mode="r"))
    texts = [work.caption for work in read_manifest(args.samples) if work.role == "training"]
    config = model_config(len(tokenizer))
    torch.manual_seed(args.seed)
    model = build(config).to(device)
    print(f"clip: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(texts)} works")
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    start, spent = 0, 0.0
    if state := training.load(folder / "last.pt"):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start, spent = state["step"], state["seconds"]
    began = time.monotonic()
    progress = training.Progress("clip", args.steps, folder / "log.jsonl", start)
    order = training.batches(len(texts), args.batch, args.seed + start)
    rng = random.Random(args.seed + start)
    model.train()
    done = start

    def checkpoint() -> None:
        training.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
                "seconds": spent + time.monotonic() - began,
            },
            folder / "last.pt",
        )

    for step in range(start, args.steps):
        elapsed = spent + time.monotonic() - began
        fraction = max(step / args.steps, elapsed / (60 * args.minutes)) if args.minutes else step / args.steps
        if fraction >= 1:
            break
        training.set_lr(optimizer, args.lr * training.cosine(fraction) * training.warmup(step, 50))
        index = next(order).tolist()
        images = views(cache, index, rng).to(device, memory_format=training.CHANNELS_LAST)
        variants = [caption_variant(texts[i], rng) for i in index]
        tokens = tokenizer(variants, padding="max_length", max_length=bpe.CONTEXT, truncation=True, return_tensors="pt")
        with training.autocast(device):
            image, text, scale = model(images, tokens.input_ids.to(device))
        logits = scale.float() * image.float() @ text.float().T
        # two works with the same text are both right answers
        same = torch.tensor([[a == b for b in variants] for a in variants], device=device).float()
        target = same / same.sum(1, keepdim=True)
        loss = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        done = step + 1
        progress.step(step, loss=float(loss.detach()), scale=float(scale.detach()))
        if done % 200 == 0:
            checkpoint()
    checkpoint()
    save_all(model.eval().cpu(), config, args, done, spent + time.monotonic() - began)


def save_all(model: open_clip.CLIP, config: Config, args: argparse.Namespace, steps: int, seconds: float) -> None:
    """Round to float16 once, so that both formats hold the same numbers, and save them."""
    folder = args.work / "clip"
    with torch.no_grad():
        for p in [*model.parameters(), *model.buffers()]:
            if p.is_floating_point():
                p.copy_(p.half().float())
    save_open_clip(model, config, args.work / "tokenizer", folder / "openclip")
    text = convert_text_tower(model, config["text_cfg"]["vocab_size"])
    source = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, config["text_cfg"]["vocab_size"], (4, bpe.CONTEXT), generator=source)
    with torch.no_grad():
        difference = float((text(tokens).last_hidden_state - text_states(model, tokens)).abs().max())
    if difference > 1e-4:
        raise RuntimeError(f"converted text tower differs by {difference}")
    text.half().save_pretrained(folder / "text_encoder")
    facts: Config = {"steps": steps, "seconds": round(seconds), "text_tower_difference": difference}
    facts["parameters"] = training.settings(vars(args))
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"clip: {steps} steps, {seconds / 60:.1f} min; text towers differ by {difference:.1e}; saved {folder}")
