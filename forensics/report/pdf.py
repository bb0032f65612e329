"""Pages from HTML with WeasyPrint, as tagged PDF/A-3a with the case attached.

WeasyPrint's defaults lose evidence in silence: a missing picture is only logged, image names depend on the folder,
attachment dates on the clock. Here every address is served from memory under one virtual host, everything else stops
the rendering, and any warning is an error.
"""

from __future__ import annotations

import gc
import logging
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

import weasyprint
from weasyprint.images import RasterImage
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from forensics import resources
from forensics.errors import RenderingError

HOST = "https://report.invalid/"
"""Reserved by RFC 2606: it can never resolve, and it is the same for every folder."""

_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".css": "text/css", ".ttf": "font/ttf"}


class _Handed(URLFetcher):
    """Serves the bytes it was handed and nothing else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(allowed_protocols=(), allow_redirects=False, fail_on_errors=True)
        self._files = files

    def fetch(self, url: str, headers: Any = None) -> Any:
        name = url.removeprefix(HOST)
        if not url.startswith(HOST) or name not in self._files:
            raise FatalURLFetchingError(f"the report refers to {url!r}, which it was not handed")
        kind = next((t for suffix, t in _TYPES.items() if name.endswith(suffix)), "application/octet-stream")
        return URLFetcherResponse(url, self._files[name], {"Content-Type": kind})


def write(
    html: str, pictures: Mapping[str, bytes], *, record: bytes, created: str, paper: Literal["A4", "Letter"] = "A4"
) -> bytes:
    """The PDF. `pictures` maps addresses in the HTML to bytes, `record` is attached as case.json.

    Raises RenderingError where anything was missing or WeasyPrint warned.
    """
    folder = resources.templates()
    files = dict(pictures)
    files["report.css"] = (folder / "report.css").read_bytes()
    files |= {f"fonts/{path.name}": path.read_bytes() for path in sorted((folder / "fonts").glob("*.ttf"))}
    moment = datetime.fromisoformat(created)  # attachments default to now, in local time marked as UTC
    attachment = weasyprint.Attachment(
        string=record,
        name="case.json",
        description="The case in full: every statement of this report derives from it.",
        created=moment,
        modified=moment,
        relationship="Source",
    )
    complaints: list[str] = []
    try:
        with _strict(complaints), _png_as_stored(), _rare_collection():
            document = weasyprint.HTML(string=html, base_url=HOST, url_fetcher=_Handed(files)).render(
                stylesheets=[weasyprint.CSS(string=f"@page {{ size: {paper} }}")]
            )
            document.metadata.attachments = [attachment]
            data = document.write_pdf(pdf_variant="pdf/a-3a")
    except FatalURLFetchingError as exc:  # a BaseException: it would pass every `except Exception`
        raise RenderingError(f"The report could not be drawn: {exc}.") from exc
    families = sorted({font.family.strip('"') for font in document.fonts.values()})
    complaints += [f"typeface {f!r} is not one of the bundled ones" for f in families if not f.startswith("Source ")]
    if complaints:
        raise RenderingError(
            f"The report was not drawn completely: {complaints[0]}.",
            hint=f"{len(complaints)} warnings in all; no report was written.",
        )
    return bytes(data)


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
