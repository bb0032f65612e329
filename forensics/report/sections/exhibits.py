"""Exhibits side by side: which pictures stand together, how large they are printed, what is said under them.

All panels of a row are printed with the same long side, without resampling and without smoothing; the label of each
panel states its size in pixels and how many of them go to the printed inch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Case, Exhibit, Inversion
from forensics.report import words
from forensics.report.sections.kinds import MADE, kind_of

LABELS_MM, UNBROKEN_MM = 10.0, 90.0
"""Height of the labels of a row; a figure up to this height is kept on one page."""
SIX_MM, STRIP_MM, SIX, EIGHT = 26.0, 18.0, 6, 8
"""Printed long side of a panel by the number of panels in a row, of 170 mm at most; and these numbers."""


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
class Generated:
    """Pictures that a checkpoint made, of one kind: what was an input decides what they can say."""

    key: str
    title: str
    said: str
    """What holds of every figure under the heading, and of no other."""
    boards: tuple[Board, ...]


@dataclass(frozen=True, slots=True)
class Boards:
    """All figures of the section, in the order they are printed; empty where there is nothing to show."""

    disputed: tuple[Board, ...]
    without_picture: str
    """The neighbours the index ships no picture for; empty where it ships them all."""
    generated: tuple[Generated, ...]


_SAID = {
    "words": "The checkpoint was given these words and a seed, and not the picture. The closest output is the best of "
    "all tries and is always shown with the one at the median.",
    "searched": "A search looked at the picture to find these words; the pictures were then drawn from the words and a "
    "seed.",
    "vectors": "A search looked at the picture to find numbers that stand where words would; they are no text, and can "
    "carry detail themselves.",
    "picture": "The method started from the picture itself: that it comes back says how much detail the checkpoint "
    "can carry, not whether it has seen the picture.",
}


def boards(case: Case) -> Boards:
    """Arrange every exhibit of the case."""
    make = _Maker(case)
    disputed = case.item(case.disputed).exhibit
    originals = [i.exhibit for i in case.items if i.id != case.disputed]
    pictured = [n.exhibit for n in case.neighbours if n.exhibit]
    forward = f", works put forward ({', '.join(originals)})" if originals else ""
    found = (
        f", and the closest items of the index in the order of the search ({', '.join(pictured)})" if pictured else ""
    )
    text = f"Disputed image ({disputed}){forward}{found}. Working copies: upright, sRGB, 8 bits a channel."
    groups = []
    for key, title in MADE:
        runs = [v for v in case.inversions if kind_of(v) == key]
        if runs:
            groups.append(Generated(key, title, _SAID[key], _made(make, case, runs, together=key == "picture")))
    return Boards(
        (make.even("fig-received", [disputed, *originals, *pictured], text),),
        ", ".join(f"rank {n.rank}" for n in case.neighbours if not n.exhibit),
        tuple(groups),
    )


def _made(make: _Maker, case: Case, runs: Sequence[Inversion], *, together: bool) -> tuple[Board, ...]:
    if together:
        tags = [t for v in runs for t in v.outputs]
        text = words.sentence("; ".join(f"{', '.join(v.outputs)}: {v.title}" for v in runs))
        return (make.board("fig-reconstructions", _chunks(tags, EIGHT), text, side_mm=STRIP_MM),)
    made = []
    for v in runs:
        prompt = f" Prompt: “{v.prompt}”." if v.prompt else ""
        size = f" Made at {words.pixels(*v.made_px)}{_resized(case, v)}." if v.made_px else ""
        hits = f" Near-copies of {make.named(case.asked)}: {v.hits.hits} of {v.hits.draws}." if v.hits else ""
        every = words.counted(len(v.outputs), "output", "outputs")
        text = f"{v.title}: all {every} in the order of the seeds.{prompt}{size}{hits}"
        made.append(make.board(f"fig-{v.id}", _chunks(list(v.outputs), EIGHT), text, side_mm=STRIP_MM, notes=_notes(v)))
        if v.maps:
            where = (
                f"{v.title}: what came back in fewer than half of the seeds is faded, the border of the rest black; "
                "then how far the prompt moves the network at each place of the noised image, white where most, which "
                "does not look at the pictures generated."
            )
            made.append(make.board(f"fig-{v.id}-where", [tuple(v.maps)], where, side_mm=STRIP_MM))
    return tuple(made)


def _resized(case: Case, v: Inversion) -> str:
    first = case.exhibit(v.outputs[0]) if v.outputs else None
    if first is None or v.made_px is None or v.made_px == (first.width, first.height):
        return ""
    how = "enlarged" if v.made_px[0] < first.width else "reduced"
    return f" and {how} to {words.pixels(first.width, first.height)}"


def _notes(v: Inversion) -> dict[str, str]:
    """What is said under an output: its seed, and whether it is the closest or the median one."""
    said = dict(zip(v.outputs, (f"seed {s}" for s in v.seeds), strict=False))
    for tag, word in ((v.best, "closest"), (v.median, "median")):
        if tag:
            said[tag] = f"{said.get(tag, '')}, {word}".lstrip(", ")
    return said


def _height_mm(exhibits: dict[str, Exhibit], rows: Sequence[tuple[str, ...]], side_mm: float) -> float:
    shapes = [[e.height / max(e.width, e.height) for e in map(exhibits.__getitem__, row)] for row in rows]
    return sum(max(row) * side_mm + LABELS_MM for row in shapes)


def _chunks(tags: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tags[i : i + size]) for i in range(0, len(tags), size)]


class _Maker:
    def __init__(self, case: Case) -> None:
        self._exhibits = {e.id: e for e in case.exhibits}
        self.disputed = case.item(case.disputed).exhibit

    def named(self, asked: str) -> str:
        """The picture that retention is asked of, in words."""
        return "the disputed image" if asked == self.disputed else asked

    def board(
        self,
        tag: str,
        strip: Sequence[tuple[str, ...]],
        caption: str,
        *,
        side_mm: float = SIX_MM,
        notes: dict[str, str] | None = None,
    ) -> Board:
        """Lay out one figure, its pictures with equal long sides."""
        rows = tuple(tuple(self._panel(t, side_mm, (notes or {}).get(t, "")) for t in row) for row in strip)
        tall = _height_mm(self._exhibits, strip, side_mm) > UNBROKEN_MM
        return Board(tag, (), rows, tall, "", "five" if side_mm == SIX_MM else "strip", caption)

    def even(self, tag: str, tags: list[str], caption: str) -> Board:
        """A figure of large panels, or of smaller ones where that spares a row which one or two would begin."""
        small = 0 < len(tags) % SIX <= EIGHT - SIX and len(tags) > SIX
        side, abreast = (STRIP_MM, EIGHT) if small else (SIX_MM, SIX)
        return self.board(tag, _chunks(tags, abreast), caption, side_mm=side)

    def _panel(self, tag: str, side_mm: float, note: str) -> Panel:
        e = self._exhibits[tag]
        return Panel(tag, picture(e, side_mm), note or words.pixels(e.width, e.height), "", f"{side_mm:.1f}")
