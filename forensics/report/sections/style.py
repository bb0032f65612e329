"""What the report shows of resemblance in style: ranks among creators, and palettes; apart from every finding."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import Absent, Case, Style, StyleMeasure
from forensics.report import words
from forensics.report.charts import svg
from forensics.report.charts.strips import WIDTH

SHOWN = 5
"""Creators listed, from the nearest on."""
_TITLES = {"manner": "Manner", "palette": "Palette"}


@dataclass(frozen=True, slots=True)
class CreatorRow:
    """One creator by one measure."""

    rank: str
    creator: str
    works: str
    score: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """One measure."""

    id: str
    title: str
    protocol: str
    rows: tuple[CreatorRow, ...]
    said: tuple[str, ...]
    """Sentences: the creator of the closest item, the controls, how well known works find their creator."""


@dataclass(frozen=True, slots=True)
class StyleView:
    """The section; `absent` where there is nothing to rank in."""

    absent: Absent | None
    selection: str = ""
    measures: tuple[Ranked, ...] = ()
    works: tuple[tuple[str, str], ...] = ()
    """Exhibit and sentence, one a work compared."""
    palettes: Markup | None = None


def section(case: Case) -> StyleView | None:
    """The section; none of a comparison, which has no creators to rank."""
    return None if case.command == "compare" else styles(case)


def styles(case: Case) -> StyleView:
    """The section of a case."""
    found = case.style
    if isinstance(found, Absent):
        return StyleView(found)
    return StyleView(
        None,
        found.selection,
        tuple(_ranked(m, found) for m in found.measures),
        tuple(_works(found)),
        _palettes(found),
    )


def _ranked(m: StyleMeasure, found: Style) -> Ranked:
    title = _TITLES.get(m.name, m.name)
    said = []
    if found.creator_of_nearest:
        own = m.of(found.creator_of_nearest)
        said.append(
            f"The creator that the index records for the closest item found takes rank {own.rank} of "
            f"{len(m.creators)}, by works other than the items found."
            if own
            else "The creator that the index records for the closest item found has too few other works to be ranked."
        )
    if m.n:
        said.append(
            f"{m.k} of {m.n} controls lie as near to the creator nearest to them as the disputed image to its own."
        )
    said.append(
        f"How well the measure finds a creator: of the {found.works} works, each taken out in turn, {m.own_first} lie "
        f"nearest to their own creator; their own creator takes rank {words.plain(m.own_median)} at the median, where "
        f"chance alone gives {words.plain((len(m.creators) + 1) / 2)}."
    )
    rows = tuple(
        CreatorRow(str(c.rank), words.public(c.creator), str(c.works), words.number(c.score))
        for c in m.creators[:SHOWN]
    )
    return Ranked(f"style-{m.name}", title, m.protocol, rows, tuple(said))


def _works(found: Style) -> list[tuple[str, str]]:
    first = found.measures[0].works if found.measures else ()
    rows = []
    for place, work in enumerate(first):
        parts = [
            f"{_TITLES.get(m.name, m.name).lower()}, {m.works[place].nearer} of {m.works[place].of} works of the "
            "creators lie nearer to the disputed image"
            for m in found.measures
        ]
        rows.append((work.work, f"{'; '.join(parts)}.".capitalize()))
    return rows


def _palettes(found: Style) -> Markup | None:
    """One bar a picture, its colours by share; codes under the wider ones, so that they can be told in grey."""
    if not found.palettes:
        return None
    left, height, pitch = 26.0, 8.0, 18.0
    width = WIDTH - left
    parts, said = [], []
    for row, palette in enumerate(found.palettes):
        y, at = row * pitch, left
        parts.append(svg.text(0, y + 7.0, palette.exhibit, fill=svg.INK, weight=600, size=7.8))
        for colour in palette.colours:
            w = width * colour.share
            parts.append(svg.rect(at, y, w, height, fill=colour.rgb))
            if w > 48:
                parts.append(svg.text(at + 1, y + height + 7.5, f"{colour.rgb} {colour.share:.0%}", size=6.8))
            at += w
        colours = ", ".join(f"{c.rgb} {c.share:.0%}" for c in palette.colours)
        said.append(f"{palette.exhibit}: {colours}")
    return svg.drawing(WIDTH, pitch * len(found.palettes), f"Palettes. {'; '.join(said)}.", parts)
