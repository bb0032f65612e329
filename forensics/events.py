"""Progress as data: stages yield events, whoever listens decides how to show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One step of progress inside one stage."""

    stage: str
    """Short name of the stage, stable enough for machines: `intake`, `search`, `invert`, ..."""
    done: int
    """Units finished so far, 0 <= done <= total."""
    total: int
    """Units in all; 0 while the amount of work is not known."""
    note: str = ""
    """What the stage is doing, for people."""


Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of callers who do not want to be told."""
