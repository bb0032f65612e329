"""Every prompt that was tried, by class: which checkpoint, was the picture an input, how often it came back.

Courts count what came out per version of a model and per kind of prompt, with the tries that failed.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Case, Given, Inversion, ValidationFacts
from forensics.report import words
from forensics.report.sections import answers
from forensics.report.sections.kinds import GIVEN


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
class Tries:
    """All runs, and what is known of prompts that give the answer away."""

    rows: tuple[TryRow, ...]
    leaked: tuple[Leak, ...]
    """What the validation record says of such prompts."""


def tries(case: Case) -> Tries:
    """Every rung in the order it was run."""
    return Tries(tuple(_row(case, v) for v in case.inversions), _leaked(case))


def _row(case: Case, v: Inversion) -> TryRow:
    row = next((r for r in case.ledger if r.inversion == v.id and r.n), None)
    checkpoint = f"control checkpoint {v.checkpoint}" if v.checkpoint else getattr(case.checkpoint, "name", "")
    back, interval = "not drawn at random", "–"
    if v.hits is not None:
        back = f"{v.hits.hits} of {v.hits.draws}"
        interval = f"{words.number(v.hits.low, 2)} to {words.number(v.hits.high, 2)}"
    return TryRow(
        v.id,
        checkpoint,
        f"“{v.prompt}”" if v.prompt else "none",
        answers.KINDS[v.prompt_kind] if v.prompt or v.given is Given.WORDS else "no words",
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
