"""A case that strains the layout: 60 exhibits of many shapes, every field as long as anyone will write it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from forensics import verbal
from forensics.case import (
    Absent,
    Better,
    Case,
    ControlScore,
    Fact,
    FeatureValue,
    Grade,
    LikelihoodRatio,
    Metric,
    NotMeasured,
    Pair,
)
from tests.report import cases
from tests.report.pictures import scene

LONG = "a_file_name_without_any_break_" * 4
WORDS = "words that go on for longer than anyone expects them to, " * 3
FOREIGN = "Ελληνικά · русский · עברית · 日本語 · العربية · 🦊"


def _ratio(value: float) -> LikelihoodRatio:
    """A ratio as an evaluation gives it."""
    found = math.log10(value)
    return LikelihoodRatio(
        found,
        found - 0.2,
        found + 0.1,
        found,
        -1.7,
        2.4,
        verbal.band(found),
        52,
        320,
        (FeatureValue(WORDS, 0.4),),
        "c" * 64,
    )


def heavy(folder: Path) -> Case:
    """Built on the full case, with everything multiplied."""
    case = cases.full(folder)
    b = cases.Builder(folder)
    b.exhibits, b.measurements = list(case.exhibits), list(case.measurements)
    shapes = ((480, 60), (60, 480), (300, 300), (200, 280))
    items = list(case.items)
    for i, (width, height) in enumerate(shapes, start=2):
        b.put(f"R{i}", scene(70 + i, width, height), f"Work {i}: {WORDS}", "received")
        items.append(
            b.item(f"R{i}", "original", f"{LONG}{i}.tiff", 70 + i, metadata=(Fact(f"XMP {LONG}", FOREIGN + WORDS),))
        )
        b.measure("Q1", f"R{i}", 0.2 + i / 100, 0.7, 0.5)
    seeds = tuple(range(90001, 90013))
    outs = tuple(
        b.put(
            f"H{i}",
            scene(200 + i),
            f"Regeneration, seed {s}",
            "inversion.regeneration@1",
            s,
        )
        for i, s in enumerate(seeds, start=1)
    )
    extra = dataclasses.replace(
        case.inversions[2],
        id="V4",
        title="Regeneration from the caption of N1",
        prompt=WORDS + FOREIGN,
        prompt_source="caption of neighbour N1",
        seeds=seeds,
        outputs=outs,
        best="H2",
        median="H5",
    )
    names = [f"{LONG}{i:03d}.png" for i in range(60)]
    scores = tuple(ControlScore(n, 0.3 + (i * 37 % 60) / 400) for i, n in enumerate(names))
    crowded = tuple(ControlScore(n, 0.5) for n in names)
    comparisons = (
        *case.comparisons,
        dataclasses.replace(case.comparisons[2], id="K4", title=WORDS, controls=scores, n=60, k=59, p=60 / 61),
        dataclasses.replace(
            case.comparisons[2], id="K5", controls=crowded, n=60, k=0, p=1 / 61, better=Better.LOWER, value=0.2
        ),
    )
    more = tuple(
        Metric(f"metric{i}", f"Further measure {i}", "1", Better.LOWER, 0.0, 500.0, WORDS, WORDS, WORDS, "none")
        for i in range(4)
    )
    missing = tuple(NotMeasured(f"X{i}{m.name}", m.name, "Q1", f"R{i}", WORDS, "") for i in range(1, 5) for m in more)
    assessments = tuple(
        dataclasses.replace(case.assessments[0], id=f"S{i}", work=e.id, basis=WORDS, grade=list(Grade)[i % 6])
        for i, e in enumerate((e for e in case.exhibits if e.id[0] == "N"), start=3)
    )
    findings = (
        dataclasses.replace(
            case.findings[0], likelihood_ratio=_ratio(24.0), contrary=tuple(WORDS + str(i) for i in range(4))
        ),
        dataclasses.replace(case.findings[1], likelihood_ratio=_ratio(0.02), answer=f"{WORDS}. {WORDS}"),
        dataclasses.replace(case.findings[1], id="F9", pair=Pair.ORIGIN, question=WORDS),
    )
    return dataclasses.replace(
        case,
        matter=dataclasses.replace(
            case.matter,
            title=f"Ledger Arts and others v. {WORDS}",
            claimant=WORDS,
            court=f"Court of {WORDS}",
            reference="EX-" + "9" * 60,
            questions=tuple(WORDS for _ in range(5)),
            examiner=WORDS,
        ),
        items=tuple(items),
        exhibits=tuple(b.exhibits),
        inversions=(*case.inversions, extra),
        comparisons=comparisons,
        metrics=(*case.metrics, *more),
        measurements=(*b.measurements, *missing),
        assessments=(*case.assessments, *assessments),
        findings=findings,
        absences=(*case.absences, *(Absent(f"{WORDS} {i}", WORDS, WORDS) for i in range(6))),
        neighbours=tuple(
            dataclasses.replace(n, exhibit=None if n.rank > 7 else n.exhibit, training_id=LONG, caption=WORDS + FOREIGN)
            for n in case.neighbours
        ),
    )
