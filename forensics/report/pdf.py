"""Pages from HTML with WeasyPrint, as tagged PDF/A-3a that is PDF/UA-1 as well, with the case attached.

WeasyPrint's defaults lose evidence in silence: a missing picture is only logged, image names depend on the folder,
attachment dates on the clock. Here every address is served from memory under one virtual host, everything else stops
the rendering, and any warning is an error.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

import pikepdf
import weasyprint
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from forensics import resources
from forensics.errors import RenderingError
from forensics.languages import ENGLISH
from forensics.report import libraries, typefaces
from forensics.report.attachments import Attached
from forensics.report.quicker import quicker

HOST = "https://report.invalid/"
"""Reserved by RFC 2606: it can never resolve, and it is the same for every folder."""

_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".css": "text/css", ".ttf": "font/ttf", ".otf": "font/otf"}
_RDF_END = b"</rdf:RDF>"
_ACCESSIBLE = b"".join(
    line.strip()
    for line in b"""
    <rdf:Description xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" rdf:about="" pdfuaid:part="1"/>
    <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"\
     xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
    <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
    <pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
    <pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
    <pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
    <pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
    <pdfaProperty:name>part</pdfaProperty:name>
    <pdfaProperty:valueType>Integer</pdfaProperty:valueType>
    <pdfaProperty:category>internal</pdfaProperty:category>
    <pdfaProperty:description>Part of ISO 14289 the document follows</pdfaProperty:description>
    </rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
    """.splitlines()
)
"""The claim of PDF/UA-1, and the description of its schema that PDF/A asks for, with the prefixes it prescribes."""


class _Handed(URLFetcher):
    """Serves the bytes it was handed and nothing else."""

    def __init__(self, files: Mapping[str, bytes], kind: str = "") -> None:
        super().__init__(allowed_protocols=(), allow_redirects=False, fail_on_errors=True)
        self._files = files
        self._kind = kind

    def fetch(self, url: str, headers: Any = None) -> Any:
        name = url.removeprefix(HOST)
        if not url.startswith(HOST) or name not in self._files:
            raise FatalURLFetchingError(f"the report refers to {url!r}, which it was not handed")
        kind = self._kind or next(
            (t for suffix, t in _TYPES.items() if name.endswith(suffix)), "application/octet-stream"
        )
        return URLFetcherResponse(url, self._files[name], {"Content-Type": kind})


def write(
    html: str,
    pictures: Mapping[str, bytes],
    *,
    attached: Sequence[Attached] = (),
    created: str,
    paper: Literal["A4", "Letter"] = "A4",
    faces: Mapping[str, bytes] | None = None,
    language: str = ENGLISH,
) -> bytes:
    """The PDF. `pictures` maps addresses in the HTML to bytes, `created` is UTC in ISO 8601, `faces` are the typefaces
    kept with the case, by their path; `language` is that of the words which the stylesheet prints.

    Raises RenderingError where anything was missing or WeasyPrint warned.
    """
    folder = resources.templates()
    files = dict(pictures)
    kept = faces or {}
    css = (folder / "report.css").read_text(encoding="utf-8")
    if language != ENGLISH:
        from forensics.report.translation import page  # needed for other languages alone

        css += page.stylesheet(language)
    files["report.css"] = typefaces.styled(css, kept, {path: path for path in kept}).encode()
    files |= kept
    files |= {f"fonts/{path.name}": path.read_bytes() for path in sorted((folder / "fonts").glob("*.ttf"))}
    moment = datetime.fromisoformat(created)  # attachments default to now, in local time marked as UTC
    attachments = [
        weasyprint.Attachment(
            url=f"{HOST}attached/{a.name}",
            url_fetcher=_Handed({f"attached/{a.name}": a.data}, a.media_type),
            name=a.name,
            description=a.description,
            created=moment,
            modified=moment,
            relationship=a.relationship,
        )
        for a in attached
    ]
    complaints: list[str] = []
    try:
        with (
            _strict(complaints),
            quicker(),
            _no_typefaces_of_the_machine(),
        ):
            document = weasyprint.HTML(string=html, base_url=HOST, url_fetcher=_Handed(files)).render(
                stylesheets=[weasyprint.CSS(string=f"@page {{ size: {paper} }}")]
            )
            document.metadata.attachments = attachments
            document.metadata.generator = libraries.marked(document.metadata.generator or "forensics")
            _claim_accessibility(document.metadata)
            data = document.write_pdf(pdf_variant="pdf/a-3a")
    except FatalURLFetchingError as exc:  # a BaseException: it would pass every `except Exception`
        raise RenderingError(f"The report could not be drawn: {exc}.") from exc
    except OSError as exc:  # WeasyPrint puts the typefaces into files while it draws
        raise RenderingError(
            f"The report could not be drawn: {exc.strerror or exc}.",
            hint=f"Free some space in {tempfile.gettempdir()}, or name another folder by TMPDIR, and run it again.",
        ) from exc
    families = sorted({font.family.strip('"') for font in document.fonts.values()})
    known = ("Source ", typefaces.FAMILY)
    complaints += [f"typeface {f!r} is not one of the bundled ones" for f in families if not f.startswith(known)]
    if complaints:
        raise RenderingError(
            f"The report was not drawn completely: {complaints[0]}.",
            hint=f"{len(complaints)} warnings in all; no report was written.",
        )
    return bytes(data)


def pages(data: bytes) -> int:
    """Number of pages."""
    with pikepdf.open(io.BytesIO(data)) as document:
        return len(document.pages)


def _claim_accessibility(metadata: Any) -> None:
    """Two variants at once are no option of WeasyPrint, and a second RDF block is not read: write into the one."""
    original = metadata.generate_rdf_metadata

    def generate(*arguments: Any) -> bytes:
        rdf: bytes = original(*arguments)
        if not rdf.endswith(_RDF_END):
            raise RenderingError("The metadata of the report has an unknown form.", hint="Install the locked versions.")
        return rdf.removesuffix(_RDF_END) + _ACCESSIBLE + _RDF_END

    metadata.generate_rdf_metadata = generate


@contextmanager
def _strict(complaints: list[str]) -> Iterator[None]:
    class Collect(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            complaints.append(entry.getMessage())

    logger, handler = logging.getLogger("weasyprint"), Collect(logging.WARNING)
    level = logger.level
    logger.setLevel(logging.WARNING)  # whatever the terminal shows, nothing may go unseen here
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def _no_typefaces_of_the_machine() -> Iterator[None]:
    """Draw with the typefaces that are handed over and no others.

    The drawing library asks for an emoji in the typeface that the machine has for them, whatever the stylesheet says.
    """
    name, before = "FONTCONFIG_FILE", os.environ.get("FONTCONFIG_FILE")
    os.environ[name] = str(resources.templates() / "fonts" / "only-ours.conf")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
