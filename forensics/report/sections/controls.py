"""The comparisons with control works, as the report shows them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import (
    Case,
    Comparison,
    ControlFacts,
    Standing,
    Statistic,
)
from forensics.report import words
from forensics.report.charts import strips as charts


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """One statistic beside its controls."""

    id: str
    title: str
    role: str
    statistic: str
    value: str
    direction: str
    tally: str
    p: str
    counted: str
    """k of n as a table has room for it; p likewise."""
    rank: str
    share: str
    holm: str
    chart: Markup
    """Every control as a dot: wide for a primary comparison, as wide as a column of the table for another."""
    spread: str
    """Median and range of the controls."""


@dataclass(frozen=True, slots=True)
class StandingRow:
    """One property of the disputed image beside those of its controls."""

    name: str
    disputed: str
    controls: str
    farther: str
    """How many controls lie as far out, and whether these are few."""


@dataclass(frozen=True, slots=True)
class Comparing:
    """The section on controls."""

    primary: tuple[ComparisonView, ...]
    secondary: tuple[ComparisonView, ...]
    smallest_p: str
    """The smallest p that each number of controls allows, as a sentence; empty without comparisons."""
    codelength: bool
    """Whether codelengths are among the statistics: their method has a card of its own."""
    standing: tuple[StandingRow, ...]
    dates: str
    unlike: tuple[str, ...]
    """In what the disputed image is unlike its controls, as sentences."""


def comparing(case: Case) -> Comparing:
    """All comparisons with controls, in the order of the case; the primary ones apart."""
    return Comparing(
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is not None),
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is None),
        _smallest_p({c.n for c in case.comparisons}),
        any(c.statistic in (Statistic.SAVED_BY_PROMPT, Statistic.SAVED_AGAINST_CONTROL) for c in case.comparisons),
        tuple(_standing(s) for s in case.controls.standing) if isinstance(case.controls, ControlFacts) else (),
        case.controls.dates if isinstance(case.controls, ControlFacts) else "",
        unlike(case),
    )


def _smallest_p(counts: set[int]) -> str:
    """Searches are run on fewer controls than the rest, so that several numbers can stand in one report."""
    if not counts:
        return ""
    each = [
        f"{words.significant(1 / (n + 1))} (1/{n + 1}) among {words.count(n)}" for n in sorted(counts, reverse=True)
    ]
    return f"The smallest p that there can be is {words.listed(each)} controls."


def unlike(case: Case) -> tuple[str, ...]:
    """In what the disputed image lies outside, or at the very edge of, what its controls are like, as sentences."""
    if not isinstance(case.controls, ControlFacts):
        return ()
    return tuple(
        f"The disputed image is unlike its controls in {s.name}: {words.significant(s.disputed, 3)}, beside "
        f"{words.significant(s.low, 3)} to {words.significant(s.high, 3)}; of {s.n} controls "
        f"{'none lies' if s.farther == 0 else words.counted(s.farther, 'lies', 'lie')} as far out. What is ranked "
        "among them may differ for this reason alone."
        for s in case.controls.standing
        if s.unlike
    )


def _standing(s: Standing) -> StandingRow:
    spread = f"{words.significant(s.low, 3)} to {words.significant(s.high, 3)}, median {words.significant(s.median, 3)}"
    few = "; fewer than one in twenty" if s.unlike else ""
    return StandingRow(
        s.name[:1].upper() + s.name[1:], words.significant(s.disputed, 3), spread, f"{s.farther} of {s.n}{few}"
    )


def _comparison(c: Comparison) -> ComparisonView:
    if c.primary_for is None:
        role = "Secondary measurement"
    else:
        role = f"Primary measurement for {words.PAIRS[c.primary_for][0].lower()}"
    low, high = c.k_interval
    scores = sorted(s.value for s in c.controls)
    first, last = (words.number(scores[0]), words.number(scores[-1])) if scores else ("", "")
    ends = "as all of them" if first == last else f"from {first} to {last}"
    spread = f"median {words.number(statistics.median(scores))}, {ends}" if scores else "none"
    return ComparisonView(
        c.id,
        c.title,
        role,
        words.sentence(c.computed),
        words.number(c.value),
        words.pointing(c),
        words.tally(c),
        words.p_value(c),
        f"{c.k} of {c.n}",
        words.significant(c.p),
        f"{words.number(low, 2)} and {words.number(high, 2)}",
        words.significant(c.p_holm) if c.p_holm is not None else "",
        charts.strip(c, charts.THIRD) if c.primary_for is not None else charts.small_strip(c),
        spread,
    )
