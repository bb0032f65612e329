"""What was not done, what does not follow, and a third source for both pictures."""

from __future__ import annotations

from dataclasses import replace

from forensics.case import (
    Absent,
    Case,
    IndexFacts,
    Measurement,
    NotMeasured,
)
from forensics.report import words
from forensics.report.sections.controls import unlike
from forensics.report.words import CORRESPONDING


def absences(case: Case) -> tuple[Absent, ...]:
    """Everything not measured or not at hand: what the case lists, and the checkpoint, index and controls it lacks."""
    known = [w for w in (case.checkpoint, case.index, case.controls) if isinstance(w, Absent)]
    listed = {a.what for a in case.absences}
    titles = {f"measure {m.name}": f"measure {m.title}" for m in case.metrics}
    every = (*(a for a in known if a.what not in listed), *case.absences)
    # A comparison alone lacks what an examination of a checkpoint would bring.
    remedy = "`forensics analyze` uses one." if case.command == "compare" else ""
    return tuple(
        replace(a, what=titles.get(a.what, a.what), remedy=a.remedy or (remedy if a in known else "")) for a in every
    )


def third_source(case: Case) -> str:
    """What was done to find a third work on which both could rest, and what came of it, as sentences."""
    if not isinstance(case.index, IndexFacts) or not case.neighbours:
        return (
            "No collection was searched for a third work on which the disputed image and a work put forward could both "
            "rest. Whether there is one is therefore open."
        )
    disputed = case.item(case.disputed).exhibit
    distance = {
        m.b: m.value
        for m in case.measurements
        if isinstance(m, Measurement) and m.metric == "lpips" and m.a == disputed
    }
    found = [n.exhibit for n in case.neighbours if n.exhibit and n.exhibit in distance]
    said = (
        f"To find a third work on which both could rest, the {words.count(case.index.count)} rows of the index were "
        f"searched with the disputed image, and the closest {len(found)} with a picture were compared with it."
    )
    originals = [i.exhibit for i in case.items if i.id != case.disputed and i.exhibit in distance]
    for work in originals:
        nearer = [n for n in found if distance[n] < distance[work]]
        said += (
            f" Nearer to the disputed image than {work}, by LPIPS: {words.listed(nearer)}; for each of them the same "
            "question arises as for the work put forward."
            if nearer
            else f" None of them is nearer to the disputed image than {work} by LPIPS."
        )
    if not originals:
        graded = [a.work for a in case.assessments if a.grade in CORRESPONDING and a.work in found]
        said += (
            f" No work was put forward; of the items found {words.listed(graded)} correspond"
            f"{'s' if len(graded) == 1 else ''} throughout or in part."
            if graded
            else " No work was put forward, and none of the items found corresponds throughout or in part."
        )
    return f"{said} A work outside the index is not found in this way."


def limitations(case: Case) -> tuple[str, ...]:
    """The limits that follow from this case; the standing ones are fixed text of the template."""
    said = []
    if case.demonstration:
        said.append(
            "The checkpoint examined is the demonstration checkpoint that ships with the software. Nothing in this "
            "report concerns any other model."
        )
    for what in (case.checkpoint, case.index, case.controls):
        if isinstance(what, Absent):
            said.append(f"Not at hand: {what.what}. {words.sentence(what.reason)}")
    if isinstance(case.index, IndexFacts):
        said.append(f"Coverage of the index: {words.sentence(case.index.coverage)}")
    said += unlike(case)
    by_number: dict[int, list[str]] = {}
    for c in case.comparisons:
        if c.primary_for is not None:
            by_number.setdefault(c.n, []).append(c.id)
    for n, ids in by_number.items():
        said.append(
            f"On {n} controls rest{'s' if len(ids) == 1 else ''} {words.listed(ids)}: no p-value below "
            f"{words.significant(1 / (n + 1))} can be reached with them, whatever the disputed image shows."
        )
    by_seeds: dict[int, list[str]] = {}
    for v in case.inversions:
        if v.seeds:
            by_seeds.setdefault(len(v.seeds), []).append(f"“{v.title}”")
    for n, titles in by_seeds.items():
        said.append(
            f"{words.listed(titles)}: {n} seeds of one prompt were drawn{' in each' if len(titles) > 1 else ''}; other "
            "prompts were not tested."
        )
    if missing := sum(isinstance(m, NotMeasured) for m in case.measurements):
        due = len(case.measurements)
        said.append(f"{missing} of {due} measurements that were due could not be made; the tables state the reasons.")
    said += [words.sentence(limit) for f in case.findings for limit in f.limits]
    return tuple(dict.fromkeys(said))
