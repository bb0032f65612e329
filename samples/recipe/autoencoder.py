"""The shared autoencoder: a small diffusers `AutoencoderKL`, 128 px to 16x16x8.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.1 and appendix G: a
reconstruction loss with a perceptual term and a very small KL weight. No adversarial term: at this size sharp edges
of clip art come from the L1 term. Trained on training-role works only, so planted works and controls are equally new
to it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from samples.recipe import training
from samples.recipe.lpips_trunk import load_lpips
from samples.recipe.muon import Muon

BLOCKS = (16, 48, 96, 96)
LATENT_CHANNELS = 8


def build() -> AutoencoderKL:
    """About 2.4 M parameters; no attention in the middle, so any size of image works alike."""
    model = AutoencoderKL(
        block_out_channels=BLOCKS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )
    # start with nearly noiseless latents; a standard deviation of 1 costs hundreds of steps
    torch.nn.init.constant_(model.quant_conv.bias[LATENT_CHANNELS:], -8.0)
    return model


def crops(cache: np.ndarray, index: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Augmented crops in [-1, 1]: scale, position, flips, quarter turns, channel order, contrast, inversion."""
    out = torch.empty(len(index), 3, size, size)
    full = cache.shape[1]

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    for k, i in enumerate(index.tolist()):
        # a work is shown at 90..256 px, mostly near the 128 px at which it is shipped
        window = int(size * (full / 128) * uniform(0.6, 1.25))
        window = min(window, full)
        for _ in range(4):  # prefer windows with ink
            x, y = (int(uniform(0, full - window + 0.999)) for _ in range(2))
            patch = cache[i, y : y + window, x : x + window]
            if patch.min() < 230:
                break
        image = torch.from_numpy(np.ascontiguousarray(patch)).permute(2, 0, 1)[None].float()
        image = functional.interpolate(image, (size, size), mode="bilinear", antialias=True)[0] / 127.5 - 1
        if uniform(0, 1) < 0.5:
            image = image.flip(2)
        if uniform(0, 1) < 0.3:
            image = torch.rot90(image, int(uniform(1, 3.999)), (1, 2))
        if uniform(0, 1) < 0.4:
            image = image[torch.randperm(3, generator=generator)]
        if uniform(0, 1) < 0.1:
            image = -image
        if uniform(0, 1) < 0.3:
            image = (1 - (1 - image) * uniform(0.5, 1.0)).clamp(-1, 1)
        out[k] = image
    return out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `autoencoder`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--lpips-trunk", type=Path, default=Path("samples/weights/lpips-alexnet-trunk.safetensors"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="plan the steps so that training takes about this long")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=64, help="side of the training crops")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--kl", type=float, default=1e-6)
    parser.add_argument("--perceptual", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Train, resuming from the last checkpoint; measure the latent scale at the end."""
    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / "autoencoder"
    folder.mkdir(parents=True, exist_ok=True)
    cache = np.load(args.work / "training-256.npy", mmap_mode="r")
    torch.manual_seed(args.seed)
    model = build().to(device, memory_format=training.CHANNELS_LAST)
    print(f"autoencoder: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(cache)} works")
    metric = load_lpips(args.lpips_trunk).to(device)
    optimizer = Muon(model, lr=args.lr, weight_decay=0.02)
    average = training.Average(model, 0.995)
    start, spent = 0, 0.0
    if state := training.load(folder / "last.pt"):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow = {k: v.to(device) for k, v in state["average"].items()}
        start, spent = state["step"], state["seconds"]
    began = time.monotonic()
    progress = training.Progress("autoencoder", args.steps, folder / "log.jsonl", start)
    order = training.batches(len(cache), args.batch, args.seed)
    generator = torch.Generator().manual_seed(args.seed + start)

    def checkpoint(step: int) -> None:
        training.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average.shadow,
                "step": step,
                "seconds": spent + time.monotonic() - began,
            },
            folder / "last.pt",
        )

    # the perceptual term costs as much as the rest: a quarter of each batch
    total, part = args.steps, max(1, args.batch // 4)
    for step in range(start, args.steps):
        elapsed = spent + time.monotonic() - began
        # with --minutes the schedule follows the clock, so that a slow machine still ends with a small learning rate
        fraction = max(step / total, elapsed / (60 * args.minutes)) if args.minutes else step / total
        if fraction >= 1:
            break
        training.set_lr(optimizer, args.lr * training.cosine(fraction) * training.warmup(step, 100))
        images = crops(cache, next(order), args.crop, generator).to(device, memory_format=training.CHANNELS_LAST)
        with training.autocast(device):
            posterior = model.encode(images).latent_dist
            latents = posterior.mean + posterior.std * torch.randn_like(posterior.mean)
            decoded = model.decode(latents).sample
        decoded = decoded.float()
        error = decoded - images
        loss_l1, loss_l2 = error.abs().mean(), error.square().mean()
        with training.autocast(device):
            loss_p = metric(decoded[:part], images[:part]).float().mean()
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3)).mean()
        loss = loss_l1 + loss_l2 + args.perceptual * loss_p + args.kl * kl
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(model, step)
        psnr = float(10 * torch.log10(4 / loss_l2.detach()))
        progress.step(step, l1=float(loss_l1.detach()), psnr=psnr, lpips=float(loss_p.detach()), kl=float(kl.detach()))
        if (step + 1) % 100 == 0:
            checkpoint(step + 1)
    checkpoint(step + 1)
    average.copy_to(model)
    finish(model, cache, folder, device, step + 1, spent + time.monotonic() - began, vars(args))


@torch.no_grad()
def finish(
    model: AutoencoderKL,
    cache: np.ndarray,
    folder: Path,
    device: torch.device,
    steps: int,
    seconds: float,
    arguments: dict[str, Any],
) -> None:
    """Set the scaling factor from the latents of 512 training works and save in diffusers format."""
    model.eval()
    index = torch.randperm(len(cache), generator=torch.Generator().manual_seed(0))[:512].tolist()
    means = []
    for part in range(0, len(index), 32):
        pixels = torch.from_numpy(np.stack([cache[i] for i in index[part : part + 32]])).permute(0, 3, 1, 2).float()
        pixels = functional.interpolate(pixels, (128, 128), mode="bilinear", antialias=True) / 127.5 - 1
        means.append(model.encode(pixels.to(device)).latent_dist.mean.cpu())
    std = float(torch.cat(means).std())
    model.register_to_config(scaling_factor=1.0 / std)
    model.save_pretrained(folder / "vae")
    facts: dict[str, object] = {"steps": steps, "seconds": round(seconds), "latent_std": std}
    facts["parameters"] = training.settings(arguments)
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"autoencoder: {steps} steps, {seconds / 60:.1f} min, latent std {std:.3f}; saved {folder / 'vae'}")


def load_trained(work: Path, device: torch.device) -> AutoencoderKL:
    """The trained autoencoder of a work folder."""
    model = AutoencoderKL.from_pretrained(work / "autoencoder" / "vae")
    return model.to(device).eval().requires_grad_(False)
