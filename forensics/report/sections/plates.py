"""What a reader looks at first: the pictures at full width, the same detail in each, and parts that agree or differ.

Details are windows on the exhibits themselves, enlarged without smoothing; nothing is cut out of them beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forensics.case import Case, Correspondence, Element, Exhibit, Given, Inversion, Place
from forensics.report import drawn, words
from forensics.report.sections import answers
from forensics.report.sections.exhibits import Picture, picture

LARGE_MM, BESIDE_MM = 60.0, 60.0
DETAIL_MM = 35.0
PART_MM = 25.0
PARTS = 3
"""Parts shown of each kind."""
WIDE = 0.34
"""Share of the shorter side that an enlarged detail shows."""
NEAR = 0.24
"""The same for a part, around the cell that was measured."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square part of an exhibit, enlarged: the picture moved behind a frame."""

    source: str
    alt: str
    side_mm: str
    width_mm: str
    height_mm: str
    left_mm: str
    top_mm: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a plate."""

    id: str
    what: str
    """What it is, in a few words."""
    size: str
    """Pixels, and at which size it was made where that is another."""
    picture: Picture
    detail: Window


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the overlap, in both pictures."""

    number: str
    disputed: Window
    work: Window
    said: str


@dataclass(frozen=True, slots=True)
class Plates:
    """The figures of the opinion."""

    shown: tuple[Shown, ...]
    files: str
    """Which file each picture received is, with the first figures of its digest, as a sentence."""
    detail: str
    """Which detail is enlarged, as a sentence."""
    difference: Picture | None
    difference_of: str
    map: Picture | None
    pair: tuple[str, str]
    """The two exhibits that parts are shown of; empty without any."""
    agreeing: tuple[Part, ...]
    differing: tuple[Part, ...]
    undrawn: str
    """Why there are no parts to show, as a sentence; empty where there are."""


def plates(case: Case) -> Plates:
    """The pictures that the answers speak of."""
    found = case.correspondences[0] if case.correspondences else None
    laid = found if found in drawn.drawings(case) else None
    place = _detail(case, laid)
    shown = tuple(_shown(case, tag, what, _at(case, tag, place, laid)) for tag, what in _subjects(case))
    first = next(iter(drawn.drawings(case)), None)
    return Plates(
        shown,
        _files(case, shown),
        _said(place, laid),
        _difference(case, first) if first else None,
        f"{case.item(case.disputed).exhibit} and {first.work}" if first else "",
        _map(case, first) if first else None,
        (case.item(case.disputed).exhibit, found.work) if found else ("", ""),
        _parts(case, laid, laid.elements, "agrees") if laid else (),
        _parts(case, laid, laid.differences, "differs") if laid else (),
        "" if laid else _nothing(case, found),
    )


def _files(case: Case, shown: Sequence[Shown]) -> str:
    """A picture is known by its file: a reader who holds one can tell whether it is the one examined."""
    there = {s.id for s in shown}
    named = [
        f"{i.exhibit} is the file “{i.file_name}” of {words.count(i.size_bytes)} bytes, whose SHA-256 begins "
        f"{i.sha256[:8]}"
        for i in case.items
        if i.exhibit in there
    ]
    return words.sentence("; ".join(named))


def _nothing(case: Case, found: Correspondence | None) -> str:
    if found is None:
        return "No work was laid over the disputed image, so no parts are set side by side."
    works = words.listed([c.work for c in case.correspondences])
    return (
        f"Of the works compared ({works}) no part agrees in detail with the disputed image at a corresponding place, "
        "so no parts are set side by side."
    )


def _subjects(case: Case) -> list[tuple[str, str]]:
    """Disputed image, first work, what words gave, what the control checkpoint gave for them."""
    disputed = case.item(case.disputed).exhibit
    rows = [(disputed, "Disputed image")]
    if case.assessments:
        work = case.assessments[0].work
        rows.append((work, "Work put forward" if any(i.exhibit == work for i in case.items) else "Training picture"))
    elif others := [i.exhibit for i in case.items if i.id != case.disputed]:
        rows.append((others[0], "Work put forward"))
    for v in (v for v in answers.drawn(case) if v.given is Given.WORDS and v.median):
        what = "Control checkpoint, the same words" if v.checkpoint else "Checkpoint, from words"
        if what not in [w.partition(";")[0] for _, w in rows]:
            rows.append((v.median or "", f"{what}; median of {len(v.outputs)}"))
    return [(tag, what) for tag, what in rows if tag][:4]


def made_at(case: Case, tag: str) -> str:
    """At which size an output was made, where it was enlarged or reduced since; empty for all else."""
    run: Inversion | None = next((v for v in case.inversions if tag in v.outputs), None)
    e = case.exhibit(tag)
    if run is None or run.made_px is None or run.made_px == (e.width, e.height):
        return ""
    how = "enlarged" if run.made_px[0] < e.width else "reduced"
    return f"made at {words.pixels(*run.made_px)} and {how}"


def _shown(case: Case, tag: str, what: str, place: Place) -> Shown:
    e = case.exhibit(tag)
    size = ", ".join(filter(None, (words.pixels(e.width, e.height), made_at(case, tag))))
    return Shown(tag, what, size, picture(e, LARGE_MM), window(e, place, DETAIL_MM, f"detail of {what.lower()}"))


def _detail(case: Case, found: Correspondence | None) -> Place:
    """The part enlarged in every picture: around what agrees most, else the middle. Of the disputed image."""
    e = case.exhibit(case.item(case.disputed).exhibit)
    if found is None or not found.elements:
        return square(Place(0.5, 0.5, 0.5, 0.5), e, WIDE)
    return square(found.elements[0].disputed, e, WIDE)


def _said(place: Place, found: Correspondence | None) -> str:
    why = "around the part that agrees most" if found and found.elements else "the middle of the picture"
    across, down = (place.left + place.right) / 2, (place.top + place.bottom) / 2
    return f"{why}, centred {words.percent(across)} from the left and {words.percent(down)} from the top"


def _at(case: Case, tag: str, place: Place, found: Correspondence | None) -> Place:
    """The same detail in another picture: through the overlay in the work, at the same place in what was generated."""
    if found is None or tag != found.work:
        return place
    disputed, work = case.exhibit(case.item(case.disputed).exhibit), case.exhibit(found.work)
    a, b, c, d, e, f, g, h = drawn.inverse(found.regions[0].matrix)
    corners = []
    for x, y in ((place.left, place.top), (place.right, place.bottom)):
        px, py = x * disputed.width, y * disputed.height
        w = g * px + h * py + 1
        corners.append(((a * px + b * py + c) / w / work.width, (d * px + e * py + f) / w / work.height))
    (x0, y0), (x1, y1) = corners
    return Place(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def square(place: Place, e: Exhibit, share: float) -> Place:
    """A square about a place, inside the picture; `share` of its shorter side, or as wide as the place."""
    shorter = min(e.width, e.height)
    side = max(share * shorter, (place.right - place.left) * e.width * 1.2, (place.bottom - place.top) * e.height * 1.2)
    side = min(side, shorter)
    x = min(max((place.left + place.right) / 2 * e.width - side / 2, 0), e.width - side)
    y = min(max((place.top + place.bottom) / 2 * e.height - side / 2, 0), e.height - side)
    return Place(x / e.width, y / e.height, (x + side) / e.width, (y + side) / e.height)


def window(e: Exhibit, place: Place, side_mm: float, said: str) -> Window:
    """A square frame of `side_mm` that shows a place of an exhibit."""
    across, down = (place.right - place.left) * e.width, (place.bottom - place.top) * e.height
    scale = side_mm / max(across, down, 1.0)
    return Window(
        e.path,
        f"Exhibit {e.id}, {said}: from {place.left:.2f} to {place.right:.2f} of its width and {place.top:.2f} to "
        f"{place.bottom:.2f} of its height",
        f"{side_mm:.2f}",
        f"{e.width * scale:.2f}",
        f"{e.height * scale:.2f}",
        f"{-place.left * e.width * scale:.2f}",
        f"{-place.top * e.height * scale:.2f}",
    )


def _difference(case: Case, found: Correspondence) -> Picture:
    e = case.exhibit(case.item(case.disputed).exhibit)
    made = picture(e, BESIDE_MM)
    alt = f"Difference of {e.id} and {found.work} laid over each other: white where they agree, dark where they differ"
    return replace(made, source=drawn.path(found), alt=alt)


def _map(case: Case, found: Correspondence) -> Picture | None:
    tag = next((t for t in found.figures if t.endswith("M")), None)
    return picture(case.exhibit(tag), BESIDE_MM) if tag else None


def _parts(case: Case, found: Correspondence, rows: Sequence[Element], state: str) -> tuple[Part, ...]:
    disputed, work = case.exhibit(found.laid or case.item(case.disputed).exhibit), case.exhibit(found.work)
    chosen = apart([r for r in rows if r.state == state], PARTS)
    made = []
    for r in sorted(chosen, key=lambda r: r.number):
        said = f"part {r.number}, which {state}"
        made.append(
            Part(
                str(r.number),
                window(disputed, square(r.disputed, disputed, NEAR), PART_MM, said),
                window(work, square(r.work, work, NEAR), PART_MM, said),
                f"Part {r.number} {state}: local correlation {words.number(r.correlation, 2)}, where 1 is the same "
                f"detail; {_middle(r.disputed)} of the disputed image.",
            )
        )
    return tuple(made)


def _middle(place: Place) -> str:
    across, down = (place.left + place.right) / 2, (place.top + place.bottom) / 2
    column = "left" if across < 0.38 else "right" if across > 0.62 else "middle"
    row = "top" if down < 0.38 else "bottom" if down > 0.62 else "middle"
    return (
        "the middle" if row == column == "middle" else f"{row} {column}".replace("middle ", "").replace(" middle", "")
    )


def apart(rows: Sequence[Element], wanted: int) -> list[Element]:
    """The first, then whatever lies furthest from all chosen: parts that lie beside each other show one thing twice."""
    chosen = list(rows[:1])
    while len(chosen) < min(wanted, len(rows)):
        left = [r for r in rows if r not in chosen]
        chosen.append(max(left, key=lambda r: (min(_away(r, c) for c in chosen), -r.number)))
    return chosen


def _away(a: Element, b: Element) -> float:
    return math.hypot(
        a.disputed.left + a.disputed.right - b.disputed.left - b.disputed.right,
        a.disputed.top + a.disputed.bottom - b.disputed.top - b.disputed.bottom,
    )
