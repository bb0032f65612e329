"""The second stage of the autoencoder: its decoder alone, tuned further while the encoder stays as it is.

After the published fine-tunes of Stable Diffusion's autoencoder (`stabilityai/sd-vae-ft-mse`: decoder only, squared
error plus 0.1 times LPIPS). Latents do not change, so whatever was trained on them stays valid: this stage may run
before, after or beside the training of the twins. Training-role works only, as in the first stage.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from samples.recipe import training
from samples.recipe.autoencoder import crops, load_trained
from samples.recipe.lpips_trunk import load_lpips
from samples.recipe.muon import Muon

FOLDER = "decoder"
"""Folder of the work folder that holds the stage's checkpoint and the finished autoencoder (`vae`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `decoder`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--lpips-trunk", type=Path, default=Path("samples/weights/lpips-alexnet-trunk.safetensors"))
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=64, help="side of the training crops")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--perceptual", type=float, default=0.1)
    parser.add_argument("--ema", type=float, default=0.995)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Tune the decoder, resuming from the last checkpoint; a resumed run repeats an uninterrupted one.

    A run that has ended goes on where `steps` is larger: its learning rate then rises to what the longer schedule has
    at that step (a warm restart), and `run.json` lists every end.
    """
    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    cache = np.load(args.work / "training-256.npy", mmap_mode="r")
    model = load_trained(args.work, device).to(memory_format=training.CHANNELS_LAST)
    tuned = torch.nn.ModuleDict({"decoder": model.decoder, "post_quant_conv": model.post_quant_conv})
    tuned.requires_grad_(True)
    metric = load_lpips(args.lpips_trunk).to(device)
    optimizer = Muon(tuned, lr=args.lr)
    average = training.Average(tuned, args.ema)
    start, spent, ends = 0, 0.0, [args.steps]
    if state := training.load(folder / "last.pt"):
        tuned.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow = {k: v.to(device) for k, v in state["average"].items()}
        start, spent = state["step"], state["seconds"]
        ends = sorted({*state.get("ends", [start]), args.steps})
    began = time.monotonic()
    progress = training.Progress("decoder", args.steps, folder / "log.jsonl", start)
    order = training.batches(len(cache), args.batch, args.seed)
    for _ in range(start):
        next(order)

    def checkpoint(step: int) -> None:
        training.save(
            {
                "model": tuned.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average.shadow,
                "step": step,
                "seconds": spent + time.monotonic() - began,
                "ends": ends,
            },
            folder / "last.pt",
        )

    part = max(1, args.batch // 4)  # the perceptual term costs as much as the rest: a quarter of each batch
    for step in range(start, args.steps):
        training.set_lr(optimizer, args.lr * training.cosine(step / args.steps) * training.warmup(step, 50))
        source = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        images = crops(cache, next(order), args.crop, source).to(device, memory_format=training.CHANNELS_LAST)
        with training.autocast(device):
            with torch.no_grad():
                latents = model.encode(images).latent_dist.mode()
            decoded = model.decode(latents).sample
        decoded = decoded.float()
        loss_l2 = (decoded - images).square().mean()
        with training.autocast(device):
            loss_p = metric(decoded[:part], images[:part]).float().mean()
        loss = loss_l2 + args.perceptual * loss_p
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(tuned, step)
        psnr = float(10 * torch.log10(4 / loss_l2.detach()))
        progress.step(step, l2=float(loss_l2.detach()), psnr=psnr, lpips=float(loss_p.detach()))
        if (step + 1) % 100 == 0:
            checkpoint(step + 1)
    checkpoint(max(start, args.steps))
    average.copy_to(tuned)
    model.save_pretrained(folder / "vae")
    facts: dict[str, object] = {"steps": args.steps, "seconds": round(spent + time.monotonic() - began)}
    facts["ends_of_schedules"] = ends
    facts["parameters"] = training.settings(vars(args))
    facts["tuned_from"] = training.digest(args.work / "autoencoder" / "vae" / "diffusion_pytorch_model.safetensors")
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"decoder: {args.steps} steps, {float(str(facts['seconds'])) / 60:.1f} min; saved {folder / 'vae'}")
