"""The comparisons with control works, as the report shows them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import (
    Case,
    Comparison,
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
class Comparing:
    """The section on controls."""

    primary: tuple[ComparisonView, ...]
    secondary: tuple[ComparisonView, ...]
    smallest_p: str
    """The smallest p that the number of controls allows; empty without comparisons."""
    codelength: bool
    """Whether codelengths are among the statistics: their method has a card of its own."""


def comparing(case: Case) -> Comparing:
    """All comparisons with controls, in the order of the case; the primary ones apart."""
    fewest = min((c.n for c in case.comparisons), default=0)
    return Comparing(
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is not None),
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is None),
        f"{words.significant(1 / (fewest + 1))} (that is, 1/{fewest + 1})" if fewest else "",
        any(c.statistic in (Statistic.SAVED_BY_PROMPT, Statistic.SAVED_AGAINST_CONTROL) for c in case.comparisons),
    )


def _comparison(c: Comparison) -> ComparisonView:
    if c.primary_for is None:
        role = "Secondary measurement"
    else:
        role = f"Primary measurement for {words.PAIRS[c.primary_for][0].lower()}, declared before the run"
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
        charts.strip(c) if c.primary_for is not None else charts.small_strip(c),
        spread,
    )
