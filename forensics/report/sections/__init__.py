"""The sections of the report, in the order in which they are printed: one row each.

A section is the file `sections/NAME.html.j2` among the templates and a row here. Where it prints something of its own,
the file of the same name beside this one has a function that turns the case into strings; the template knows what it
gives as `s`, and everything that several sections print as `r`. What the row says is all that the report needs: the
section stands in its place and in the contents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from forensics.registry import loaded

if TYPE_CHECKING:
    from forensics.case import Case


class Part(StrEnum):
    """The two parts of the report."""

    OPINION = "opinion"
    RECORD = "record"


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the contents."""

    anchor: str
    """Id of the heading."""
    title: str
    shown: Callable[[Any], bool] = _always
    """Whether there is such a heading in this report, which is handed in as its `view.Report`."""


@dataclass(frozen=True, slots=True)
class Section:
    """All that the report needs to know of one section."""

    name: str
    """Of its template, and of its file in this folder where it has one."""
    part: Part
    entries: tuple[Entry, ...] = field(default=())
    """Its lines in the contents."""
    view: str = ""
    """`module:function`, from the case to what the template knows as `s`; a section whose function gives None is left
    out. Empty for one that prints of the whole report alone."""
    appendix: bool = False
    """Whether its lines stand apart in the contents, as those of appendices."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A section of one report."""

    template: str
    part: Part
    seen: Any
    """What its own function made of the case; None where it has none."""
    entries: tuple[Entry, ...]
    """The lines of the contents that apply."""
    appendix: bool


def _full(r: Any) -> bool:
    return not r.compare


_RECORD = Part.RECORD
SECTIONS: tuple[Section, ...] = (
    Section("answers", Part.OPINION, (Entry("answers", "Answers"),)),
    Section("plates", Part.OPINION, (Entry("plates", "The pictures"),)),
    Section("parts", Part.OPINION, (Entry("parts", "What corresponds and what differs"),)),
    Section("sure", Part.OPINION, (Entry("how-sure", "How sure"),)),
    Section("explanations", Part.OPINION, (Entry("explanations", "Other explanations"),)),
    Section("limits", Part.OPINION, (Entry("limitations", "Limits, and what the result does not imply"),)),
    Section("rules", Part.OPINION, (Entry("rules", "What rules of evidence ask"),)),
    Section(
        "forms",
        Part.OPINION,
        (
            Entry("app-person", "Statements only a person can make"),
            Entry("app-forms", "Forms of the jurisdiction", lambda r: r.pack is not None),
        ),
    ),
    Section("contents", _RECORD),
    Section("items", _RECORD, (Entry("items", "Items examined"),)),
    Section(
        "model",
        _RECORD,
        (
            Entry("model", "Index and controls", lambda r: r.compare),
            Entry("model", "Checkpoint, training index and controls", _full),
        ),
    ),
    Section("exhibits", _RECORD, (Entry("exhibits", "Every picture"),)),
    Section(
        "bits",
        _RECORD,
        (Entry("bits", "What was supplied and what came back", lambda r: bool(r.bits.rows or r.bits.chart)),),
    ),
    Section("controls", _RECORD, (Entry("controls", "Comparison with controls"),)),
    Section(
        "correspondence",
        _RECORD,
        (Entry("correspondence", "How the pictures were laid over each other", lambda r: bool(r.correspondences)),),
    ),
    Section("measurements", _RECORD, (Entry("measurements", "Measured similarity (technical)"),)),
    Section("assessment", _RECORD, (Entry("assessment", "Assessment for the question of substantial similarity"),)),
    Section("validation", _RECORD, (Entry("validation", "Validation and likelihood ratios"),)),
    Section(
        "style", _RECORD, (Entry("style", "Stylistic resemblance"),), view="forensics.report.sections.style:section"
    ),
    Section("method", _RECORD, (Entry("method", "Method"),)),
    Section("custody", _RECORD, (Entry("custody", "Custody log"),)),
    Section(
        "appendices",
        _RECORD,
        (
            Entry("app-parameters", "Parameters and protocol"),
            Entry("app-environment", "Environment"),
            Entry("app-exhibits", "Exhibits and digests"),
            Entry("app-absences", "What was not measured or not at hand"),
            Entry("app-neighbours", "Closest items of the index", _full),
            Entry("app-verify", "How to verify this report"),
            Entry("app-glossary", "Glossary"),
        ),
        appendix=True,
    ),
)


def printed(case: Case, report: Any) -> tuple[Printed, ...]:
    """The sections of one report, in order, each with what its own function makes of the case."""
    made = []
    for section in SECTIONS:
        seen = loaded(section.view)(case) if section.view else None
        if section.view and seen is None:
            continue
        entries = tuple(entry for entry in section.entries if entry.shown(report))
        made.append(Printed(f"sections/{section.name}.html.j2", section.part, seen, entries, section.appendix))
    return tuple(made)
