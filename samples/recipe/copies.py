"""Which measure finds an edited copy among unrelated pictures: `copies`.

The controls of the test half, which nothing was trained on or tuned with, are edited; every edited picture is compared
with every original. Recall at zero false positives: the share of edited pictures that are closer to their original
than any unrelated pair is, all pairs of the same edit counted; and the same against pairs of one creator alone, whose
works share a manner. PDQ takes the best of the eight rotations and reflections of the edited picture, as its authors
propose (Facebook 2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm").
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from forensics.case import Absent
from forensics.device import choose
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.similarity.ssim import C1, C2, _blur, luminance
from forensics.statistics.ranks import clopper_pearson
from samples.recipe.data import Pixels, Work, read_manifest, read_pixels
from samples.recipe.lpips_trunk import load_lpips
from samples.recipe.regenerate import embed, floats

SIDE = 128
Scores = NDArray[np.float64]
Edit = Callable[[Image.Image, random.Random, Sequence[Image.Image]], Image.Image]


def mirror(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """Left and right exchanged."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crop(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """A square of half the area at a random place, back at full size."""
    side = round(SIDE * 0.5**0.5)
    x, y = source.randint(0, SIDE - side), source.randint(0, SIDE - side)
    return image.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def rotate(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """By 10 to 45 degrees either way, on white, nothing cut off."""
    angle = source.choice((-1, 1)) * source.uniform(10, 45)
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))
    return turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def recolour(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """Hue turned by 60 to 300 degrees, saturation and value changed by up to a third."""
    hue, saturation, value = image.convert("HSV").split()
    turn, more, light = source.randint(43, 213), source.uniform(0.67, 1.33), source.uniform(0.67, 1)
    hue = hue.point([(i + turn) % 256 for i in range(256)])
    saturation = saturation.point([min(255, round(i * more)) for i in range(256)])
    value = value.point([round(i * light) for i in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def jpeg(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """JPEG at quality 30."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=30)
    return Image.open(data).convert("RGB")


def collage(image: Image.Image, source: random.Random, others: Sequence[Image.Image]) -> Image.Image:
    """A quarter of a sheet whose other quarters are foreign pictures."""
    parts = [image, *source.sample(list(others), 3)]
    source.shuffle(parts)
    sheet = Image.new("RGB", (SIDE, SIDE))
    for number, part in enumerate(parts):
        half = part.resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS)
        sheet.paste(half, (number % 2 * SIDE // 2, number // 2 * SIDE // 2))
    return sheet


EDITS: dict[str, Edit] = {
    "mirror": mirror,
    "crop 50 %": crop,
    "rotation": rotate,
    "recolour": recolour,
    "JPEG 30": jpeg,
    "collage 25 %": collage,
}


class PerceptualVectors:
    """LPIPS as a squared Euclidean distance: concatenated, weighted, normalised features of one picture."""

    def __init__(self, trunk: Path) -> None:
        self.metric = load_lpips(trunk)

    @torch.no_grad()
    def __call__(self, pixels: Pixels) -> torch.Tensor:
        """(n, h, w, 3) bytes -> (n, features) float32 with LPIPS(a, b) = ‖va − vb‖²."""
        rows = []
        for part in floats(pixels).split(32):
            maps = self.metric.net(self.metric.scaling_layer(part * 2 - 1))
            flat = []
            for number, grid in enumerate(maps):
                unit = grid / (grid.square().sum(1, keepdim=True).sqrt() + 1e-10)
                weight = self.metric.lins[number].model[-1].weight.reshape(1, -1, 1, 1)
                flat.append((unit * (weight / (grid.shape[2] * grid.shape[3])).sqrt()).flatten(1))
            rows.append(torch.cat(flat, dim=1))
        return torch.cat(rows)


def ssim_all(a: Pixels, b: Pixels) -> Scores:
    """(len(a), len(b)) mean SSIM of every pair, single precision."""
    x, y = luminance(floats(a)).float(), luminance(floats(b)).float()
    blur = lambda t: _blur(t.double()).float()  # noqa: E731
    my, vy = blur(y), blur(y * y) - blur(y) ** 2
    rows = []
    for one in x.split(1):
        mx = blur(one)
        vx, cxy = blur(one * one) - mx**2, blur(one * y) - mx * my
        index = ((2 * mx * my + C1) * (2 * cxy + C2)) / ((mx**2 + my**2 + C1) * (vx + vy + C2))
        rows.append(index.mean(dim=(1, 2, 3)).numpy())
    return np.stack(rows).astype(np.float64)


def pdq_all(a: Pixels, b: Pixels) -> Scores | None:
    """(len(a), len(b)) minus the Hamming distance, best of the eight orientations of `a`; None without the library."""
    try:
        import pdqhash
    except ImportError:
        return None
    eight = np.stack([pdqhash.compute_dihedral(picture)[0] for picture in a]).astype(np.float32)  # (n, 8, 256)
    plain = np.stack([pdqhash.compute(picture)[0] for picture in b]).astype(np.float32)
    agree = eight @ plain.T + (1 - eight) @ (1 - plain).T  # (n, 8, m)
    result: Scores = (agree.max(axis=1) - 256).astype(np.float64)
    return result


def recall(scores: Scores, apart: NDArray[np.bool_]) -> dict[str, Any]:
    """Share of the diagonal strictly above every score of a pair that is `apart`."""
    bound = float(scores[apart].max())
    found = int((np.diag(scores) > bound).sum())
    low, high = clopper_pearson(found, len(scores))
    return {
        "recall": round(found / len(scores), 4),
        "interval": [round(low, 4), round(high, 4)],
        "bound": round(bound, 5),
        "pairs": int(apart.sum()),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `copies`."""
    parser.add_argument("--work", type=Path, required=True, help="where figures and the contact sheet go")
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--lpips-trunk", type=Path, default=Path("samples/weights/lpips-alexnet-trunk.safetensors"))
    parser.add_argument("--descriptor", type=Path, help="folder of the copy descriptor; default: the one in SAMPLES")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Edit, measure every pair, print, and write the figures where `pack` finds them."""
    torch.set_num_threads(args.threads)
    device = choose("cpu", "fp32")
    descriptor = open_descriptor(str(args.descriptor or args.samples / "copydescriptor"), device)
    if isinstance(descriptor, Absent):
        raise SystemExit(f"{descriptor.reason} {descriptor.remedy}")
    clip = Embedder.open(str(args.samples / "openclip"), device)
    perceptual = PerceptualVectors(args.lpips_trunk)
    works: list[Work] = [w for w in read_manifest(args.samples) if w.role == "control" and w.half == "test"]
    truth = read_pixels(args.samples, works)
    foreign = [w for w in read_manifest(args.samples) if w.role == "training"][:200]
    others = [Image.fromarray(p) for p in read_pixels(args.samples, foreign)]
    creators = np.array([w.creator for w in works])
    apart = ~np.eye(len(works), dtype=bool)
    same_creator = apart & (creators[:, None] == creators[None, :])
    vectors = perceptual(truth)
    own, meaning = embed(descriptor, truth), np.asarray(clip.images(floats(truth)))
    table: dict[str, Any] = {}
    rows = [truth[:12]]
    for name, edit in EDITS.items():
        source = random.Random(f"copies/{name}")
        made = np.stack([np.asarray(edit(Image.fromarray(p), source, others)) for p in truth])
        rows.append(made[:12])
        measures: dict[str, Scores | None] = {
            "copy descriptor": (embed(descriptor, made) @ own.T).double().numpy(),
            "PDQ, 8 orientations": pdq_all(made, truth),
            "LPIPS-alex": -torch.cdist(perceptual(made), vectors).square().double().numpy(),
            "CLIP (small)": (np.asarray(clip.images(floats(made))) @ meaning.T).astype(np.float64),
            "SSIM": ssim_all(made, truth),
        }
        table[name] = {
            measure: "not measured: pdqhash is not installed"
            if scores is None
            else {"unrelated": recall(scores, apart), "same_creator": recall(scores, same_creator)}
            for measure, scores in measures.items()
        }
        print(name, {m: v if isinstance(v, str) else v["unrelated"]["recall"] for m, v in table[name].items()})
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    (args.work / "sheets").mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.work / "sheets" / "copies.png")
    result = {"works": len(works), "descriptor": descriptor.digest, "edits": table}
    target = args.work / "figures" / "copies.figures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
