"""What the numbers answer and where they end: summary, comparisons with controls, limitations."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import Absent, Case, Comparison, Finding, IndexFacts, Item, NotMeasured, Pair
from forensics.report import charts, words
from forensics.report.boards import Picture, picture

ACROSS = 3
"""Controls in one row of the table of scores."""
SHOWN = 30
"""Controls up to which every score is printed. Of more, as many of the most extreme: those that a reader will question;
the chart shows all, and so does the table attached to the report."""


@dataclass(frozen=True, slots=True)
class Thumb:
    """An item on the summary page."""

    id: str
    picture: Picture
    role: str
    size: str
    digest: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """One answer with its numbers and its limits."""

    id: str
    question: str
    answer: str
    """Its first sentence, set as a heading."""
    detail: str
    ratio: str
    cites: str
    contrary: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairView:
    """One proposition pair, answered or not."""

    name: str
    first: str
    second: str
    findings: tuple[FindingView, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The page a court reads first."""

    questions: tuple[str, ...]
    thumbs: tuple[Thumb, ...]
    pairs: tuple[PairView, ...]
    contrary: tuple[str, ...]
    untested: tuple[str, ...]
    not_measured: int


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
    share: str
    holm: str
    chart: Markup
    rows: tuple[tuple[tuple[str, str], ...], ...]
    """Control and value, the most extreme first, three to a row; the last row is filled up with empty cells."""
    rest: str
    """Where the scores stand that the rows leave out, as a sentence; empty where they leave out none."""


@dataclass(frozen=True, slots=True)
class Comparing:
    """The section on controls."""

    comparisons: tuple[ComparisonView, ...]
    smallest_p: str
    """The smallest p that the number of controls allows; empty without comparisons."""
    codelength: bool
    """Whether codelengths are among the statistics: their method has a card of its own."""


def summary(case: Case) -> Summary:
    """The one-page summary: every pair is named, answered or not."""
    return Summary(
        case.matter.questions,
        tuple(_thumb(case, i) for i in case.items),
        tuple(_pair(case, pair) for pair in Pair),
        tuple(dict.fromkeys(words.sentence(c) for f in case.findings for c in f.contrary)),
        tuple(dict.fromkeys(a.what for a in case.absences)),
        sum(isinstance(m, NotMeasured) for m in case.measurements),
    )


def _thumb(case: Case, item: Item) -> Thumb:
    e = case.exhibit(item.exhibit)
    role = "Disputed image" if item.id == case.disputed else "Original, as put forward"
    return Thumb(item.id, picture(e, 22), role, words.pixels(item.width, item.height), words.short(item.sha256))


def _pair(case: Case, pair: Pair) -> PairView:
    name, first, second = words.PAIRS[pair]
    found = tuple(_finding(f) for f in case.findings if f.pair is pair)
    return PairView(name, first, second, found)


def _finding(f: Finding) -> FindingView:
    return FindingView(
        f.id,
        f.question,
        *words.first_sentence(words.sentence(f.answer)),
        words.ratio(f.likelihood_ratio, f.pair),
        ", ".join(f.cites),
        tuple(map(words.sentence, f.contrary)),
        tuple(map(words.sentence, f.limits)),
    )


def comparing(case: Case) -> Comparing:
    """All comparisons with controls, primary ones first in the order of the case."""
    ordered = sorted(case.comparisons, key=lambda c: c.primary_for is None)
    fewest = min((c.n for c in case.comparisons), default=0)
    return Comparing(
        tuple(map(_comparison, ordered)),
        f"{words.significant(1 / (fewest + 1))} (that is, 1/{fewest + 1})" if fewest else "",
        any(c.title.startswith("Codelength") for c in case.comparisons),
    )


def _comparison(c: Comparison) -> ComparisonView:
    if c.primary_for is None:
        role = "Secondary measurement"
    else:
        role = f"Primary measurement for {words.PAIRS[c.primary_for][0].lower()}, declared before the run"
    low, high = c.k_interval
    scores = sorted(c.controls, key=lambda s: (-s.value if c.better.value == "higher" else s.value, s.control))
    cells = [(s.control, words.number(s.value)) for s in scores[:SHOWN]]
    cells += [("", "")] * (-len(cells) % ACROSS)
    return ComparisonView(
        c.id,
        c.title,
        role,
        words.sentence(c.statistic),
        words.number(c.value),
        words.pointing(c),
        words.tally(c),
        words.p_value(c),
        f"{words.number(low, 2)} to {words.number(high, 2)}",
        words.significant(c.p_holm) if c.p_holm is not None else "",
        charts.strip(c),
        tuple(tuple(cells[i : i + ACROSS]) for i in range(0, len(cells), ACROSS)),
        ""
        if len(scores) <= SHOWN
        else f"The {SHOWN} most extreme of {len(scores)} controls; the attached table controls.csv holds all values.",
    )


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
    for c in case.comparisons:
        if c.primary_for is not None:
            said.append(
                f"Comparison {c.id} rests on {c.n} controls: no p-value below {words.significant(1 / (c.n + 1))} can "
                "be reached with them, whatever the disputed image shows."
            )
    for v in case.inversions:
        if v.seeds:
            said.append(f"{v.title}: {len(v.seeds)} seeds of one prompt were drawn; other prompts were not tested.")
    if missing := sum(isinstance(m, NotMeasured) for m in case.measurements):
        due = len(case.measurements)
        said.append(f"{missing} of {due} measurements that were due could not be made; the tables state the reasons.")
    said += [words.sentence(limit) for f in case.findings for limit in f.limits]
    return tuple(dict.fromkeys(said))
