"""Two documents that may break lines and pages in different places: do they say and show the same?

Another release of the drawing libraries can move a word to the next line, and then everything after it. What a document
says is therefore read along its structure, which knows paragraphs and cells and no lines: every letter, picture and
drawing in the order of reading. Each letter and picture is also looked at where it stands, because a text layer can say
one thing and the page show another. Rules and plain backgrounds, whose number depends on where pages break, are not
compared beyond their colours; where one lies over a letter or a picture, the look of that differs.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, pairwise, product
from typing import Any

import cv2
import numpy as np
import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.lib.stride_tricks import sliding_window_view

from forensics.languages import ENGLISH, names

_SCALE = 4.0
"""Pixels of a point: 288 to the inch."""
_MOVED = 2
"""Pixels by which a letter may lie beside its box: it is drawn at a whole pixel."""
_UNLIKE = 0.1
"""Of the range from black to white: the most by which the grey of a letter may differ at the mean. The same letter
differs by 0.09 at most, wherever in a pixel it begins; one digit set for another by 0.106 at least where it is 4.6
points high or more, and by 0.088 at 4.2 points, as the smallest numbers in drawings are."""
_CELLS = 16
"""A picture is looked at in so many cells to a side, each the mean of its grey."""
_PICTURE_UNLIKE = 0.1
_SIZE = 0.1
"""Points by which the box of a letter or picture may differ."""
_SMALLEST = 0.4
"""Points: what is smaller is a full stop's dot or a hair, whose look says nothing."""
_DEEP = 8
_KEPT = 4
"""Pages of a document that are kept as they look: sixteen megabytes each."""
_OUTSIDE = -1
"""What has no number has this."""
_AROUND = 24
"""Characters shown before and behind a difference."""
_CLOSE = 1
"""Decimals of a point to which the outlines of drawings are compared."""

_Box = tuple[float, float, float, float]
_Floats = np.ndarray[Any, np.dtype[np.float32]]
_Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a reader meets next: a letter, the number of a page that is referred to, a picture, or a drawing."""

    what: str
    """The letter; for pictures and drawings their digest."""
    page: int
    """From 0."""
    box: _Box | None = None
    """Left, bottom, right, top in points, where its look is compared."""
    refers: bool = False
    """Whether it is the number of the page that its link leads to, which follows from typesetting alone."""
    kind: str = "text"

    def same(self, other: _Mark) -> bool:
        return self.kind == other.kind and (self.what == other.what or (self.refers and other.refers))


@dataclass(slots=True)
class _Page:
    """The content of a page by the numbers that its structure gives."""

    letters: dict[int, list[_Mark]] = field(default_factory=dict)
    others: dict[int, list[_Mark]] = field(default_factory=dict)
    loose: list[tuple[str, str]] = field(default_factory=list)
    """Paths outside the structure: colours, and the outline where it is no rule or plain box."""


def difference(found: bytes, made: bytes) -> str:
    """Where one document says or shows something else than the other; empty where that is nowhere.

    Args:
        found: the document in the folder.
        made: the document that the case gives, drawn here.

    Returns:
        The rest of a sentence that begins with the name of the document.

    Raises:
        pikepdf.PdfError, pypdfium2.PdfiumError, ValueError, TypeError, AttributeError: one cannot be read as a PDF.
    """
    with _Read(found) as a, _Read(made) as b:
        return next(_differences(a, b), "")


def _differences(found: _Read, made: _Read) -> Iterator[str]:
    first, second = found.marks(), made.marks()
    for number, (a, b) in enumerate(zip(first, second, strict=False)):
        if not a.same(b):
            if a.kind == b.kind == "text":
                read, given = _around(first, number), _around(second, number)
                yield f"page {a.page + 1} reads “{read}” where the case gives “{given}”"
            else:
                yield f"page {a.page + 1} does not show the picture or the words that the case gives there"
            return
    if len(first) != len(second):
        longer, shorter = (first, second) if len(first) > len(second) else (second, first)
        does = "goes on where the case ends" if longer is first else "ends where the case goes on"
        yield f"{does}: “{_around(longer, len(shorter))}”"
        return
    if odd := sorted(set(found.margins()) ^ set(made.margins())):
        yield f"has in the margins what the case does not give, or lacks it: “{odd[0]}”"
        return
    if said := _paths(found, made):
        yield said
        return
    seen = [(a, b) for a, b in zip(first, second, strict=True) if a.what == b.what]
    pages = [page for page in (_unlike(found, made, seen), _odd_margin(found, made)) if page is not None]
    if pages:
        yield (
            f"page {min(pages) + 1} does not look as its words say: something lies over a letter or a picture, or is "
            "drawn in its place"
        )


def _around(marks: Sequence[_Mark], number: int) -> str:
    part = marks[max(number - _AROUND, 0) : number + _AROUND]
    return "".join(m.what if m.kind == "text" else "▯" for m in part)


def _paths(found: _Read, made: _Read) -> str:
    """Rules and boxes by their colours, every other path outside the structure by its outline, however often."""
    rows, given = ({row for page in one.pages for row in page.loose} for one in (found, made))
    return (
        "holds a drawn shape that the case does not give"
        if rows - given
        else ("lacks a drawn shape that the case gives" if given - rows else "")
    )


def _unlike(found: _Read, made: _Read, pairs: Sequence[tuple[_Mark, _Mark]]) -> int | None:
    """The first page on which a mark looks otherwise than in the other document."""
    far = _distances(found, made, pairs)
    bounds = np.array([_UNLIKE if a.kind == "text" else _PICTURE_UNLIKE for a, _ in pairs])
    return min((pairs[int(n)][0].page for n in np.flatnonzero(far > bounds)), default=None)


def _odd_margin(found: _Read, made: _Read) -> int | None:
    """The first page with a line in the margin that looks nowhere in the other document as it does there. Every page is
    asked: the margin says whether this is a draft."""
    lines, given = found.margins(), made.margins()
    pairs: list[tuple[_Mark, _Mark]] = []
    sizes: list[tuple[int, int, int]] = []
    for text, placed in lines.items():
        for line in placed:
            kinds = {_form(other): other for other in given[text]}  # one of each size is enough
            sizes += [(line[0].page, len(line), len(kinds))]
            pairs += [pair for other in kinds.values() for pair in zip(line, other, strict=True)]
    far = _distances(found, made, pairs)
    odd, at = [], 0
    for page, letters, kinds_ in sizes:
        worst = far[at : at + letters * kinds_].reshape(kinds_, letters).max(axis=1)
        at += letters * kinds_
        if worst.min() > _UNLIKE:
            odd.append(page)
    return min(odd, default=None)


def _form(line: Sequence[_Mark]) -> tuple[float, float]:
    """Width and height of a line, in half points."""
    boxes = [mark.box for mark in line if mark.box is not None]
    if not boxes:
        return (0.0, 0.0)
    left, bottom, right, top = (edge(box[n] for box in boxes) for n, edge in enumerate((min, min, max, max)))
    return (round(2 * (right - left)), round(2 * (top - bottom)))


def _distances(found: _Read, made: _Read, pairs: Sequence[tuple[_Mark, _Mark]]) -> _Floats:
    """How far the look of each mark is from that of its counterpart, `(N,)`, from 0 to 1; 1 where they differ in size,
    0 where one is too small to be looked at."""
    far = np.zeros(len(pairs), np.float32)
    groups: dict[tuple[int, int, int, int], list[int]] = {}
    for place, (a, b) in enumerate(pairs):
        if a.box is None or b.box is None:
            continue
        wide, high = a.box[2] - a.box[0], a.box[3] - a.box[1]
        if abs(b.box[2] - b.box[0] - wide) > _SIZE or abs(b.box[3] - b.box[1] - high) > _SIZE:
            far[place] = 1
        elif a.kind == "picture":
            far[place] = np.abs(found.picture(a) - made.picture(b)).max(initial=0.0) / 255
        else:
            size = (int(np.ceil(high * _SCALE)) + 1, int(np.ceil(wide * _SCALE)) + 1)
            groups.setdefault((a.page, b.page, *size), []).append(place)
    for (page, other, height, width), places in sorted(groups.items()):
        first = _windows(found.seen(page), (height, width), [pairs[n][0] for n in places])
        second = _windows(made.seen(other), (height, width), [pairs[n][1] for n in places])
        far[places] = _nearest(first, second)
    return far


def _nearest(first: _Letters, second: _Letters) -> _Floats:
    """The mean difference of the grey of letters `(N,)`, at the best of the places around, half pixels
    among them."""
    whole, half = first.at(0, 0), (first.at(0, 0) + first.at(0, 1)) / 2
    best: _Floats = np.abs(whole - second.at(0, 0)).mean(axis=(1, 2))
    for down, along in product(range(-_MOVED, _MOVED + 1), repeat=2):
        if not (best > 255 * _UNLIKE / 3).any():
            break
        other = second.at(down, along)
        between = (other + second.at(down, along + 1)) / 2
        for a, b in ((whole, other), (whole, between), (half, other)):
            best = np.minimum(best, np.abs(a - b).mean(axis=(1, 2)))
    found: _Floats = (best / 255).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class _Letters:
    """Letters of one size on one page."""

    windows: Any
    """Every window of that size in the page, `(rows, columns, height, width)`: a view."""
    rows: _Places
    columns: _Places

    def at(self, down: int, along: int) -> _Floats:
        """Their grey `(N, height, width)`, from 0 to 255, so many pixels beside their boxes."""
        rows = np.clip(self.rows + down, 0, self.windows.shape[0] - 1)
        columns = np.clip(self.columns + along, 0, self.windows.shape[1] - 1)
        found: _Floats = self.windows[rows, columns].astype(np.float32)
        return found


def _windows(page: _Seen, size: tuple[int, int], marks: Sequence[_Mark]) -> _Letters:
    """Letters of `size` (height and width in pixels) on a page; one of a page too small for it is an error."""
    boxes = np.array([mark.box for mark in marks])
    rows = ((page.height - boxes[:, 3]) * _SCALE).astype(np.int64)
    return _Letters(sliding_window_view(page.grey, size), rows, (boxes[:, 0] * _SCALE).astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A page as PDFium draws it."""

    grey: np.ndarray[Any, np.dtype[np.uint8]]
    height: float
    """Of the page in points."""


class _Read:
    """A document, open: its marks along the structure, and how they look."""

    def __init__(self, data: bytes) -> None:
        self._structure = pikepdf.open(io.BytesIO(data))
        self._shown = pypdfium2.PdfDocument(data)
        self._numbers = {page.objgen: n for n, page in enumerate(self._structure.pages)}
        self.pages = [_content(page, n) for n, page in enumerate(self._shown)]
        self._used: set[tuple[int, int]] = set()
        self._heads = [""]
        self._drawn: dict[int, _Seen] = {}

    def __enter__(self) -> _Read:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()
        self._structure.close()

    def marks(self) -> list[_Mark]:
        """Everything in the order of reading, then the footnotes, then the letters in drawings; the head that a table
        repeats on the next page stands there once."""
        root, found = self._structure.Root.get("/StructTreeRoot"), list[_Mark]()
        notes: list[_Mark] = []
        for part in [] if root is None else _children(root):
            for child in _children(part) if part.get("/S") == "/Document" else [part]:
                # Footnotes stand at the end of their page, which may be another one: they follow all the rest.
                foot = not isinstance(child, int) and child.get("/S") == "/NonStruct"
                self._walk(child, None, [""] if foot else self._heads, notes if foot else found)
        found += notes
        for number in range(len(self.pages)):
            self._leaf(_OUTSIDE, number, found)  # the letters in drawings, which follow one another as the drawings do
        return found

    def _walk(self, node: Any, page: int | None, heads: list[str], found: list[_Mark]) -> None:
        if isinstance(node, int):
            self._leaf(int(node), page, found)
            return
        if "/Pg" in node:
            page = self._numbers.get(node.Pg.objgen, page)
        kind = str(node.get("/S", node.get("/Type", "")))
        if kind == "/MCR":
            self._leaf(int(node.MCID), page, found)
        if kind in ("/MCR", "/OBJR"):
            return
        begin = len(found)
        for child in _children(node):
            self._walk(child, page, heads, found)
        if kind == "/Link":
            found[begin:] = self._link(node, found[begin:])
        elif kind == "/THead":
            text = "".join(m.what for m in found[begin:])
            if text == heads[0]:
                del found[begin:]
            heads[0] = text

    def _leaf(self, number: int, page: int | None, found: list[_Mark]) -> None:
        if page is None or (page, number) in self._used:
            return
        self._used.add((page, number))
        found += self.pages[page].letters.get(number, ())
        found += self.pages[page].others.get(number, ())

    def _link(self, node: Any, marks: list[_Mark]) -> Iterator[_Mark]:
        """The text of a link, whose last number may be that of the page it leads to; dots before it fill the line."""
        page = self._target(node)
        text = "".join(m.what for m in marks)
        if page is None or any(m.kind != "text" for m in marks) or (last := re.search(r"[.…]*(\d+)$", text)) is None:
            yield from marks
            return
        yield from marks[: last.start()]
        yield _Mark(last[1], marks[-1].page, refers=last[1] == str(page + 1))

    def _target(self, node: Any) -> int | None:
        for child in _children(node):
            if isinstance(child, int):
                continue
            if child.get("/Type") == "/OBJR" and "/Dest" in child.get("/Obj", {}):
                return self._destinations().get(str(child.Obj.Dest))
            if child.get("/S") == "/Link" and (page := self._target(child)) is not None:
                return page
        return None

    def _destinations(self) -> dict[str, int]:
        if not hasattr(self, "_named"):
            names = self._structure.Root.get("/Names", {})
            tree = pikepdf.NameTree(names.Dests) if "/Dests" in names else {}
            self._named = {str(name): self._numbers.get(place[0].objgen, -1) for name, place in tree.items()}
        return self._named

    def margins(self) -> dict[str, list[list[_Mark]]]:
        """Text outside the structure -> its letters wherever it stands. To be asked after `marks`. What numbers a page
        rightly is left out of the text."""
        found: dict[str, list[list[_Mark]]] = {}
        for number, page in enumerate(self.pages):
            feet = {f"{a}{number + 1}{of}{len(self.pages)}{z}" for a, of, z in _numbering()}
            for mcid, letters in page.letters.items():
                if (number, mcid) in self._used:
                    continue
                text = "".join(m.what for m in letters)
                if text in feet:
                    continue
                found.setdefault(text, []).append(letters)
            for mcid, others in page.others.items():
                if (number, mcid) not in self._used:
                    for one in others:
                        found.setdefault(f"{one.kind} {one.what}", []).append([one])
        return found

    def seen(self, number: int) -> _Seen:
        """A page as it looks; the last few are kept."""
        if number not in self._drawn:
            page = self._shown[number]
            pixels = page.render(scale=_SCALE, grayscale=True).to_numpy()
            while len(self._drawn) >= _KEPT:
                del self._drawn[next(iter(self._drawn))]
            self._drawn[number] = _Seen(np.ascontiguousarray(pixels.reshape(pixels.shape[0], -1)), page.get_height())
        return self._drawn[number]

    def picture(self, mark: _Mark) -> _Floats:
        """The mean grey of the cells of a picture, from 0 to 255; nothing for one that lies outside its page."""
        page, box = self.seen(mark.page), mark.box or (0.0,) * 4
        edges = (page.height - box[3], page.height - box[1], box[0], box[2])
        top, bottom, left, right = (max(round(edge * _SCALE), 0) for edge in edges)
        part = page.grey[top:bottom, left:right]
        if not part.size:
            return np.zeros(0, np.float32)
        cells: _Floats = cv2.resize(part, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
        return cells


@lru_cache(maxsize=1)
def _numbering() -> tuple[tuple[str, str, str], ...]:
    """What stands before, between and behind the numbers in “Page 1 of 9”, without white space, in every language."""
    from forensics.report.translation.catalogue import Translator, load  # babel: needed here alone

    said = "Page @ of @"
    others = [Translator(load(code)).say(said).text for code in names() if code != ENGLISH]
    parts = ("".join(one.split()).split("@") for one in (said, *others))
    return tuple((before, between, behind) for before, between, behind in parts)


def _children(node: Any) -> list[Any]:
    below = node.get("/K", [])
    return list(below) if isinstance(below, pikepdf.Array) else [below]


def _content(page: Any, number: int) -> _Page:
    """Everything that a page paints. `number` counts from 0."""
    found = _Page()
    text = page.get_textpage()
    try:
        _letters(text, number, found)
    finally:
        text.close()
    for thing in page.get_objects(max_depth=_DEEP):
        mcid = int(pdfium.FPDFPageObj_GetMarkedContentID(thing.raw))
        if thing.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            digest = hashlib.sha256(bytes(thing.get_data(decode_simple=True))).hexdigest()
            found.others.setdefault(mcid, []).append(_Mark(digest, number, thing.get_bounds(), kind="picture"))
        elif thing.type == pdfium.FPDF_PAGEOBJ_PATH and mcid >= 0:
            digest = hashlib.sha256(repr((_colours(thing), _outline(thing))).encode()).hexdigest()
            found.others.setdefault(mcid, []).append(_Mark(digest, number, kind="drawing"))
        elif thing.type == pdfium.FPDF_PAGEOBJ_PATH:
            found.loose.append((_colours(thing), _shape(_outline(thing))))
        elif thing.type == pdfium.FPDF_PAGEOBJ_SHADING:
            found.loose.append(("shading", ""))
    return found


def _letters(text: Any, number: int, found: _Page) -> None:
    """The letters of a page by the part of its structure that they belong to; white space depends on typesetting."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    parts: dict[int, int] = {}
    for place in range(pdfium.FPDFText_CountChars(text.raw)):
        code = int(pdfium.FPDFText_GetUnicode(text.raw, place))
        letter = "-" if code == 2 else chr(code)  # so a hyphen at the end of a line is given
        if code == 0 or letter.isspace() or pdfium.FPDFText_IsGenerated(text.raw, place) == 1:
            continue
        owner = pdfium.FPDFText_GetTextObject(text.raw, place)
        key = ctypes.cast(owner, ctypes.c_void_p).value or 0
        if key not in parts:
            parts[key] = int(pdfium.FPDFPageObj_GetMarkedContentID(owner)) if key else _OUTSIDE
        pdfium.FPDFText_GetCharBox(text.raw, place, left, right, bottom, top)
        box = (left.value, bottom.value, right.value, top.value)
        large = min(box[2] - box[0], box[3] - box[1]) > _SMALLEST
        found.letters.setdefault(parts[key], []).append(_Mark(letter, number, box if large else None))


def _colours(thing: Any) -> str:
    """How a path is painted: filled or not, drawn along or not, and in which colours."""
    said = []
    fills, strokes = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(thing.raw, fills, strokes)
    for used, ask in ((fills, pdfium.FPDFPageObj_GetFillColor), (strokes, pdfium.FPDFPageObj_GetStrokeColor)):
        parts = [ctypes.c_uint() for _ in range(4)]
        said.append(tuple(part.value for part in parts) if used.value and ask(thing.raw, *parts) else None)
    return str(said)


def _outline(thing: Any) -> tuple[tuple[int, float, float], ...]:
    """Kind and place of every point of a path, from its first point."""
    x, y = ctypes.c_float(), ctypes.c_float()
    points = []
    for place in range(pdfium.FPDFPath_CountSegments(thing.raw)):
        segment = pdfium.FPDFPath_GetPathSegment(thing.raw, place)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        points.append((int(pdfium.FPDFPathSegment_GetType(segment)), x.value, y.value))
    if not points:
        return ()
    _, x0, y0 = points[0]
    return tuple((kind, round(px - x0, _CLOSE) + 0.0, round(py - y0, _CLOSE) + 0.0) for kind, px, py in points)


def _shape(outline: Sequence[tuple[int, float, float]]) -> str:
    """Nothing for a rule or a plain box; for another path the kinds of its points, because a box with round corners is
    as high as what stands in it."""
    if all(b[0] != pdfium.FPDF_SEGMENT_BEZIERTO and (a[1] == b[1] or a[2] == b[2]) for a, b in pairwise(outline)):
        return ""
    return str([(kind, len(list(run))) for kind, run in groupby(point[0] for point in outline)])
