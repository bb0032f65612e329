"""The search of the index as a reader sees it: how it was done, what came first, how often it recurs there."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Case, Neighbour, Repeats
from forensics.report import words
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
        words.public(n.caption),
        words.public(n.creator),
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
