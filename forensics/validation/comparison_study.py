"""The comparison put to the test: adversarial cases of known truth, unrelated pairs and pairs of one creator.

    python -m forensics.validation.comparison_study --rows ROWS.jsonl --out samples/reference/comparison-study.json

Every disputed picture is made by this file from a work of the test half of the manifest. The bounds of
`forensics.similarity.outcome` were fixed on works of the calibration half before this file was first run. Rows are kept
as they are made, so that a run that stops goes on where it stopped; the JSON is a function of the rows.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from forensics import similarity
from forensics.case import Outcome
from forensics.device import choose
from forensics.embedding import Embedder
from forensics.images import resize, to_tensor
from forensics.resources import samples
from forensics.similarity import correspondence, outcome, pdq
from forensics.similarity.correspondence import Pairing, Prepared, common, pair, prepare
from forensics.similarity.plates import Matrix

SEED = 0
WORKS = 40
UNRELATED = 3000
SAME_CREATOR = 200
SUBJECT_QUANTILE = 0.99
"""Share of unrelated pairs of the calibration half whose embeddings are farther apart than "the same subject"."""
_SIDE = 256
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Case:
    """One adversarial case."""

    name: str
    required: tuple[Outcome, ...]
    how: str
    make: Callable[[Pixels, Pixels, random.Random], Pixels]
    """(the work, another work, draw) -> the disputed picture."""


def _up(work: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(work).resize((side, side), Image.Resampling.BICUBIC))


def _mirror(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    return np.ascontiguousarray(_up(work, _SIDE)[:, ::-1])


def _turned_crop(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    share, angle = draw.uniform(0.2, 0.5), draw.choice((-1, 1)) * draw.uniform(5, 25)
    turned = Image.fromarray(_up(work, 512)).rotate(angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    side = round(512 * share**0.5)
    left, top = ((512 - side) // 2 + draw.randint(-40, 40) for _ in range(2))
    return np.asarray(turned.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE)))


def _recoloured(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    hue, saturation, value = Image.fromarray(_up(work, _SIDE)).convert("HSV").split()
    step = draw.randint(40, 215)
    return np.asarray(Image.merge("HSV", (hue.point(lambda h: (h + step) % 256), saturation, value)).convert("RGB"))


def _inverted(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    return 255 - _up(work, _SIDE)


def _other(_: Pixels, other: Pixels, __: random.Random) -> Pixels:
    return _up(other, _SIDE)


def frame(work: Pixels, seed: int = 5) -> Pixels:
    """The work inside an ornamental frame that is the same for every work."""
    rng = np.random.default_rng(seed)
    page = np.full((320, 320, 3), (235, 220, 190), np.uint8)
    for _ in range(70):
        side = rng.integers(4)
        along, across = int(rng.integers(8, 312)), int(rng.integers(10, 40))
        at = [(along, across), (along, 319 - across), (across, along), (319 - across, along)][side]
        colour = tuple(int(v) for v in rng.integers(20, 220, 3))
        cv2.circle(page, at, int(rng.integers(4, 11)), colour, -1, cv2.LINE_AA)
    page[56:264, 56:264] = _up(work, 208)
    return page


def _framed(_: Pixels, other: Pixels, __: random.Random) -> Pixels:
    return frame(other)


def _jpeg(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(_up(work, _SIDE)).save(buffer, "JPEG", quality=30)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _thumbnail(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    small = Image.fromarray(work).resize((48, 48), Image.Resampling.BOX)
    return np.asarray(small.resize((512, 512), Image.Resampling.BICUBIC))


def _collage(work: Pixels, other: Pixels, draw: random.Random) -> Pixels:
    page = Image.fromarray(_up(other, 512)).copy()
    side = draw.randint(128, 256)
    page.paste(Image.fromarray(_up(work, side)), (draw.randint(0, 512 - side), draw.randint(0, 512 - side)))
    return np.asarray(page)


def _redrawn(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    """Every place moved smoothly by about four per cent of the side and the tones flattened: layout without detail."""
    rng = np.random.default_rng(draw.randint(0, 2**31))
    picture = _up(work, _SIDE)
    moves = [
        cv2.resize(
            rng.normal(0, 0.04 * _SIDE, (8, 8)).astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC
        )
        for c in (rng.normal(0, 0.04 * _SIDE, (8, 8)).astype(np.float32) for _ in range(2))
    ]
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32)
    moved = cv2.remap(picture, x + moves[0], y + moves[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.bilateralFilter(moved, 9, 60, 9) // 48 * 48 + 24, np.uint8)


_COPY, _PART, _NOTHING = (Outcome.REPRODUCES,), (Outcome.PARTLY,), (Outcome.NONE,)
CASES = (
    Case("mirror", _COPY, "mirrored", _mirror),
    Case("crop and rotation", _PART, "20 to 50 % of the area, turned by 5 to 25 degrees", _turned_crop),
    Case("recolour", _COPY, "hues turned by 56 to 303 degrees", _recoloured),
    Case("tone inversion", _COPY, "255 minus the value", _inverted),
    Case("style-only imitation", (Outcome.STYLE,), "another work of the same creator", _other),
    Case("same subject", (Outcome.SUBJECT,), "another creator's work with the same first words of caption", _other),
    Case("shared template", _NOTHING, "two works in one ornamental frame, four more of the index in it", _framed),
    Case("JPEG 30", _COPY, "JPEG at quality 30, metadata gone", _jpeg),
    Case("enlarged thumbnail", _COPY, "48 pixels enlarged to 512", _thumbnail),
    Case("collage", _PART, "pasted at 6 to 25 % of the area of another work", _collage),
    Case("paraphrase", (Outcome.ARRANGEMENT,), "smoothly moved by 4 % of the side, tones flattened: a program's "
         "stand-in for image-to-image generation, which was not run", _redrawn),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One pair to be compared."""

    key: str
    group: str
    work: str
    other: str


class Study:
    """Makes the rows that are missing."""

    def __init__(self, rows: Path) -> None:
        self.folder = samples() / "reference"
        lines = (self.folder / "manifest.jsonl").read_text("utf-8").splitlines()
        self.works = {row["id"]: row for row in map(json.loads, lines)}
        self.rows = rows
        self.lpips = similarity.load("lpips")
        self.ssim = similarity.load("ssim")
        self.embedder = Embedder.open(str(self.folder / "openclip"), choose("cpu"))
        self._vectors: dict[str, Matrix] = {}
        self._prepared: dict[str, Prepared] = {}
        self.subject = self._subject_bound()

    def half(self, name: str) -> list[str]:
        """Ids of the works of one half, in the order of the manifest."""
        return [i for i, row in self.works.items() if row["half"] == name]

    def jobs(self) -> Iterator[Job]:
        """Cases first, then pairs of one creator, then unrelated ones."""
        test = self.half("test")
        draw = random.Random(SEED)
        same_creator = self._pairs(test, lambda a, b: a["creator"] == b["creator"], WORKS + SAME_CREATOR, draw)
        same_subject = self._pairs(test, self._one_subject, WORKS, draw)
        for case in CASES:
            chosen = draw.sample(test, WORKS)
            others = draw.sample(test, WORKS)
            pairs = list(zip(chosen, others, strict=True))
            if case.name == "style-only imitation":
                pairs = same_creator[:WORKS]
            elif case.name == "same subject":
                pairs = same_subject
            for work, other in pairs:
                yield Job(f"{case.name}/{work}/{other}", case.name, work, other)
        for a, b in same_creator[WORKS:]:
            yield Job(f"same creator/{a}/{b}", "same creator", a, b)
        for a, b in self._pairs(test, self._unrelated, UNRELATED, draw):
            yield Job(f"unrelated/{a}/{b}", "unrelated", a, b)

    def run(self) -> None:
        """Make the rows, appending each at once."""
        done = {row["key"] for row in read(self.rows)}
        cases = {case.name: case for case in CASES}
        for job in self.jobs():
            if job.key in done:
                continue
            row = self._row(job, cases.get(job.group))
            with self.rows.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row, sort_keys=True) + "\n")

    def _row(self, job: Job, case: Case | None) -> dict[str, Any]:
        work, other = self._pixels(job.work), self._pixels(job.other)
        draw = random.Random(f"{SEED}/{job.key}")
        disputed = case.make(work, other, draw) if case else other
        companions: list[Pixels] = []
        if job.group == "shared template":
            work = frame(work)
            spare = [i for i in self.half("calibration")[:200] if i not in (job.work, job.other)]
            companions = [frame(self._pixels(i)) for i in draw.sample(spare, 4)]
            first = prepare(disputed)
            ready = prepare(work)
            shared = common(ready, [prepare(c) for c in companions])
            second = ready if shared is None else prepare(work, shared)
        else:
            first = self._ready(job.other) if case is None else prepare(disputed)
            second = self._ready(job.work)
        found = pair(first, second)
        cosine = float(self._vector(disputed) @ self._vector(work))
        return {
            "key": job.key, "group": job.group, "outcome": str(outcome.decide(found, subject=cosine >= self.subject)),
            "copy": str(outcome.decide(found)), "clip": round(cosine, 5),
            **numbers(found), **self._baselines(disputed, work, found),
        }  # fmt: skip

    def _baselines(self, a: Pixels, b: Pixels, found: Pairing) -> dict[str, float]:
        x, y = (resize(to_tensor(Image.fromarray(p)), _SIDE, _SIDE) for p in (a, b))
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

    def _vector(self, pixels: Pixels) -> Matrix:
        key = pdq.fingerprint(pixels).bits.tobytes().hex() + str(pixels.sum())
        if key not in self._vectors:
            vector = np.asarray(self.embedder.images(to_tensor(Image.fromarray(pixels)))[0], np.float64)
            self._vectors[key] = vector / np.linalg.norm(vector)
        return self._vectors[key]

    def _subject_bound(self) -> float:
        """Cosine that one in a hundred unrelated pairs of the calibration half exceeds."""
        ids = random.Random(SEED).sample(self.half("calibration"), 120)
        vectors = np.stack([self._vector(self._pixels(i)) for i in ids])
        cosines = (vectors @ vectors.T)[np.triu_indices(len(ids), 1)]
        return float(np.quantile(cosines, SUBJECT_QUANTILE))

    def _pairs(
        self, ids: Sequence[str], fits: Callable[[dict[str, Any], dict[str, Any]], bool], count: int,
        draw: random.Random,
    ) -> list[tuple[str, str]]:  # fmt: skip
        rows = [(a, b) for i, a in enumerate(ids) for b in ids[i + 1 :] if fits(self.works[a], self.works[b])]
        return draw.sample(rows, min(count, len(rows)))

    @staticmethod
    def _one_subject(a: dict[str, Any], b: dict[str, Any]) -> bool:
        words = [row["caption"].split(",")[0].strip().lower() for row in (a, b)]
        return a["creator"] != b["creator"] and words[0] == words[1] != ""

    @staticmethod
    def _unrelated(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return bool(a["creator"] != b["creator"] and a["family"].split("/")[0] != b["family"].split("/")[0])


def numbers(found: Pairing) -> dict[str, Any]:
    """What a row keeps of a pairing."""
    if not found.parts:
        return {"level": 0, "score": 0.0, "fused": 0.0}
    part = found.parts[0]
    return {
        "level": part.detail.level, "low": part.detail.low, "high": part.detail.high, "score": round(part.score, 5),
        "mirrored": part.mirrored, "inverted": part.inverted, "model": part.model, "inliers": part.inliers,
        "share_disputed": round(part.share_a, 4), "share_work": round(part.share_b, 4),
        "cells": part.cells.agreeing, "residual": round(part.residual, 3),
        "fused": max((p.score for p in found.parts if outcome.in_detail(p)), default=0.0),
    }  # fmt: skip


def phash(pixels: Pixels) -> NDArray[np.bool_]:
    """The common 64-bit perceptual hash: 32 × 32 grey, lowest 8 × 8 cosine frequencies against their median."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return np.asarray(low > np.median(low))


def read(rows: Path) -> list[dict[str, Any]]:
    """The rows made so far."""
    if not rows.is_file():
        return []
    return [json.loads(line) for line in rows.read_text("utf-8").splitlines() if line.endswith("}")]


_HIGHER = {"pdq": -1, "phash": -1, "lpips": -1, "ssim": 1, "clip": 1, "fused": 1, "score": 1}
_COPIES = (
    "mirror", "crop and rotation", "recolour", "tone inversion", "JPEG 30", "enlarged thumbnail", "collage",
)  # fmt: skip


def summary(rows: Sequence[dict[str, Any]], subject: float) -> dict[str, Any]:
    """The tables of the study, from its rows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    cases = []
    for case in CASES:
        found = groups.get(case.name, [])
        counts: dict[str, int] = {}
        for row in found:
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
        right = sum(counts.get(str(word), 0) for word in case.required)
        cases.append(
            {
                "case": case.name, "how": case.how, "required": [str(w) for w in case.required], "works": len(found),
                "right": right, "outcomes": dict(sorted(counts.items())),
                "levels": {str(v): sum(r["level"] == v for r in found) for v in sorted({r["level"] for r in found})},
            }
        )  # fmt: skip
    negatives = [*groups.get("unrelated", []), *groups.get("same creator", [])]
    copies = (str(Outcome.REPRODUCES), str(Outcome.PARTLY))
    false = {
        name: {
            "pairs": len(groups.get(name, [])),
            "reproduces": sum(r["copy"] == copies[0] for r in groups.get(name, [])),
            "partly reproduces": sum(r["copy"] == copies[1] for r in groups.get(name, [])),
            "same arrangement only": sum(r["copy"] == str(Outcome.ARRANGEMENT) for r in groups.get(name, [])),
            "keys": [r["key"] for r in groups.get(name, []) if r["copy"] in copies],
        }
        for name in ("unrelated", "same creator")
    }
    recall = {
        name: {"bound": worst, "recall": {case: _recall(groups.get(case, []), name, worst) for case in _COPIES}}
        for name in _HIGHER
        if negatives and (worst := max(_HIGHER[name] * float(r[name]) for r in negatives)) is not None
    }
    return {
        "versions": [correspondence.VERSION, outcome.VERSION, pdq.VERSION], "seed": SEED,
        "bounds": asdict(outcome.BOUNDS), "subject_cosine": round(subject, 5), "rows": len(rows),
        "planned": {"unrelated": UNRELATED, "same creator": SAME_CREATOR, "works a case": WORKS},
        "cases": cases, "false": false, "recall_at_zero_false_positives": recall,
    }  # fmt: skip


def _recall(rows: Sequence[dict[str, Any]], name: str, worst: float) -> float | None:
    return round(sum(_HIGHER[name] * float(r[name]) > worst for r in rows) / len(rows), 4) if rows else None


def main() -> None:
    """Run or resume the study, then write the tables."""
    parser = argparse.ArgumentParser(description="The study of the comparison, on works of known truth.")
    parser.add_argument("--rows", type=Path, required=True, help="JSON lines, one a pair; made and resumed")
    parser.add_argument("--out", type=Path, required=True, help="tables, as JSON")
    parser.add_argument("--tables-only", action="store_true", help="write the tables of the rows there are")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    study = Study(args.rows)
    if not args.tables_only:
        study.run()
    text = json.dumps(summary(read(args.rows), study.subject), indent=1, ensure_ascii=False)
    args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
