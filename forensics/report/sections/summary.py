"""What the numbers answer and where they end: summary, comparisons with controls, limitations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from forensics import verbal
from forensics.case import (
    Case,
    Finding,
    Item,
    NotMeasured,
    Outcome,
    Pair,
)
from forensics.report import words
from forensics.report.sections.exhibits import Picture, picture
from forensics.report.sections.limitations import absences
from forensics.report.words import CORRESPONDING

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
    corresponds = bool(case.assessments) and case.assessments[0].grade in CORRESPONDING
    if finding.pair is not Pair.DERIVATION or found is None or found.outcome not in _REPRODUCES or not corresponds:
        return ()
    return (
        f"The nearest control work, {found.laid}, receives the word “{found.outcome.value}” beside the item of the "
        f"index nearest to it, {found.work}, although it is not known to derive from it. {found.basis}",
    )


_REPRODUCES = (Outcome.REPRODUCES, Outcome.PARTLY)


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
