"""The validation record that fits the case, and the likelihood ratios it allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from forensics.case import Absent, Case, Finding, LikelihoodRatio, Outcome, Pair, ValidatedPair, share, titled
from forensics.report import words
from forensics.report.charts import curves as figures
from forensics.report.sections.items import Line, Lines, lines
from forensics.verbal import TONES_UNCHANGED


@dataclass(frozen=True, slots=True)
class RatioView:
    """The likelihood ratio of one finding."""

    id: str
    pair: str
    first: str
    second: str
    said: str


@dataclass(frozen=True, slots=True)
class ValidatedView:
    """What is known of one proposition pair from works of known status."""

    pair: str
    facts: Lines
    tippett: Markup | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """What changes to a picture, and groups of works, do to the ratios of one proposition pair."""

    key: str
    pair: str
    of: str
    """Where the changes were studied with another form of the ratio: which one, as a sentence."""
    changes: tuple[tuple[str, ...], ...]
    """Change, misleading for the first, for the second, area."""
    groups: tuple[tuple[str, ...], ...]
    """Group, number, misleading, median ratio, area."""
    means: str
    """What follows for this case, as sentences."""


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
    robustness: tuple[Robustness, ...] = ()
    changed: tuple[tuple[str, ...], ...] = ()
    """Change, then for every pair that was studied so: misleading for the first, for the second, area."""
    domain: tuple[tuple[str, ...], ...] = ()
    """Property, disputed image, works validated, proposition pairs."""
    limits: tuple[str, ...] = ()


def validation(case: Case) -> Validation:
    """Record and ratios; where there is no record, the reason."""
    ratios = tuple(map(_ratio, case.findings))
    v = case.validation
    if isinstance(v, Absent):
        # The reason a finding gives holds for the section too: a comparison alone has no checkpoint to validate.
        said = next((f.likelihood_ratio for f in case.findings if isinstance(f.likelihood_ratio, Absent)), v)
        shown = replace(v, reason=said.reason, remedy=said.remedy) if case.command == "compare" else v
        return Validation(shown, (), (), (), (), ratios)
    found = {f.pair: f.likelihood_ratio for f in case.findings if isinstance(f.likelihood_ratio, LikelihoodRatio)}
    facts = (
        Line("Record", v.name),
        Line("SHA-256 of the record", words.groups(v.digest), "hash"),
        Line("Checkpoint it was made with", words.groups(v.checkpoint), "hash"),
        Line("Version of the protocol", v.protocol),
        *lines(v.facts),
    )
    plots = sum(bool(p.ratios_first and p.ratios_second) for p in v.pairs)
    width = figures.HALF if plots < 3 else figures.THIRD
    pairs = tuple(_validated(p, found.get(p.pair), width) for p in v.pairs)
    rates = tuple(
        RateRow(row[0].name, tuple(line.value for line in row)) for row in zip(*(p.facts for p in pairs), strict=True)
    )
    domain = tuple(
        (
            row.name[:1].upper() + row.name[1:],
            "not known" if row.value is None else words.significant(row.value, 3),
            _span(row.low, row.high),
            words.listed(row.pairs),
        )
        for row in v.domain
    )
    robustness = tuple(_robustness(p, case) for p in v.pairs if p.changes or p.groups)
    refused = tuple(replace(a, reason=words.tidy(a.reason)) for a in v.refused)
    return Validation(None, facts, rates, pairs, refused, ratios, robustness, _changed(robustness), domain, v.limits)


def _changed(studied: tuple[Robustness, ...]) -> tuple[tuple[str, ...], ...]:
    """The changes of all pairs, one row a change: most were made for each of them."""
    tables = [{name: cells for name, *cells in b.changes} for b in studied if b.changes]
    names = dict.fromkeys(name for table in tables for name in table)
    return tuple((name, *(cell for table in tables for cell in table.get(name, ["–"] * 3))) for name in names)


def _span(low: float, high: float) -> str:
    first, last = words.significant(low, 3), words.significant(high, 3)
    return first if first == last else f"{first} to {last}"


def _robustness(p: ValidatedPair, case: Case) -> Robustness:
    return Robustness(
        p.pair.value,
        words.PAIRS[p.pair][0],
        f"Studied with the form of the ratio that rests on “{titled(p.changes_of)}”; the form used here was not "
        "studied again."
        if p.changes_of
        else "",
        tuple(
            (
                c.name,
                f"{c.misleading_first} of {c.n_first}",
                f"{c.misleading_second} of {c.n_second}",
                words.number(c.auc, 2),
            )
            for c in p.changes
        ),
        tuple(
            (
                words.tidy(g.name if g.in_first else f"{g.name} (part of neither proposition)"),
                str(g.n),
                f"{g.misleading} of {g.n}",
                words.significant(10**g.median_log10),
                words.number(g.auc, 2),
            )
            for g in p.groups
        ),
        _means(p, case),
    )


def _means(p: ValidatedPair, case: Case) -> str:
    """What the table of changes says about a ratio of this case."""
    weak = [c for c in p.changes if 2 * c.misleading_first > c.n_first]
    if not p.changes:
        return ""
    if not weak:
        said = "After none of these changes did most of the works of the first proposition mislead."
    else:
        listed = words.listed([f"{c.name} ({c.misleading_first} of {c.n_first})" for c in weak])
        said = (
            "Most works of the first proposition received a ratio for the second once they were changed in these "
            f"ways: {listed}. If the picture asked about was changed so, a ratio for the second proposition, and a "
            "rank inside the range of the controls, do not speak against the first."
        )
    return f"{said} {_of_this_case(p.pair, case)}" if weak else said


def _of_this_case(pair: Pair, case: Case) -> str:
    """Which changes the comparison measured between the disputed image and the work that it corresponds with."""
    if pair is Pair.ORIGIN:
        return "In this case, whether the disputed image was changed since it was made does not show in it alone."
    if pair is Pair.RETENTION and case.asked != case.item(case.disputed).exhibit:
        return (
            f"In this case retention is asked of {case.asked} itself, so that a change of the disputed image does not "
            "enter."
        )
    found = next((c for c in case.correspondences if c.outcome in (Outcome.THROUGHOUT, Outcome.PARTLY)), None)
    if found is None or not found.regions:
        return (
            "In this case no work compared corresponds with the disputed image in detail, so that nothing was measured "
            "of such a change."
        )
    region = found.regions[0]
    changes = [
        said
        for said, holds in (
            ("mirrored", region.mirrored),
            ("tone-inverted", region.inverted),
            (f"{share(region.share_work)} of the work", region.share_work < WHOLE),
        )
        if holds
    ]
    changes += [tone for tone in found.tones if tone != TONES_UNCHANGED]
    if not changes:
        return f"In this case the disputed image shows no such change of {found.work}."
    return f"In this case the disputed image was found to show {found.work} so: {'; '.join(changes)}."


WHOLE = 0.9
"""Share of a work below which it counts as cropped here; a fitted overlap loses a rim."""


def _ratio(finding: Finding) -> RatioView:
    name, first, second = words.PAIRS[finding.pair]
    lr = finding.likelihood_ratio
    return RatioView(finding.id, name, first, second, words.sentence(words.ratio(lr, finding.pair)))


def _validated(p: ValidatedPair, ratio: LikelihoodRatio | None, width: float) -> ValidatedView:
    low, high = p.auc_interval
    facts = (
        Line("Measurements that enter", "; ".join(map(titled, p.features))),
        Line("First proposition, works of known status", f"{p.first} ({p.n_first} in the half tested)"),
        Line("Second proposition, works of known status", f"{p.second} ({p.n_second} in the half tested)"),
        Line(
            "Cost of the ratios, Cllr",
            f"{words.number(p.cllr)}, of which {words.number(p.cllr_min)} for lack of "
            "discrimination (0 is best; at 1 the ratios say nothing)",
        ),
        Line(
            "Area under the curve", f"{words.number(p.auc)} (95 % interval {words.number(low)} to {words.number(high)})"
        ),
        Line("Ratios the data allow", f"from {words.significant(10**p.lower)} to {words.significant(10**p.upper)}"),
        Line(
            "Ratios on the wrong side of 1, first and second proposition; a work can have several",
            " and ".join(f"{k} of {n}" for k, n in (p.misleading_first, p.misleading_second)),
        ),
        Line("Controls with p at or below 0.05", f"{p.false_05[0]} of {p.false_05[1]}"),
        Line("Controls with p at or below 0.01", f"{p.false_01[0]} of {p.false_01[1]}"),
    )
    chart = figures.tippett(p, ratio, width=width) if p.ratios_first and p.ratios_second else None
    return ValidatedView(words.PAIRS[p.pair][0], facts, chart)
