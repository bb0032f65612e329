"""What ALIKED with LightGlue changes on the test half of the overlay's study.

    python -m tests.studies.further_test_half --pictures DIR --work DIR --out FILE

`further_source` decided on the calibration half that the source is used, and how; nothing of that is chosen here. This
measures what it gives on pictures that no choice has seen. The weights are those of `forensics weights fetch
aliked-lightglue`, the source and the way it is asked those of the program (`glued.Glued`, `glued.raised`), the
pictures, edits and draws those of `overlay_study`.

The rule, written before any row was made. It is computed once, and published as it is, also where nothing rises.

1. The program asks the source only about pairs whose word is "no correspondence" or "same arrangement only", and takes
   what it finds only where the word is higher. Every other row of the test half keeps its word, because nothing is
   computed for it: copies that have a copy word (also where "in part" stands and "throughout" was asked for), pictures
   with one thing changed that are said to correspond in part, and what is too plain. Every row asserts that the source
   was asked exactly then, and that no word is lower.
2. Of redrawn works, of copies (`overlay_pictures.EDITS`), of pictures with one thing changed, lit anew, painted or
   passed through a twin, every row is laid again whose word lets the source be asked. Which rows these are is found by
   laying again, without the source, all rows of those groups, or of those kinds of a group where the tables of the
   study tell kinds apart, that hold such a word there. Where the words without the source do not come out as those
   tables have them, both are given (`not as published`), and the tables here are of the words as they come out now.
3. What is counted: redrawn works with at least the same arrangement, and with a displacement stated; the aim set
   beforehand is nine in ten of each amplitude. Copies, changed, lit, painted and passed pictures with a copy word.
   Pairs that are too plain stay in every denominator, as in the study.
4. Pairs that are no copies (`APART`, drawn by seed from those of the test half): no word may rise. One that rises is
   named. Pairs of one series are said to correspond in part without the source, nearly plain ones are too plain: the
   source is not asked about them, and few are drawn to see that it is so. If time runs out, the groups have advanced in
   step, so that what was made is a draw as well; the number is said.
5. No bound, count or order is changed for what is found here.

What came of it: the run was stopped when its time was up, with 200 of the 360 pairs that are no copies, in step (136,
and 64 more of the same draw after these had been read), and none of the works painted and passed through a twin. One
work redrawn by 4 % has the same arrangement without the source here, where the tables of the study have no
correspondence; why is not known. (The second rule first said only whether the words come out as published; what is done
where they do not was added when that row had been seen.)

Redrawn works are made first, then copies, then what is no copy, then the other variants. Seconds are of one thread, of
the processor.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from forensics.case import Outcome
from forensics.overlay import correspondence, judge, layout, outcome, pdq
from forensics.overlay.align import Matches
from forensics.overlay.correspondence import Pairing, Prepared, pair, prepare
from forensics.overlay.glued import Glued, raised
from forensics.overlay.outcome import decide
from forensics.resources import samples
from forensics.validation import journal
from tests.studies import overlay_pictures as made
from tests.studies.further_source import members
from tests.studies.overlay_pictures import EDITS, PAGE, PLAIN, SERIES, TEXTURE
from tests.studies.overlay_study import STRENGTHS, UNRELATED, Job, Study, command_line, interval, measured, not_copied

SEED = 0
APART = {
    UNRELATED: 260,
    f"two of one kind: {PAGE}": 40,
    f"two of one kind: {TEXTURE}": 20,
    f"two of one kind: {SERIES}": 20,
    f"two of one kind: {PLAIN}": 20,
}
"""Pairs that are no copies, by group, and how many of each are drawn."""
REDRAWN = tuple(f"{made.REDRAWN} {amplitude} %" for amplitude in (4, 2))
COPIES = tuple(edit.name for edit in EDITS if edit.name != "itself")
VARIANTS = (made.RELIT, made.PAINTED, *(f"passed through a model at {s}" for s in STRENGTHS))
ORDER = (*REDRAWN, *COPIES, made.CHANGED, *VARIANTS)
ASKED = (Outcome.NONE, Outcome.ARRANGEMENT)
"""Words about which the source is asked."""
_COPY = (Outcome.PARTLY, Outcome.THROUGHOUT)
_STEPS = {Outcome.NONE: 0, Outcome.ARRANGEMENT: 1, Outcome.PARTLY: 2, Outcome.THROUGHOUT: 3}
Row = dict[str, Any]
Cell = tuple[str, str | None]
"""A group, and a kind of picture of it where the study's tables tell kinds apart."""


def published(study: Path | None = None) -> dict[Cell, dict[str, int]]:
    """Words of the test half without the source, as the shipped tables of the overlay's study have them."""
    path = study or samples() / "reference" / "overlay-study.json"
    test = json.loads(path.read_text(encoding="utf-8"))["test"]
    cells: dict[Cell, dict[str, int]] = {}
    for group, table in (*((row["edit"], row) for row in test["copies"]), (made.CHANGED, test[made.CHANGED])):
        cells |= {(group, kind): row["words"] for kind, row in table["kinds"].items()}
    return cells | {(row["variant"], None): row["words"] for row in test["variants"]}


def to_lay(cells: dict[Cell, dict[str, int]]) -> list[Cell]:
    """Those in which the source is asked about a row."""
    return [cell for cell, words in cells.items() if any(word in words for word in ASKED)]


class Counted:
    """A source, and how often it was asked."""

    def __init__(self, source: Glued) -> None:
        self.source, self.times = source, 0

    def __call__(self, a: Prepared, b: Prepared) -> list[Matches]:
        self.times += 1
        return self.source(a, b)


class Again:
    """Makes the rows that are missing."""

    def __init__(self, pictures: Path, work: Path, source: Glued) -> None:
        self.study = Study(pictures)
        self.rows = work / "rows.jsonl"
        self.source = Counted(source)
        self._ready: dict[str, Prepared] = {}

    def jobs(self) -> Iterator[Job]:
        """The rows of the study that are laid again, in the order of the rule."""
        ours = [job for job in self.study.jobs() if job.half == "test"]
        cells = set(to_lay(published()))
        some = [j for j in ours if (j.group, j.kind) in cells or (j.group, None) in cells]
        some.sort(key=lambda job: ORDER.index(job.group))
        yield from (job for job in some if job.group not in VARIANTS)
        placed = []
        for group, count in APART.items():
            pairs = [job for job in ours if job.group == group]
            drawn = random.Random(f"{SEED}/{group}").sample(pairs, min(count, len(pairs)))
            placed += [(n / len(drawn), group, job) for n, job in enumerate(drawn)]
        yield from (job for _, _, job in sorted(placed, key=lambda row: row[:2]))
        yield from (job for job in some if job.group in VARIANTS)

    def run(self, share: tuple[int, int]) -> None:
        """Make the rows, appending each at once.

        Args:
            share: (i, n): every n-th pair from the i-th on; n runs side by side make the whole.
        """
        done = {row["key"] for row in journal.rows(self.rows)}
        for number, job in enumerate(self.jobs()):
            if job.key not in done and number % share[1] == share[0]:
                journal.append(self.rows, self._row(job))

    def _row(self, job: Job) -> Row:
        begun = time.process_time()
        first, second = self.pictures(job)
        found = pair(first, second)
        without, asked = decide(found), self.source.times
        middle = time.process_time()
        more = raised(found, first, second, self.source)
        ended = time.process_time()
        asked = self.source.times - asked
        word = decide(more)
        assert (asked > 0) == (without in ASKED), f"{job.key}: {without}, asked {asked} times"
        assert more is found or _STEPS[word] > _STEPS[without], f"{job.key}: {without}, then {word}"
        return {
            "key": job.key,
            "group": job.group,
            "kind": job.kind,
            "pair": [job.work, job.other],
            "asked": asked > 0,
            "without": without.value,
            "with": word.value,
            "displacement": _displacement(more),
            "measured": measured(more),
            "seconds without": round(middle - begun, 3),
            "seconds": round(ended - middle, 3),
        }

    def pictures(self, job: Job) -> tuple[Prepared, Prepared]:
        """The disputed picture and the work of a row."""
        if not_copied(job.group):
            return self._prepared(job.other), self._prepared(job.work)
        disputed, _, _ = self.study._disputed(job, self.study.pictures[job.work].pixels)
        return prepare(disputed), self._prepared(job.work)

    def _prepared(self, name: str) -> Prepared:
        if name not in self._ready:
            self._ready[name] = prepare(self.study.pictures[name].pixels)
        return self._ready[name]


def _displacement(found: Pairing) -> list[float] | None:
    """Typical and largest, as shares of the side; none where nothing is laid over anything."""
    if not found.parts:
        return None
    moved = found.parts[0].moved
    return [round(moved.typical, 4), round(moved.largest, 4)]


# Tables -----------------------------------------------------------------------------------------------------------


def tables(rows: Sequence[Row], cells: dict[Cell, dict[str, int]] | None = None) -> Row:
    """Words with the source beside those without it.

    Args:
        rows: as `Again` makes them.
        cells: words of the test half without the source; those of the shipped study where none are named.
    """
    known = cells if cells is not None else published()
    laid = to_lay(known)
    lacking = {cell[0] for cell in laid if len(_of(cell, rows)) < sum(known[cell].values())}
    complete = [group for group in ORDER if group not in lacking and any(group == name for name, _ in known)]
    groups = [_group(group, rows, known) for group in complete]
    seconds = {
        name: round(float(np.median([r[name] for r in rows if r["asked"]])), 3)
        for name in ("seconds without", "seconds")
        if any(r["asked"] for r in rows)
    }
    return {
        "rows": len(rows),
        "asked": sum(r["asked"] for r in rows),
        "groups that time did not allow": [group for group in ORDER if group in lacking],
        "not as published": [
            {"group": c[0], "kind": c[1], "published": known[c], "without": now}
            for c in laid
            if c[0] in complete and (now := _words(_of(c, rows), "without")) != known[c]
        ],
        "groups": [group for group in groups if group["laid again"]],
        "groups whose words stay": [group["group"] for group in groups if not group["laid again"]],
        "copies": _sum([g for g in groups if g["group"] in COPIES]),
        "no copies": [_apart(group, rows) for group in APART],
        "no copies together": _apart("any group", [r | {"group": "any group"} for r in rows if not_copied(r["group"])]),
        "pairs that are no copies and rise": [r["key"] for r in rows if not_copied(r["group"]) and _rises(r)],
        "seconds a pair that is asked about, median": seconds,
    }


def _of(cell: Cell, rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if r["group"] == cell[0] and cell[1] in (None, r["kind"])]


def _words(rows: Sequence[Row], way: str) -> dict[str, int]:
    return dict(sorted(Counter(r[way] for r in rows).items()))


def _rises(row: Row) -> bool:
    return bool(row["with"] != row["without"])


def _group(group: str, rows: Sequence[Row], known: dict[Cell, dict[str, int]]) -> Row:
    """A group of the study: the words of rows that were laid again, and of the others those published."""
    some = [r for r in rows if r["group"] == group]
    laid = to_lay(known)
    others = [Counter(words) for cell, words in known.items() if cell[0] == group and cell not in laid]
    kept = sum(others, Counter[str]())
    without, words = (kept + Counter(r[way] for r in some) for way in ("without", "with"))
    # Redrawn works are asked for the arrangement, whose word means less without the displacement; others for a copy.
    found: Row = {
        "group": group,
        "pairs": sum(without.values()),
        "laid again": len(some),
        "asked": sum(r["asked"] for r in some),
        "without": dict(sorted(without.items())),
        "with": dict(sorted(words.items())),
        "copy word without": _of_all(without, _COPY)["pairs"],
        "copy word": _of_all(words, _COPY),
        "rise": [[r["key"], r["without"], r["with"]] for r in some if _rises(r)],
    }
    if group in REDRAWN:
        arranged = (Outcome.ARRANGEMENT, *_COPY)
        found["at least the same arrangement without"] = _of_all(without, arranged)["pairs"]
        found["at least the same arrangement"] = _of_all(words, arranged)
        stated = sum(r["with"] in arranged and r["displacement"] is not None for r in some)
        found["of these with a displacement"] = stated
    return found


def _of_all(words: Counter[str], right: Sequence[Outcome]) -> Row:
    k, n = sum(words[word.value] for word in right), sum(words.values())
    return {"pairs": k, "interval": interval(k, n)}


def _sum(groups: Sequence[Row]) -> Row:
    """All copies together."""
    n, k = sum(g["pairs"] for g in groups), sum(g["copy word"]["pairs"] for g in groups)
    before = sum(g["copy word without"] for g in groups)
    return {"pairs": n, "copy word without": before, "copy word": k, "interval": interval(k, n)}


def _apart(group: str, rows: Sequence[Row]) -> Row:
    some = [r for r in rows if r["group"] == group]
    asked = [r for r in some if r["asked"]]
    risen = sum(map(_rises, some))
    return {
        "pairs of": group,
        "pairs": len(some),
        "asked": len(asked),
        "words": _words(some, "with"),
        "rise": risen,
        "interval of those asked about": interval(risen, len(asked)) if asked else None,
    }


def main() -> None:
    """Run or resume the study, then write the tables."""
    parser = command_line("The test half of the overlay's study with the further source.")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of the overlay's study, for its packages")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.tables_only:
        first, _, many = args.share.partition("/")
        Again(args.pictures, args.work, Glued.open()).run((int(first), int(many)))
    document = {
        "command": "python -m tests.studies.further_test_half --pictures DIR --work DIR --out "
        "samples/reference/further-test-half.json",
        "seed": SEED,
        "weights": members(),
        "versions": [correspondence.VERSION, judge.VERSION, layout.VERSION, outcome.VERSION, pdq.VERSION],
        "opencv": cv2.__version__,
        **tables(journal.rows(args.work / "rows.jsonl")),
    }
    args.out.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
