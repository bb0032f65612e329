"""Reading a rendered report back: the words of the HTML, the words of each page of the PDF."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pypdfium2
from PIL import Image
from pypdf.generic import StreamObject

WHITE = 0.25
"""Share of the height of a page, between its head and its foot, that may stay empty below the last line."""


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts += [value for name, value in attrs if name in ("alt", "content", "title") and value]


def words(html: str) -> str:
    """Text, alternative texts and metadata of the HTML."""
    parser = _Words()
    parser.feed(html)
    return " ".join(parser.parts)


def reader(pdf: bytes) -> pypdf.PdfReader:
    """The PDF, opened strictly."""
    return pypdf.PdfReader(io.BytesIO(pdf), strict=True)


def places(pdf: bytes) -> list[tuple[int, float, float, str]]:
    """Page number, distance from the left and from the bottom in points, and words, for every run of text."""
    found: list[tuple[int, float, float, str]] = []
    for number, page in enumerate(reader(pdf).pages, start=1):

        def note(words: str, cm: list[float], tm: list[float], *_: object, number: int = number) -> None:
            if words.strip():
                x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
                y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
                found.append((number, x, y, words))

        page.extract_text(visitor_text=note)
    return found


@lru_cache(maxsize=8)
def page_texts(pdf: bytes) -> tuple[str, ...]:
    """The words of each page."""
    return tuple(page.extract_text() for page in reader(pdf).pages)


def pictures_drawn(pdf: bytes) -> int:
    """How many raster images are drawn, each as often as it is: what a reader sees, and not what the file holds."""
    with pypdfium2.PdfDocument(pdf) as document:
        kind = pypdfium2.raw.FPDF_PAGEOBJ_IMAGE
        return sum(1 for page in document for _ in page.get_objects(filter=[kind], max_depth=8))


def images(pdf: bytes) -> list[StreamObject]:
    """Every raster image of the document, once; soft masks are not among them."""
    resources = reader(pdf).pages[0]["/Resources"]  # WeasyPrint shares one dictionary among all pages
    objects = (x.get_object() for x in resources["/XObject"].values())
    return [x for x in objects if x["/Subtype"] == "/Image"]


def pixel_digest(image: StreamObject) -> str:
    """SHA-256 of the decoded 8-bit RGB pixels, row by row."""
    return hashlib.sha256(image.decode_as_image().convert("RGB").tobytes()).hexdigest()


def white(page: Image.Image) -> float:
    """Share of the ground between head and foot that lies below the last ink: those two stand in the outer 11 %."""
    grey = page.convert("L")
    top, foot = round(grey.height * 0.09), round(grey.height * 0.90)
    ink = grey.crop((0, top, grey.width, foot)).point(lambda v: 255 if v < 215 else 0).getbbox()
    return 1.0 if ink is None else 1 - ink[3] / (foot - top)


def half_empty(pdf: bytes, folder: Path, contents: str, forms: str) -> dict[int, float]:
    """Number of each page of a report that is whiter than it may be, and how white; `pdftoppm` draws them.

    `contents` and `forms` are the headings of these sections. The cover, forms, which stay whole, and the last page of
    each part may be as white as they are.
    """
    (folder / "report.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "24", "-png", str(folder / "report.pdf"), str(folder / "p")], check=True)
    texts = page_texts(pdf)
    first = next(n for n, text in enumerate(texts) if re.search(rf"^{contents}$", text, re.MULTILINE))
    found = {}
    for number, path in enumerate(sorted(folder.glob("p-*.png")), start=1):
        with Image.open(path) as page:
            found[number] = white(page)
    ends = {1, *range(next(n for n, text in enumerate(texts, 1) if forms in text), first + 1), len(texts)}
    return {n: round(share, 2) for n, share in found.items() if share > WHITE and n not in ends}
