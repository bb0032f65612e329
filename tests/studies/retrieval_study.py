"""The known-item test of the search: works that are in the index, altered, and looked for.

    python -m tests.studies.retrieval_study --out samples/reference/retrieval-study.json

Every work is in the embedded index. It is changed in one fixed way and searched for exactly, by the embedder, by the
copy descriptor, by the copy descriptor on parts of the picture, and as an examination does: the candidates of all three
laid over with local features, in the order of one score. A hit is the work itself at or before a rank. The works are
of the test half of `samples.recipe.descriptor.searched`: descriptor, parts and score were chosen on the other. The
planted works are new to both models; the training works were seen by the embedder and are counted apart. Works, changes
and ranks were fixed before the first run; nothing is chosen by its result.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from torch import Tensor

from forensics import retrieval
from forensics.case import Absent
from forensics.device import choose
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import WeightsError
from forensics.pictures import intake
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.resources import samples
from forensics.retrieval import CLIP, COPY, PARTS, TrainingIndex, encoders, parts
from forensics.retrieval.encoders import Encoder
from forensics.retrieval.local import DEFAULT, FEATURES, Bench
from forensics.retrieval.order import CANDIDATES, WEIGHTS
from forensics.statistics.ranks import clopper_pearson
from forensics.validation.edits import half, recolour
from samples.recipe.data import read_manifest
from samples.recipe.descriptor import searched

SEED = 0
RANKS = (1, 2, 5, 20)
FUSED = "one score"
"""All models, parts and local features, as in an examination."""
NEW, SEEN = "new to both models", "seen by the embedder in training"
ASKED = (CLIP, COPY, PARTS, FUSED)

Change = Callable[[Image.Image, Callable[[], Image.Image]], Image.Image]
"""(the work, one more picture that is not in the index) -> the query."""


@dataclass(frozen=True, slots=True)
class Known:
    """A work of the index that is looked for."""

    id: str
    path: Path
    group: str


def _jpeg(work: Image.Image, _: Callable[[], Image.Image]) -> Image.Image:
    stream = io.BytesIO()
    work.save(stream, "JPEG", quality=50)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def _crop(work: Image.Image, _: Callable[[], Image.Image]) -> Image.Image:
    x, y = round(work.width * 0.0528), round(work.height * 0.0528)
    return work.crop((x, y, work.width - x, work.height - y))


def _collage(work: Image.Image, other: Callable[[], Image.Image]) -> Image.Image:
    """Top left of four; the other three are controls, which the index does not hold."""
    width, height = work.size
    out = Image.new("RGB", (2 * width, 2 * height), (255, 255, 255))
    for place, picture in enumerate((work, other(), other(), other())):
        out.paste(picture.resize((width, height)), (place % 2 * width, place // 2 * height))
    return out


def _inset(work: Image.Image, other: Callable[[], Image.Image]) -> Image.Image:
    under = other().resize((round(work.width / 0.45), round(work.height / 0.45)))
    # The place follows from the picture beneath, so that it is drawn without a further draw.
    place = random.Random(hashlib.sha256(under.tobytes()).hexdigest())
    at = (place.randint(0, under.width - work.width), place.randint(0, under.height - work.height))
    out = under.copy()
    out.paste(work, at)
    return out


CHANGES: dict[str, tuple[str, Change]] = {
    "none": ("as it is", lambda work, _: work),
    "JPEG 50": ("saved as JPEG of quality 50 and read again", _jpeg),
    "crop 80 %": ("its middle, 80 % of the area", _crop),
    "mirror": ("left and right exchanged", lambda work, _: ImageOps.mirror(work)),
    "resize": ("at half its width and height, Lanczos", lambda work, _: half(work)),
    "recolour": (
        "hues moved by a quarter of the circle, a fifth less colour, a tenth darker",
        lambda work, _: recolour(work),
    ),
    "turned 20°": (
        "turned by 20 degrees on white, nothing cut off",
        lambda work, _: work.rotate(20, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255)),
    ),
    "turned 90°": ("turned by a quarter", lambda work, _: work.transpose(Image.Transpose.ROTATE_90)),
    "collage": ("one of four pictures of the same size, the others not in the index", _collage),
    "inset": ("laid at a drawn place over a picture that is not in the index, at 45 % of its width and height", _inset),
}
"""Name -> what is done, and the function."""


def works(reference: Path, half: str = "test", each: int | None = None) -> tuple[list[Known], list[Path]]:
    """The works of a half that are looked for, planted ones first, and pictures of it that the index does not hold.

    Args:
        reference: folder of the reference models.
        half: `calibration` or `test`.
        each: the first so many of the planted and of the training works; none takes all.
    """
    rows = read_manifest(reference)
    found = searched(rows)[half]
    groups = {NEW: [w for w in found if w.role == "planted"], SEEN: [w for w in found if w.role == "training"]}
    known = [Known(w.id, reference / w.path, group) for group, some in groups.items() for w in some[:each]]
    outside = sorted((w for w in rows if w.role == "control" and w.half == half), key=lambda w: w.id)
    return known, [reference / w.path for w in outside]


def queries(known: Sequence[Known], outside: Sequence[Path], change: Change) -> Iterator[Tensor]:
    """Every work, changed, as (1, 3, H, W)."""
    draw = random.Random(SEED)
    for work in known:
        yield to_tensor(change(_read(work.path), lambda: _read(draw.choice(outside))))


def _read(path: Path) -> Image.Image:
    return intake.decode(path.read_bytes(), path.name).picture


def place(ids: Sequence[int], wanted: int) -> int | None:
    """Place of a row, from 1; none where it is not there."""
    return list(ids).index(wanted) + 1 if wanted in ids else None


def figures(ranks: Sequence[int | None]) -> dict[str, dict[str, float]]:
    """Hits at every rank with 95 % Clopper-Pearson bounds."""
    made = {}
    for at in RANKS:
        hits, n = sum(r is not None and r <= at for r in ranks), len(ranks)
        low, high = clopper_pearson(hits, n)
        made[f"hit@{at}"] = {
            "hits": hits,
            "of": n,
            "rate": round(hits / n, 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }
    return made


@dataclass(frozen=True, slots=True)
class Search:
    """The embedded index, its models, and the bench that keeps the features of its rows."""

    index: TrainingIndex
    models: tuple[Encoder, ...]
    bench: Bench

    def places(self, picture: Tensor, wanted: int) -> dict[str, int | None]:
        """Of a row (a row id) in the answer of each of `ASKED` to a picture (1, 3, H, W)."""
        k = max(RANKS)
        queries = {m.column: m.pictures([picture]) for m in self.models}
        found = {c: self.index.search(v, k, column=c)[0].row_ids.tolist() for c, v in queries.items()}
        part = parts.search(self.index, next(m for m in self.models if m.column == COPY), picture, CANDIDATES)
        found[PARTS] = part.row_ids[:k].tolist()
        # What `retrieval.search` does, without computing the vectors a second time.
        laid = partial(self.bench.lay, to_picture(picture))
        hits = retrieval.search_vectors(self.index, queries, k, parts=[part], laid=[laid])[0]
        found[FUSED] = [hit.row_id for hit in hits]
        return {asked: place(found[asked], wanted) for asked in ASKED}


def opened(reference: Path) -> Search:
    """The search of the embedded index, as an examination has it.

    Raises:
        IndexError_: the index is missing or was made with other models.
        WeightsError: a model is missing.
    """
    cpu = choose("cpu", "fp32")
    index = retrieval.open(reference / "index")
    descriptor = open_descriptor(str(reference / "copydescriptor"), cpu)
    if isinstance(descriptor, Absent):
        raise WeightsError(descriptor.reason, hint=descriptor.remedy)
    models = (encoders.clip(Embedder.open(str(reference / "openclip"), cpu)), encoders.copies(descriptor))
    for model in models:
        retrieval.check_model(index.info(), model)
    return Search(index, models, Bench(FEATURES.load(DEFAULT)()))


def study(
    reference: Path,
    say: Callable[[str], None] = lambda _: None,
    before: Mapping[str, Any] | None = None,
    keep: Callable[[Mapping[str, Any]], None] = lambda _: None,
    each: int | None = None,
) -> dict[str, Any]:
    """Run the test.

    Args:
        reference: folder of the reference models and their index.
        say: told of every change that is done.
        before: an earlier study; what it has of these works, rows and models is not computed again.
        keep: given what there is after every change.
        each: see `works`.

    Raises:
        IndexError_: the index is missing or was made with other models.
        WeightsError: a model is missing.
    """
    search = opened(reference)
    known, outside = works(reference, each=each)
    info = search.index.info()
    numbers = {row.training_id: n for n, row in enumerate(search.index.fetch(range(info.facts.count)))}
    stated: dict[str, Any] = {
        "study": "known-item test of the search of the embedded index",
        "seed": SEED,
        "works": len(known),
        "groups": {g: sum(w.group == g for w in known) for g in (NEW, SEEN)},
        "index": {"rows": info.facts.count, "snapshot": info.snapshot, "rows_digest": info.rows_digest},
        "models": {c.name: f"{c.embedder} {c.digest}" for c in info.columns},
        "features": search.bench.features.protocol,
        "order": asdict(WEIGHTS) | {"candidates": CANDIDATES},
        "mode": f"exact; an examination asks for {FUSED}",
        "bounds": "95 %, Clopper and Pearson 1934",
    }
    kept = before["rows"] if before and all(before.get(n) == v for n, v in stated.items()) else []
    rows: list[dict[str, Any]] = []
    for name, (how, change) in CHANGES.items():
        earlier = [row for row in kept if (row["change"], row["how"]) == (name, how)]
        if [row["asked"] for row in earlier] == list(ASKED):
            rows += earlier
            continue
        pictures = queries(known, outside, change)
        found = [search.places(p, numbers[w.id]) for p, w in zip(pictures, known, strict=True)]
        rows += [_row(name, how, asked, known, [places[asked] for places in found]) for asked in ASKED]
        keep(stated | {"rows": rows})
        say(name)
    return stated | {"rows": rows}


def _row(name: str, how: str, asked: str, known: Sequence[Known], ranks: Sequence[int | None]) -> dict[str, Any]:
    groups = {g: [r for r, w in zip(ranks, known, strict=True) if w.group == g] for g in (NEW, SEEN)}
    return {
        "change": name,
        "how": how,
        "asked": asked,
        "all": figures(ranks),
        "groups": {g: figures(r) for g, r in groups.items() if r},
        "missed": sorted(w.id for r, w in zip(ranks, known, strict=True) if r is None),
    }


def write(path: Path, made: Mapping[str, Any]) -> None:
    """As JSON."""
    path.write_text(json.dumps(made, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=samples() / "reference", help="folder of the reference")
    parser.add_argument("--out", type=Path, help="write the study as JSON, after every change")
    parser.add_argument("--each", type=int, help="the first so many works of each group; default: all")
    arguments = parser.parse_args()
    earlier = json.loads(arguments.out.read_text("utf-8")) if arguments.out and arguments.out.is_file() else None
    made = study(
        arguments.reference,
        lambda name: print(f"done: {name}", flush=True),
        earlier,
        partial(write, arguments.out) if arguments.out else lambda _: None,
        arguments.each,
    )
    for row in made["rows"]:
        shown = "  ".join(f"{at} {f['rate']:.3f} ({f['low']:.3f} to {f['high']:.3f})" for at, f in row["all"].items())
        print(f"{row['change']:<10} {row['asked']:<14} {shown}")
    if arguments.out:
        write(arguments.out, made)


if __name__ == "__main__":
    main()
