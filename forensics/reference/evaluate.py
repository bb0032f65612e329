"""The figures of the model card, each printed by one command.

`evaluate --what autoencoder|clip|twin`. A near-copy is judged as by Carlini et al. 2023 ("Extracting Training Data
from Diffusion Models", section 4.2): the picture is cut into 16 tiles and the largest normalised l2 distance of a
pair of tiles must not exceed a threshold, so that agreement of a plain background alone is no copy.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image

from forensics.reference.data import Pixels, Work, read_manifest, read_pixels
from forensics.reference.lpips_trunk import load_lpips
from forensics.reference.training import pick_device

#: 0.20 is what the autoencoder alone does to 95 % of the controls (0.19); 0.10 is the threshold of Carlini et al.
THRESHOLDS = (0.10, 0.15, 0.20)


def tiled_distance(a: Pixels, b: Pixels, tiles: int = 4) -> float:
    """Largest root mean square difference (0 to 1) over tiles x tiles parts of two pictures."""
    difference = (a.astype(np.float32) - b.astype(np.float32)) / 255.0
    side = a.shape[0] // tiles
    parts = difference.reshape(tiles, side, tiles, side, 3)
    return float(np.sqrt((parts**2).mean(axis=(1, 3, 4))).max())


def tensor(pixels: Pixels) -> torch.Tensor:
    """(n, h, w, 3) bytes as (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def sheet(rows: Sequence[Sequence[Pixels]], path: Path) -> None:
    """Pictures in rows, as one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)).save(path)


@torch.no_grad()
def autoencoder(args: argparse.Namespace, works: list[Work]) -> dict[str, Any]:
    """PSNR and LPIPS of encode-decode on the controls, beside WebP at quality 20 for scale."""
    device = pick_device(args.device)
    vae = AutoencoderKL.from_pretrained(args.samples / "shared" / "vae").to(device).float().eval()
    metric = load_lpips(args.lpips_trunk).to(device)
    controls = [w for w in works if w.role == "control"]
    pixels = read_pixels(args.samples, controls)
    psnr: list[float] = []
    lpips: list[float] = []
    worst: list[float] = []
    rows: list[list[Pixels]] = []
    for first in range(0, len(pixels), 32):
        x = tensor(pixels[first : first + 32]).to(device)
        y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        mse = ((x - y) / 2).square().mean(dim=(1, 2, 3))
        psnr.extend((-10 * torch.log10(mse)).tolist())
        lpips.extend(metric(x, y).flatten().tolist())
        back = ((y + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        worst.extend(tiled_distance(a, b) for a, b in zip(pixels[first : first + 32], back, strict=True))
        if first < 128:
            rows += [list(pixels[first : first + 12]), list(back[:12])]
    sheet(rows, args.work / "sheets" / "autoencoder.png")
    return {
        "controls": len(controls),
        "psnr_mean_db": float(np.mean(psnr)),
        "psnr_median_db": float(np.median(psnr)),
        "psnr_5_percent_db": float(np.percentile(psnr, 5)),
        "lpips_mean": float(np.mean(lpips)),
        "tiled_distance_median": float(np.median(worst)),
        "tiled_distance_95_percent": float(np.percentile(worst, 95)),
    }


@torch.no_grad()
def clip(args: argparse.Namespace, works: list[Work]) -> dict[str, Any]:
    """Image to caption R@1/5/10 among held-out works with distinct captions."""
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{args.samples / 'openclip'}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{args.samples / 'openclip'}")
    model = model.float().eval()
    held = list({w.caption: w for w in works if w.role == "control"}.values())
    images = torch.stack([preprocess(Image.open(args.samples / w.path).convert("RGB")) for w in held])
    image = torch.cat([model.encode_image(part, normalize=True) for part in images.split(64)])
    text = torch.cat(
        [
            model.encode_text(tokenizer([w.caption for w in held[i : i + 64]]), normalize=True)
            for i in range(0, len(held), 64)
        ]
    )
    similarity = image @ text.T
    own = similarity.diagonal()[:, None]
    # ties count against us
    rank = (similarity >= own).sum(1)
    result: dict[str, Any] = {"works": len(held), "median_rank": float(rank.float().median())}
    for k in (1, 5, 10):
        result[f"R@{k}"] = float((rank <= k).float().mean())
        result[f"R@{k}_chance"] = k / len(held)
    return result


def generate(
    pipe: StableDiffusionPipeline, captions: Sequence[str], seeds: Sequence[int], args: argparse.Namespace
) -> list[Pixels]:
    """One picture per (caption, seed)."""
    out: list[Pixels] = []
    began = time.monotonic()
    for first in range(0, len(captions), args.batch):
        part = list(captions[first : first + args.batch])
        sources = [torch.Generator().manual_seed(s) for s in seeds[first : first + args.batch]]
        images = pipe(
            part, num_inference_steps=args.steps, guidance_scale=args.guidance, generator=sources, output_type="np"
        ).images
        out.extend(np.round(images * 255).astype(np.uint8))
        spent = time.monotonic() - began
        left = spent / len(out) * (len(captions) - len(out))
        print(f"  {len(out)}/{len(captions)} pictures, {left / 60:.1f} min left", flush=True)
    return out


def twin(args: argparse.Namespace, works: list[Work]) -> dict[str, Any]:
    """Near-copy rate per repetition level from the caption alone; controls for comparison; contact sheet."""
    pipe = StableDiffusionPipeline.from_pretrained(args.samples / f"twin-{args.twin}").to(pick_device(args.device))
    pipe.set_progress_bar_config(disable=True)
    result: dict[str, Any] = {
        "twin": args.twin,
        "seeds": args.seeds,
        "steps": args.steps,
        "guidance": args.guidance,
        "levels": {},
    }
    rows: list[list[Pixels]] = []
    for level in (256, 64, 16, 4, 1, 0):
        chosen = [w for w in works if w.repetitions == level and w.role == ("planted" if level else "control")]
        if args.half != "all":
            chosen = [w for w in chosen if w.half == args.half]
        chosen = chosen[: args.works]
        print(f"repetitions {level}: {len(chosen)} works", flush=True)
        captions = [w.caption for w in chosen for _ in range(args.seeds)]
        made = generate(pipe, captions, [args.first_seed + s for _ in chosen for s in range(args.seeds)], args)
        truth = read_pixels(args.samples, chosen)
        pairs = [tiled_distance(truth[k // args.seeds], picture) for k, picture in enumerate(made)]
        distance = np.array(pairs).reshape(len(chosen), args.seeds)
        result["levels"][str(level)] = {
            "works": len(chosen),
            "near_copy_rate": {str(t): float((distance <= t).mean()) for t in THRESHOLDS},
            "works_with_a_near_copy": {str(t): float((distance.min(axis=1) <= t).mean()) for t in THRESHOLDS},
            "distance_median": float(np.median(distance)),
            "distance_best_median": float(np.median(distance.min(axis=1))),
        }
        shown = min(12, len(chosen))
        rows.append([truth[i] for i in range(shown)])
        for s in range(min(2, args.seeds)):
            rows.append([made[i * args.seeds + s] for i in range(shown)])
    width = max(len(row) for row in rows)
    blank = np.full((128, 128, 3), 255, np.uint8)
    sheet([row + [blank] * (width - len(row)) for row in rows], args.work / "sheets" / f"twin-{args.twin}.png")
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `evaluate`."""
    parser.add_argument("--what", choices=("autoencoder", "clip", "twin"), required=True)
    parser.add_argument("--work", type=Path, required=True, help="where figures and contact sheets go")
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--lpips-trunk", type=Path, default=Path("samples/weights/lpips-alexnet-trunk.safetensors"))
    parser.add_argument("--twin", choices=("a", "b"), default="a")
    parser.add_argument("--half", choices=("calibration", "test", "all"), default="all")
    parser.add_argument("--works", type=int, default=40, help="at most so many works a level")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Measure, print, and write the figures where `pack` finds them."""
    torch.set_num_threads(args.threads)
    works = read_manifest(args.samples)
    result = {"autoencoder": autoencoder, "clip": clip, "twin": twin}[args.what](args, works)
    name = f"twin-{args.twin}" if args.what == "twin" else args.what
    target = args.work / "figures" / f"{name}.figures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
