"""Rows of the comparison study to bounds and tables.

`calibrate` reads rows of the calibration half alone, the rest rows of the test half alone. The rules, in order:

1. Correlation at which a band agrees (level of detail): of the steps of `GRID`, those at which no unrelated pair
   reaches 32 pixels over its whole overlap with as many agreeing cells as the word asks for; of these, the one that
   reads most thumbnails of known size exactly; the higher in a tie.
2. Agreeing cells and keypoints of a part in detail: the pairs of values at which no unrelated pair has such a part; of
   these, the one that gives most copies the right word; then fewest pairs of one creator with such a part; then the
   stricter.
3. Share of both pictures for "reproduces": most right words among copies; the higher in a tie.
4. "Same arrangement only", from tones: at most one unrelated pair in a hundred; of these, most paraphrases; the
   stricter in a tie. From edges: the smallest step of `LAYOUT` at which at most one unrelated pair in two hundred
   reaches it, and at most one in a hundred receives the word by either.
5. Subject and style: the cosine that one unrelated pair in a hundred reaches. (The rule of best balanced accuracy,
   tried first, called a third of the unrelated pairs of the calibration half "same subject only".)

Pairs of one creator may share drawn parts in truth; they do not enter a bound, and what they receive is listed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from scipy.stats import beta

from forensics.case import Outcome
from forensics.overlay import correspondence, layout, outcome, pdq, thumbnail_level
from forensics.overlay.outcome import Bounds, Seen
from forensics.similarity.aligned import BAND, DETAIL, Aligned
from tests.studies.comparison_cases import CASES, SUBJECT, THUMBNAILS

UNRELATED, SAME_CREATOR, FOREIGN = "unrelated", "same creator", "foreign detail from 64 pixels"
GRID = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
CELLS, PLACES = (4, 6, 8, 10, 12, 16), (8, 10, 12, 15, 20, 30)
WHOLE = tuple(round(0.5 + 0.05 * i, 2) for i in range(9))
ARRANGEMENT, COVERED = tuple(round(0.3 + 0.05 * i, 2) for i in range(11)), (0.3, 0.4, 0.5, 0.6)
LAYOUT = tuple(round(0.6 + 0.02 * i, 2) for i in range(18))
OFF = 2.0
"""A bound that no correlation reaches."""
START = Bounds(level=32, whole=0.75, cells=6, places=12, arrangement=0.55, arrangement_share=0.4, layout=OFF)
"""What the rules start from: set by judgement on a handful of works."""
COPIES = tuple(c.name for c in CASES if c.required in (Outcome.REPRODUCES, Outcome.PARTLY))
_SAID = (Outcome.REPRODUCES, Outcome.PARTLY)
Row = dict[str, Any]


def thumbnail_group(side: int) -> str:
    """Name of the group of works reduced to a side."""
    return f"thumbnail {side}"


def tables(rows: Sequence[Row]) -> dict[str, Any]:
    """Bounds from the calibration half, tables from the test half."""
    half = {name: _groups([r for r in rows if r["half"] == name]) for name in ("calibration", "test")}
    if not half["calibration"].get(UNRELATED):
        return {"rows": len(rows), "incomplete": "The calibration half has not been measured."}
    agrees, bounds, cosines = calibrate(half["calibration"])
    read = {name: _Reader(agrees, bounds, cosines) for name in half}
    return {
        "rows": len(rows),
        "seconds of processor time": round(sum(r["seconds"] for r in rows)),
        "versions": [correspondence.VERSION, layout.VERSION, outcome.VERSION, pdq.VERSION, Aligned.facts.version],
        "calibrated": {"correlation of a band": agrees, "bounds": asdict(bounds), "cosines": cosines},
        "in the program": {"correlation of a band": correspondence.LEVEL_AGREES, "bounds": asdict(outcome.BOUNDS)},
        "words": {name: _words(half[name], read[name]) for name in half},
        "words without subject and style, as the program gives them": {
            name: _words(half[name], _Reader(agrees, bounds, {})) for name in half
        },
        "not copies": {name: _false(half[name], read[name]) for name in half},
        "thumbnails": {name: _thumbnails(half[name], agrees) for name in half},
        "correlation of a band, calibration half": _choices(half["calibration"], bounds),
        "recall without a false positive": _recall(half["test"], read["test"]),
    }


def calibrate(groups: dict[str, list[Row]]) -> tuple[float, Bounds, dict[str, float]]:
    """Correlation of a band, bounds of the words and cosines, from the calibration half."""
    base = START
    agrees = max(
        (t for t in GRID if not _reached(groups, t, base)),
        key=lambda t: (sum(row["exact"] for row in _thumbnails(groups, t)["sizes"]), t),
        default=GRID[-1],
    )
    candidates = []
    for cells, places in itertools.product(CELLS, PLACES):
        reader = _Reader(agrees, replace(base, cells=cells, places=places), {})
        if any(reader.detailed(r) for r in groups[UNRELATED]):
            continue
        right = sum(reader.word(r) is _required(name) for name in COPIES for r in groups.get(name, []))
        shared = sum(reader.detailed(r) for r in groups.get(SAME_CREATOR, []))
        candidates.append(((right, -shared, cells, places), reader.bounds))
    bounds = max(candidates, key=lambda c: c[0])[1] if candidates else replace(base, cells=CELLS[-1], places=PLACES[-1])
    bounds = _best(
        [replace(bounds, whole=w) for w in WHOLE],
        lambda b: (_right(groups, COPIES, _Reader(agrees, b, {})), b.whole),
    )
    allowed = [
        b
        for a, c in itertools.product(ARRANGEMENT, COVERED)
        if _share(
            groups[UNRELATED],
            _Reader(agrees, b := replace(bounds, arrangement=a, arrangement_share=c), {}),
            Outcome.ARRANGEMENT,
        )
        <= 0.01
    ]
    if allowed:
        bounds = _best(
            allowed,
            lambda b: (_right(groups, ("paraphrase",), _Reader(agrees, b, {})), b.arrangement_share, b.arrangement),
        )
    bounds = replace(bounds, layout=_layout(groups[UNRELATED], agrees, bounds))
    cosines = {
        name: round(float(np.quantile([r[name] for r in groups[UNRELATED]], 0.99)), 5) for name in ("clip", "manner")
    }
    return agrees, bounds, cosines


def _layout(unrelated: list[Row], agrees: float, bounds: Bounds) -> float:
    """The rule for edges; a bound that nothing reaches where no step fulfils it."""
    for step in LAYOUT:
        tried = replace(bounds, layout=step)
        by_edges = sum(outcome.arranged(r["layout"]["value"], tuple(r["structure"]), tried) for r in unrelated)
        said = _share(unrelated, _Reader(agrees, tried, {}), Outcome.ARRANGEMENT)
        if by_edges <= 0.005 * len(unrelated) and said <= 0.01:
            return step
    return OFF


class _Reader:
    """What a row says under given bounds."""

    def __init__(self, agrees: float, bounds: Bounds, cosines: dict[str, float]) -> None:
        self.agrees, self.bounds, self.cosines = agrees, bounds, cosines

    def parts(self, row: Row) -> list[Seen]:
        """The parts, with the level as the correlation of a band has it."""
        return [
            Seen(level(p, self.agrees), p["cells"], p["places"], p["share_a"], p["share_b"], p["covered"], p["coarse"])
            for p in row["parts"]
        ]

    def detailed(self, row: Row) -> bool:
        return any(outcome.detailed(p, self.bounds) for p in self.parts(row))

    def word(self, row: Row) -> Outcome:
        if outcome.plain(tuple(row["quality"]), tuple(row["structure"]), self.bounds):
            return Outcome.INSUFFICIENT
        near = {name: row[name] >= bound for name, bound in self.cosines.items()}
        return outcome.word(
            self.parts(row),
            subject=near.get("clip", False),
            style=near.get("manner", False),
            bounds=self.bounds,
            arranged=outcome.arranged(row["layout"]["value"], tuple(row["structure"]), self.bounds),
        )

    def fused(self, row: Row) -> float:
        """Share that corresponds in detail, of that picture of which more does; 0 where nothing does."""
        found = [p for p in self.parts(row) if outcome.detailed(p, self.bounds)]
        return max((max(p.share_a, p.share_b) for p in found), default=0.0)

    def aligned(self, row: Row) -> float:
        """The aligned distance, as the measure has it."""
        rows = [
            (max(p["share_a"], p["share_b"]), p["lpips"])
            for p, s in zip(row["parts"], _Reader(BAND, DETAIL, {}).parts(row), strict=True)
            if outcome.detailed(s, DETAIL)
        ]
        whole = max(1.0, sum(s for s, _ in rows))
        shares = [s / whole for s, _ in rows]
        return sum(s * v for s, (_, v) in zip(shares, rows, strict=True)) + (1 - sum(shares)) * float(row["lpips"])


def level(part: Row, agrees: float) -> int:
    """Level of detail of a part as its row has it."""
    bands = [float("nan") if b is None else b for b in part["bands"]]
    return thumbnail_level.level_of(part["steps"], bands, part["contrast"], agrees)


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["group"], []).append(row)
    return found


def _required(name: str) -> Outcome:
    return next(c.required for c in CASES if c.name == name)


def _right(groups: dict[str, list[Row]], names: Sequence[str], reader: _Reader) -> int:
    return sum(reader.word(r) is _required(name) for name in names for r in groups.get(name, []))


def _share(rows: Sequence[Row], reader: _Reader, word: Outcome) -> float:
    return sum(reader.word(r) is word for r in rows) / len(rows)


def _best(bounds: Sequence[Bounds], key: Callable[[Bounds], Any]) -> Bounds:
    return max(bounds, key=key)


def _reached(groups: dict[str, list[Row]], agrees: float, bounds: Bounds) -> int:
    """Unrelated pairs that reach the first level with enough agreeing cells."""
    return sum(
        any(level(p, agrees) >= thumbnail_level.FIRST and p["cells"] >= bounds.cells for p in r["parts"])
        for r in groups[UNRELATED]
    )


def _interval(k: int, n: int) -> list[float]:
    """Clopper-Pearson, 95 %."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return [round(low, 4), round(high, 4)]


def _words(groups: dict[str, list[Row]], reader: _Reader) -> list[dict[str, Any]]:
    found = []
    for case in CASES:
        rows = groups.get(case.name, [])
        words = [reader.word(r) for r in rows]
        counts = Counter(str(w) for w in words)
        order = list(Outcome)
        right = counts.get(str(case.required), 0)
        found.append(
            {
                "case": case.name,
                "how": case.how,
                "required": str(case.required),
                "works": len(rows),
                "right": right,
                "share right": round(right / len(rows), 4) if rows else None,
                "interval": _interval(right, len(rows)) if rows else None,
                "says more than required": sum(order.index(w) < order.index(case.required) for w in words),
                "words": dict(sorted(counts.items())),
                "levels": {
                    str(k): v
                    for k, v in sorted(
                        Counter(level(r["parts"][0], reader.agrees) if r["parts"] else 0 for r in rows).items()
                    )
                },
            }
        )
    return found


def _false(groups: dict[str, list[Row]], reader: _Reader) -> list[dict[str, Any]]:
    found = []
    for name in (UNRELATED, SAME_CREATOR):
        rows = groups.get(name, [])
        words = [reader.word(r) for r in rows]
        said = sum(w is Outcome.REPRODUCES for w in words)
        found.append(
            {
                "pairs of": name,
                "pairs": len(rows),
                "reproduces": said,
                "upper bound 95 %": _interval(said, len(rows))[1] if rows else None,
                "words": dict(sorted(Counter(map(str, words)).items())),
                "said to reproduce, wholly or in part": [
                    r["key"] for r, w in zip(rows, words, strict=True) if w in _SAID
                ],
            }
        )
    return found


def _thumbnails(groups: dict[str, list[Row]], agrees: float) -> dict[str, Any]:
    """Levels read where the level is known, and where there is none."""
    sizes = []
    steps = list(thumbnail_level.STEPS)
    known = [(thumbnail_group(side), side) for side in THUMBNAILS] + [(FOREIGN, 64)]
    for name, side in known:
        read = [level(r["parts"][0], agrees) if r["parts"] else 0 for r in groups.get(name, [])]
        at = steps.index(side)
        sizes.append(
            {
                "group": name,
                "truth": side,
                "works": len(read),
                "exact": sum(v == side for v in read),
                "within a step": sum(v in steps[max(0, at - 1) : at + 2] for v in read),
                "read": {str(k): v for k, v in sorted(Counter(read).items())},
            }
        )
    null = {}
    for name in (UNRELATED, SAME_CREATOR, SUBJECT):
        rows = groups.get(name, [])
        first = [b for r in rows for b in [_band(r, 32)] if b is not None]
        null[name] = {
            "pairs": len(rows),
            "reach 32 pixels": sum(bool(r["parts"]) and level(r["parts"][0], agrees) >= 32 for r in rows),
            "p99.9 of the band of 32 pixels": round(float(np.quantile(first, 0.999)), 3) if first else None,
        }
    return {"sizes": sizes, "not copies": null}


def _band(row: Row, side: int) -> float | None:
    if not row["parts"] or side not in row["parts"][0]["steps"]:
        return None
    value = row["parts"][0]["bands"][row["parts"][0]["steps"].index(side)]
    return None if value is None else float(value)


def _choices(groups: dict[str, list[Row]], bounds: Bounds) -> list[dict[str, Any]]:
    """What the first rule chose among."""
    return [
        {
            "correlation": t,
            "unrelated pairs that reach 32 pixels with enough cells": _reached(groups, t, bounds),
            "read exactly": sum(row["exact"] for row in _thumbnails(groups, t)["sizes"]),
            "of": sum(row["works"] for row in _thumbnails(groups, t)["sizes"]),
        }
        for t in GRID
    ]


def _recall(groups: dict[str, list[Row]], reader: _Reader) -> list[dict[str, Any]]:
    """Copies found by each measurement at the bound that the most alike of the pairs that are no copies sets.

    The bound of each measurement is set with hindsight, by the test half itself; the fused word, last, is that of the
    bounds of the calibration half.
    """
    measures: list[tuple[str, Callable[[Row], float]]] = [
        ("PDQ, eight ways", lambda r: -float(r["pdq"])),
        ("pHash", lambda r: -float(r["phash"])),
        ("copy descriptor", lambda r: float(r["descriptor"])),
        ("CLIP", lambda r: float(r["clip"])),
        ("LPIPS, not aligned", lambda r: -float(r["lpips"])),
        ("SSIM, not aligned", lambda r: float(r["ssim"])),
        ("keypoints in one relation", lambda r: max((float(p["places"]) for p in r["parts"]), default=0.0)),
        ("level of detail", lambda r: max((float(level(p, reader.agrees)) for p in r["parts"]), default=0.0)),
        ("agreeing cells", lambda r: max((float(p["cells"]) for p in r["parts"]), default=0.0)),
        ("agreement of bands", lambda r: max((float(p["score"]) for p in r["parts"]), default=0.0)),
        ("LPIPS, aligned", lambda r: -reader.aligned(r)),
        ("share that corresponds in detail", reader.fused),
    ]
    found = []
    for negatives in ((UNRELATED,), (UNRELATED, SAME_CREATOR)):
        against = [r for name in negatives for r in groups.get(name, [])]
        if not against:
            continue
        for name, value in measures:
            worst = max(value(r) for r in against)
            found.append(
                {
                    "measurement": name,
                    "against": " and ".join(negatives),
                    "bound": round(worst, 5),
                    "recall": {c: _mean([value(r) > worst for r in groups.get(c, [])]) for c in COPIES},
                    "all": _mean([value(r) > worst for c in COPIES for r in groups.get(c, [])]),
                }
            )
        said = [reader.word(r) in _SAID for r in against]
        found.append(
            {
                "measurement": "fused word",
                "against": " and ".join(negatives),
                "false positives": sum(said),
                "recall": {c: _mean([reader.word(r) in _SAID for r in groups.get(c, [])]) for c in COPIES},
                "all": _mean([reader.word(r) in _SAID for c in COPIES for r in groups.get(c, [])]),
            }
        )
    return found


def _mean(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
