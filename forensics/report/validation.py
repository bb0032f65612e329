"""The validation record that fits the case, and the likelihood ratios it allows."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import Absent, Case, Finding, LikelihoodRatio, ValidatedPair
from forensics.report import figures, words
from forensics.report.subjects import Line, Lines, lines


@dataclass(frozen=True, slots=True)
class RatioView:
    """The likelihood ratio of one finding."""

    id: str
    pair: str
    first: str
    second: str
    said: str
    scale: Markup | None


@dataclass(frozen=True, slots=True)
class ValidatedView:
    """What is known of one proposition pair from works of known status."""

    pair: str
    facts: Lines
    tippett: Markup | None


@dataclass(frozen=True, slots=True)
class RateRow:
    """One property of the record, a cell a proposition pair."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """The section on validation and evaluation."""

    absent: Absent | None
    facts: Lines
    rates: tuple[RateRow, ...]
    """The facts of all pairs side by side."""
    pairs: tuple[ValidatedView, ...]
    refused: tuple[Absent, ...]
    ratios: tuple[RatioView, ...]


def validation(case: Case) -> Validation:
    """Record and ratios; where there is no record, the reason."""
    ratios = tuple(map(_ratio, case.findings))
    v = case.validation
    if isinstance(v, Absent):
        return Validation(v, (), (), (), (), ratios)
    found = {f.pair: f.likelihood_ratio for f in case.findings if isinstance(f.likelihood_ratio, LikelihoodRatio)}
    facts = (
        Line("Record", v.name),
        Line("SHA-256 of the record", words.groups(v.digest), "hash"),
        Line("Checkpoint it was made with", words.groups(v.checkpoint), "hash"),
        Line("Version of the protocol", v.protocol),
        *lines(v.facts),
    )
    pairs = tuple(_validated(p, found.get(p.pair)) for p in v.pairs)
    rates = tuple(
        RateRow(row[0].name, tuple(line.value for line in row)) for row in zip(*(p.facts for p in pairs), strict=True)
    )
    return Validation(None, facts, rates, pairs, v.refused, ratios)


def _ratio(finding: Finding) -> RatioView:
    name, first, second = words.PAIRS[finding.pair]
    lr = finding.likelihood_ratio
    scale = figures.likelihood_scale(lr, finding.pair) if isinstance(lr, LikelihoodRatio) else None
    return RatioView(finding.id, name, first, second, words.sentence(words.ratio(lr, finding.pair)), scale)


def _validated(p: ValidatedPair, ratio: LikelihoodRatio | None) -> ValidatedView:
    low, high = p.auc_interval
    facts = (
        Line("Measurements that enter", "; ".join(p.features)),
        Line("First proposition, works of known status", f"{p.first} ({p.n_first} in the half tested)"),
        Line("Second proposition, works of known status", f"{p.second} ({p.n_second} in the half tested)"),
        Line("Cost of the ratios, Cllr", f"{words.number(p.cllr)}, of which {words.number(p.cllr_min)} for lack of "
             "discrimination (0 is best; at 1 the ratios say nothing)"),
        Line("Area under the curve",
             f"{words.number(p.auc)} (95 % interval {words.number(low)} to {words.number(high)})"),
        Line("Ratios the data allow", f"from {words.significant(10**p.lower)} to {words.significant(10**p.upper)}"),
        Line("Controls with p at or below 0.05", f"{p.false_05[0]} of {p.false_05[1]}"),
        Line("Controls with p at or below 0.01", f"{p.false_01[0]} of {p.false_01[1]}"),
    )  # fmt: skip
    chart = figures.tippett(p, ratio, width=figures.HALF) if p.ratios_first and p.ratios_second else None
    return ValidatedView(words.PAIRS[p.pair][0], facts, chart)
