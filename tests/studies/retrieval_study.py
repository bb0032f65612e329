"""The known-item test of the search: works that are in the index, altered, and looked for.

    python -m tests.studies.retrieval_study --out samples/reference/retrieval-study.json

Every work is in the embedded index. It is changed in one fixed way and searched for exactly, by the embedder, by the
copy descriptor, by both in turn, by the copy descriptor on parts of the picture, and by all three in turn as an
examination does. A hit is the work itself at or before a rank. The planted
works are new to both models; training works were seen by both and are counted apart. Works, changes and ranks were
fixed before the first run; nothing is chosen by its result.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from forensics.pictures.tensors import to_tensor
from forensics.resources import samples
from forensics.retrieval import CLIP, COPY, PARTS, Hits, encoders, parts
from forensics.statistics.ranks import clopper_pearson
from forensics.validation.edits import half, recolour

SEED, TRAINING = 0, 216
"""Training works drawn beside the 184 planted ones: 400 works in all."""
RANKS = (1, 2, 5, 20)
BOTH, TURNS = "both", "both and parts"
"""The columns in turn, and the columns and the parts of the picture in turn, as in an examination."""
NEW, SEEN = "new to both models", "seen by both models in training"

ASKED = {CLIP: (CLIP,), COPY: (COPY,), BOTH: (CLIP, COPY), PARTS: (PARTS,), TURNS: (CLIP, COPY, PARTS)}
"""What is asked -> whose answers take turns."""

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
    "collage": ("one of four pictures of the same size, the others not in the index", _collage),
    "inset": ("laid at a drawn place over a picture that is not in the index, at 45 % of its width and height", _inset),
}
"""Name -> what is done, and the function."""


def works(reference: Path, training: int = TRAINING) -> tuple[list[Known], list[Path]]:
    """The works that are looked for, and pictures that the index does not hold."""
    rows = [json.loads(line) for line in (reference / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    by_role: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: str(r["id"])):
        by_role.setdefault(row["role"], []).append(row)
    drawn = random.Random(SEED).sample(by_role["training"], training)
    known = [(row, NEW) for row in by_role["planted"]] + [(row, SEEN) for row in drawn]
    return (
        [Known(str(row["id"]), reference / row["path"], group) for row, group in known],
        [reference / row["path"] for row in by_role["control"] if row["half"] == "test"],
    )


def queries(known: Sequence[Known], outside: Sequence[Path], change: Change) -> Iterator[Tensor]:
    """Every work, changed, as (1, 3, H, W)."""
    draw = random.Random(SEED)
    for work in known:
        yield to_tensor(change(_read(work.path), lambda: _read(draw.choice(outside))))


def _read(path: Path) -> Image.Image:
    return intake.decode(path.read_bytes(), path.name).picture


def rank(answers: Mapping[str, Hits], wanted: int, k: int) -> int | None:
    """Place of a row, from 1, where the columns take turns; none where it is not among the k first."""
    order = list(retrieval.turns(answers, k))[:k]
    return order.index(wanted) + 1 if wanted in order else None


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


def study(
    reference: Path,
    training: int = TRAINING,
    say: Callable[[str], None] = lambda _: None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run the test.

    Args:
        reference: folder of the reference models and their index.
        training: training works drawn.
        say: told of every change that is done.
        before: an earlier study; what it has of these works, rows and models is not computed again.

    Raises:
        IndexError_: the index is missing or was made with other models.
        WeightsError: a model is missing.
    """
    cpu = choose("cpu", "fp32")
    index = retrieval.open(reference / "index")
    descriptor = open_descriptor(str(reference / "copydescriptor"), cpu)
    if isinstance(descriptor, Absent):
        raise WeightsError(descriptor.reason, hint=descriptor.remedy)
    models = [encoders.clip(Embedder.open(str(reference / "openclip"), cpu)), encoders.copies(descriptor)]
    for model in models:
        retrieval.check_model(index.info(), model)
    known, outside = works(reference, training)
    numbers = {row.training_id: n for n, row in enumerate(index.fetch(range(index.info().facts.count)))}
    info = index.info()
    stated: dict[str, Any] = {
        "study": "known-item test of the search of the embedded index",
        "seed": SEED,
        "works": len(known),
        "groups": {g: sum(w.group == g for w in known) for g in (NEW, SEEN)},
        "index": {"rows": info.facts.count, "snapshot": info.snapshot, "rows_digest": info.rows_digest},
        "models": {c.name: f"{c.embedder} {c.digest}" for c in info.columns},
        "mode": "exact; where several are asked they take turns; an examination asks both and parts",
        "bounds": "95 %, Clopper and Pearson 1934",
    }
    kept = before["rows"] if before and all(before.get(n) == v for n, v in stated.items()) else []
    rows = []
    for name, (how, change) in CHANGES.items():
        earlier = [row for row in kept if (row["change"], row["how"]) == (name, how)]
        if [row["asked"] for row in earlier] == list(ASKED):
            rows += earlier
            continue
        pictures = list(queries(known, outside, change))
        found = {m.column: index.search(m.pictures(pictures), max(RANKS), column=m.column) for m in models}
        copies = next(m for m in models if m.column == COPY)
        found[PARTS] = [parts.search(index, copies, picture, max(RANKS)) for picture in pictures]
        for asked, columns in ASKED.items():
            ranks = [
                rank({c: found[c][i] for c in columns}, numbers[work.id], max(RANKS)) for i, work in enumerate(known)
            ]
            groups = {g: [r for r, w in zip(ranks, known, strict=True) if w.group == g] for g in (NEW, SEEN)}
            rows.append(
                {
                    "change": name,
                    "how": how,
                    "asked": asked,
                    "all": figures(ranks),
                    "groups": {g: figures(r) for g, r in groups.items() if r},
                    "missed": sorted(w.id for r, w in zip(ranks, known, strict=True) if r is None),
                }
            )
        say(name)
    return stated | {"rows": rows}


def main() -> None:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=samples() / "reference", help="folder of the reference")
    parser.add_argument("--out", type=Path, help="write the study as JSON")
    arguments = parser.parse_args()
    earlier = json.loads(arguments.out.read_text("utf-8")) if arguments.out and arguments.out.is_file() else None
    made = study(arguments.reference, say=lambda name: print(f"done: {name}", flush=True), before=earlier)
    for row in made["rows"]:
        shown = "  ".join(f"{at} {f['rate']:.3f} ({f['low']:.3f} to {f['high']:.3f})" for at, f in row["all"].items())
        print(f"{row['change']:<10} {row['asked']:<14} {shown}")
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
