"""Fourteen questions that a reader of the report asks, each answered within the opinion, on a page that is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from forensics.case import Absent, Case, ControlFacts, Given, ValidationFacts
from forensics.report import words
from forensics.report.sections import answers, sure
from tests.report import golden, pages
from tests.report.conftest import Rendered

RECORD = 'id="contents"'
MOST_PAGES = 12
"""Pages of the opinion, the cover among them."""
_EXPLANATIONS = ("A common origin:", "Chance: works as simple as this one are often alike")
_OF_A_CHECKPOINT = ("The weights: the checkpoint gives the picture because it learned it", "A picture as input:")


def _found(case: Case) -> Iterator[str]:
    for card in answers.cards(case):
        yield card.question
        yield card.headline.replace("`", "")


def _prompts(case: Case) -> Iterator[str]:
    for run in answers.drawn(case):
        if run.given is Given.WORDS:
            yield f"“{run.prompt}”"


def _how_often(case: Case) -> Iterator[str]:
    for run in answers.drawn(case):
        yield f"{run.hits.hits} of {run.hits.draws}" if run.hits else ""


def _how_sure(case: Case) -> Iterator[str]:
    for comparison in (c for c in case.comparisons if c.primary_for is not None):
        yield answers.ranked(comparison)
    for row in sure.sure(case).rows:
        yield row.ratio.replace("`", "")


def _compared_with(case: Case) -> Iterator[str]:
    if isinstance(case.controls, ControlFacts) and case.comparisons:
        yield "control works"
    if case.assessments:
        yield "laid over"
    if not isinstance(case.index, Absent) and case.neighbours:
        yield words.count(case.index.count)


def _explanations(case: Case) -> Iterator[str]:
    if any(a.grade in words.CORRESPONDING for a in case.assessments):
        yield from _EXPLANATIONS
        yield from () if case.command == "compare" else _OF_A_CHECKPOINT
    else:
        yield "there is no close correspondence to explain"


def _untested(case: Case) -> Iterator[str]:
    yield "What was not tested"
    if case.command != "compare":
        yield "other versions and hosted services"


def _pictures(case: Case) -> Iterator[str]:
    for item in case.items[:2]:
        yield item.file_name
        yield item.sha256[:8]


def _checkpoint(case: Case) -> Iterator[str]:
    if not isinstance(case.checkpoint, Absent):
        yield f"The checkpoint examined is {case.checkpoint.name}"
        yield case.checkpoint.digest[:8]


def _in_training(case: Case) -> Iterator[str]:
    work = case.assessments[0].work if case.assessments else ""
    for repeated in case.search.repeats if case.search else ():
        if repeated.of == work and repeated.stated:
            yield f"{work} stands {words.times(repeated.stated)} in the training set"


def _valid_on(case: Case) -> Iterator[str]:
    if isinstance(case.validation, ValidationFacts):
        for row in sure.sure(case).rows:
            yield row.holds


QUESTIONS: dict[str, Callable[[Case], Iterator[str]]] = {
    "What was found?": _found,
    "By which prompt?": _prompts,
    "How often did it come back?": _how_often,
    "How sure is that?": _how_sure,
    "Compared with what?": _compared_with,
    "What else could explain it?": _explanations,
    "What was not tested?": _untested,
    "Who must sign?": lambda case: iter(("Until a person has completed and signed", "Signature")),
    "Which picture was examined?": _pictures,
    "Which checkpoint was examined?": _checkpoint,
    "How often does the work stand in the training set?": _in_training,
    "What does the result not imply?": lambda case: iter(("What this result does not imply",)),
    "How can it be checked again?": lambda case: iter(("How to check it again",)),
    "On what is the ratio valid?": _valid_on,
}
"""Question -> what stands in the opinion where the case allows an answer, made from the case itself."""


def _flat(text: str) -> str:
    """Without white space, capitals and letters beyond ASCII: lines, labels and typefaces change these."""
    plain = re.sub(r"\[U\+[0-9A-F]+\]", "", text).encode("ascii", "ignore").decode()
    return "".join(plain.casefold().split())


def _missing(case: Case, opinion: str) -> dict[str, list[str]]:
    text = _flat(opinion)
    said = {question: [a for a in of(case) if _flat(a) not in text] for question, of in QUESTIONS.items()}
    return {question: left for question, left in said.items() if left}


@pytest.mark.parametrize("name", golden.EXAMINED)
def test_the_opinion_of_a_real_case_answers_what_a_reader_asks(name: str) -> None:
    opinion = pages.words(golden.html(name).split(RECORD)[0])
    assert _missing(golden.stored(name)[0], opinion) == {}


def test_all_fourteen_are_answered_where_everything_was_at_hand(rendered: Rendered) -> None:
    if rendered.name != "full":
        pytest.skip("a case that lacks something leaves questions open, and says so")
    texts = pages.page_texts(rendered.pdf)
    end = next(n for n, text in enumerate(texts) if text.lstrip().partition("Contents")[1] and "Reading this" in text)
    assert end <= MOST_PAGES
    asked = {question: list(of(rendered.case)) for question, of in QUESTIONS.items()}
    assert len(asked) == 14
    unasked = [question for question, answer in asked.items() if not answer]
    assert unasked == [], "the case of the tests holds nothing to answer with"
    assert _missing(rendered.case, " ".join(texts[:end])) == {}
    opinion = [_flat(text) for text in texts[:end]]
    table = {q: {n for n, page in enumerate(opinion, 1) for a in asked[q] if _flat(a) in page} for q in asked}
    assert all(table.values()), table  # question -> pages of the opinion
