"""Pages from HTML with WeasyPrint, as tagged PDF/A-3a that is PDF/UA-1 as well, with the case attached.

WeasyPrint's defaults lose evidence in silence: a missing picture is only logged, image names depend on the folder,
attachment dates on the clock. Here every address is served from memory under one virtual host, everything else stops
the rendering, and any warning is an error.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

import pikepdf
import weasyprint
from weasyprint.images import RasterImage
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from forensics import resources
from forensics.errors import RenderingError
from forensics.report import typefaces
from forensics.report.attachments import Attached

HOST = "https://report.invalid/"
"""Reserved by RFC 2606: it can never resolve, and it is the same for every folder."""

_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".css": "text/css", ".ttf": "font/ttf", ".otf": "font/otf"}
_PACKED = (".png", ".jpg", ".webp", ".avif", ".gif")
"""Suffixes of files that deflating makes no smaller."""
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
) -> bytes:
    """The PDF. `pictures` maps addresses in the HTML to bytes, `created` is UTC in ISO 8601, `faces` are the typefaces
    kept with the case, by their path.

    Raises RenderingError where anything was missing or WeasyPrint warned.
    """
    folder = resources.templates()
    files = dict(pictures)
    kept = faces or {}
    css = (folder / "report.css").read_text(encoding="utf-8")
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
            _png_as_stored(),
            _attached_as_stored(),
            _rare_collection(),
            _no_typefaces_of_the_machine(),
        ):
            document = weasyprint.HTML(string=html, base_url=HOST, url_fetcher=_Handed(files)).render(
                stylesheets=[weasyprint.CSS(string=f"@page {{ size: {paper} }}")]
            )
            document.metadata.attachments = attachments
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


@contextmanager
def _png_as_stored() -> Iterator[None]:
    """Pass the compressed pixels of plain 8-bit PNG files through instead of compressing them again.

    Ten times faster, and the bytes no longer depend on the zlib of the machine. It replaces a private method, so it
    does nothing where a later WeasyPrint has none.
    """
    original = getattr(RasterImage, "_get_png_data", None)
    if original is None:
        yield
        return

    def compressed(picture: Any) -> Any:
        stored = _pixels_of_png(picture) if picture.format == "PNG" and picture.mode in ("RGB", "L") else None
        return original(picture) if stored is None else stored

    RasterImage._get_png_data = staticmethod(compressed)
    try:
        yield
    finally:
        RasterImage._get_png_data = staticmethod(original)


@contextmanager
def _attached_as_stored() -> Iterator[None]:
    """Embed files that are compressed already as they are: a second compression takes a second for two photographs.

    It replaces a function that is not public, so it does nothing where a later WeasyPrint has none.
    """
    original = getattr(weasyprint.pdf, "write_pdf_attachment", None)
    if original is None:
        yield
        return

    def write(document: Any, attachment: Any, compress: bool) -> Any:
        packed = str(attachment.name).lower().endswith(_PACKED)
        return original(document, attachment, compress and not packed)

    weasyprint.pdf.write_pdf_attachment = write
    try:
        yield
    finally:
        weasyprint.pdf.write_pdf_attachment = original


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
