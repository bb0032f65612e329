"""The report: a pure function of a `Case` and the stored bytes of its exhibits.

`view` turns the case into strings, `html` puts them through the templates, `pdf` draws the pages. Nothing here needs
torch, a clock or a network; the same case gives the same bytes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from forensics.case import Case
from forensics.errors import RenderingError
from forensics.languages import ENGLISH
from forensics.report import attachments, drawn, editable, html, typefaces
from forensics.report import stored_pictures as exhibits
from forensics.report.tables import tables
from forensics.report.view import view
from forensics.report.viewer import viewer

__all__ = ["draft", "pages", "render", "render_html", "summary", "tables", "viewer", "warm"]

SUMMARY_PAGES = 2


def render(
    case: Case,
    folder: Path,
    *,
    paper: Literal["A4", "Letter"] = "A4",
    signatory: str = "",
    language: str = ENGLISH,
) -> bytes:
    """The report as PDF. `folder` is the case folder that holds the exhibits; `signatory` is who is about to sign it;
    `language` is one of `languages.names()`.

    Raises VerificationError where an exhibit is missing or differs from its digest, RenderingError where a page could
    not be drawn completely.
    """
    from forensics.report import pdf  # WeasyPrint and Pango: not needed for the HTML

    stored = exhibits.verified(case, folder)
    with ThreadPoolExecutor(2) as beside:  # pictures take as long as all that stands before the pages
        sound = beside.submit(exhibits.check_drawable, case, stored)
        own = beside.submit(drawn.pictures, case, stored)
        files = attachments.attached(case, folder)
        faces = typefaces.stored(case, folder)
        page = html.render(view(case, signatory), letters=typefaces.letters(faces), language=language, case=case)
        sound.result()
        pictures = stored | own.result()
    return pdf.write(page, pictures, attached=files, created=case.created, paper=paper, faces=faces, language=language)


def warm() -> None:
    """Load all that `render` needs and draw one page with it, so that the first report takes no longer than a second.

    Nothing of it can be seen in a report.
    """
    from forensics.report import pdf

    html.warm()
    words = "".join(f"<{tag}>forensics 0123456789</{tag}>" for tag in ("p", "h1", "b", "i", "code", "small"))
    page = f'<html lang="en"><head><title>warm</title><link rel="stylesheet" href="report.css"></head>{words}</html>'
    pdf.write(page, {}, created="2000-01-01T00:00:00+00:00")


def render_html(case: Case, folder: Path, *, language: str = ENGLISH) -> str:
    """The HTML the pages are drawn from; picture addresses are relative to the case folder. Raises as `render`."""
    exhibits.read(case, folder)
    letters = typefaces.letters(typefaces.stored(case, folder))
    return html.render(view(case), letters=letters, language=language, case=case)


def draft(case: Case, folder: Path, *, language: str = ENGLISH) -> bytes:
    """Sentences, tables and pictures of the report as a Word document, marked as not the record. Raises as `render`."""
    stored = exhibits.read(case, folder)
    letters = typefaces.letters(typefaces.stored(case, folder))
    page = html.render(view(case), letters=letters, language=language, case=case)
    return editable.write(page, stored | drawn.pictures(case, stored), created=case.created)


def pages(data: bytes) -> int:
    """Number of pages of a document made here."""
    from forensics.report import pdf

    return pdf.pages(data)


def summary(case: Case, folder: Path, *, paper: Literal["A4", "Letter"] = "A4", language: str = ENGLISH) -> bytes:
    """Two pages for a letter, from the same view, with the same attachments. Raises as `render`.

    Where the words fill more, whole parts are left to the full report and named; nothing is cut.
    """
    from forensics.report import pdf

    shown = exhibits.read(case, folder)
    files = attachments.attached(case, folder)
    faces = typefaces.stored(case, folder)
    letters = typefaces.letters(faces)
    for detail in range(4):
        page = html.render(view(case), "letter.html.j2", detail=detail, letters=letters, language=language, case=case)
        made = pdf.write(page, shown, attached=files, created=case.created, paper=paper, faces=faces, language=language)
        if pdf.pages(made) <= SUMMARY_PAGES:
            return made
    raise RenderingError(
        "The summary does not fit two pages.", hint="Send the full report; shorten the questions of the case file."
    )
