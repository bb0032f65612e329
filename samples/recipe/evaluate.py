"""The figures of the model card, each printed by one command.

`evaluate --what autoencoder|clip|finetune`; `regenerate` and `copies` measure the twins and the copy descriptor. A
near-copy is judged as by Carlini et al. 2023 ("Extracting Training Data from Diffusion Models", section 4.2): the
picture is cut into 16 tiles and the largest normalised l2 distance of a pair of tiles must not exceed a threshold, so
that agreement of a plain background alone is no copy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image

from forensics.pictures.tiles import tile_distances
from samples.recipe.data import Pixels, Work, read_manifest, read_pixels
from samples.recipe.lpips_trunk import load_lpips
from samples.recipe.training import pick_device

#: 0.15 is the threshold of Carlini et al.; the autoencoder alone keeps half the controls within 0.10, 95 % within 0.20.
THRESHOLDS = (0.10, 0.15, 0.20)


def tiled_distance(a: Pixels, b: Pixels) -> float:
    """Largest root mean square difference (0 to 1) over 4 x 4 parts of two pictures (h, w, 3)."""
    x, y = (torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255 for pixels in (a, b))
    return float(tile_distances(x, y).max())


def tensor(pixels: Pixels) -> torch.Tensor:
    """(n, h, w, 3) bytes as (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def sheet(rows: Sequence[Sequence[Pixels]], path: Path) -> None:
    """Pictures in rows, as one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)).save(path)


@torch.no_grad()
def autoencoder(args: argparse.Namespace, works: list[Work]) -> dict[str, Any]:
    """PSNR, LPIPS and tiled distance of encode-decode on the controls."""
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


@torch.no_grad()
def finetune(args: argparse.Namespace, works: list[Work]) -> dict[str, Any]:
    """Near-copies of the fine-tune's works from their captions, by twin B with the LoRA and without it.

    Beside them the creator's other works, which neither saw: what the fine-tune learned of a manner is no copy.
    """
    groups = {
        "finetune": [w for w in works if w.role == "finetune"],
        "same_creator_unseen": [w for w in works if w.role == "control" and w.half == "none"][: args.works],
    }
    result: dict[str, Any] = {"seeds": args.seeds, "steps": args.steps, "guidance": args.guidance}
    rows = [list(read_pixels(args.samples, groups["finetune"]))]
    for name in ("twin_b", "twin_b_with_lora"):
        pipe = StableDiffusionPipeline.from_pretrained(args.samples / "twin-b").to(pick_device(args.device))
        pipe.set_progress_bar_config(disable=True)
        if name == "twin_b_with_lora":
            pipe.load_lora_weights(str(args.samples / "finetune"))
            pipe.fuse_lora()
        result[name] = {}
        for group, chosen in groups.items():
            distances = []
            for work, truth in zip(chosen, read_pixels(args.samples, chosen), strict=True):
                sources = [torch.Generator().manual_seed(seed) for seed in range(args.seeds)]
                images = pipe(
                    [work.caption] * args.seeds,
                    num_inference_steps=args.steps,
                    guidance_scale=args.guidance,
                    generator=sources,
                    output_type="np",
                ).images
                made = np.round(images * 255).astype(np.uint8)
                distances.append([tiled_distance(truth, picture) for picture in made])
                if group == "finetune":
                    rows.append([made[0]])
                print(f"{name} {group}: {len(distances)}/{len(chosen)}", flush=True)
            distance = np.array(distances)
            result[name][group] = {
                "works": len(chosen),
                "near_copy_rate": {str(t): float((distance <= t).mean()) for t in THRESHOLDS},
                "works_with_a_near_copy": {str(t): int((distance.min(axis=1) <= t).sum()) for t in THRESHOLDS},
                "distance_median": float(np.median(distance)),
            }
    made_rows = [row[0] for row in rows[1:]]
    half = len(groups["finetune"])
    sheet([rows[0], made_rows[:half], made_rows[half:]], args.work / "sheets" / "finetune.png")
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `evaluate`."""
    parser.add_argument("--what", choices=("autoencoder", "clip", "finetune"), required=True)
    parser.add_argument("--work", type=Path, required=True, help="where figures and contact sheets go")
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--lpips-trunk", type=Path, default=Path("samples/weights/lpips-alexnet-trunk.safetensors"))
    parser.add_argument("--works", type=int, default=12, help="finetune: at most so many unseen works of the creator")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Measure, print, and write the figures where `pack` finds them."""
    torch.set_num_threads(args.threads)
    works = read_manifest(args.samples)
    result = {"autoencoder": autoencoder, "clip": clip, "finetune": finetune}[args.what](args, works)
    target = args.work / "figures" / f"{args.what}.figures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
