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
    left_s: float | None = None
    """Seconds left for the whole examination, where a plan was made beforehand; see `planning.Clock`."""


Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of callers who do not want to be told."""


def duration(seconds: float) -> str:
    """For people: "40 seconds", "12 minutes", "3.5 hours"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
