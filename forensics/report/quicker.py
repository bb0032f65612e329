"""The same bytes from WeasyPrint in less time: what it does more than once for one document is done once.

Each of these replaces something of WeasyPrint or pydyf that is not public, for as long as one document is drawn, and
does nothing where a later release has none of that name. None may change what is shown, and those of `SAME_BYTES` no
byte: `tests/report/test_quicker.py` draws a document with and without them.
"""

from __future__ import annotations

import copy
import gc
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pydyf
import weasyprint
from weasyprint.formatting_structure import boxes
from weasyprint.images import RasterImage
from weasyprint.layout import inline

_PACKED = (".png", ".jpg", ".webp", ".avif", ".gif")
"""Suffixes of files that deflating makes no smaller."""


@contextmanager
def quicker() -> Iterator[None]:
    """Everything of this module while it lasts."""
    with ExitStack() as stack:
        for part in (
            _rare_collection,
            _lines_once,
            _columns_once,
            _heights_once,
            _objects_once,
            _png_as_stored,
            _attached_as_stored,
        ):
            stack.enter_context(part())
        yield


@contextmanager
def _replaced(owner: Any, name: str, made: Any) -> Iterator[None]:
    """`owner.name` is what `made` makes of it while it lasts; nothing where there is none of that name."""
    before = vars(owner).get(name)
    if before is None:
        yield
        return
    setattr(owner, name, made(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Let the cycle collector run a hundred times less often: layout makes millions of objects that all stay alive.

    A fifth of the time of a report goes into looking through them again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(100 * before[0], before[1], before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _lines_once() -> Any:
    """Break the same text at the same width once: columns are balanced by laying out all they hold again and again.

    Of the lines that a report asks for, three in five were asked for before; each costs a shaping of its text.
    """
    known: dict[Any, Any] = {}

    def remembering(original: Any) -> Any:
        def split(text: str, style: Any, context: Any, width: Any, spacing: Any, *rest: Any, **named: Any) -> Any:
            key = (text, id(style), id(context), width, spacing, rest, *sorted(named.items()))
            if key not in known:
                # The style and the context are kept as well: else another one could take the place of theirs in memory.
                known[key] = original(text, style, context, width, spacing, *rest, **named), style, context
            line, *others = known[key][0]
            return copy.copy(line), *others  # a line is activated again where it is drawn, each box its own

        return split

    return _replaced(inline, "split_first_line", remembering)


def _columns_once() -> Any:
    """Lay out each line of a column once, and move it to where it is asked for again.

    Columns are balanced by laying out all that they hold at one height after another, five times over on average. What
    a line holds depends on its width alone, where nothing floats beside it and it holds nothing but text.
    """
    known: dict[Any, Any] = {}
    plain: dict[int, tuple[bool, Any]] = {}

    def remembering(original: Any) -> Any:
        def next_line(
            context: Any, whole: Any, position_y: float, bottom: Any, skip: Any, block: Any, *rest: Any, **named: Any
        ) -> Any:
            asked = context, whole, position_y, bottom, skip, block, *rest
            *_, first_letter, first_line = rest
            if named or first_letter or first_line or context.excluded_shapes or not context.in_column:
                return original(*asked, **named)
            if id(whole) not in plain:
                plain[id(whole)] = _only_text(whole), whole  # what lives keeps its identity
            if not plain[id(whole)][0] or block.style["direction"] != "ltr":
                return original(*asked)
            key = id(whole), repr(skip), block.width, whole.text_indent
            position_x = block.content_box_x()
            if key not in known:
                line, resume = original(*asked)
                known[key] = line and _moved(line, 0.0, 0.0), resume, position_x, position_y
                return line, resume
            line, resume, x, y = known[key]
            return line and _moved(line, position_x - x, position_y - y), resume

        return next_line

    return _replaced(inline, "get_next_linebox", remembering)


def _only_text(box: Any) -> bool:
    """Whether a box and all it holds are text that flows, without notes, leaders or places of their own."""
    if box.style["position"] != "static" or box.is_leader or box.footnote is not None or not box.is_in_normal_flow():
        return False
    if isinstance(box, boxes.LineBox | boxes.InlineBox):
        return all(_only_text(child) for child in box.children)
    return isinstance(box, boxes.TextBox)


def _moved(box: Any, right: float, down: float) -> Any:
    """A copy of a box and of all it holds, at another place."""
    made = box.copy()
    made.position_x += right
    made.position_y += down
    made.remove_decoration_sides = set(box.remove_decoration_sides)
    if box.children:
        made.children = [_moved(child, right, down) for child in box.children]
    return made


def _heights_once() -> Any:
    """Ask for the height of a line of one style once: else its typeface is written out as text for every box."""
    known: dict[int, Any] = {}

    def remembering(original: Any) -> Any:
        def strut(style: Any) -> Any:
            if id(style) not in known:
                known[id(style)] = original(style), style
            return known[id(style)][0]

        return strut

    return _replaced(inline, "strut", remembering)


class _Once:
    """An object of a document that is written: its bytes, for which the writer asks twice, are made once."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self._made: bytes | None = None  # a cached property of Python 3.11 lets one thread at a time make any of them

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    @property
    def data(self) -> bytes:
        """Of the object, compressed where it is to be."""
        if self._made is None:
            self._made = bytes(self.whole.data)
        return self._made

    @property
    def indirect(self) -> bytes:
        """As pydyf writes an object."""
        return b"%d %d obj\n%b\nendobj" % (self.whole.number, self.whole.generation, self.data)


def _objects_once() -> Any:
    """Compress every stream once: the identifier of the document is a digest over all that was written before."""

    def remembering(original: Any) -> Any:
        def write(document: Any, *arguments: Any, **named: Any) -> None:
            objects, document.objects = document.objects, [_Once(one) for one in document.objects]
            with ThreadPoolExecutor(2) as pool:  # deflating needs no interpreter, so that two cores share it
                for one in document.objects:
                    if isinstance(one.whole, pydyf.Stream) and one.whole.compress:
                        pool.submit(getattr, one, "data")
            try:
                original(document, *arguments, **named)
            finally:
                document.objects = objects

        return write

    return _replaced(pydyf.PDF, "write", remembering)


def _png_as_stored() -> Any:
    """Pass the compressed pixels of plain 8-bit PNG files through instead of compressing them again.

    Ten times faster, and the bytes no longer depend on the zlib of the machine.
    """

    def passing(original: Any) -> Any:
        def compressed(picture: Any) -> Any:
            stored = _pixels_of_png(picture) if picture.format == "PNG" and picture.mode in ("RGB", "L") else None
            return original.__func__(picture) if stored is None else stored

        return staticmethod(compressed)

    return _replaced(RasterImage, "_get_png_data", passing)


def _attached_as_stored() -> Any:
    """Embed files that are compressed already as they are: a second compression takes a second for two photographs."""

    def passing(original: Any) -> Any:
        def write(document: Any, attachment: Any, compress: bool) -> Any:
            packed = str(attachment.name).lower().endswith(_PACKED)
            return original(document, attachment, compress and not packed)

        return write

    return _replaced(weasyprint.pdf, "write_pdf_attachment", passing)


def _pixels_of_png(picture: Any) -> bytes | None:
    before = picture.fp.tell()
    picture.fp.seek(8)
    parts = []
    while len(head := picture.fp.read(8)) == 8:
        length, kind = struct.unpack("!I4s", head)
        body = picture.fp.read(length)
        picture.fp.seek(4, 1)
        if kind == b"IHDR":
            _, _, depth, colour, _, _, interlaced = struct.unpack("!IIBBBBB", body)
            if depth != 8 or colour not in (0, 2) or interlaced:
                picture.fp.seek(before)
                return None
        if kind == b"IDAT":
            parts.append(body)
    return b"".join(parts)


SAME_BYTES = (_rare_collection, _lines_once, _columns_once, _heights_once, _objects_once)
PARTS = (*SAME_BYTES, _png_as_stored, _attached_as_stored)
