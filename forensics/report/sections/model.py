"""The search of the index as a reader sees it: how it was done, what came first, how often it recurs there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import Case, Neighbour, Repeats
from forensics.report import words
from forensics.report.charts import svg
from forensics.report.charts.strips import WIDTH
from forensics.report.sections.items import Lines, lines

MEANING, COPIES = "meaning", "copies"
_NAMED = 3
"""Training ids of a cluster that the table names."""


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """One row of the index as it answered."""

    rank: str
    exhibit: str
    similarity: str
    copies: str
    """Cosine by the copy descriptor; a dash where the index has none."""
    candidate: str
    """By which model it is among the nearest; empty where only one was asked."""
    parts: str
    """What the score that orders the items is made of, beyond the columns; empty where one column gives the order."""
    training_id: str
    caption: str
    creator: str
    licence: str
    url: str
    lead: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class RepeatRow:
    """How often one picture recurs in the index."""

    of: str
    near: str
    same_bytes: str
    stated: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Searched:
    """The search and its answers."""

    facts: Lines
    neighbours: tuple[NeighbourRow, ...]
    backends: str
    two: bool
    """Whether the copy descriptor was asked too."""
    fused: bool
    """Whether one score gives the order, not one cosine."""
    repeats: tuple[RepeatRow, ...]
    chart: Markup | None
    rule: str


def searched(case: Case) -> Searched:
    """Everything the pages say about the search of the index."""
    said = case.search
    rows = said.repeats if said else ()
    return Searched(
        lines(said.facts) if said else (),
        tuple(map(_neighbour, case.neighbours)),
        ", ".join(sorted({n.backend for n in case.neighbours})),
        any(s.model == COPIES for n in case.neighbours for s in n.scores),
        any(n.fused is not None for n in case.neighbours),
        tuple(map(_repeat, rows)),
        repeats_chart(rows) if rows else None,
        said.rule if said else "",
    )


def _neighbour(n: Neighbour) -> NeighbourRow:
    by = {s.model: s for s in n.scores}
    return NeighbourRow(
        str(n.rank),
        n.exhibit or "no picture",
        words.number(n.similarity, 4),
        words.number(by[COPIES].cosine, 4) if COPIES in by else "–",
        " and ".join(s.model for s in n.scores if s.nearest) if len(n.scores) > 1 else "",
        _score(n),
        n.training_id,
        n.caption,
        n.creator,
        n.licence,
        n.url,
        n.lead,
        words.groups(n.source_sha256) or "none recorded",
    )


def _score(n: Neighbour) -> str:
    """The score and those of its parts that have no column of their own."""
    if n.fused is None:
        return ""
    named = [f"{s.model} {words.number(s.cosine, 4)}" for s in n.scores if s.model not in (MEANING, COPIES)]
    laid = "not laid over" if n.places is None else f"local features agree at {words.count(n.places)} places"
    return f"score {words.number(n.fused, 2)}: " + ", ".join([*named, laid])


def _repeat(r: Repeats) -> RepeatRow:
    named = ", ".join(r.cluster[:_NAMED])
    more = r.near - min(_NAMED, len(r.cluster))
    return RepeatRow(
        r.of,
        words.count(r.near),
        words.count(r.same_bytes),
        "not stated" if r.stated is None else words.count(r.stated),
        f"{named} and {words.count(more)} more" if more else named or "–",
    )


def repeats_chart(rows: Sequence[Repeats]) -> Markup:
    """One lane a picture: other items that show it, and how often the source states that they were shown in training.

    The axis is logarithmic; nothing found stands left of it.
    """
    left, right, top, pitch = 66.0, WIDTH - 30, 18.0, 14.0
    highest = max([8, *(max(r.near, r.stated or 0) for r in rows)])
    reach = math.ceil(math.log2(highest))
    foot = top + pitch * len(rows)

    def x(value: int) -> float:
        return left + 22 + (right - left - 22) * math.log2(value) / reach if value else left + 6

    parts = [
        svg.dot(left + 3, 6.4, 2.8, fill=svg.INK),
        svg.dot(left + 3, 6.4, 1.9, fill="#ffffff"),
        svg.text(left + 10, 9, "other items of the index that show it", fill=svg.INK),
        svg.dot(left + 171, 6.4, 3.2, fill=svg.BLUE),
        svg.text(left + 178, 9, "times in the training set, as the source states", fill=svg.INK),
        svg.line(left, foot, right, foot),
        svg.text(x(0), foot + 10, "none", anchor="middle"),
    ]
    for power in range(0, reach + 1, max(1, reach // 8)):
        parts += [
            svg.line(x(2**power), foot, x(2**power), foot + 3),
            svg.text(x(2**power), foot + 10, words.count(2**power), anchor="middle"),
        ]
    for place, row in enumerate(rows):
        y = top + pitch * (place + 0.5)
        parts += [
            svg.line(0, y + pitch / 2, WIDTH, y + pitch / 2, stroke="#e6e9ee", width=0.35),
            svg.text(0, y + 2.6, words.cut(row.of, 14), fill=svg.INK, weight=600, size=7.8),
        ]
        if row.stated:
            parts += [
                svg.line(x(0), y, x(row.stated), y, stroke=svg.RULE, width=0.7),
                svg.dot(x(row.stated), y, 3.2, fill=svg.BLUE),
                svg.text(x(row.stated) + 6, y + 2.6, words.count(row.stated), fill=svg.INK),
            ]
        parts += [svg.dot(x(row.near), y, 2.8, fill=svg.INK), svg.dot(x(row.near), y, 1.9, fill="#ffffff")]
    said = "; ".join(
        f"{r.of}: {r.near} other items, " + ("not stated" if r.stated is None else f"{r.stated} times") for r in rows
    )
    return svg.drawing(WIDTH, foot + 14, f"Repeats in the training index. {said}.", parts)
