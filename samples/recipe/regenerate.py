"""How often a twin gives a work back from its caption alone: `regenerate`, resumable, one line a work in a journal.

A near-copy is judged twice: by the largest tile distance (Carlini et al. 2023, section 4.2) and by the copy descriptor.
The bound of the descriptor is fixed without looking at a generated picture: it is the largest cosine that any two
unrelated controls of the calibration half reach. Draws of one work are not independent, so the interval of a rate is a
bootstrap over works, and beside it stands the number of works of which at least half the draws are near-copies, with
its exact interval (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image

from forensics.case import Absent
from forensics.device import choose
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.statistics.ranks import clopper_pearson
from forensics.validation import journal
from samples.recipe.data import Pixels, Work, read_manifest, read_pixels
from samples.recipe.evaluate import THRESHOLDS, sheet, tensor, tiled_distance

LEVELS = (256, 64, 16, 4, 1, 0)
#: An emblem of an extremist movement that the source list calls by another name; measured, never shown.
HIDDEN = ("91d0e82e3c04",)
SHOWN = 10


def chosen(works: list[Work], level: int, count: int) -> list[Work]:
    """The first `count` works of a level, test half first; level 0 is the controls."""
    role = "planted" if level else "control"
    fitting = [w for w in works if w.repetitions == level and w.role == role and w.half != "none"]
    return sorted(fitting, key=lambda w: w.half != "test")[:count]


def floats(pixels: Pixels) -> torch.Tensor:
    """(n, h, w, 3) bytes as (n, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def embed(descriptor: CopyDescriptor, pixels: Pixels) -> torch.Tensor:
    """(n, d) unit vectors."""
    return torch.cat([descriptor.embed(part) for part in floats(pixels).split(64)])


def descriptor_bound(descriptor: CopyDescriptor, samples: Path, works: list[Work]) -> float:
    """The largest cosine between two controls of different families, calibration half."""
    controls = [w for w in works if w.role == "control" and w.half == "calibration"]
    vectors = embed(descriptor, read_pixels(samples, controls))
    cosines = vectors @ vectors.T
    cosines.fill_diagonal_(-1)
    return float(cosines.max())


@torch.no_grad()
def round_trips(samples: Path, works: list[Work]) -> list[float]:
    """Tile distance of each work to itself through the autoencoder: no draw can be expected to come nearer."""
    vae = AutoencoderKL.from_pretrained(samples / "shared" / "vae").float().eval()
    pixels = read_pixels(samples, works)
    back = torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in tensor(pixels).split(32)])
    shown = ((back.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [tiled_distance(a, b) for a, b in zip(pixels, shown, strict=True)]


@torch.no_grad()
def draw(pipe: StableDiffusionPipeline, captions: list[str], seeds: list[int], args: argparse.Namespace) -> Pixels:
    """(n, 128, 128, 3) bytes, one picture per caption and seed."""
    made = []
    for first in range(0, len(captions), args.batch):
        part = slice(first, first + args.batch)
        sources = [torch.Generator().manual_seed(s) for s in seeds[part]]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
            images = pipe(
                captions[part],
                num_inference_steps=args.steps,
                guidance_scale=args.guidance,
                generator=sources,
                output_type="np",
            ).images
        made.append(np.round(images * 255).astype(np.uint8))
    return np.concatenate(made)


def load_pipeline(samples: Path, twin: str) -> StableDiffusionPipeline:
    """The twin as anyone would load it."""
    pipe = StableDiffusionPipeline.from_pretrained(samples / f"twin-{twin}")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def collect(args: argparse.Namespace, works: list[Work], descriptor: CopyDescriptor, folder: Path) -> dict[str, Any]:
    """Draw every work that the journal lacks; return all rows by work."""
    path = folder / "journal.jsonl"
    rows = {row["work"]: row for row in journal.rows(path)}
    # Level by level in turn: whatever is done when a run is stopped is balanced over the levels.
    columns = zip_longest(*(chosen(works, level, args.works) for level in LEVELS))
    todo = [w for column in columns for w in column if w is not None and w.id not in rows]
    pipe = load_pipeline(args.samples, args.twin) if todo else None
    began = time.monotonic()
    for number, work in enumerate(todo):
        assert pipe is not None
        made = draw(pipe, [work.caption] * args.seeds, list(range(args.seeds)), args)
        truth = read_pixels(args.samples, [work])
        distances = [tiled_distance(truth[0], picture) for picture in made]
        cosines = embed(descriptor, made) @ embed(descriptor, truth)[0]
        order = np.argsort(distances)
        for name, seed in (("best", order[0]), ("median", order[(len(order) - 1) // 2])):
            Image.fromarray(made[seed]).save(folder / f"{work.id}-{name}.png")
        row = {
            "work": work.id,
            "level": work.repetitions,
            "half": work.half,
            "distances": [round(d, 5) for d in distances],
            "cosines": [round(float(c), 5) for c in cosines],
        }
        rows[work.id] = row
        journal.append(path, row)
        left = (time.monotonic() - began) / (number + 1) * (len(todo) - number - 1)
        print(f"twin {args.twin}: {number + 1}/{len(todo)} works, {left / 60:.1f} min left", flush=True)
    return rows


def rate(hits: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Pooled share of draws with a bootstrap interval over works; works of which half the draws or more hit.

    Args:
        hits: (works, seeds) bool.
    """
    source = np.random.default_rng(0)
    each = hits.mean(axis=1)
    again = each[source.integers(0, len(each), (2000, len(each)))].mean(axis=1)
    most = int((each >= 0.5).sum())
    low, high = clopper_pearson(most, len(each))
    return {
        "rate": round(float(each.mean()), 4),
        "interval": [round(float(v), 4) for v in np.percentile(again, (2.5, 97.5))],
        "works_with_half": most,
        "works_with_any": int(hits.any(axis=1).sum()),
        "works_with_half_interval": [round(low, 4), round(high, 4)],
    }


def summary(rows: list[dict[str, Any]], bound: float, through: list[float]) -> dict[str, Any]:
    """The figures of one level.

    Args:
        through: `round_trips` of the same works.
    """
    distance = np.array([row["distances"] for row in rows])
    cosine = np.array([row["cosines"] for row in rows])
    result: dict[str, Any] = {"works": len(rows), "seeds": distance.shape[1]}
    result["autoencoder"] = {str(t): round(float((np.array(through) <= t).mean()), 4) for t in THRESHOLDS}
    result["tiled"] = {str(t): rate(distance <= t) for t in THRESHOLDS}
    result["descriptor"] = rate(cosine > bound)
    result["tiled_and_descriptor"] = {str(t): rate((distance <= t) & (cosine > bound)) for t in THRESHOLDS}
    result["distance_median"] = round(float(np.median(distance)), 4)
    result["distance_best_median"] = round(float(np.median(distance.min(axis=1))), 4)
    return result


def contact(rows: dict[str, Any], works: list[Work], args: argparse.Namespace, folder: Path) -> None:
    """Work, best and median draw, a row of three for every level."""
    lines = []
    blank = np.full((128, 128, 3), 255, np.uint8)
    for level in LEVELS:
        fitting = [w for w in chosen(works, level, args.works) if w.id in rows]
        shown = [w for w in fitting if w.id not in HIDDEN][:SHOWN]
        pad = [blank] * (SHOWN - len(shown))
        lines.append(list(read_pixels(args.samples, shown)) + pad)
        for name in ("best", "median"):
            lines.append([np.asarray(Image.open(folder / f"{w.id}-{name}.png")) for w in shown] + pad)
    sheet(lines, args.work / "sheets" / f"regenerate-{args.twin}.png")


@torch.no_grad()
def captions_of_controls(
    args: argparse.Namespace, works: list[Work], descriptor: CopyDescriptor, clip: Embedder
) -> dict[str, Any]:
    """One picture per control caption: does it show what the caption says, and which training work is nearest?"""
    controls = list({w.caption: w for w in works if w.role == "control" and w.half == "test"}.values())
    pipe = load_pipeline(args.samples, args.twin)
    made = draw(pipe, [w.caption for w in controls], list(range(len(controls))), args)
    pictures = clip.images(floats(made))
    texts = clip.texts([w.caption for w in controls])
    similarity = np.asarray(pictures) @ np.asarray(texts).T
    rank = (similarity >= similarity.diagonal()[:, None]).sum(axis=1)
    trained = [w for w in works if w.role in ("training", "planted")]
    truth = read_pixels(args.samples, trained)
    cosines = embed(descriptor, made) @ embed(descriptor, truth).T
    nearest, best = cosines.max(dim=1).values.numpy(), cosines.argmax(dim=1).numpy()
    tiles = np.array([tiled_distance(truth[j], picture) for j, picture in zip(best, made, strict=True)])
    bound = descriptor_bound(descriptor, args.samples, works)
    lines = []
    for first in range(0, 60, 12):
        lines += [list(made[first : first + 12]), list(truth[best[first : first + 12]])]
    sheet(lines, args.work / "sheets" / f"controls-{args.twin}.png")
    return {
        "captions": len(controls),
        **{f"R@{k}": round(float((rank <= k).mean()), 4) for k in (1, 5, 10)},
        **{f"R@{k}_chance": round(k / len(controls), 4) for k in (1, 5, 10)},
        "nearest_training_cosine_median": round(float(np.median(nearest)), 4),
        "nearest_training_tiled_median": round(float(np.median(tiles)), 4),
        "near_copies_of_a_training_work": int(((tiles <= THRESHOLDS[-1]) & (nearest > bound)).sum()),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `regenerate`."""
    parser.add_argument("--work", type=Path, required=True, help="where journal, figures and contact sheets go")
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--twin", choices=("a", "b"), required=True)
    parser.add_argument("--works", type=int, default=12, help="at most so many works a level, test half first")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--bfloat16", action="store_true", help="faster on some processors; stated with the figures")
    parser.add_argument("--descriptor", type=Path, help="folder of the copy descriptor; default: the one in SAMPLES")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep-captions", action="store_true", help="leave the figures of the controls' captions")


def run(args: argparse.Namespace) -> None:
    """Draw, summarise, print, and write the figures where `pack` finds them."""
    torch.set_num_threads(args.threads)
    device = choose("cpu", "fp32")
    descriptor = open_descriptor(str(args.descriptor or args.samples / "copydescriptor"), device)
    if isinstance(descriptor, Absent):
        raise SystemExit(f"{descriptor.reason} {descriptor.remedy}")
    works = read_manifest(args.samples)
    folder = args.work / "regenerate" / args.twin
    folder.mkdir(parents=True, exist_ok=True)
    rows = collect(args, works, descriptor, folder)
    bound = descriptor_bound(descriptor, args.samples, works)
    contact(rows, works, args, folder)
    taken = {level: chosen(works, level, args.works) for level in LEVELS}
    result = {
        "twin": args.twin,
        "seeds": args.seeds,
        "steps": args.steps,
        "guidance": args.guidance,
        "precision": "bfloat16 autocast" if args.bfloat16 else "float32",
        "descriptor": descriptor.digest,
        "descriptor_bound": round(bound, 4),
        "levels": {
            str(level): summary([rows[w.id] for w in of], bound, round_trips(args.samples, of))
            for level, of in taken.items()
        },
    }
    target = args.work / "figures" / f"twin-{args.twin}.figures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    if args.keep_captions:
        result["control_captions"] = json.loads(target.read_text(encoding="utf-8"))["control_captions"]
    # The levels are safe before the pictures for the controls' captions begin.
    target.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    if not args.keep_captions:
        clip = Embedder.open(str(args.samples / "openclip"), device)
        result["control_captions"] = captions_of_controls(args, works, descriptor, clip)
        target.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
