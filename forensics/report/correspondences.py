"""What the report shows of the aligned comparison: one entry a work, with its figures, elements and differences."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Absent, Case, Correspondence, Element, Place, share
from forensics.report.boards import Picture, picture
from forensics.report.subjects import Line, Lines

_SIDE_MM = {"L": 165.0, "O": 52.0, "B": 52.0, "M": 52.0}


@dataclass(frozen=True, slots=True)
class Row:
    """One numbered element: number, place in both pictures, measure, state."""

    number: str
    disputed: str
    work: str
    measure: str
    state: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One work laid under the disputed image."""

    id: str
    title: str
    basis: str
    facts: Lines
    elements: tuple[Row, ...]
    differences: tuple[Row, ...]
    pictures: tuple[tuple[Picture, str], ...]


def correspondences(case: Case) -> tuple[Entry, ...]:
    """Every correspondence of the case, in its order."""
    return tuple(_entry(case, c) for c in case.correspondences)


def _entry(case: Case, found: Correspondence) -> Entry:
    disputed = case.item(case.disputed).exhibit
    rows = [Line("Outcome", found.outcome.value), Line("Protocol", found.protocol)]
    if found.containment:
        rows.append(Line("Containment", found.containment))
    rows += [Line("Tones and colours", words) for words in found.tones]
    for region in found.regions:
        said = (
            f"{region.model}{', mirrored' if region.mirrored else ''}{', tone-inverted' if region.inverted else ''}; "
            f"residual {region.residual_px:.2f} px; {share(region.share_disputed)} of {disputed}, "
            f"{share(region.share_work)} of {found.work}; level {region.level} px "
            f"({region.level_low} to {region.level_high})"
        )
        rows.append(Line(f"Region {region.number}", said))
    rows += [Line(v.name, v.value) for v in found.values]
    for ceiling in found.ceilings:
        rows.append(
            Line(f"Not taken: {ceiling.what}", ceiling.reason)
            if isinstance(ceiling, Absent)
            else Line(f"Ceiling: {ceiling.name}", ceiling.value)
        )
    shown = tuple((picture(e, _SIDE_MM[e.id[-1]]), f"{e.id}: {e.title}") for e in map(case.exhibit, found.figures))
    return Entry(
        found.id, f"{disputed} and {found.work}: {found.outcome.value}", found.basis, tuple(rows),
        tuple(map(_row, found.elements)), tuple(map(_row, found.differences)), shown,
    )  # fmt: skip


def _row(element: Element) -> Row:
    return Row(
        str(element.number), _where(element.disputed), _where(element.work), f"{element.correlation:.2f}", element.state
    )


def _where(place: Place) -> str:
    return f"{place.left:.2f} to {place.right:.2f} across, {place.top:.2f} to {place.bottom:.2f} down"
