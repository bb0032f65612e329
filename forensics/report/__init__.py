"""The report: a pure function of a `Case` and the stored bytes of its exhibits.

`view` turns the case into strings, `html` puts them through the templates, `pdf` draws the pages. Nothing here needs
torch, a clock or a network; the same case gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from forensics.case import Case
from forensics.report import attachments, exhibits, html
from forensics.report.view import view

__all__ = ["render", "render_html"]


def render(case: Case, folder: Path, *, paper: Literal["A4", "Letter"] = "A4", signatory: str = "") -> bytes:
    """The report as PDF. `folder` is the case folder that holds the exhibits; `signatory` is who is about to sign it.

    Raises VerificationError where an exhibit is missing or differs from its digest, RenderingError where a page could
    not be drawn completely.
    """
    from forensics.report import pdf  # WeasyPrint and Pango: not needed for the HTML

    pictures = exhibits.read(case, folder)
    files = attachments.attached(case, folder)
    return pdf.write(html.render(view(case, signatory)), pictures, attached=files, created=case.created, paper=paper)


def render_html(case: Case, folder: Path) -> str:
    """The HTML the pages are drawn from; picture addresses are relative to the case folder. Raises as `render`."""
    exhibits.read(case, folder)
    return html.render(view(case))
