"""What the numbers answer and where they end: summary, comparisons with controls, limitations."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, replace

from markupsafe import Markup

from forensics import verbal
from forensics.case import (
    Absent,
    Case,
    Comparison,
    Finding,
    Grade,
    IndexFacts,
    Item,
    Measurement,
    NotMeasured,
    Outcome,
    Pair,
)
from forensics.report import charts, words
from forensics.report.boards import Picture, picture

STRONGEST = 4
"""Points against the answers that the summary page has room for."""
IN_A_ROW = 3
"""Pictures abreast on the summary page."""


@dataclass(frozen=True, slots=True)
class Thumb:
    """A picture on the summary page."""

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
    """At most `STRONGEST`; all of them stand among the limitations."""
    all_contrary: tuple[str, ...]
    untested: tuple[str, ...]
    not_measured: int
    words: tuple[str, ...]
    """The abbreviations that the answers use, explained for the page, a sentence each."""


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


def summary(case: Case) -> Summary:
    """The one-page summary: every pair is named, answered or not."""
    # The first point against each answer, then the second of each: a page short of room still speaks of every pair.
    in_turn = itertools.zip_longest(*((*f.contrary, *_nearest_control(case, f)) for f in case.findings))
    contrary = tuple(
        dict.fromkeys(
            words.sentence(c) for turn in in_turn for c in turn if c is not None and c != verbal.NOTHING_CONTRARY
        )
    )
    return Summary(
        case.matter.questions,
        _thumbs(case),
        tuple(_pair(case, pair) for pair in Pair),
        contrary[:STRONGEST],
        contrary,
        tuple(dict.fromkeys(a.what for a in absences(case))),
        sum(isinstance(m, NotMeasured) for m in case.measurements),
        _explained(case),
    )


def _nearest_control(case: Case, finding: Finding) -> tuple[str, ...]:
    """That the nearest control receives a word of correspondence too, where the disputed image received one."""
    found = case.control_correspondence
    corresponds = bool(case.assessments) and case.assessments[0].grade in _CORRESPONDING
    if finding.pair is not Pair.DERIVATION or found is None or found.outcome not in _REPRODUCES or not corresponds:
        return ()
    return (
        f"The nearest control work, {found.laid}, receives the word “{found.outcome.value}” beside the item of the "
        f"index nearest to it, {found.work}, although it is not known to derive from it. {found.basis}",
    )


_REPRODUCES = (Outcome.REPRODUCES, Outcome.PARTLY)


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


_WORDS = (
    ("LPIPS", "LPIPS: distance between two pictures in edges and texture; 0 for equal pictures."),
    ("SSIM", "SSIM: agreement in brightness, place by place; 1 for equal pictures."),
    ("control", "Control works: known not to be in the training set, put through the same steps."),
    ("p = ", "p: how often a control would score as this image does, if it were a work like them."),
)


def _explained(case: Case) -> tuple[str, ...]:
    said = " ".join(text for f in case.findings for text in (f.answer, *f.contrary))
    return tuple(sentence for word, sentence in _WORDS if word in said)


def _thumbs(case: Case) -> tuple[Thumb, ...]:
    """The files received; then, as far as a row holds them, the closest item of the index and what text alone gave."""
    found = [_thumb(case, i) for i in case.items]
    nearest = next((n.exhibit for n in case.neighbours if n.exhibit), None)
    drawn = next((v for v in case.inversions if v.method == "regeneration" and v.median), None)
    extra = [(nearest, "Closest item of the index")] if nearest else []
    if drawn and drawn.median:
        extra.append((drawn.median, f"From text alone, median of {len(drawn.outputs)}"))
    for tag, role in extra[: max(0, IN_A_ROW - len(found))]:
        e = case.exhibit(tag)
        found.append(Thumb(tag, picture(e, 22), role, words.pixels(e.width, e.height), words.short(e.sha256)))
    return tuple(found)


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
    """All comparisons with controls, in the order of the case; the primary ones apart."""
    fewest = min((c.n for c in case.comparisons), default=0)
    return Comparing(
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is not None),
        tuple(_comparison(c) for c in case.comparisons if c.primary_for is None),
        f"{words.significant(1 / (fewest + 1))} (that is, 1/{fewest + 1})" if fewest else "",
        any(c.title.startswith("Codelength") for c in case.comparisons),
    )


def _comparison(c: Comparison) -> ComparisonView:
    if c.primary_for is None:
        role = "Secondary measurement"
    else:
        role = f"Primary measurement for {words.PAIRS[c.primary_for][0].lower()}, declared before the run"
    low, high = c.k_interval
    scores = sorted(s.value for s in c.controls)
    ends = f"from {words.number(scores[0])} to {words.number(scores[-1])}" if scores else ""
    spread = f"median {words.number(statistics.median(scores))}, {ends}" if scores else "none"
    return ComparisonView(
        c.id,
        c.title,
        role,
        words.sentence(c.statistic),
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


_CORRESPONDING = (Grade.SAME_PIXELS, Grade.THROUGHOUT, Grade.IN_PART)


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
        graded = [a.work for a in case.assessments if a.grade in _CORRESPONDING and a.work in found]
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
