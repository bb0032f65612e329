"""The sentences of the report as a document to edit: from the same HTML as the pages, without its layout.

Lawyers quote and shorten. What they edit is not the record, and says so in its first line and at the head of every
page. Charts and the table of contents are left out; a reference to a section is written out as that section's heading.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from forensics.errors import RenderingError

if TYPE_CHECKING:
    from docx.document import Document

NOTICE = (
    "NOT THE RECORD. This copy may be edited, and proves nothing. The record is the report in PDF form within the case "
    "folder, which can be verified. Charts are left out here."
)
_LEFT_OUT = frozenset({"head", "nav", "script", "style", "svg", "title"})
_STYLES = {"h1": "Heading 1", "h2": "Heading 2", "h3": "Heading 3", "li": "List Bullet", "caption": "Caption"}
_STYLES |= {"figcaption": "Caption", "p": "Normal", "dd": "Normal", "dt": "Heading 4"}
_BLOCKS = frozenset({*_STYLES, "div", "section", "figure", "ul", "ol", "dl", "article", "body"})
_WIDTH_CM = 7.0


def write(page: str, pictures: Mapping[str, bytes], *, created: str) -> bytes:
    """A Word document of the page.

    Args:
        page: HTML of the report.
        pictures: address within the page -> bytes of a PNG or JPEG file.
        created: moment of the case, ISO 8601 in UTC: the same case gives the same document.

    Raises:
        RenderingError: the package `python-docx` is not installed.
    """
    try:
        import docx
    except ImportError as exc:
        raise RenderingError(
            "Documents to edit need the package python-docx.", hint="Install forensics[docx], or use --format pdf."
        ) from exc
    headings = _Headings()
    headings.feed(page)
    document = docx.Document()
    moment = datetime.fromisoformat(created)
    properties = document.core_properties
    properties.title, properties.comments = "Not the record", NOTICE
    properties.author, properties.created, properties.modified = "", moment, moment
    document.sections[0].header.paragraphs[0].text = NOTICE
    document.add_paragraph(NOTICE, style="Intense Quote")
    writer = _Writer(document, pictures, headings.found)
    writer.feed(page)
    writer.close()
    kept = io.BytesIO()
    document.save(kept)
    return kept.getvalue()


class _Headings(HTMLParser):
    """Identifier of an element -> the heading in it or, of another element, nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if tag in ("h1", "h2", "h3") and name:
            self._open, self.found[name] = name, ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2", "h3"):
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open] += data


class _Writer(HTMLParser):
    """Blocks become paragraphs, tables become tables, in the order of the page."""

    def __init__(self, document: Document, pictures: Mapping[str, bytes], headings: Mapping[str, str]) -> None:
        super().__init__()
        self._document, self._pictures, self._headings = document, pictures, headings
        self._text: list[str] = []
        self._styles: list[str] = ["Normal"]
        self._skipped = 0
        self._rows: list[list[str]] | None = None
        self._anchor: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _LEFT_OUT:
            self._skipped += 1
        elif self._skipped:
            return
        elif tag == "table":
            self._flush()
            self._rows = []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag == "img":
            self._picture(given.get("src") or "", given.get("alt") or "")
        elif tag == "br":
            self._text.append(" ")
        elif tag == "a" and (given.get("href") or "").startswith("#"):
            self._anchor = ((given["href"] or "")[1:], len(self._text))
        elif tag in _BLOCKS:
            self._flush()
            self._styles.append(_STYLES.get(tag, self._styles[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag in _LEFT_OUT:
            self._skipped -= 1
        elif self._skipped:
            return
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append(self._taken())
        elif tag == "table":
            self._table()
        elif tag == "a" and self._anchor is not None:
            target, before = self._anchor
            # The pages write the number of the section here; a document to edit has none.
            if len(self._text) == before and target in self._headings:
                self._text.append(f"see “{' '.join(self._headings[target].split())}”")
            self._anchor = None
        elif tag in _BLOCKS:
            self._flush()
            if len(self._styles) > 1:
                self._styles.pop()

    def handle_data(self, data: str) -> None:
        if not self._skipped and data:
            self._text.append(data)

    def close(self) -> None:
        """Write what is left."""
        super().close()
        self._flush()

    def _taken(self) -> str:
        text, self._text = " ".join("".join(self._text).split()), []
        return text

    def _flush(self) -> None:
        if self._rows is not None and self._styles[-1] != "Caption":
            self._text.append(" ")  # blocks within a cell are one text
        elif text := self._taken():
            self._document.add_paragraph(text, style=self._styles[-1])

    def _table(self) -> None:
        rows, self._rows = [row for row in self._rows or [] if row], None
        if not rows:
            return
        table = self._document.add_table(len(rows), max(map(len, rows)), style="Table Grid")
        for row, texts in zip(table.rows, rows, strict=True):
            for cell, text in zip(row.cells, texts, strict=False):
                cell.text = text

    def _picture(self, address: str, said: str) -> None:
        from docx.image.exceptions import UnrecognizedImageError
        from docx.shared import Cm

        data = self._pictures.get(address)
        if data is None or self._rows is not None:
            if said:
                self._text.append(f"[picture: {said}] ")
            return
        self._flush()
        try:
            self._document.add_picture(io.BytesIO(data), width=Cm(_WIDTH_CM))
        except UnrecognizedImageError:  # a form that Word does not show
            self._document.add_paragraph(f"[picture: {said}]")
