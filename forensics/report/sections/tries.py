"""Every prompt that was tried, by class: which checkpoint, was the picture an input, how often it came back.

Courts count what came out per version of a model and per kind of prompt, with the tries that failed.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Case, Given, Inversion, PromptKind, ValidationFacts
from forensics.report import words
from forensics.report.sections.kinds import GIVEN
from forensics.statistics.ranks import clopper_pearson
from forensics.verbal import PROMPTS


@dataclass(frozen=True, slots=True)
class TryRow:
    """One run."""

    run: str
    checkpoint: str
    prompt: str
    kind: str
    given: str
    back: str
    """ "8 of 8", or that nothing was drawn."""
    interval: str
    controls: str
    """How many control works came back by the same search."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Works that the checkpoint was not trained on, asked for in one way, and how many rank as high all the same."""

    question: str
    works: str
    n: int
    at_05: int
    at_01: int


@dataclass(frozen=True, slots=True)
class ClassRow:
    """All tries of one checkpoint with prompts of one class for one work."""

    checkpoint: str
    kind: str
    work: str
    """Exhibit that was asked for."""
    prompts: int
    """Different prompts; 0 where nothing was told in words."""
    back: str
    """ "8 of 8"."""
    interval: str
    """Exact 95 % interval of the rate; it takes the tries for independent, which different prompts need not be."""


@dataclass(frozen=True, slots=True)
class Tries:
    """All runs, and what is known of prompts that give the answer away."""

    rows: tuple[TryRow, ...]
    classes: tuple[ClassRow, ...]
    """The same tries, added up by checkpoint, class of prompt and work; empty where every class was one run, whose row
    is the sum."""
    asked: str
    """Work that every try asked for."""
    leaked: tuple[Leak, ...]
    """What the validation record says of such prompts."""


def tries(case: Case) -> Tries:
    """Every rung in the order it was run."""
    counted = sum(v.hits is not None for v in case.inversions)
    classes = by_class(case)
    summed = classes if len(classes) < counted else ()
    return Tries(tuple(_row(case, v) for v in case.inversions), summed, case.asked, _leaked(case))


def by_class(case: Case) -> tuple[ClassRow, ...]:
    """Hits and draws added up by checkpoint, class of prompt and work, in the order in which each was first tried."""
    found: dict[tuple[str, str], list[Inversion]] = {}
    for v in case.inversions:
        if v.hits is not None:
            found.setdefault((_checkpoint(case, v), _kind(v)), []).append(v)
    rows = []
    for (checkpoint, kind), runs in found.items():
        hits, draws = (sum(getattr(v.hits, name) for v in runs) for name in ("hits", "draws"))
        low, high = clopper_pearson(hits, draws)
        shown = f"{words.number(low, 2)} to {words.number(high, 2)}"
        prompts = len({v.prompt for v in runs if v.prompt})
        rows.append(ClassRow(checkpoint, kind, case.asked, prompts, f"{hits} of {draws}", shown))
    return tuple(rows)


def _checkpoint(case: Case, v: Inversion) -> str:
    return f"control checkpoint {v.checkpoint}" if v.checkpoint else getattr(case.checkpoint, "name", "")


def _kind(v: Inversion) -> str:
    """Class of a run's prompt, in words; a search for vectors or noise leaves no words of its own."""
    if v.prompt or v.given is Given.WORDS:
        return PROMPTS[v.prompt_kind]
    return PROMPTS[PromptKind.NONE] if v.given is Given.PICTURE else "vectors or noise searched for, which are no text"


def _row(case: Case, v: Inversion) -> TryRow:
    row = next((r for r in case.ledger if r.inversion == v.id and r.n), None)
    back, interval = "not drawn at random", "–"
    if v.hits is not None:
        back = f"{v.hits.hits} of {v.hits.draws}"
        interval = f"{words.number(v.hits.low, 2)} to {words.number(v.hits.high, 2)}"
    return TryRow(
        v.id,
        _checkpoint(case, v),
        f"“{v.prompt}”" if v.prompt else "none",
        _kind(v),
        GIVEN[v.given],
        back,
        interval,
        f"{row.controls_reached} of {row.n}" if row else "not run on them",
    )


def _leaked(case: Case) -> tuple[Leak, ...]:
    """Ranks of works never trained on, asked for with captions of others or by creators of whom others were."""
    if not isinstance(case.validation, ValidationFacts):
        return ()
    said = []
    for pair in case.validation.pairs:
        for null in pair.nulls[1:]:
            said.append(Leak(words.PAIRS[pair.pair][0], null.name, null.n, null.at_05, null.at_01))
    return tuple(said)
