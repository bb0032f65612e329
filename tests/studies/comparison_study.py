"""The comparison put to the test: adversarial cases of known truth, unrelated pairs and pairs of one creator.

    python -m tests.studies.comparison_study --rows ROWS.jsonl --out samples/reference/comparison-study.json

The same kinds of pairs are made from works of the calibration and of the test half of the manifest, which share no
family. Bounds are chosen on the calibration half, by the rules of `comparison_tables.calibrate`, which are stated there
and were written before the rows were made; words and levels are then counted on the test half. A row keeps what was
measured, not what was concluded, so that the bounds are a function of the rows of the one half and the tables a
function of those of the other. Rows are kept as they are made: a run that stops goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from forensics import similarity, weights
from forensics.case import Absent
from forensics.device import choose
from forensics.embedders.copies import open_descriptor
from forensics.embedders.open_clip import Embedder
from forensics.overlay import outcome
from forensics.overlay.correspondence import Pairing, Prepared, common, pair, prepare
from forensics.pictures.tensors import resize, to_tensor
from forensics.resources import samples
from forensics.similarity import style
from forensics.similarity.aligned import Aligned
from forensics.similarity.lpips import Lpips
from tests.studies import comparison_tables
from tests.studies.comparison_cases import (
    CASES,
    FRAMED,
    REPAINT,
    SIDE,
    SUBJECT,
    THUMBNAILS,
    AdversarialCase,
    Pixels,
    foreign_detail,
    frame,
    reduced,
    repaint,
)
from tests.studies.comparison_tables import FOREIGN, SAME_CREATOR, UNRELATED, thumbnail_group

SEED = 0
WORKS = 40
"""Works a case and half."""
PAIRS = {"calibration": {UNRELATED: 1500, SAME_CREATOR: 200}, "test": {UNRELATED: 3000, SAME_CREATOR: 200}}
HALVES = ("calibration", "test")
FOREIGN_FROM = 64
_KINDS = frozenset(("icon", "symbol", "sign", "template", "flag", "states", "united", "city"))
"""Words of captions that name a kind of picture and no subject."""
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Job:
    """One pair to be compared."""

    half: str
    group: str
    work: str
    other: str

    @property
    def key(self) -> str:
        return f"{self.half}/{self.group}/{self.work}/{self.other}"


class Study:
    """Makes the rows that are missing."""

    def __init__(self, rows: Path) -> None:
        self.folder = samples() / "reference"
        self.manifest = self.folder / "manifest.jsonl"
        self.works = {row["id"]: row for row in map(json.loads, self.manifest.read_text("utf-8").splitlines())}
        self.rows = rows
        device = choose("cpu")
        self.lpips, self.ssim, self.aligned = Lpips(), similarity.load("ssim"), Aligned()
        self.embedder = Embedder.open(str(self.folder / "openclip"), device)
        descriptor = open_descriptor(None, device)
        if isinstance(descriptor, Absent):
            raise SystemExit(f"{descriptor.what}: {descriptor.reason}")
        self.descriptor = descriptor
        self._vectors: dict[str, dict[str, Vector]] = {}
        self._prepared: dict[str, Prepared] = {}

    def half(self, name: str) -> list[str]:
        """Ids of the works of one half, in the order of the manifest."""
        return [i for i, row in self.works.items() if row["half"] == name]

    def jobs(self) -> Iterator[Job]:
        """The calibration half first; within a half cases, thumbnails, pairs of one creator, unrelated pairs."""
        for half in HALVES:
            yield from self._jobs(half)

    def _jobs(self, half: str) -> Iterator[Job]:
        ids, draw = self.half(half), random.Random(f"{SEED}/{half}")
        for case in CASES:
            chosen = [(i, self._stranger(i, ids, draw)) for i in draw.sample(ids, WORKS)]
            if case.name == SUBJECT:
                chosen = self._of_one_subject(half, draw)
            yield from (Job(half, case.name, work, other) for work, other in chosen)
        for side in THUMBNAILS:
            yield from (Job(half, thumbnail_group(side), i, "") for i in draw.sample(ids, WORKS))
        yield from (Job(half, FOREIGN, i, self._stranger(i, ids, draw)) for i in draw.sample(ids, WORKS))
        pairs = [(a, b) for n, a in enumerate(ids) for b in ids[n + 1 :]]
        for group, fits in ((SAME_CREATOR, self._one_creator), (UNRELATED, self._strangers)):
            rows = [p for p in pairs if fits(*p)]
            yield from (Job(half, group, a, b) for a, b in draw.sample(rows, PAIRS[half][group]))

    def run(self, share: tuple[int, int] = (0, 1)) -> None:
        """Make the rows, appending each at once.

        Args:
            share: (i, n): every n-th pair from the i-th on; n runs side by side make the whole.
        """
        done = {row["key"] for row in read(self.rows)}
        cases = {case.name: case for case in CASES}
        for number, job in enumerate(self.jobs()):
            if job.key in done or number % share[1] != share[0]:
                continue
            begun = time.process_time()
            row = self._row(job, cases.get(job.group))
            row["seconds"] = round(time.process_time() - begun, 3)
            with self.rows.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row, sort_keys=True) + "\n")

    def _row(self, job: Job, case: AdversarialCase | None) -> dict[str, Any]:
        work = self._pixels(job.work)
        disputed, as_it_is = self._disputed(job, case, work)
        if job.group == FRAMED:
            first, second, work = self._framed(job, disputed)
        else:
            first = self._ready(job.other) if as_it_is else prepare(disputed)
            second = self._ready(job.work)
        found = pair(first, second)
        own = self._known(job.other) if as_it_is else self._seen(disputed)
        its = self._seen(work) if job.group == FRAMED else self._known(job.work)
        return {
            "key": job.key,
            "half": job.half,
            "group": job.group,
            **self._numbers(found),
            **{name: round(_cosine(own[name], its[name]), 5) for name in ("clip", "descriptor")},
            "manner": round(float(_cosine(own["manner"] - self._centre, its["manner"] - self._centre)), 5),
            **self._alone(disputed, work, found),
        }

    def _disputed(self, job: Job, case: AdversarialCase | None, work: Pixels) -> tuple[Pixels, bool]:
        """The disputed picture, and whether it is a work of the manifest as it is."""
        if job.group.startswith("thumbnail"):
            return reduced(work, int(job.group.split()[1])), False
        other = self._pixels(job.other)
        if job.group == FOREIGN:
            return foreign_detail(work, other, FOREIGN_FROM), False
        if job.group == REPAINT:
            return repaint(self.lpips, work, other), False
        if case is None:
            return other, True
        return case.make(work, other, random.Random(f"{SEED}/{job.key}")), False

    def _framed(self, job: Job, disputed: Pixels) -> tuple[Prepared, Prepared, Pixels]:
        """Both in one frame; what four more framed works share with the work is left out."""
        work = frame(self._pixels(job.work))
        draw = random.Random(f"{SEED}/companions/{job.key}")
        spare = [i for i in self.half(job.half) if i not in (job.work, job.other)]
        companions = [prepare(frame(self._pixels(i))) for i in draw.sample(spare, 4)]
        ready = prepare(work)
        shared = common(ready, companions)
        return prepare(disputed), ready if shared is None else prepare(work, shared), work

    def _numbers(self, found: Pairing) -> dict[str, Any]:
        """What a row keeps of a pairing."""
        parts = [
            {
                **asdict(outcome.seen(p)),
                "steps": list(p.detail.steps),
                "bands": [None if c != c else round(c, 4) for c in p.detail.correlation],
                "contrast": [round(c, 5) for c in p.detail.contrast],
                "low": p.detail.low,
                "high": p.detail.high,
                "score": round(p.score, 5),
                "model": p.model,
                "mirrored": p.mirrored,
                "inverted": p.inverted,
                "proposed": p.proposed,
                "residual": round(p.residual, 3),
                "lpips": round(self.aligned.part(p), 5) if p.cells.agreeing >= min(comparison_tables.CELLS) else None,
            }
            for p in found.parts
        ]
        arranged = asdict(found.layout) | {"value": round(found.layout.value, 5)}
        return {"parts": parts, "quality": list(found.quality), "structure": list(found.structure), "layout": arranged}

    def _alone(self, a: Pixels, b: Pixels, found: Pairing) -> dict[str, float]:
        """Measures that do not align."""
        x, y = (resize(to_tensor(Image.fromarray(p)), SIDE, SIDE) for p in (a, b))
        return {
            "pdq": found.fingerprint_distance,
            "phash": int(np.count_nonzero(phash(a) != phash(b))),
            "ssim": round(float(self.ssim(x, y)), 5),
            "lpips": round(float(self.lpips(x, y)), 5),
        }

    def _pixels(self, work: str) -> Pixels:
        return np.asarray(Image.open(self.folder / self.works[work]["path"]).convert("RGB"))

    def _ready(self, work: str) -> Prepared:
        if work not in self._prepared:
            self._prepared[work] = prepare(self._pixels(work))
        return self._prepared[work]

    def _known(self, work: str) -> dict[str, Vector]:
        if work not in self._vectors:
            self._vectors[work] = self._seen(self._pixels(work))
        return self._vectors[work]

    def _seen(self, pixels: Pixels) -> dict[str, Vector]:
        picture = to_tensor(Image.fromarray(pixels))
        return {
            "clip": np.asarray(self.embedder.images(picture)[0], np.float64),
            "descriptor": np.asarray(self.descriptor.embed(picture)[0], np.float64),
            "manner": style.manner(self.lpips, picture),
        }

    @property
    def _centre(self) -> Vector:
        """Mean manner of works that belong to neither half."""
        if "centre" not in self._vectors:
            ids = random.Random(SEED).sample(self.half("none"), 200)
            rows = [style.manner(self.lpips, to_tensor(Image.fromarray(self._pixels(i)))) for i in ids]
            self._vectors["centre"] = {"manner": np.mean(rows, axis=0)}
        return self._vectors["centre"]["manner"]

    def _stranger(self, work: str, ids: Sequence[str], draw: random.Random) -> str:
        return draw.choice([i for i in ids if i != work and self._strangers(work, i)])

    def _strangers(self, a: str, b: str) -> bool:
        one, two = self.works[a], self.works[b]
        return bool(
            one["creator"] != two["creator"]
            and one["family"].split("/")[0] != two["family"].split("/")[0]
            and not self._one_name(a, b)
        )

    def _one_creator(self, a: str, b: str) -> bool:
        return bool(self.works[a]["creator"] == self.works[b]["creator"] != "")

    def _folder(self, work: str) -> str:
        return str(self.works[work]["family"]).rpartition("/")[0]

    def _one_name(self, a: str, b: str) -> bool:
        names = [_name(self.works[i]["caption"]) for i in (a, b)]
        return bool(names[0] & names[1])

    def _of_one_subject(self, half: str, draw: random.Random) -> list[tuple[str, str]]:
        """Works of the half beside works of neither half, by other creators, of one folder and with a word in common.

        The works of neither half are shared out to the halves by their id, so that no work serves both.
        """
        parity = HALVES.index(half)
        others = [i for i in self.half("none") if int(hashlib.sha256(i.encode()).hexdigest(), 16) % 2 == parity]
        pairs = [
            (a, b)
            for a in self.half(half)
            for b in others
            if self.works[a]["creator"] != self.works[b]["creator"]
            and self._folder(a) == self._folder(b)
            and self._one_name(a, b)
        ]
        draw.shuffle(pairs)
        found: dict[str, str] = {}
        for a, b in pairs:
            if a not in found and b not in found.values():
                found[a] = b
        return list(found.items())[:WORKS]


def _name(caption: str) -> frozenset[str]:
    """The words by which a caption names its subject first."""
    words = caption.split(",")[0].lower().replace("_", " ").split()
    return frozenset(w for w in words if w.isalpha() and len(w) > 3) - _KINDS


def _cosine(a: Vector, b: Vector) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def phash(pixels: Pixels) -> NDArray[np.bool_]:
    """The common 64-bit perceptual hash: 32 × 32 grey, lowest 8 × 8 cosine frequencies against their median."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return np.asarray(low > np.median(low))


def read(rows: Path) -> list[dict[str, Any]]:
    """The rows made so far; a line that a stop has cut off is left out."""
    if not rows.is_file():
        return []
    return [json.loads(line) for line in rows.read_text("utf-8").splitlines() if line.endswith("}")]


def made_with(study: Study) -> dict[str, str]:
    """Digests of what the rows depend on."""
    return {
        "manifest": weights.sha256_file(study.manifest),
        "copy descriptor": study.descriptor.digest,
        "embedder": study.embedder.digest,
        "opencv": cv2.__version__,
        "torch": torch.__version__,
    }


def main() -> None:
    """Run or resume the study, then write the tables."""
    parser = argparse.ArgumentParser(description="The study of the comparison, on works of known truth.")
    parser.add_argument("--rows", type=Path, required=True, help="JSON lines, one a pair; made and resumed")
    parser.add_argument("--out", type=Path, required=True, help="tables, as JSON")
    parser.add_argument("--share", default="0/1", help="I/N: every N-th pair from the I-th on, into rows of its own")
    parser.add_argument("--tables-only", action="store_true", help="write the tables of the rows there are")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    study = Study(args.rows)
    if not args.tables_only:
        first, _, many = args.share.partition("/")
        study.run((int(first), int(many)))
    rows = read(args.rows)
    document = {
        "command": "python -m tests.studies.comparison_study --rows ROWS.jsonl --out "
        "samples/reference/comparison-study.json",
        "seed": SEED,
        "made with": made_with(study),
        "rows planned": sum(1 for _ in study.jobs()),
        **comparison_tables.tables(rows),
    }
    args.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
