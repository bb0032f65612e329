"""The table of a batch: as HTML that a browser sorts, and as CSV."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from forensics import files
from forensics.batch.results import NUMBERS, TABLE, Answer, Batch, Row, State
from forensics.case import Pair
from forensics.languages import ENGLISH
from forensics.report import html, words
from forensics.report.sections.answers import QUESTIONS
from forensics.report.tables import as_csv, plain

_STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]+")
"""What would break a line or turn the direction of a cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The answer to one question."""

    heading: str
    rank: str
    sort: float | None
    """By p; None comes last."""


@dataclass(frozen=True, slots=True)
class Line:
    """One case in the table."""

    number: int
    name: str
    image: str
    state: str
    profile: str
    cells: tuple[Cell, ...]
    minutes: str
    spent: float | None
    link: str
    """Address of the report, as it stands in a page beside the cases; empty where there is none."""
    error: str
    remedy: str
    exit_code: str


@dataclass(frozen=True, slots=True)
class View:
    """The page in words."""

    title: str
    answer: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]
    """Name of the proposition pair, and the question."""
    lines: tuple[Line, ...]
    limits: tuple[str, ...]
    foot: str


LIMITS = (
    "Each case is an examination of its own, with its own report; the table repeats the headings, and nothing more. A "
    "rank and its p hold for one case. Where many cases are looked at together, some rank first by chance: of twenty "
    "that the checkpoint knows nothing of, one is expected at 0.05 or below. `forensics survey` states a false "
    "discovery rate for many works at once.",
    "What each question was asked of, and how far the answer holds, is said in the report of the case.",
)


def write(folder: Path, found: Batch, *, language: str = ENGLISH) -> Path:
    """Write the table in both forms, the page in a language of `languages.names()`; its path. Raises OSError."""
    files.write(folder / NUMBERS, numbers(found))
    page = html.render(view(found), "batch.html.j2", language=language, verbatim=verbatim(found))
    files.write(folder / TABLE, page.encode())
    return folder / TABLE


def verbatim(found: Batch) -> frozenset[str]:
    """Texts of the material, as the page prints them: names of cases, files and reports."""
    texts = [_shown(found.source), f"{found.tool.name} {found.tool.value}", _named(found)]
    for row in found.rows:
        name = _shown(row.name)
        texts += [name, words.cut(name, 60), _shown(row.image)]
    return frozenset(text for text in texts if text)


def answer(found: Batch) -> tuple[str, ...]:
    """What came of the batch, in sentences."""
    done, total = found.count(State.DONE), len(found.rows)
    said = [f"{done} of {words.counted(total, 'case', 'cases')} examined."]
    if failed := found.failed:
        named = _named(found)
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
        said.append(f"{len(failed)} failed: {named}{more}. Why, and what to do, stands in the table.")
    if left := total - done - len(failed):
        said.append(f"{left} not finished: the same command with --resume goes on.")
    return tuple(said)


def _named(found: Batch) -> str:
    """The first cases that failed, in one row."""
    return ", ".join(f"{row.number} ({words.cut(_shown(row.name), 60)})" for row in found.failed[:5])


def view(found: Batch) -> View:
    """The batch as a page shows it."""
    return View(
        title=f"Batch {_shown(found.source)}",
        answer=answer(found),
        questions=tuple((words.PAIRS[pair][0], QUESTIONS[pair]) for pair in Pair),
        lines=tuple(_line(row) for row in found.rows),
        limits=LIMITS,
        foot=f"{found.tool.name} {found.tool.value}, begun {words.moment(found.created)}; file of the cases SHA-256 "
        f"{found.source_digest}.",
    )


def numbers(found: Batch) -> bytes:
    """A row a case, numbers unrounded; text of others is kept from being taken for a formula."""
    of_pair = ("heading", "statistic", "value", "k", "n", "p", "p_holm")
    heading = (
        *("number", "case", "image", "state", "profile"),
        *(f"{pair.value}_{name}" for pair in Pair for name in of_pair),
        *("minutes", "workers_lost", "pdf", "folder", "id", "error", "remedy", "exit_code"),
    )
    return as_csv(heading, map(_numbers, found.rows))


def _numbers(row: Row) -> tuple[object, ...]:
    answers = {a.pair: a for a in row.done.answers} if row.done else {}
    cells: list[object] = []
    for pair in Pair:
        one = answers.get(pair)
        cells += [one.heading, one.statistic, one.value, one.k, one.n, one.p, one.p_holm] if one else [""] * 7
    done, failure = row.done, row.failure
    return (
        *(row.number, _cell(row.name), _cell(row.image), row.state.value, done.profile if done else ""),
        *(_cell(one) if isinstance(one, str) else one for one in cells),
        *(row.minutes, row.lost, _cell(done.pdf) if done else "", _cell(row.folder), done.id if done else ""),
        *((_cell(failure.message), _cell(failure.remedy), failure.exit_code) if failure else ("", "", "")),
    )


def _line(row: Row) -> Line:
    done, failure = row.done, row.failure
    answers = {a.pair: a for a in done.answers} if done else {}
    return Line(
        number=row.number,
        name=_shown(row.name),
        image=_shown(row.image),
        state=row.state.value,
        profile=done.profile if done else "",
        cells=tuple(_answer(answers.get(pair)) for pair in Pair),
        minutes="" if row.minutes is None else f"{row.minutes:.1f}",
        spent=row.minutes,
        link=_address(done.pdf) if done else "",
        error=_shown(failure.message) if failure else "",
        remedy=_shown(failure.remedy) if failure else "",
        exit_code=str(failure.exit_code) if failure else "",
    )


def _answer(one: Answer | None) -> Cell:
    if one is None:
        return Cell("", "", None)
    if one.n is None or one.k is None or one.p is None:
        return Cell(one.heading, "", None)
    ranked = f"{one.k} of {words.counted(one.n, 'control', 'controls')} as extreme, p = {words.significant(one.p)}"
    corrected = "" if one.p_holm is None else f", corrected {words.significant(one.p_holm)}"
    return Cell(one.heading, ranked + corrected, one.p)


def _address(path: str) -> str:
    place = PurePosixPath(path)
    return ("file://" if place.is_absolute() else "") + quote(path)


def _shown(text: str) -> str:
    return _STEERS.sub(" ", text).strip()


def _cell(text: str) -> str:
    return plain(_shown(text))
