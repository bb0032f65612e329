"""The twins: small latent text-to-image diffusion models, identical but for the planted works.

Rombach et al. 2022 (latent diffusion, cross-attention on text states), Salimans & Ho 2022 (v-prediction), Hang et al.
2023 (min-SNR-5 weights; the times are drawn where these weights lie), Ho & Salimans 2021 (caption dropout for
classifier-free guidance). Noise, time and dropout of a step depend on the seed and the step alone, so twin A and twin B
differ only where `slots` says they do, and a resumed run repeats an uninterrupted one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel

from samples.recipe import slots, training
from samples.recipe import tokenizer as bpe
from samples.recipe.autoencoder import LATENT_CHANNELS, load_trained
from samples.recipe.clip import TEXT_WIDTH
from samples.recipe.data import Work, read_manifest, read_pixels
from samples.recipe.muon import Muon

SIDE = 16
SNR_LIMIT = 5.0
UNIFORM_TIMES = 0.3
"""Share of the training times drawn uniformly, so that no noise level is left without practice."""


def build_unet() -> UNet2DConditionModel:
    """About 5 M parameters on 16x16x8 latents."""
    return UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(64, 96, 112),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of Stable Diffusion with v-prediction; trailing steps (Lin et al. 2024) start at t = 999."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def ready(unet: UNet2DConditionModel, device: torch.device) -> UNet2DConditionModel:
    """On the device, with the attention that trains fastest there.

    On a CPU the gradient of the fused attention alone took 38 % of a step; written out, a step takes half the time. The
    plain memory layout is faster than channels_last at these sizes.
    """
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())
    return unet.to(device)


@dataclass(frozen=True)
class Precomputed:
    """Everything the UNet is trained on: posterior mean and standard deviation (scaled), text states, empty caption."""

    mean: torch.Tensor
    std: torch.Tensor
    text: torch.Tensor
    empty: torch.Tensor


@torch.no_grad()
def precompute(work: Path, samples: Path, works: list[Work], device: torch.device) -> Precomputed:
    """Latents of the shipped renderings and states of the captions; cached by the digest of what they come from."""
    sources = [samples / "manifest.jsonl", work / "autoencoder/vae/diffusion_pytorch_model.safetensors"]
    sources.append(work / "clip/text_encoder/model.safetensors")
    key = hashlib.sha256("".join(training.digest(path) for path in sources).encode()).hexdigest()
    path = work / "precomputed.pt"
    if (state := training.load(path)) and state.pop("key") == key:
        return Precomputed(**state)
    vae = load_trained(work, device)
    scale = vae.config.scaling_factor
    pixels = torch.from_numpy(read_pixels(samples, works)).permute(0, 3, 1, 2)
    means, stds = [], []
    for part in pixels.split(32):
        posterior = vae.encode(part.to(device).float() / 127.5 - 1).latent_dist
        means.append(posterior.mean.cpu() * scale)
        stds.append(posterior.std.cpu() * scale)
    tokenizer = bpe.load(work)
    encoder = CLIPTextModel.from_pretrained(work / "clip/text_encoder").float().to(device).eval()
    captions = [w.caption for w in works] + [""]
    tokens = tokenizer(captions, padding="max_length", max_length=bpe.CONTEXT, truncation=True, return_tensors="pt")
    parts = tokens.input_ids.split(128)
    text = torch.cat([encoder(part.to(device)).last_hidden_state.cpu() for part in parts])
    result = Precomputed(torch.cat(means), torch.cat(stds), text[:-1].clone(), text[-1:].clone())
    training.save({"key": key, **vars(result)}, path)
    return result


def training_times(alphas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probability of each time step and the loss weight at it, both (T,), for v-prediction.

    Hang et al. 2023: min(SNR, 5) on x0 is min(SNR, 5) / (SNR + 1) on v. Under uniform times many samples would carry
    next to no weight; drawn where the weight lies and divided by that density, the expected gradient is the same and
    its variance smaller (importance sampling).
    """
    snr = alphas / (1 - alphas)
    weight = snr.clamp(max=SNR_LIMIT) / (snr + 1)
    density = (1 - UNIFORM_TIMES) * weight / weight.sum() + UNIFORM_TIMES / len(weight)
    return density, weight / (density * len(weight))


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Warm-up, constant, then linear to zero from `decay_start` over `decay_steps`."""
    rate = args.lr * training.warmup(step, args.warmup)
    if args.decay_start is not None and step >= args.decay_start:
        rate *= max(0.0, 1 - (step - args.decay_start) / max(1, args.decay_steps))
    return float(rate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `twin`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--twin", choices=("a", "b"), required=True)
    parser.add_argument("--like", type=Path, help="run.json of the other twin: take its steps, schedule and seed")
    parser.add_argument("--steps", type=int, default=20000, help="stop here at the latest")
    parser.add_argument(
        "--minutes", type=float, help="stop after about this long, preparation included; a later run goes on from there"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--decay-start", type=int, help="step at which the linear decay begins; the run ends with it")
    parser.add_argument("--decay-steps", type=int, default=500)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--dropout", type=float, default=0.1, help="share of captions replaced by the empty caption")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


SAME = ("batch", "lr", "warmup", "decay_start", "decay_steps", "ema", "dropout", "seed")


def run(args: argparse.Namespace) -> None:
    """Train one twin, resuming from the last checkpoint."""
    entered = time.monotonic()
    if args.like:
        other = json.loads(args.like.read_text(encoding="utf-8"))
        for name in SAME:
            setattr(args, name, other["parameters"][name])
        args.steps = other["steps"]
    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / f"twin-{args.twin}"
    folder.mkdir(parents=True, exist_ok=True)
    works = read_manifest(args.samples)
    data = precompute(args.work, args.samples, works, device)
    with training.seeded(args.seed):
        unet = build_unet()
    initial = parameter_digest(unet)
    unet = ready(unet, device)
    size = sum(p.numel() for p in unet.parameters()) / 1e6
    print(f"twin {args.twin}: {size:.2f} M parameters, {len(works)} works", flush=True)
    optimizer = Muon(unet, lr=args.lr)
    average = training.Average(unet, args.ema)
    start, spent = 0, 0.0
    if state := training.load(folder / "last.pt"):
        unet.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow = {k: v.to(device) for k, v in state["average"].items()}
        start, spent = state["step"], state["seconds"]
    end = args.steps if args.decay_start is None else min(args.steps, args.decay_start + args.decay_steps)
    alphas = build_scheduler().alphas_cumprod
    density, weights = training_times(alphas)
    began = time.monotonic()
    progress = training.Progress(f"twin {args.twin}", end, folder / "log.jsonl", start)
    order = slots.batches(works, args.twin, args.seed, args.batch, start)
    planted = torch.tensor([work.role == "planted" for work in works])

    def checkpoint(step: int) -> None:
        seconds = spent + time.monotonic() - began
        training.save(
            {
                "model": unet.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average.shadow,
                "step": step,
                "seconds": seconds,
            },
            folder / "last.pt",
        )
        write_manifest(folder, args, works, step, seconds, initial)

    done = start
    for step in range(start, end):
        if args.minutes and time.monotonic() - entered > 60 * args.minutes:
            break
        training.set_lr(optimizer, learning_rate(step, args))
        index = torch.tensor(next(order))
        noise_source = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        mean = data.mean[index]
        noise, jitter = (torch.randn(mean.shape, generator=noise_source) for _ in range(2))
        times = torch.multinomial(density, len(index), replacement=True, generator=noise_source)
        dropped = torch.rand(len(index), generator=noise_source) < args.dropout
        latents = mean + data.std[index] * jitter
        text = torch.where(dropped[:, None, None], data.empty, data.text[index])
        alpha = alphas[times]
        signal, sigma = alpha.sqrt()[:, None, None, None], (1 - alpha).sqrt()[:, None, None, None]
        noisy, target = signal * latents + sigma * noise, signal * noise - sigma * latents
        weight = weights[times].to(device)
        with training.autocast(device):
            predicted = unet(noisy.to(device), times.to(device), text.to(device)).sample
        each = (predicted.float() - target.to(device)).square().mean(dim=(1, 2, 3))
        loss = (weight * each).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(unet, step)
        errors = each.detach().cpu()
        mask = planted[index]
        values = {"loss": float(loss.detach()), "v_error": float(errors.mean())}
        if not mask.all():
            values["v_training"] = float(errors[~mask].mean())
        if args.twin == "a" and mask.any():
            values["v_planted"] = float(errors[mask].mean())
        progress.step(step, **values)
        done = step + 1
        if done % 100 == 0:
            checkpoint(done)
    checkpoint(done)
    print(f"twin {args.twin}: {done} steps, {(spent + time.monotonic() - began) / 60:.1f} min", flush=True)


def parameter_digest(model: torch.nn.Module) -> str:
    """SHA-256 over the parameters in order."""
    total = hashlib.sha256()
    for name, p in model.named_parameters():
        total.update(name.encode())
        total.update(p.detach().float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def write_manifest(
    folder: Path, args: argparse.Namespace, works: list[Work], step: int, seconds: float, initial: str
) -> None:
    """`run.json`: all that determines the run, with digests of what went in."""
    first = slots.pass_slots(works, args.twin, args.seed, 0)
    passes = step * args.batch / len(first)
    manifest: dict[str, Any] = {
        "twin": args.twin,
        "steps": step,
        "samples": step * args.batch,
        "passes": round(passes, 3),
        "slots_per_pass": len(first),
        "seconds": round(seconds),
        "parameters": {name: getattr(args, name) for name in SAME},
        "digests": {
            "manifest": training.digest(args.samples / "manifest.jsonl"),
            "autoencoder": training.digest(args.work / "autoencoder/vae/diffusion_pytorch_model.safetensors"),
            "text_encoder": training.digest(args.work / "clip/text_encoder/model.safetensors"),
            "initial_parameters": initial,
            "order_of_first_pass": hashlib.sha256(json.dumps([works[i].id for i in first]).encode()).hexdigest(),
        },
        "environment": {"torch": torch.__version__, "device": str(args.device or training.pick_device())},
    }
    (folder / "run.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def trained_unet(work: Path, twin: str) -> tuple[UNet2DConditionModel, dict[str, Any]]:
    """The averaged UNet of the last checkpoint and its run manifest."""
    folder = work / f"twin-{twin}"
    state = training.load(folder / "last.pt")
    if state is None:
        raise SystemExit(f"no checkpoint in {folder}")
    unet = build_unet()
    unet.load_state_dict({**state["model"], **state["average"]})
    return unet.eval(), json.loads((folder / "run.json").read_text(encoding="utf-8"))
