"""The fine-tune: twin B with a LoRA on twelve works of one creator, none of whose works either twin ever saw.

Hu et al. 2021 (low-rank adaptation), in the format of diffusers and PEFT: adapters on the four attention projections of
the UNet, trained on the objective of the twins. The rest of the creator's works are controls with half "none".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from samples.recipe import training
from samples.recipe.data import Work, read_manifest
from samples.recipe.twin import SNR_LIMIT, Precomputed, build_scheduler, precompute, ready

NAME = "finetune"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `finetune`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=8.0)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--dropout", type=float, default=0.1, help="share of captions replaced by the empty caption")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def draw(
    data: Precomputed, index: Tensor, alphas: Tensor, dropout: float, source: torch.Generator
) -> dict[str, Tensor]:
    """One batch of the twins' objective: noisy latents, times, text states, the target v and its weights."""
    mean = data.mean[index]
    noise, jitter = (torch.randn(mean.shape, generator=source) for _ in range(2))
    times = torch.randint(0, len(alphas), (len(index),), generator=source)
    dropped = torch.rand(len(index), generator=source) < dropout
    latents = mean + data.std[index] * jitter
    alpha = alphas[times]
    signal, sigma = alpha.sqrt()[:, None, None, None], (1 - alpha).sqrt()[:, None, None, None]
    snr = alpha / (1 - alpha)
    return {
        "noisy": signal * latents + sigma * noise,
        "times": times,
        "text": torch.where(dropped[:, None, None], data.empty, data.text[index]),
        "target": signal * noise - sigma * latents,
        "weight": snr.clamp(max=SNR_LIMIT) / (snr + 1),
    }


def run(args: argparse.Namespace) -> None:
    """Train the adapters, resuming from the last checkpoint; save them as diffusers does."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / NAME
    folder.mkdir(parents=True, exist_ok=True)
    works = read_manifest(args.samples)
    tuned = [i for i, work in enumerate(works) if work.role == "finetune"]
    data = precompute(args.work, args.samples, works, device)
    base = args.samples / "twin-b" / "unet"
    unet = ready(UNet2DConditionModel.from_pretrained(base).float(), device).requires_grad_(False)
    config = LoraConfig(r=args.rank, lora_alpha=args.alpha, target_modules=list(TARGETS), init_lora_weights="gaussian")
    with training.seeded(args.seed):
        unet.add_adapter(config)
    adapted = [p for p in unet.parameters() if p.requires_grad]
    print(f"finetune: {sum(p.numel() for p in adapted):,} parameters, {len(tuned)} works", flush=True)
    optimizer = torch.optim.AdamW(adapted, lr=args.lr, weight_decay=0.0)
    start, spent = 0, 0.0
    if state := training.load(folder / "last.pt"):
        set_peft_model_state_dict(unet, state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start, spent = state["step"], state["seconds"]
    alphas = build_scheduler().alphas_cumprod
    began, done = time.monotonic(), start
    progress = training.Progress("finetune", args.steps, folder / "log.jsonl", start)

    def checkpoint() -> None:
        seconds = spent + time.monotonic() - began
        model = get_peft_model_state_dict(unet)
        kept = {"model": model, "optimizer": optimizer.state_dict(), "step": done, "seconds": seconds}
        training.save(kept, folder / "last.pt")

    for step in range(start, args.steps):
        training.set_lr(optimizer, args.lr * training.cosine(step / args.steps) * training.warmup(step, 30))
        source = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        index = torch.tensor(tuned)[torch.randperm(len(tuned), generator=source)[: args.batch]]
        batch = {k: v.to(device) for k, v in draw(data, index, alphas, args.dropout, source).items()}
        with training.autocast(device):
            predicted = unet(batch["noisy"], batch["times"], batch["text"]).sample
        each = (predicted.float() - batch["target"]).square().mean(dim=(1, 2, 3))
        loss = (batch["weight"] * each).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapted, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = step + 1
        progress.step(step, loss=float(loss.detach()), v_error=float(each.detach().mean()))
        if done % 100 == 0:
            checkpoint()
    checkpoint()
    save(unet, args, [works[i] for i in tuned], done, spent + time.monotonic() - began)


def save(unet: UNet2DConditionModel, args: argparse.Namespace, works: list[Work], steps: int, seconds: float) -> None:
    """`pytorch_lora_weights.safetensors` with PEFT's configuration in its header, and the manifest of the run."""
    from peft.utils import get_peft_model_state_dict

    folder = args.work / NAME / "packed"
    layers = {name: value.half().contiguous() for name, value in get_peft_model_state_dict(unet).items()}
    stated = {"r": args.rank, "lora_alpha": args.alpha, "target_modules": sorted(TARGETS), "peft_type": "LORA"}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers, unet_lora_adapter_metadata=stated)
    facts: dict[str, Any] = {
        "steps": steps,
        "samples": steps * min(args.batch, len(works)),
        "passes": math.floor(steps * min(args.batch, len(works)) / len(works)),
        "seconds": round(seconds),
        "parameters": training.settings(vars(args)),
        "creator": works[0].creator,
        "works": [work.id for work in works],
        "digests": {
            "manifest": training.digest(args.samples / "manifest.jsonl"),
            "base_unet": training.digest(args.samples / "twin-b" / "unet" / "diffusion_pytorch_model.safetensors"),
            "works": hashlib.sha256(json.dumps([work.sha256 for work in works]).encode()).hexdigest(),
        },
        "environment": {"torch": torch.__version__, "device": str(args.device or training.pick_device())},
    }
    (args.work / NAME / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"finetune: {steps} steps, {seconds / 60:.1f} min; saved {folder}", flush=True)
