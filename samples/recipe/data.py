"""Works, renderings and the split of the reference experiment.

Every choice is made by one seed before any model exists.  Planted works and controls come out of one shuffled pool of
eligible works (visually non-trivial, caption unique), so that under "never trained on" they are exchangeable: the
rank of a planted work among the controls is then uniform for twin B.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samples.recipe.captions import captions

SIZE = 128
CACHE_SIZE = 256
MARGIN = 0.04
SEED = 20261122
PLANTED = {1: 40, 4: 40, 16: 40, 64: 40, 256: 24}
CONTROLS = 640
FINETUNE = 12
FINETUNE_CREATOR = "Benji Park"
PDQ_LIMIT = 31
PIXEL_LIMIT = 0.25
MIN_INK = 0.12
MIN_BYTES = 1200
WEBP_QUALITY = 85

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Work:
    """One row of the manifest."""

    id: str
    path: str
    caption: str
    creator: str
    title: str
    sha256: str
    family: str
    role: str
    repetitions: int
    half: str


def read_manifest(samples: Path) -> list[Work]:
    """The rows of `manifest.jsonl` of a samples folder."""
    with (samples / "manifest.jsonl").open(encoding="utf-8") as lines:
        return [Work(**json.loads(line)) for line in lines]


def read_pixels(samples: Path, works: Iterable[Work]) -> Pixels:
    """The shipped renderings, decoded: (n, 128, 128, 3)."""
    return np.stack([np.asarray(Image.open(samples / work.path).convert("RGB")) for work in works])


def render(data: bytes, size: int) -> Image.Image:
    """A PNG on white, cut to its ink, centred on a square with a small margin."""
    image = Image.open(io.BytesIO(data))
    rgba = image.convert("RGBA")
    page = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    page.alpha_composite(rgba)
    rgb = page.convert("RGB")
    ink = np.asarray(rgb).min(axis=2) < 250
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows):
        rgb = rgb.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    inner = size - 2 * round(size * MARGIN)
    scale = inner / max(rgb.size)
    target = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
    small = rgb.resize(target, Image.Resampling.LANCZOS)
    square = Image.new("RGB", (size, size), (255, 255, 255))
    square.paste(small, ((size - target[0]) // 2, (size - target[1]) // 2))
    return square


def encode_webp(image: Image.Image) -> bytes:
    """Lossless where that is hardly larger than quality 85."""
    lossy, lossless = io.BytesIO(), io.BytesIO()
    image.save(lossy, "WEBP", quality=WEBP_QUALITY, method=6)
    image.save(lossless, "WEBP", lossless=True, quality=50, method=3)
    small = lossless.tell() <= max(1200, int(1.15 * lossy.tell()))
    return lossless.getvalue() if small else lossy.getvalue()


def dihedral(image: Pixels) -> list[Pixels]:
    """The eight symmetries of a square image."""
    turns = [np.rot90(image, k) for k in range(4)]
    return turns + [t[:, ::-1] for t in turns]


def near_duplicates(images: Pixels) -> list[tuple[int, int]]:
    """Pairs that PDQ (8-way dihedral) or a 32-pixel distance relative to the ink calls the same picture."""
    import pdqhash

    ink = (255.0 - images.astype(np.float32)) / 255.0
    n, size = len(images), images.shape[1]
    small = ink.reshape(n, 32, size // 32, 32, size // 32, 3).mean(axis=(2, 4))
    flat = small.reshape(n, -1)
    norm = np.linalg.norm(flat, axis=1)
    hashes = [[pdqhash.compute(np.ascontiguousarray(d))[0] for d in dihedral(image)] for image in images]
    signs = np.asarray(hashes, dtype=np.float32) * 2 - 1
    pairs: set[tuple[int, int]] = set()
    for k in range(8):
        hamming = (256 - signs[:, 0] @ signs[:, k].T) / 2
        turned = np.stack([dihedral(s)[k] for s in small]).reshape(n, -1)
        distance = np.sqrt(np.maximum(norm[:, None] ** 2 + norm[None] ** 2 - 2 * flat @ turned.T, 0))
        relative = distance / np.maximum(np.maximum(norm[:, None], norm[None]), 1e-6)
        # PDQ looks at the luminance only and is unsure of plain shapes: ask for a coarse agreement beside it
        same = (relative <= PIXEL_LIMIT) | ((hamming <= PDQ_LIMIT) & (relative <= 2.4 * PIXEL_LIMIT))
        pairs.update((int(i), int(j)) for i, j in np.argwhere(same) if i < j)
        pairs.update((int(j), int(i)) for i, j in np.argwhere(same) if j < i)
    return sorted(pairs)


def merge(families: Sequence[str], pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Family names after joining listed families and near-duplicate pairs (union-find, first name wins)."""
    parent = {name: name for name in families}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for i, j in pairs:
        a, b = sorted((root(families[i]), root(families[j])))
        parent[b] = a
    return [root(name) for name in families]


def assign(eligible: Sequence[bool], creators: Sequence[str], seed: int = SEED) -> list[tuple[str, int, str]]:
    """(role, repetitions, half) of each work, decided by the seed alone.

    All works of the fine-tune's creator stay out of training: twelve are kept for the fine-tune, the rest are controls
    with half "none" (beside the 640 drawn from the pool).
    """
    order = list(range(len(eligible)))
    random.Random(seed).shuffle(order)
    roles: list[tuple[str, int, str]] = [("training", 1, "none")] * len(eligible)
    own = [i for i in order if creators[i] == FINETUNE_CREATOR]
    fit = [i for i in own if eligible[i]]
    for i in own:
        roles[i] = ("control", 0, "none")
    for i in fit[:FINETUNE]:
        roles[i] = ("finetune", 0, "none")
    pool = iter([i for i in order if eligible[i] and creators[i] != FINETUNE_CREATOR])
    for level, count in PLANTED.items():
        for k in range(count):
            roles[next(pool)] = ("planted", level, ("calibration", "test")[k % 2])
    for k in range(CONTROLS):
        roles[next(pool)] = ("control", 0, ("calibration", "test")[k % 2])
    return roles


def load_rows(listing: Path) -> list[dict[str, Any]]:
    """The list of works."""
    with listing.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _verified(png_root: Path, row: dict[str, Any]) -> bytes:
    data = (png_root / row["rel"]).with_suffix(".png").read_bytes()
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise SystemExit(f"{row['rel']}: the PNG is not the one of the list (sha256 differs)")
    return data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `data`."""
    parser.add_argument("--listing", type=Path, required=True, help="openclipart.jsonl")
    parser.add_argument("--png-root", type=Path, required=True, help="usr/share/openclipart/png of openclipart-png")
    parser.add_argument("--work", type=Path, required=True, help="folder for caches and checkpoints")
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))


def run(args: argparse.Namespace) -> None:
    """Verify, render, find near-duplicates, split, write the manifest and the renderings."""
    Image.MAX_IMAGE_PIXELS = None  # the bytes are verified against the list
    rows = load_rows(args.listing)
    args.work.mkdir(parents=True, exist_ok=True)
    large, small, shipped = [], [], []
    for number, row in enumerate(rows, 1):
        data = _verified(args.png_root, row)
        large.append(np.asarray(render(data, CACHE_SIZE)))
        small.append(render(data, SIZE))
        shipped.append(encode_webp(small[-1]))
        if number % 500 == 0:
            print(f"rendered {number}/{len(rows)}", flush=True)
    cache = np.stack(large)
    listed = [str(row["family"]) for row in rows]
    families = merge(listed, near_duplicates(cache))

    ink = np.array([(np.asarray(image).min(axis=2) < 245).mean() for image in small])
    members: dict[str, list[int]] = defaultdict(list)
    for i, family in enumerate(families):
        members[family].append(i)
    kept = [max(group, key=lambda i: (len(shipped[i]), rows[i]["sha256"])) for group in members.values()]
    texts = captions(rows)
    # uniqueness over the whole list, dropped works included
    times = Counter(texts)
    eligible = [times[texts[i]] == 1 and ink[i] >= MIN_INK and len(shipped[i]) >= MIN_BYTES for i in kept]
    roles = assign(eligible, [str(rows[i]["creator"]) for i in kept])

    works: list[Work] = []
    for name in ("works", "controls"):
        (args.samples / name).mkdir(parents=True, exist_ok=True)
        for old in (args.samples / name).glob("*.webp"):
            old.unlink()
    for i, (role, repetitions, half) in zip(kept, roles, strict=True):
        row = rows[i]
        identity = row["sha256"][:12]
        path = f"{'controls' if role == 'control' else 'works'}/{identity}.webp"
        (args.samples / path).write_bytes(shipped[i])
        listed_facts = (row["creator"], row["title"], row["sha256"])
        works.append(Work(identity, path, texts[i], *listed_facts, families[i], role, repetitions, half))
    works.sort(key=lambda work: work.id)
    with (args.samples / "manifest.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(work), ensure_ascii=False) + "\n" for work in works)
    index = {row["sha256"]: i for i, row in enumerate(rows)}
    training = [index[work.sha256] for work in works if work.role == "training"]
    np.save(args.work / "training-256.npy", cache[training])
    facts = {
        "rows": len(rows),
        "families_listed": len(set(listed)),
        "families_after_near_duplicate_search": len(members),
        "works_kept": len(works),
        "eligible_for_planting_and_control": int(sum(eligible)),
        "roles": dict(Counter(work.role for work in works)),
        "bytes": sum((args.samples / work.path).stat().st_size for work in works),
        "seed": SEED,
    }
    (args.work / "data.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(json.dumps(facts, indent=1))
