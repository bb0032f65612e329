"""The page of answers: one card a question, in words that need no other page, with the counts that they rest on.

A sentence is chosen by typed values alone (grade, rank, hits); its wording stands here and decides nothing. What a
rank is worth is said by the finding, whose first sentence is the headline of retention and of origin.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import (
    Absent,
    Assessment,
    Case,
    Comparison,
    Finding,
    Given,
    Grade,
    Inversion,
    LikelihoodRatio,
    Origin,
    Pair,
    PromptKind,
    Region,
    within,
)
from forensics.report import words
from forensics.report.charts import strips
from forensics.report.sections import levels
from forensics.report.sections.exhibits import Picture, picture
from forensics.verbal import PROMPTS

SIDE_MM = 20.0
"""Long side of a picture beside an answer."""
STRIP_PT = 119.0
"""Width of the drawing beside an answer: 42 mm."""

QUESTIONS: dict[Pair, str] = {
    Pair.DERIVATION: "Does the disputed image show the same picture as a work?",
    Pair.RETENTION: "Does the checkpoint give this picture back, otherwise than pictures that it has never seen?",
    Pair.ORIGIN: "Was the disputed image made by this checkpoint, or by one of its family?",
}
_NOT_SHOWN: dict[Pair, str] = {
    Pair.DERIVATION: "Not shown: that one picture was made from the other, in which direction, or by whom. Both can "
    "rest on a third.",
    Pair.RETENTION: "Not shown: what other words, more tries, a hosted service or another version would give; nor why "
    "the work was in the training set, if it was.",
    Pair.ORIGIN: "Not shown: which program or person made the picture. Checkpoints of one family share what was "
    "measured, and saving or resizing removes it.",
}


@dataclass(frozen=True, slots=True)
class Thumb:
    """A small picture beside an answer."""

    id: str
    picture: Picture
    said: str


@dataclass(frozen=True, slots=True)
class Card:
    """One answer."""

    number: int
    name: str
    """Of the proposition pair."""
    question: str
    headline: str
    done: tuple[str, ...]
    """What was done, with counts."""
    sure: tuple[str, ...]
    """Rank, ratio, and inside which range it holds."""
    not_shown: str
    cites: str
    thumbs: tuple[Thumb, ...]
    chart: Markup | None
    chart_said: str
    record: str
    """Anchor of the section of the record that holds the numbers."""


_RECORD = {Pair.DERIVATION: "correspondence", Pair.RETENTION: "bits", Pair.ORIGIN: "item-origin"}


def cards(case: Case) -> tuple[Card, ...]:
    """One card a question that was asked of the material: a comparison of pictures asks only the first."""
    asked = (Pair.DERIVATION,) if case.command == "compare" else tuple(Pair)
    found = {f.pair: f for f in case.findings}
    return tuple(_card(case, pair, found.get(pair), number) for number, pair in enumerate(asked, 1))


def _card(case: Case, pair: Pair, finding: Finding | None, number: int) -> Card:
    primary = next((c for c in case.comparisons if c.primary_for is pair), None)
    make = {Pair.DERIVATION: _derivation, Pair.RETENTION: _retention, Pair.ORIGIN: _origin}[pair]
    headline, done, thumbs = make(case, finding)
    return Card(
        number,
        words.PAIRS[pair][0],
        QUESTIONS[pair],
        headline,
        done,
        _sure(case, pair, finding, primary),
        _NOT_SHOWN[pair],
        ", ".join(finding.cites) if finding else "",
        thumbs,
        strips.small_strip(primary, STRIP_PT) if primary else None,
        f"{primary.id}: each dot is one of {primary.n} control works, the diamond this picture; further right is "
        f"{primary.toward}."
        if primary
        else "",
        _anchor(case, pair),
    )


def _anchor(case: Case, pair: Pair) -> str:
    there = {
        Pair.DERIVATION: bool(case.correspondences),
        Pair.RETENTION: bool(case.ledger or case.curves),
        Pair.ORIGIN: isinstance(case.origin, Origin),
    }
    return _RECORD[pair] if there[pair] else "controls"


Made = tuple[str, tuple[str, ...], tuple[Thumb, ...]]
NOTHING = "This question was not evaluated."


def named(case: Case, exhibit: str) -> str:
    """An exhibit as a reader without the record knows it: "the work put forward, R1"."""
    if any(i.exhibit == exhibit and i.id != case.disputed for i in case.items):
        return f"the work put forward, {exhibit}"
    rank = next((n.rank for n in case.neighbours if n.exhibit == exhibit), None)
    if rank == 1:
        return f"the nearest picture of the training index, {exhibit}"
    if rank is not None:
        return f"a picture of the training index, {exhibit}"
    return "the disputed image" if exhibit == case.item(case.disputed).exhibit else exhibit


def _thumb(case: Case, tag: str, said: str) -> Thumb:
    return Thumb(tag, picture(case.exhibit(tag), SIDE_MM), said)


def _derivation(case: Case, finding: Finding | None) -> Made:
    if not case.assessments or finding is None:
        reason = finding.answer if finding else NOTHING
        return words.sentence(reason), (), (_thumb(case, case.item(case.disputed).exhibit, "disputed"),)
    first = case.assessments[0]
    laid = next((c for c in case.correspondences if c.work == first.work), None)
    region = laid.regions[0] if laid and laid.regions else None
    done = [_compared(case)]
    if region is not None and first.grade in words.CORRESPONDING:
        done.append(levels.sentence(case, region, first.work))
    same = next((r for r in (case.search.repeats if case.search else ()) if r.of == first.work), None)
    if same is not None and same.stated:
        done.append(
            f"{first.work} stands {words.times(same.stated)} in the training set, as the source of the index states."
        )
    thumbs = (_thumb(case, case.item(case.disputed).exhibit, "disputed"), _thumb(case, first.work, "work"))
    return graded(case, first, region), tuple(done), thumbs


def graded(case: Case, a: Assessment, region: Region | None) -> str:
    """The graded word for one work as a sentence for everyone."""
    work = named(case, a.work)
    if a.grade is Grade.SAME_PIXELS:
        return f"The disputed image and {work}, are the same picture, pixel for pixel."
    if a.grade is Grade.THROUGHOUT:
        held = within(region.share_disputed, region.share_work) if region else ""
        return f"The disputed image corresponds throughout to {work}{f': {held}' if held else ''}."
    if a.grade is Grade.IN_PART:
        if region is None:
            return f"The disputed image corresponds in part to {work}."
        one, other = words.share(region.share_disputed), words.share(region.share_work)
        return f"The disputed image corresponds in part to {work}: {one} of the one, {other} of the other."
    if a.grade is Grade.SUBJECT:
        return f"No part of the disputed image agrees in detail with {work}; only subject or manner is near."
    if a.grade is Grade.NONE:
        return f"No correspondence was measured between the disputed image and {work}."
    return f"The measurements do not suffice to say whether the disputed image corresponds to {work}."


def _compared(case: Case) -> str:
    forward = sum(i.id != case.disputed for i in case.items)
    found = sum(n.exhibit is not None for n in case.neighbours)
    parts = []
    if forward:
        parts.append(words.counted(forward, "work put forward", "works put forward"))
    if found:
        parts.append(
            words.counted(found, "picture found in the training index", "pictures found in the training index")
        )
    said = f"The disputed image was laid over {words.listed(parts)}, and compared detail by detail."
    near = [a.work for a in case.assessments if a.grade in words.CORRESPONDING]
    rest = len(case.assessments) - len(near)
    if near and rest:
        one, other = ("s" if len(near) == 1 else ""), ("es" if rest == 1 else "")
        said += f" {words.listed(near)} correspond{one}; the other {rest} do{other} not."
    return said


def drawn(case: Case) -> tuple[Inversion, ...]:
    """The runs that drew pictures and counted near-copies, in the order they were run."""
    return tuple(v for v in case.inversions if v.hits is not None)


def came(v: Inversion) -> str:
    """How often the target came back, with the exact bound that matters: "in 8 of 8 tries (at least 63 %)"."""
    if v.hits is None:
        return "in no try that was counted"
    hits, tries = v.hits.hits, words.counted(v.hits.draws, "try", "tries")
    if hits == 0:
        return f"in 0 of {tries} (at most {words.percent(v.hits.high)})"
    return f"in {hits} of {tries} (at least {words.percent(v.hits.low)})"


def _retention(case: Case, finding: Finding | None) -> Made:
    disputed = case.item(case.disputed).exhibit
    if finding is None or isinstance(case.checkpoint, Absent):
        return words.sentence(finding.answer) if finding else NOTHING, (), (_thumb(case, disputed, "disputed"),)
    headline, _ = words.first_sentence(words.sentence(finding.answer))
    target = "the disputed image" if case.asked == disputed else f"{case.asked}, which stands for the disputed image,"
    done = []
    plain = [v for v in drawn(case) if v.given is Given.WORDS]
    for v in (v for v in plain if not v.checkpoint):
        done.append(
            f"Given the words “{v.prompt}”, {_whose(case, v)}, the checkpoint gave a near-copy of {target} {came(v)}."
        )
        for other in (o for o in plain if o.checkpoint and o.prompt == v.prompt):
            done.append(f"The control checkpoint {other.checkpoint}, given the same words, did so {came(other)}.")
        if (row := next((r for r in case.ledger if r.inversion == v.id and r.n), None)) is not None:
            back = "none" if row.controls_reached == 0 else words.count(row.controls_reached)
            done.append(
                f"Of {row.n} works that the checkpoint has not seen, each asked for in words of its own, {back} came "
                "back."
            )
    searched = [v for v in drawn(case) if v.given is Given.SEARCH]
    if searched:
        said = words.listed([f"{_searched(v)} {came(v)}" for v in searched])
        done.append(f"Searched for with the picture in hand: {said}.")
    if not plain:
        done.append("No words were at hand to ask the checkpoint for the picture, so no such tries were made.")
    medians = [(v.median, "control checkpoint" if v.checkpoint else "median") for v in plain]
    thumbs = [_thumb(case, case.asked, "asked for")]
    thumbs += [_thumb(case, tag, said) for tag, said in medians if tag][:2]
    return headline, tuple(done), tuple(thumbs)


def _whose(case: Case, v: Inversion) -> str:
    if v.prompt_kind is PromptKind.NEIGHBOUR and (
        n := next((n for n in case.neighbours if n.caption == v.prompt), None)
    ):
        return f"the caption of the training picture {n.exhibit or n.training_id}"
    return PROMPTS[v.prompt_kind]


def _searched(v: Inversion) -> str:
    return f"“{v.prompt}”" if v.prompt else "vectors or noise, which are no text,"


def _origin(case: Case, finding: Finding | None) -> Made:
    disputed = case.item(case.disputed).exhibit
    thumbs = (_thumb(case, disputed, "disputed"),)
    if finding is None or not isinstance(case.origin, Origin):
        return words.sentence(finding.answer) if finding else NOTHING, (), thumbs
    headline, _ = words.first_sentence(words.sentence(finding.answer))
    done = []
    if not isinstance(case.origin.reconstructions, Absent):
        done.append(
            "The picture was put twice through the part of the checkpoint that turns pictures into its own code and "
            "back. Pictures that this part made change as little the first time as the second."
        )
    stated = any(case.item(case.disputed).generator)
    done.append(
        "The file states how it was generated; such statements can be forged."
        if stated
        else "The file states nothing about how it was made."
    )
    return headline, tuple(done), thumbs


def ranked(c: Comparison) -> str:
    """Rank among the controls, in words."""
    low, high = c.k_interval
    reach = "none reaches" if c.k == 0 else f"{c.k} reach{'es' if c.k == 1 else ''}"
    if c.k == 0:
        share = f"at most {words.percent(high)}"
    elif high > 0.99:
        share = f"at least {words.percent(low)}"
    else:
        share = f"{words.percent(low)} to {words.percent(high)}"
    return (
        f"Of {c.n} control works put through the same steps, {reach} as far (p = {words.significant(c.p)}"
        f"{_corrected(c)}; of all such works {share} would)."
    )


def _corrected(c: Comparison) -> str:
    return "" if c.p_holm is None else f", corrected {words.significant(c.p_holm)}"


def _sure(case: Case, pair: Pair, finding: Finding | None, primary: Comparison | None) -> tuple[str, ...]:
    said = [ranked(primary)] if primary else []
    if finding is None:
        return tuple(said)
    ratio = finding.likelihood_ratio
    if isinstance(ratio, Absent):
        if case.command != "compare" and primary is not None:
            said.append(f"No likelihood ratio: {words.sentence(words.lowered(words.tidy(ratio.reason)))}")
    else:
        said.append(_ratio(ratio, pair))
    return tuple(said)


def _ratio(ratio: LikelihoodRatio, pair: Pair) -> str:
    shown = words.significant(ratio.value)
    bound = ", the bound that the data allow" if ratio.bounded else ""
    if ratio.band == "no":
        return f"Likelihood ratio {shown}{bound}: no support for either proposition."
    return f"Likelihood ratio {shown}{bound}: {ratio.band} support for the proposition that {_first(ratio, pair)}."


def _first(ratio: LikelihoodRatio, pair: Pair) -> str:
    _, first, second = words.PAIRS[pair]
    return first if ratio.log10 > 0 else second
