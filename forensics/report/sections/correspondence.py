"""What the report shows of the aligned comparison: one entry a work, with its figures, elements and differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forensics.case import (
    Absent,
    Case,
    CommonElements,
    Correspondence,
    Element,
    Exhibit,
    Measurement,
    Metric,
    Place,
    WordRate,
    share,
)
from forensics.report import words
from forensics.report.drawn import DETAILED
from forensics.report.sections import levels
from forensics.report.sections.exhibits import Picture, picture
from forensics.report.sections.items import Line, Lines
from forensics.report.sections.measurements import Measures
from forensics.report.tables import ELEMENTS

_SIDE_MM = {"L": 92.0, "O": 30.0, "B": 30.0, "M": 46.0, "E": 30.0}
"""Printed long side of a figure by the last letter of its id: pair beside map, the others three abreast."""
_CONTROL_MM = 30.0
"""Of the nearest control and its work, two in a row."""
_BOARD_MM, _SMALL_MM = 92.0, 30.0
"""Of the board of the nearest control, and of the pictures above it."""
SIDE_BY_SIDE, SHORT = 6, 32
"""Works beside each other in one table, and characters of a value that fit into its column."""
_CAPTION = (
    "Numbers are those of the elements. In the map, clear parts agree, hatched ones are undecided, crossed "
    "ones differ and faded ones are too plain to say or were left out."
)


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
    work: str
    title: str
    basis: str
    facts: Lines
    elements: str
    """How many numbered elements agree, and how far, as a sentence; empty without any."""
    differences: tuple[Row, ...]
    pictures: tuple[tuple[tuple[Picture, str], ...], ...]
    """Row by row, each with what is said below it."""
    caption: str
    rates: str
    """How often the word errs."""
    errors: tuple[WordRate, ...]
    """The same for pairs of works that have nothing in common."""


def correspondences(case: Case) -> tuple[Entry, ...]:
    """Every correspondence of the case, in its order."""
    metrics, measures = {m.name: m for m in case.metrics}, Measures(case)
    return tuple(_entry(case, c, metrics, measures) for c in case.correspondences)


def control(case: Case) -> Entry | None:
    """The same for the nearest control, without tables: to be looked at beside the first correspondence."""
    found = case.control_correspondence
    if found is None:
        return None
    entry = _entry(case, found, {}, Measures(case))
    two = [case.exhibit(found.laid), case.exhibit(found.work)]
    if not entry.pictures:
        pair = tuple((picture(e, _CONTROL_MM), f"{e.id}: {e.title}") for e in two)
        return replace(entry, pictures=(pair,), caption="The two pictures; there is nothing to join.")
    # To be looked at beside the first figure, so it is smaller: four abreast, then the board with the map.
    figures = [case.exhibit(tag) for tag in found.figures]
    small = [(picture(e, _SMALL_MM), e.id) for e in two]
    small += [(picture(e, _SMALL_MM), f"{e.id}: {e.title}") for e in figures[1:3]]
    boards = [
        (picture(e, mm), f"{e.id}: {e.title}") for e, mm in zip(figures[::3], (_BOARD_MM, _SIDE_MM["M"]), strict=False)
    ]
    rest = [(picture(e, _SIDE_MM[e.id[-1]]), f"{e.id}: {e.title}") for e in figures[4:]]
    pictures = tuple(tuple(row) for row in (small, boards, rest) if row)
    named = " ".join(f"{e.id}: {words.sentence(e.title)}" for e in two)
    return replace(entry, elements="", differences=(), pictures=pictures, caption=f"{named} {entry.caption}")


def _rows(figures: Sequence[Exhibit]) -> tuple[tuple[Exhibit, ...], ...]:
    """The board beside the map, then three abreast."""
    first = [e for e in figures if e.id[-1] in "LM"]
    rest = [e for e in figures if e not in first]
    return tuple(r for r in (tuple(first), tuple(rest[:3]), tuple(rest[3:])) if r)


def _entry(case: Case, found: Correspondence, metrics: dict[str, Metric], measures: Measures) -> Entry:
    disputed = case.item(case.disputed).exhibit
    laid = found.laid or disputed
    rows = [Line("Outcome", found.outcome.said), Line("Protocol", found.protocol)]
    if found.containment:
        rows.append(Line("Containment", found.containment))
    rows += [Line("Tones and colours", change) for change in found.tones]
    for region in found.regions:
        said = (
            f"{region.model}{', mirrored' if region.mirrored else ''}{', tone-inverted' if region.inverted else ''}; "
            f"residual {region.residual_px:.2f} px; {share(region.share_disputed)} of {laid}, "
            f"{share(region.share_work)} of {found.work}; level {levels.of(case, region, found.work, found.laid).said}"
        )
        rows.append(Line(f"Region {region.number}", said))
    rows += [Line(_capital(v.name), v.value.replace("-", "−") if v.value[:1] == "-" else v.value) for v in found.values]
    for ceiling in found.ceilings:
        rows.append(
            Line(f"Not taken: {ceiling.what}", ceiling.reason)
            if isinstance(ceiling, Absent)
            else Line(f"Ceiling: {ceiling.name}", ceiling.value)
        )
    # Measures of the frames as they lie stand in tables of their own; this one is here to be told from the others.
    if isinstance(idea := measures.pair(laid, found.work).get("clip"), Measurement) and "clip" in metrics:
        rows.append(Line(metrics["clip"].title, words.measured(idea.value, metrics["clip"])))
    own = next((n.training_id for n in case.neighbours if n.exhibit == found.work), "")
    rows.append(Line("Common elements", _common(found.common, found.work, own)))
    shown = tuple(
        tuple((picture(e, _SIDE_MM[e.id[-1]]), f"{e.id}: {e.title}") for e in row)
        for row in _rows([case.exhibit(tag) for tag in found.figures])
    )
    return Entry(
        found.id,
        found.work,
        f"{laid} and {found.work}: {found.outcome.said}",
        _basis(case, found),
        tuple(rows),
        _agree(found),
        tuple(map(_row, found.differences)),
        shown,
        _CAPTION,
        found.word_rates,
        found.word_errors,
    )


def _basis(case: Case, found: Correspondence) -> str:
    """On what the word rests: where parts agree in detail, to the level that the smaller picture can show."""
    if found.outcome not in DETAILED or not found.regions:
        return found.basis
    return " ".join(levels.sentence(case, r, found.work, found.laid) for r in found.regions)


@dataclass(frozen=True, slots=True)
class Apart:
    """Works of which no part could be laid over the disputed image."""

    said: tuple[str, ...]
    """Why, said once for all works of which the same holds."""
    ids: tuple[str, ...]


def apart(found: Sequence[Entry]) -> Apart | None:
    """What the outcome of all of them rests on; none without any."""
    if not found:
        return None
    by_basis: dict[str, list[str]] = {}
    for e in found:
        by_basis.setdefault(e.basis, []).append(e.title)
    said = tuple(f"{words.sentence('; '.join(titles))} {basis}" for basis, titles in by_basis.items())
    return Apart(said, tuple(e.id for e in found))


@dataclass(frozen=True, slots=True)
class LaidRow:
    """One property of several overlays: a cell a work, or one text where the values are long."""

    name: str
    cells: tuple[str, ...]
    wide: str


@dataclass(frozen=True, slots=True)
class Laid:
    """What was measured on the overlays, side by side."""

    id: str
    works: tuple[str, ...]
    rows: tuple[LaidRow, ...]


def side_by_side(found: Sequence[Entry]) -> tuple[Laid, ...]:
    """The facts of all works, `SIDE_BY_SIDE` of them in a table; none of fewer than two, which are told in a list."""
    if len(found) < 2:
        return ()
    tables = -(-len(found) // SIDE_BY_SIDE)
    wide = -(-len(found) // tables)
    parts = [found[n : n + wide] for n in range(0, len(found), wide)]
    return tuple(_laid(f"tab-laid-{n}", part) for n, part in enumerate(parts, 1))


def _laid(key: str, found: Sequence[Entry]) -> Laid:
    works = tuple(e.work for e in found)
    known: list[dict[str, str]] = []
    for e in found:
        own: dict[str, str] = {}
        for line in e.facts:
            own[line.name] = f"{own[line.name]}; {line.value}" if line.name in own else line.value
        known.append(own)
    rows = []
    for name in dict.fromkeys(name for own in known for name in own):
        values = [own.get(name, "") for own in known]
        long = max(map(len, values)) > SHORT
        rows.append(LaidRow(name, tuple(v or "–" for v in values), _together(works, values) if long else ""))
    return Laid(key, works, tuple(rows))


def _together(works: Sequence[str], values: Sequence[str]) -> str:
    """Long values, each said once with the works of which it holds."""
    by_value: dict[str, list[str]] = {}
    for work, value in zip(works, values, strict=True):
        if value:
            by_value.setdefault(value, []).append(work)
    if len(by_value) == 1 and all(values):
        return values[0]
    return " ".join(words.sentence(f"{words.listed(of)}: {value}") for value, of in by_value.items())


def _capital(name: str) -> str:
    return words.sentence(name[:1].upper() + name[1:]).removesuffix(".")


def _common(found: CommonElements | Absent, work: str, own: str) -> str:
    """What several items of the index share with the work, in words.

    Args:
        own: the work's own id in the index; empty where it was put forward.
    """
    if isinstance(found, Absent):
        return f"not sought: {found.reason}"
    others = [item for item in found.examined if item != own]
    same = [item for item in found.duplicates if item != own]
    said = f"{work} was compared with {len(others)} other items of the index near it"
    if same:
        said += (
            f"; {words.listed(same)} correspond{'s' if len(same) == 1 else ''} to it throughout and were not counted"
        )
    if found.work is None:
        return f"{said}. No part of it is shared by two or more of them; nothing was left out."
    said += (
        f". {', '.join(found.shared_by)} have parts of it at corresponding places: {share(found.share)} of its area, "
        f"within {_where(found.work)}"
    )
    if not found.left_out:
        return f"{said}. Too little of the work would remain without them, so nothing was left out."
    return (
        f"{said}. These parts were left out; shares are of what remains. Renderings of the work that were each changed "
        "at another place look like this as well; the items are named so that a person can look."
    )


def _agree(found: Correspondence) -> str:
    """Elements that agree say the same thing twelve times over: their number and range are told, each in a table."""
    said = []
    for state in ("agrees", "undecided"):
        values = [e.correlation for e in found.elements if e.state == state]
        if values:
            low, high = (words.number(v, 2) for v in (min(values), max(values)))
            far = low if low == high else f"{low} to {high}"
            verb = (
                ("agrees" if len(values) == 1 else "agree")
                if state == "agrees"
                else ("is undecided" if len(values) == 1 else "are undecided")
            )
            said.append(f"{words.counted(len(values), 'element', 'elements')} {verb}, local correlation {far}")
    if not said:
        return ""
    return (
        f"Of the cells of the overlap that are not plain, at most 12 are numbered, those that agree furthest first: "
        f"{'; '.join(said)}. Where each lies in both pictures is in the attached table {ELEMENTS}."
    )


def _row(element: Element) -> Row:
    return Row(
        str(element.number),
        _where(element.disputed),
        _where(element.work),
        words.number(element.correlation, 2),
        element.state,
    )


def _where(place: Place) -> str:
    return f"{place.left:.2f} to {place.right:.2f} across, {place.top:.2f} to {place.bottom:.2f} down"
