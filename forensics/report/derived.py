"""Documents beside a case against those that the case gives: made again here, and compared.

A document is a function of `case.json` and the exhibits. So a page, a table or the viewer that somebody rewrote is
found without any signature: the case does not give it. Byte for byte is the rule. A PDF that was drawn with another
release of the drawing libraries can look the same and have other bytes; then pages, text and what a page can do are
compared as PDFium shows them, and that is said. Where such a release also breaks lines and pages elsewhere, what is
said and shown is compared apart from where it stands (`typesetting`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pikepdf
import pypdfium2

from forensics import languages
from forensics.errors import VerificationError
from forensics.report import typesetting

_SCALE = 2.0
"""Pixels of a point: 144 to the inch; a full stop of the smallest type has three pixels."""
_LEVELS = 40
"""Of 255: outlines placed a hundredth of a point apart differ by a tenth of that, one digit for another by 200."""

_SIGNATURE = frozenset(
    {
        "the entry /AcroForm",
        "the entry /Perms",
        "the entry /Extensions",
        "the entry /Version",
        "on page 1 the field of a signature",
    }
)
"""What an invisible signature adds to a document."""
_PAGE = re.compile(r"on page \d+")
_UNREADABLE = (pikepdf.PdfError, ValueError, TypeError, AttributeError, RuntimeError, OSError, LookupError)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a document is not the one that the case gives."""

    said: str
    """The rest of a sentence that begins with the name of the document."""


def paper_of(pdf: bytes, name: str) -> str:
    """`A4` or `Letter`, by the size of the first page. Raises VerificationError for another size or no PDF."""
    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            width, height = (float(v) for v in document.pages[0].mediabox[2:])
    except (pikepdf.PdfError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as exc:
        raise VerificationError(f"{name} cannot be read as a PDF: {exc}.", hint="Make it again.") from exc
    for paper, size in (("A4", (595.28, 841.89)), ("Letter", (612.0, 792.0))):
        if abs(width - size[0]) < 1 and abs(height - size[1]) < 1:
            return paper
    raise VerificationError(f"{name} has pages of {width:g} × {height:g} points, which no release makes.")


def language_of(pdf: bytes, name: str) -> str:
    """The language that a document declares. Raises VerificationError for one that no release prints, or no PDF."""
    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            stated = str(document.Root.get("/Lang", languages.ENGLISH))
    except (pikepdf.PdfError, ValueError, TypeError, AttributeError, RuntimeError) as exc:
        raise VerificationError(f"{name} cannot be read as a PDF: {exc}.", hint="Make it again.") from exc
    return _known(stated, name)


def _known(stated: str, name: str) -> str:
    if stated not in languages.names():
        raise VerificationError(f"{name} declares the language {stated!r}, in which no release prints.")
    return stated


_DECLARED = re.compile(rb'<html lang="([\w-]{1,35})"')


def language_of_page(page: bytes, name: str) -> str:
    """The language that an HTML page declares, at its very beginning. Raises VerificationError as `language_of`."""
    found = _DECLARED.search(page[:200])
    if found is None:
        raise VerificationError(f"{name} does not begin as a page that a release makes.", hint="Make it again.")
    return _known(found.group(1).decode(), name)


def difference(found: bytes, made: bytes, *, signed: bool = False) -> Difference | None:
    """The first difference that a reader of two PDFs could notice; none where there is none.

    Args:
        found: the document in the folder.
        made: the document that the case gives.
        signed: `found` carries one invisible signature, which is allowed.
    """
    try:
        return next(_differences(found, made, _SIGNATURE if signed else frozenset()), None)
    except _UNREADABLE as exc:
        return Difference(f"cannot be read as a PDF: {exc}")


def content(found: bytes, made: bytes, *, signed: bool = False) -> Difference | None:
    """The first difference in what two PDFs say, show and can do, wherever lines and pages break; none where there is
    none. Arguments as for `difference`."""
    try:
        able, expected = ({_PAGE.sub("on some page", row) for row in _abilities(data)} for data in (found, made))
        able -= {_PAGE.sub("on some page", row) for row in _SIGNATURE} if signed else set()
        if odd := sorted(able ^ expected):
            return Difference(_odd(odd[0], extra=odd[0] in able))
        said = typesetting.difference(found, made)
        return Difference(said) if said else None
    except _UNREADABLE as exc:
        return Difference(f"cannot be read as a PDF: {exc}")


def _differences(found: bytes, made: bytes, allowed: frozenset[str]) -> Iterator[Difference]:
    if said := _active(found, made, allowed):
        yield Difference(said)
    with pypdfium2.PdfDocument(found) as a, pypdfium2.PdfDocument(made) as b:
        if len(a) != len(b):
            yield Difference(f"has {len(a)} pages, the case gives {len(b)}")
            return
        for number in range(len(a)):
            page, other = a[number], b[number]
            where = f"page {number + 1} is not the one that the case gives"
            if page.get_size() != other.get_size() or _text(page) != _text(other) or _seen(page, other):
                yield Difference(where)
            page.close()
            other.close()


def _text(page: Any) -> str:
    text = page.get_textpage()
    try:
        return str(text.get_text_bounded())
    finally:
        text.close()


def _seen(page: Any, other: Any) -> bool:
    first, second = (np.asarray(p.render(scale=_SCALE).to_numpy(), np.int16) for p in (page, other))
    return first.shape != second.shape or bool((np.abs(first - second) > _LEVELS).any())


def _active(found: bytes, made: bytes, allowed: frozenset[str]) -> str:
    """What a document can do beyond being looked at, where the other cannot."""
    able, expected = _abilities(found) - allowed, _abilities(made)
    if extra := sorted(able - expected):
        return _odd(extra[0], extra=True)
    return "" if able == expected else _odd(sorted(expected - able)[0], extra=False)


def _odd(what: str, *, extra: bool) -> str:
    return f"holds what the case does not give: {what}" if extra else f"lacks what the case gives: {what}"


def _abilities(data: bytes) -> set[str]:
    with pikepdf.open(io.BytesIO(data)) as document:
        root = document.Root
        entries = {f"the entry {key}" for key in root.keys()}  # noqa: SIM118
        names = root.get("/Names", {})
        entries |= {f"the names {key}" for key in names.keys()}  # noqa: SIM118
        for number, page in enumerate(document.pages, 1):
            if "/AA" in page.obj:
                entries.add(f"an action on page {number}")
            entries |= {f"on page {number} {_note(note)}" for note in page.obj.get("/Annots", [])}
        return entries


def _note(note: Any) -> str:
    if note.get("/FT") == "/Sig" and "/AP" not in note and "/A" not in note:
        return "the field of a signature"
    action = note.get("/A", {})
    kind, target = (action.get("/S", ""), action.get("/URI", "")) if hasattr(action, "get") else ("", "")
    appearance = " with an appearance of its own" if "/AP" in note else ""
    return f"{note.get('/Subtype', '')} {kind} {target}{appearance}"
