"""A log against itself, the files and the plan: every deviation by its kind, and which tries count; pure.

A deviation takes nothing away by itself. Which tries count follows one rule, stated in the report: a try counts where
it has a place in the plan, was made after the plan and before its end, and is logged once. What does not count is
shown beside it, so that a reader sees whether the choice matters.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from forensics.outputs.log import Result, Row
from forensics.outputs.plan import Plan, Prompt, PromptClass
from forensics.outputs.received import Received, Stated

TOLERANCE = dt.timedelta(minutes=10)
"""Between the time in the log and the one in a file: clocks differ, and pictures take a while to come."""
_ZONES = dt.timedelta(hours=12), dt.timedelta(hours=14)
"""How far local times lie behind and before UTC at most."""


class Kind(StrEnum):
    """What a deviation is about, in the order of the report. The value is what the report calls it."""

    IMAGE_SUPPLIED = "a picture was supplied as input although the prompt is of another class"
    IMAGE_MISSING = "no picture was supplied although the plan says so"
    NOT_PLANNED = "the prompt is not in the plan"
    SERVICE = "the service is not in the plan"
    VERSION = "the version is not in the plan"
    CHANGED = "the version changes mid-way"
    BEFORE = "the try was made before the plan"
    BEYOND = "the try lies beyond the stop rule"
    NOT_TRIED = "planned and not logged"
    ORDER = "the try is out of the order planned"
    WORKS = "a work or control is not the one of the plan"
    CLASS = "the log states another class or aim than the plan"
    GAP = "a number is missing"
    NUMBER_TWICE = "a number is given twice"
    ROW_TWICE = "the same row again"
    BACKWARDS = "the time goes backwards"
    NO_OFFSET = "the time has no offset from UTC"
    NO_FILE = "a picture is logged and its file is not there"
    NO_ROW = "a file is there and not logged"
    NAMED_TWICE = "one file is logged for several tries"
    FILE_TWICE = "the same file under another name"
    PIXELS_TWICE = "the same pixels in another file"
    REFUSED_WITH_FILE = "no picture is logged and a file is named"
    UNREADABLE = "the file cannot be examined"
    EARLIER = "the file states an earlier moment than the log"
    LATER = "the file states a later moment than the log"
    WEAK_EARLIER = "the file system states an earlier moment than the log (weak)"
    CREDENTIALS = "Content Credentials or the hashes of a capture do not hold"
    OTHER_PROMPT = "the file states another prompt than the log"
    OTHER_SEED = "the file states another seed than the log"
    ACCOUNT = "the account changes"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One of them."""

    kind: Kind
    lines: tuple[int, ...]
    """Of the log; empty where none is concerned."""
    said: str
    """What it is about: a name, two times, a number."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One row, and what it counts as."""

    row: Row
    prompt: str
    """Identifier in the plan; empty where there is none."""
    prompt_class: PromptClass | None
    """By what was given; None where neither log nor plan says it."""
    works: tuple[str, ...]
    """What it aims at; empty for none of them."""
    file: str
    """The file that is this try's picture; empty where there is none."""
    why_not: str
    """Why the try does not count; empty where it does."""

    @property
    def counts(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Checked:
    """The whole."""

    tries: tuple[Placed, ...]
    """Every row, in the order of the log."""
    deviations: tuple[Deviation, ...]
    """By kind, then line."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What a log is checked against."""

    files: Mapping[str, Received]
    """By name (`Row.picture`), those of the folder, whether logged or not."""
    plan: Plan | None = None
    began: str = ""
    """UTC, ISO 8601: the moment of the plan."""
    works: tuple[str, ...] = ()
    """Works and controls that are not those of the plan."""


@dataclass(slots=True)
class _Found:
    deviations: list[Deviation] = field(default_factory=list)

    def add(self, kind: Kind, said: str = "", *rows: Row) -> None:
        self.deviations.append(Deviation(kind, tuple(row.line for row in rows), said))


def check(rows: Sequence[Row], beside: Beside) -> Checked:
    """All checks of a log.

    Args:
        rows: in the order of the log.
        beside: the files, and the plan where there is one.
    """
    found = _Found()
    again = _log(rows, found)
    files = _files(rows, beside.files, again, found)
    for row in rows:
        if row.picture in beside.files:
            _file_states(row, beside.files[row.picture], found)
    for name in beside.works:
        found.add(Kind.WORKS, name)
    placed = (
        _without_plan(rows, files, again, found)
        if beside.plan is None
        else _by_plan(rows, files, again, _Planned(beside.plan, beside.began, found))
    )
    kinds = list(Kind)
    ordered = sorted(found.deviations, key=lambda d: (kinds.index(d.kind), d.lines, d.said))
    return Checked(tuple(placed), tuple(ordered))


AGAIN = "It is logged twice."


def _log(rows: Sequence[Row], found: _Found) -> set[int]:
    """Checks that need the log alone; the lines of rows that are there before."""
    again: set[int] = set()
    seen: dict[tuple[object, ...], Row] = {}
    for row in rows:
        # A refusal leaves nothing that could tell two tries of one moment apart but their numbers.
        key = row.said
        if key in seen and (row.file or row.number == seen[key].number):
            found.add(Kind.ROW_TWICE, f"as line {seen[key].line}", seen[key], row)
            again.add(row.line)
        else:
            seen.setdefault(key, row)
        if not row.offset:
            found.add(Kind.NO_OFFSET, row.time.strftime("%Y-%m-%d %H:%M:%S"), row)
    by_number: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.line not in again:
            by_number[row.number].append(row)
    for number, same in by_number.items():
        if len(same) > 1:
            found.add(Kind.NUMBER_TWICE, str(number), *same)
    _gaps(sorted(by_number), found)
    kept = [row for row in rows if row.line not in again]
    for before, row in pairwise(kept):
        if row.time < before.time:
            found.add(Kind.BACKWARDS, f"{_at(before.time)}, then {_at(row.time)}", before, row)
        if row.account != before.account and row.service == before.service:
            found.add(Kind.ACCOUNT, f"from “{before.account}” to “{row.account}”", before, row)
    return again


def _gaps(numbers: Sequence[int], found: _Found) -> None:
    """Numbers between 1 and the last that no row has, runs of them together."""
    expected = 1
    for number in numbers:
        if number > expected:
            found.add(Kind.GAP, str(expected) if number == expected + 1 else f"{expected} to {number - 1}")
        expected = max(expected, number + 1)


def _files(rows: Sequence[Row], files: Mapping[str, Received], again: set[int], found: _Found) -> dict[int, str]:
    """Line -> the file that is the picture of this try. A file is the picture of one try, the first that names it."""
    owner: dict[int, str] = {}
    named: dict[str, Row] = {}
    bytes_of: dict[str, tuple[Row, str]] = {}
    pixels_of: dict[str, tuple[Row, str]] = {}
    for row in rows:
        if row.line in again:
            continue
        if row.file and row.result is not Result.PICTURE:
            found.add(Kind.REFUSED_WITH_FILE, f"{row.result.value}: {row.file}", row)
        if row.result is Result.PICTURE and row.picture not in files:
            found.add(Kind.NO_FILE, row.file or "no file is named", row)
        if not row.file or row.picture not in files:
            continue
        one = files[row.picture]
        if row.picture in named:
            found.add(Kind.NAMED_TWICE, row.file, named[row.picture], row)
            continue
        named[row.picture] = row
        if one.problem:
            found.add(Kind.UNREADABLE, f"{row.file}: {one.problem}", row)
        elif one.sha256 in bytes_of and not row.url:
            first, name = bytes_of[one.sha256]
            found.add(Kind.FILE_TWICE, f"{row.file} is {name}", first, row)
            continue
        elif one.pixels in pixels_of:
            first, name = pixels_of[one.pixels]
            found.add(Kind.PIXELS_TWICE, f"{row.file} shows {name}", first, row)
        if not one.problem:
            bytes_of.setdefault(one.sha256, (row, row.file))
            pixels_of.setdefault(one.pixels, (row, row.file))
            owner[row.line] = row.picture
    logged = {name for row in rows for name in (row.file, row.picture)}
    for name in sorted(files):
        if name not in logged:
            found.add(Kind.NO_ROW, files[name].name)
    return owner


def _file_states(row: Row, file: Received, found: _Found) -> None:
    for one in file.stated:
        apart = _apart(one, row.time)
        said = f"{row.file}: {one.source} {_at(one.moment)}{'' if one.zone else ' local time'}; log {_at(row.time)}"
        if one.weak:
            # A later one says nothing: moving, unpacking and saving set it anew.
            if apart < -TOLERANCE:
                found.add(Kind.WEAK_EARLIER, said, row)
        elif apart < -TOLERANCE:
            found.add(Kind.EARLIER, said, row)
        elif apart > TOLERANCE:
            found.add(Kind.LATER, said, row)
    if file.credentials:
        found.add(Kind.CREDENTIALS, f"{row.file}: {file.credentials}", row)
    if file.prompt and row.prompt and _words(file.prompt) != _words(row.prompt):
        found.add(Kind.OTHER_PROMPT, f"{row.file}: “{file.prompt[:120]}”", row)
    if file.seed and row.seed and file.seed != row.seed:
        found.add(Kind.OTHER_SEED, f"{row.file}: {file.seed}, log {row.seed}", row)


def _apart(stated: Stated, logged: dt.datetime) -> dt.timedelta:
    """How much later the stated moment is than the logged one; of local time what no zone explains."""
    apart = stated.moment - logged
    if stated.zone:
        return apart
    behind, before = _ZONES
    return apart - before if apart > before else apart + behind if apart < -behind else dt.timedelta()


def _words(text: str) -> str:
    return " ".join(text.split())


def _at(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _without_plan(rows: Sequence[Row], files: Mapping[int, str], again: set[int], found: _Found) -> Iterator[Placed]:
    """Every row counts once; its class is the one stated, or that of a picture supplied."""
    last: dict[str, Row] = {}
    placed = []
    for row in rows:
        before = last.get(row.service)
        if before is not None and before.version != row.version:
            found.add(Kind.CHANGED, f"{row.service}: from {before.version} to {row.version}", before, row)
        last[row.service] = row
        kind = row.prompt_class
        if row.image_prompt and kind is not PromptClass.IMAGE:
            found.add(Kind.IMAGE_SUPPLIED, row.image_prompt, row)
            kind = PromptClass.IMAGE
        why = AGAIN if row.line in again else ""
        placed.append(Placed(row, "", kind, row.works, files.get(row.line, ""), why))
    return iter(placed)


@dataclass(slots=True)
class _Planned:
    """The places of a plan that are left."""

    plan: Plan
    began: str
    found: _Found
    free: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    last: int = 0
    """Number of the place taken last."""
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    stopped: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for slot in self.plan.order:
            self.free.setdefault((slot.service, slot.version, slot.prompt), []).append(slot.number)

    def prompt(self, row: Row) -> Prompt | None:
        """The prompt of these words: of several, the one that asks for a picture as input exactly where one was."""
        same = [p for p in self.plan.prompts if _words(p.text) == _words(row.prompt)]
        fitting = [p for p in same if (p.prompt_class is PromptClass.IMAGE) == bool(row.image_prompt)]
        return next(iter(fitting or same), None)

    def place(self, row: Row, prompt: Prompt) -> tuple[int | None, str]:
        """(number of the place taken, why the try does not count)."""
        key = row.service, row.version, prompt.id
        if row.service not in {s.name for s in self.plan.services}:
            self.found.add(Kind.SERVICE, row.service, row)
            return None, "Its service is not in the plan."
        if (row.service, row.version) not in {(s.name, s.version) for s in self.plan.services}:
            self.found.add(Kind.VERSION, f"{row.service} {row.version}", row)
            # The service changed under the hands of whoever collects: the try takes the place that it was made for.
            left = [k for k in self.free if k[0] == row.service and k[2] == prompt.id and self.free[k]]
            key = min(left, key=lambda k: self.free[k][0], default=key)
        if key in self.stopped or not self.free.get(key):
            why = "as many refusals in a row as end it" if key in self.stopped else "more tries than planned"
            self.found.add(Kind.BEYOND, f"{prompt.id} on {row.service} {row.version}: {why}", row)
            return None, "It lies beyond the stop rule."
        self.refused[key] = self.refused[key] + 1 if row.result is Result.REFUSED else 0
        if 0 < self.plan.stop.refusals_in_a_row <= self.refused[key]:
            self.stopped.add(key)
        return self._take(self.free[key], row), ""

    def _take(self, free: list[int], row: Row) -> int:
        """The place of a try among those of its prompt, which are alike: the one of its number, else the one nearest
        to where the try before it stood. So a try that is missing puts no other out of order."""
        number = row.number if row.number in free else min(free, key=lambda n: abs(n - self.last - 1))
        free.remove(number)
        self.last = number
        return number


def _by_plan(rows: Sequence[Row], files: Mapping[int, str], again: set[int], planned: _Planned) -> list[Placed]:
    found, plan = planned.found, planned.plan
    began, end = (dt.datetime.fromisoformat(t) if t else None for t in (planned.began, plan.stop.not_after))
    placed: list[Placed] = []
    taken: list[tuple[int, Row]] = []
    for row in rows:
        file = files.get(row.line, "")
        if row.line in again:
            placed.append(Placed(row, "", row.prompt_class, row.works, file, AGAIN))
            continue
        prompt = planned.prompt(row)
        if prompt is None:
            found.add(Kind.NOT_PLANNED, row.prompt[:120], row)
            kind = PromptClass.IMAGE if row.image_prompt else row.prompt_class
            placed.append(Placed(row, "", kind, row.works, file, "Its prompt is not in the plan."))
            continue
        kind, why = _given(row, prompt, found)
        if began is not None and row.time < began:
            found.add(Kind.BEFORE, f"{_at(row.time)}; the plan {_at(began)}", row)
            why = why or "It was made before the plan."
        elif end is not None and row.time > end:
            found.add(Kind.BEYOND, f"{_at(row.time)}; the end {_at(end)}", row)
            why = why or "It lies beyond the stop rule."
        else:
            number, beyond = planned.place(row, prompt)
            why = why or beyond
            if number is not None:
                taken.append((number, row))
        placed.append(Placed(row, prompt.id, kind, prompt.works, file, why))
    _order(taken, found)
    _left(planned)
    return placed


def _given(row: Row, prompt: Prompt, found: _Found) -> tuple[PromptClass, str]:
    """The class by what was given, and why the try does not count."""
    stated = row.prompt_class is not None and row.prompt_class is not prompt.prompt_class
    if stated or (row.works and set(row.works) != set(prompt.works)):
        found.add(Kind.CLASS, prompt.id, row)
    if row.image_prompt and prompt.prompt_class is not PromptClass.IMAGE:
        found.add(Kind.IMAGE_SUPPLIED, f"{prompt.id}: {row.image_prompt}", row)
        return PromptClass.IMAGE, ""
    if prompt.prompt_class is PromptClass.IMAGE and not row.image_prompt:
        found.add(Kind.IMAGE_MISSING, prompt.id, row)
        return PromptClass.IMAGE, "No picture was supplied although its prompt asks for one."
    return prompt.prompt_class, ""


def _order(taken: Sequence[tuple[int, Row]], found: _Found) -> None:
    """The fewest tries that have to be taken out for the rest to stand in the order planned."""
    kept = longest_rising([number for number, _ in taken])
    for at, (number, row) in enumerate(taken):
        if at not in kept:
            found.add(Kind.ORDER, f"planned as number {number}", row)


def longest_rising(numbers: Sequence[int]) -> set[int]:
    """Places of a longest rising part of a sequence, by patience sorting (Fredman 1975)."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        at = bisect_left(ends, number)
        before.append(places[at - 1] if at else None)
        ends[at : at + 1], places[at : at + 1] = [number], [place]
    found: set[int] = set()
    last = places[-1] if places else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


def _left(planned: _Planned) -> None:
    """Places that no try took and that no rule took away."""
    for key, numbers in planned.free.items():
        if numbers and key not in planned.stopped:
            service, version, prompt = key
            total = planned.plan.prompt(prompt).tries
            said = f"{prompt} on {service} {version}: {total - len(numbers)} of {total}"
            planned.found.add(Kind.NOT_TRIED, said)
