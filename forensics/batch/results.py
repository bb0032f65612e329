"""What a batch gives: a row a case, in the order of the file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forensics.case import Fact, Pair

FILE, TABLE, NUMBERS = "batch.json", "batch.html", "batch.csv"
SCHEMA = "batch/1"


class State(StrEnum):
    """What became of a case."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "not begun"
    BEGUN = "begun, not finished"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question, and the rank that it rests on."""

    pair: Pair
    heading: str
    statistic: str = ""
    """Title of the primary comparison; empty where there was none, and then the numbers are none."""
    value: float | None = None
    k: int | None = None
    n: int | None = None
    p: float | None = None
    p_holm: float | None = None
    """p corrected for the number of questions asked, which decides the heading."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case failed, and what to do about it."""

    message: str
    remedy: str
    exit_code: int
    """That of `forensics analyze` in the same case."""


@dataclass(frozen=True, slots=True)
class Done:
    """A case that was examined: what a worker sends back."""

    id: str
    """Identifier of the case."""
    digest: str
    """SHA-256 of its `case.json`."""
    pdf: str
    """Path of the report."""
    profile: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One case."""

    number: int
    name: str
    image: str
    """Name of the file."""
    state: State
    folder: str
    """Relative to the folder of the batch where it lies there."""
    minutes: float | None = None
    """Of the run that finished it, or in which it failed."""
    done: Done | None = None
    failure: Failure | None = None
    lost: int = 0
    """Workers that were lost over it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The whole."""

    schema: str
    tool: Fact
    created: str
    """UTC, ISO 8601: when the batch was begun."""
    source: str
    """Name of the file that was read."""
    source_digest: str
    rows: tuple[Row, ...]

    def count(self, state: State) -> int:
        """Cases of this state."""
        return sum(row.state is state for row in self.rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The cases that failed, in the order of the file."""
        return tuple(row for row in self.rows if row.state is State.FAILED)
