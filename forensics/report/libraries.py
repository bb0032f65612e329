"""The libraries of the system that lay out the pages: their versions here, and those that a document states.

Another release of them can break a line or a page elsewhere. So the case states those of the examination, every
document those that drew it, and `forensics verify` compares them with those at hand before it judges a page.
"""

from __future__ import annotations

import ctypes
import io
import re
from collections.abc import Callable, Mapping
from importlib import metadata

import pikepdf

from forensics.case import Case, Fact

WEASYPRINT, PANGO, HARFBUZZ, FREETYPE, FONTCONFIG = "WeasyPrint", "Pango", "HarfBuzz", "FreeType", "fontconfig"
NAMES = (WEASYPRINT, PANGO, HARFBUZZ, FREETYPE, FONTCONFIG)
"""In the order in which they are named."""
_DRAWN = "; drawn with "
_ABSENT = "not found"
_FILES = {
    PANGO: ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0-0.dll"),
    HARFBUZZ: ("libharfbuzz.so.0", "libharfbuzz.0.dylib", "libharfbuzz-0.dll"),
    FREETYPE: ("libfreetype.so.6", "libfreetype.6.dylib", "libfreetype-6.dll"),
    FONTCONFIG: ("libfontconfig.so.1", "libfontconfig.1.dylib", "libfontconfig-1.dll"),
}
"""Names under Linux, macOS and Windows; what WeasyPrint has loaded is found again under the same name."""


def here() -> dict[str, str]:
    """Library -> its version on this machine; `not found` for one that is not there."""
    try:
        found = {WEASYPRINT: metadata.version("weasyprint")}
    except metadata.PackageNotFoundError:
        found = {WEASYPRINT: _ABSENT}
    return found | {name: _version(name) for name in _FILES}


def facts() -> tuple[Fact, ...]:
    """For the environment of a case, which names WeasyPrint among the packages."""
    return tuple(Fact(name, version) for name, version in here().items() if name != WEASYPRINT)


def marked(program: str) -> str:
    """What a document states as the program that made it, with the libraries that drew it."""
    return f"{program}{_DRAWN}{said(here())}"


def said(versions: Mapping[str, str]) -> str:
    """The versions as a list of words, in the order of `NAMES`."""
    return ", ".join(f"{name} {versions[name]}" for name in NAMES if name in versions)


def stated(document: bytes, case: Case) -> dict[str, str]:
    """The libraries that drew a document: as it states them itself, and where it does not, as its case does.

    What a document states of itself anybody can write; it decides which comparison is made, never what passes as equal.
    """
    rows = {fact.name.lower(): fact.value for fact in case.environment}
    found = {name: rows[name.lower()] for name in NAMES if name.lower() in rows}
    try:
        with pikepdf.open(io.BytesIO(document)) as pdf:
            _, mark, listed = str(pdf.docinfo.get("/Creator", "")).partition(_DRAWN)
    except (pikepdf.PdfError, ValueError, TypeError, AttributeError):
        return found
    named = re.findall(rf"({'|'.join(NAMES)}) ([0-9][0-9A-Za-z.+~-]{{0,30}})", listed) if mark else []
    return found | dict(named)


def differing(there: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The libraries whose versions are other ones here: those that are stated, and those of this machine."""
    now = here()
    names = [name for name, version in there.items() if now.get(name) not in (version, _ABSENT)]
    return {name: there[name] for name in names}, {name: now[name] for name in names}


def _version(name: str) -> str:
    for file in _FILES[name]:
        try:
            return _ASKED[name](ctypes.CDLL(file))
        except (OSError, AttributeError):
            continue
    return _ABSENT


def _text(function: str) -> Callable[[ctypes.CDLL], str]:
    def asked(library: ctypes.CDLL) -> str:
        entry = getattr(library, function)
        entry.restype, entry.argtypes = ctypes.c_char_p, []
        return str(entry().decode("ascii"))

    return asked


def _freetype(library: ctypes.CDLL) -> str:
    handle, parts = ctypes.c_void_p(), [ctypes.c_int() for _ in range(3)]
    if library.FT_Init_FreeType(ctypes.byref(handle)) != 0:
        raise OSError("FreeType does not start")
    try:
        library.FT_Library_Version(handle, *map(ctypes.byref, parts))
    finally:
        library.FT_Done_FreeType(handle)
    return ".".join(str(part.value) for part in parts)


def _fontconfig(library: ctypes.CDLL) -> str:
    number = int(library.FcGetVersion())
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


_ASKED: dict[str, Callable[[ctypes.CDLL], str]] = {
    PANGO: _text("pango_version_string"),
    HARFBUZZ: _text("hb_version_string"),
    FREETYPE: _freetype,
    FONTCONFIG: _fontconfig,
}
