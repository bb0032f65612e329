"""Exhibits side by side: which pictures stand together, how large they are printed, what is said under them.

All panels of a row are printed with the same long side, without resampling and without smoothing; the label of each
panel states its size in pixels and how many of them go to the printed inch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Case, Exhibit, Inversion
from forensics.report import words
from forensics.report.sections.measurements import Measures

MM_PER_INCH = 25.4
LABELS_MM, UNBROKEN_MM = 10.0, 90.0
"""Height of the labels of a row; a figure up to this height is kept on one page."""
PAIR_MM, TRIPLE_MM, QUADRUPLE_MM, STRIP_MM = 73.0, 44.0, 35.0, 16.5
"""Printed long side of a panel by the number of panels in a row, of 150 mm at most: two, three, four, eight."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An exhibit as printed: address, words for who cannot see it, size on paper."""

    source: str
    alt: str
    width_mm: str
    height_mm: str


def picture(exhibit: Exhibit, side_mm: float) -> Picture:
    """The exhibit with its long side `side_mm` millimetres long."""
    longest = max(exhibit.width, exhibit.height)
    return Picture(
        exhibit.path,
        f"Exhibit {exhibit.id}: {exhibit.title}, {exhibit.width} by {exhibit.height} pixels, "
        f"SHA-256 begins {exhibit.sha256[:8]}",
        f"{side_mm * exhibit.width / longest:.2f}",
        f"{side_mm * exhibit.height / longest:.2f}",
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with its tag and what is said above and below it."""

    id: str
    picture: Picture
    scale: str
    """Pixel size and pixels per printed inch."""
    values: str
    """Measurements against the disputed image; empty for the disputed image itself and in strips."""
    cell_mm: str


@dataclass(frozen=True, slots=True)
class Board:
    """A numbered figure of one or more rows of panels."""

    id: str
    rows: tuple[tuple[Panel, ...], ...]
    strip: tuple[tuple[Panel, ...], ...]
    long: bool
    """Taller than a page can hold in one piece: it may break between its rows."""
    row_class: str
    strip_class: str
    caption: str


@dataclass(frozen=True, slots=True)
class Boards:
    """All figures of the section, in the order they are printed; empty where there is nothing to show."""

    disputed: tuple[Board, ...]
    neighbours: tuple[Board, ...]
    without_picture: str
    """The neighbours the index ships no picture for; empty where it ships them all."""
    reconstructions: tuple[Board, ...]
    regenerations: tuple[Board, ...]


def boards(case: Case, measures: Measures) -> Boards:
    """Arrange every exhibit of the case. The disputed image stands first in each figure."""
    make = _Maker(case, measures)
    disputed, asked = make.disputed, case.asked
    originals = [i.exhibit for i in case.items if i.id != case.disputed]
    pictured = [n.exhibit for n in case.neighbours if n.exhibit]
    single = [i for i in case.inversions if len(i.outputs) == 1]
    many = [i for i in case.inversions if len(i.outputs) > 1]
    return Boards(
        # Without works put forward it stands first in the figure of the neighbours, and needs none of its own.
        disputed=_beside(make, disputed, originals) if originals or not pictured else (),
        neighbours=_neighbours(make, disputed, pictured),
        without_picture=", ".join(f"rank {n.rank}" for n in case.neighbours if not n.exhibit),
        reconstructions=_reconstructions(make, asked, single),
        regenerations=tuple(
            b
            for number, i in enumerate(many)
            for b in (
                # The first run is the one that the finding rests on; the others are printed smaller.
                _regeneration(make, asked, i, QUADRUPLE_MM if number else TRIPLE_MM),
                *_where(make, asked, i),
            )
        ),
    )


def _beside(make: _Maker, disputed: str, originals: Sequence[str]) -> tuple[Board, ...]:
    rows: list[tuple[str, ...]] = [(disputed, o) for o in originals] or [(disputed,)]
    said = (
        "Disputed image (left) and works put forward (right)"
        if originals
        else "The disputed image. No work was put forward for comparison"
    )
    side = PAIR_MM if originals else TRIPLE_MM
    return (make.board("fig-disputed", rows, side, f"{said}. Working copies: upright, sRGB, 8 bits a channel."),)


def _neighbours(make: _Maker, disputed: str, pictured: Sequence[str]) -> tuple[Board, ...]:
    if not pictured:
        return ()
    large = 3 if len(pictured) == 3 else 2  # three fit one row of four panels; a single one would be left over
    first = make.board(
        "fig-neighbours",
        [(disputed, *pictured[:large])],
        TRIPLE_MM if large == 2 else QUADRUPLE_MM,
        "Disputed image and the closest items of the index searched, in the order of the search. "
        "Pictures as the index ships them.",
        strip=_Strip(_chunks(list(pictured[large:]), 5), 28.4),
    )
    return (first,)


def _reconstructions(make: _Maker, asked: str, single: Sequence[Inversion]) -> tuple[Board, ...]:
    if not single:
        return ()
    rows = [(asked, *chunk) for chunk in _chunks([i.outputs[0] for i in single], 2)]
    said = "; ".join(f"{i.outputs[0]}: {i.title.lower() if i.title[1:2].islower() else i.title}" for i in single)
    text = f"Reconstructions: each method was given {make.named(asked)} itself. {said[0].upper()}{said[1:]}."
    return (make.board("fig-reconstructions", rows, TRIPLE_MM, text, beside=asked),)


def _regeneration(make: _Maker, asked: str, inversion: Inversion, side_mm: float) -> Board:
    chosen = [t for t in (inversion.best, inversion.median) if t]
    seeds = dict(zip(inversion.outputs, inversion.seeds, strict=False))
    said = [f"{t} is the {w} by the pre-declared measure" for t, w in zip(chosen, ("closest", "median"), strict=False)]
    text = (
        f"{inversion.title}: {make.named(asked)}, the output closest to it and the output at the median, then all "
        f"{len(inversion.outputs)} outputs in the order of their seeds. {'; '.join(said)}. No output is left out."
    )
    strip = _Strip(_chunks(list(inversion.outputs), 8), seeds=seeds)
    return make.board(f"fig-{inversion.id}", [(asked, *chosen)], side_mm, text, beside=asked, strip=strip)


def _where(make: _Maker, asked: str, inversion: Inversion) -> tuple[Board, ...]:
    if not inversion.maps:
        return ()
    text = (
        f"{inversion.title}: {make.named(asked)}; the same with everything faded that fewer than half of the seeds "
        "reproduce, the border of what remains in black; and how far the prompt moves the network at each place of "
        "the noised image, white where most. The third does not look at the pictures generated."
    )
    return (make.board(f"fig-{inversion.id}-where", [(asked, *inversion.maps)], QUADRUPLE_MM, text, beside=asked),)


def _height_mm(exhibits: dict[str, Exhibit], rows: Sequence[tuple[str, ...]], side_mm: float) -> float:
    shapes = [[e.height / max(e.width, e.height) for e in map(exhibits.__getitem__, row)] for row in rows]
    return sum(max(row) * side_mm + LABELS_MM for row in shapes)


def _chunks(tags: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tags[i : i + size]) for i in range(0, len(tags), size)]


@dataclass(frozen=True, slots=True)
class _Strip:
    """Small pictures under the large ones of a figure."""

    rows: Sequence[tuple[str, ...]] = ()
    side_mm: float = STRIP_MM
    seeds: dict[str, int] | None = None
    """Exhibit -> seed, where the seeds are to be printed."""


class _Maker:
    def __init__(self, case: Case, measures: Measures) -> None:
        self._exhibits = {e.id: e for e in case.exhibits}
        self._measures = measures
        self.disputed = case.item(case.disputed).exhibit

    def named(self, asked: str) -> str:
        """The picture that retention is asked of, in words."""
        return "the disputed image" if asked == self.disputed else asked

    def board(
        self,
        tag: str,
        rows: Sequence[tuple[str, ...]],
        side_mm: float,
        caption: str,
        *,
        beside: str = "",
        strip: _Strip | None = None,
    ) -> Board:
        """Lay out one figure. `beside` is the exhibit that the numbers under the others hold for."""
        against, small = beside or self.disputed, strip or _Strip()
        return Board(
            tag,
            tuple(tuple(self._panel(t, against, side_mm, full=True) for t in row) for row in rows),
            tuple(
                tuple(self._panel(t, against, small.side_mm, full=False, seeds=small.seeds) for t in row)
                for row in small.rows
            ),
            _height_mm(self._exhibits, rows, side_mm) + _height_mm(self._exhibits, small.rows, small.side_mm)
            > UNBROKEN_MM,
            "two" if side_mm == PAIR_MM else "three",
            "five" if small.side_mm > STRIP_MM else "strip",
            caption,
        )

    def _panel(
        self, tag: str, against: str, side_mm: float, *, full: bool, seeds: dict[str, int] | None = None
    ) -> Panel:
        e = self._exhibits[tag]
        longest = max(e.width, e.height)
        per_inch = round(longest / side_mm * MM_PER_INCH)
        size = words.pixels(e.width, e.height)
        small = f"seed {seeds[tag]}" if seeds and tag in seeds else size
        return Panel(
            id=tag,
            picture=picture(e, side_mm),
            scale=f"{size}, {per_inch} px per inch" if full else small,
            values=self._measures.beside(against, tag) if tag != against else "",
            cell_mm=f"{side_mm:.1f}",
        )
