"""The whitening of the copy descriptor: `descriptor`. Nothing is trained by gradient, and the fit takes minutes.

The trunk is AlexNet as it ships for LPIPS; its maps 3 to 5, pooled, give 896 numbers a picture. Of every work the plain
picture and edited views (`view`) are described. What differs between views of one work is what a search is to see past:
its covariance, drawn towards a ball, is whitened first; then the principal axes of the plain pictures are kept, each
weighed by a root of its spread (K. Mikolajczyk and J. Matas, ICCV 2007; F. Radenović, G. Tolias, O. Chum, PAMI 2019).

Fitted to training-role works alone, without those that the search is chosen with and tested on (`searched`): planted
works, controls, the fine-tune's works and those are as new to the descriptor as a stranger's.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file

from forensics import weights
from forensics.embedders.alexnet import WEIGHTS as TRUNK
from forensics.embedders.alexnet import Trunk
from forensics.embedders.copies import CONFIG, WEIGHTS, Pooling, PoolingConfig, fit
from samples.recipe import training
from samples.recipe.data import Work, read_manifest

NAME = "copydescriptor"
SHRINK, SPREAD = 1.0, 0.5
"""How far the covariance within works is drawn towards a ball of its mean spread, and the power of the standard
deviation by which an axis is divided: chosen on the calibration half of `searched`, see the model card."""
CALIBRATION, TEST = 108, 216
"""Training works that are searched for, beside the planted ones of each half."""
Numbers = NDArray[np.float64]


def pooling_config() -> PoolingConfig:
    """Maps 3 to 5 at 320 pixels, 256 numbers."""
    return PoolingConfig(NAME, "2", 320, 256, (3, 4, 5), 3.0)


def searched(works: Sequence[Work]) -> dict[str, tuple[Work, ...]]:
    """Works that the search is chosen with, `calibration`, and tested on, `test`: planted ones, then training works."""
    ordered = sorted(works, key=lambda w: w.id)
    training_works = [w for w in ordered if w.role == "training"]
    test = random.Random(0).sample(training_works, TEST)
    kept = set(test)
    calibration = random.Random(1).sample([w for w in training_works if w not in kept], CALIBRATION)
    planted = {half: [w for w in ordered if w.role == "planted" and w.half == half] for half in ("calibration", "test")}
    return {"calibration": (*planted["calibration"], *calibration), "test": (*planted["test"], *test)}


def fitted_to(works: Sequence[Work]) -> list[Work]:
    """Training-role works that are not searched for."""
    left_out = {w.id for half in searched(works).values() for w in half}
    return [w for w in works if w.role == "training" and w.id not in left_out]


def whitening(
    plain: Numbers, views: Sequence[Numbers], dims: int, *, shrink: float = SHRINK, spread: float = SPREAD
) -> tuple[Numbers, Numbers]:
    """Mean (width,) and matrix (width, dims) that a pooled vector is centred and multiplied with.

    Args:
        plain: (n, width) vectors of the works as they are.
        views: (n, width) each, of edited views of the same works in the same order.
        dims: axes kept.
        shrink: ball added to the covariance within works, in units of its mean spread.
        spread: 0 leaves the kept axes as spread as they are, 1 makes them equal.
    """
    differences = np.concatenate([view - plain for view in views])
    within = differences.T @ differences / len(differences)
    values, axes = np.linalg.eigh(within + shrink * np.trace(within) / len(within) * np.eye(len(within)))
    near = axes / np.sqrt(values)
    mean = plain.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(((plain - mean) @ near).T))
    return mean, near @ (axes[:, ::-1][:, :dims] / values[::-1][:dims] ** (spread / 2))


def described(network: Pooling, pictures: Iterable[Image.Image]) -> Numbers:
    """(n, width) of RGB pictures."""
    side = pooling_config().side
    rows = []
    with torch.inference_mode():
        for picture in pictures:
            pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None]
            rows.append(network.features(fit(pixels, side, side)))
    return torch.cat(rows).double().numpy()


def view(work: Image.Image, source: random.Random, other: Callable[[], Image.Image]) -> Image.Image:
    """One of eight edits at a drawn strength, mirrored every other time.

    Args:
        work: RGB.
        source: of every draw.
        other: gives another work, drawn, to lay this one over.
    """
    kind = source.randrange(8)
    if source.random() < 0.5:
        work = ImageOps.mirror(work)
    edit = (_turned, _quarter, _cut, _recoloured, _compressed, _laid, _shrunk, _framed)[kind]
    return edit(work, source, other)


def _turned(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    angle = source.uniform(-45, 45)
    return work.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))


def _quarter(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return work.transpose(source.choice(turns))


def _cut(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    part = source.uniform(0.5, 1) ** 0.5
    width, height = round(work.width * part), round(work.height * part)
    x, y = source.randint(0, work.width - width), source.randint(0, work.height - height)
    return work.crop((x, y, x + width, y + height))


def _recoloured(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    hue, saturation, value = work.convert("HSV").split()
    turn, more, light = source.randint(20, 236), source.uniform(0.6, 1.2), source.uniform(0.7, 1.0)
    hue = hue.point([(i + turn) % 256 for i in range(256)])
    saturation = saturation.point([min(255, round(i * more)) for i in range(256)])
    value = value.point([round(i * light) for i in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _compressed(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    quality, stream = source.randint(10, 60), io.BytesIO()
    shown = work.convert("L").convert("RGB") if source.random() < 0.5 else work
    shown.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def _laid(work: Image.Image, source: random.Random, other: Callable[[], Image.Image]) -> Image.Image:
    share = source.uniform(0.5, 0.9)
    under = other()
    under = under.resize((round(work.width / share), round(work.height / share)))
    x, y = source.randint(0, under.width - work.width), source.randint(0, under.height - work.height)
    under.paste(work, (x, y))
    return under


def _shrunk(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    part = source.uniform(0.3, 0.7)
    return work.resize((round(work.width * part), round(work.height * part)), Image.Resampling.LANCZOS)


def _framed(work: Image.Image, source: random.Random, _: Any) -> Image.Image:
    margin = source.randint(4, 50)
    colour = (source.randint(0, 255), source.randint(0, 255), source.randint(0, 255))
    frame = Image.new("RGB", (work.width + 2 * margin, work.height + 2 * margin), colour)
    frame.paste(work, (margin, margin))
    return frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `descriptor`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--views", type=int, default=3, help="edited views of every work")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Describe, fit, and save the folder that `forensics.embedders.copies` loads."""
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    works = fitted_to(read_manifest(args.samples))
    config = pooling_config()
    network = Pooling(config, Trunk(load_file(weights.resolve(TRUNK))))
    pictures = [Image.open(args.samples / work.path).convert("RGB") for work in works]
    plain = described(network, pictures)
    views = []
    for number in range(args.views):
        source = random.Random(f"{NAME}/{number}")

        def other(draw: random.Random = source) -> Image.Image:
            return draw.choice(pictures)

        views.append(described(network, (view(picture, source, other) for picture in pictures)))
        print(f"descriptor: view {number + 1} of {args.views}, {time.monotonic() - began:.0f} s", flush=True)
    mean, matrix = whitening(plain, views, config.dims)
    folder = args.work / NAME / "packed"
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"mean": torch.from_numpy(mean).half(), "matrix": torch.from_numpy(matrix.copy()).half()}
    save_file(kept, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")
    facts: dict[str, Any] = {
        "works": len(works),
        "views": args.views,
        "seconds": round(time.monotonic() - began),
        "parameters": training.settings(vars(args)) | {"shrink": SHRINK, "spread": SPREAD},
        "digests": {
            "manifest": training.digest(args.samples / "manifest.jsonl"),
            "works": hashlib.sha256(json.dumps([w.id for w in works]).encode()).hexdigest(),
            "trunk": weights.TABLE[TRUNK].sha256,
        },
        "environment": {"torch": torch.__version__, "numpy": np.__version__, "device": "cpu"},
    }
    (args.work / NAME / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"descriptor: {len(works)} works, {args.views} views each; saved {folder}", flush=True)
