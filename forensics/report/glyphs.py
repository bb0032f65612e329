"""Text from a case may hold any character; the page has the bundled typefaces and those kept with the case.

A character that none of them holds, or that steers the text invisibly (control, direction, private use), is written as
[U+XXXX]: a fallback typeface would differ from machine to machine, and a direction mark can disguise a file name. Words
that run from right to left are isolated, so that they reorder nothing beside them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

_RARE = re.compile(r"[^\t\n\x20-\x7e\xa0-\xac\xae-\xff–—‘’“”…−×\u202f]")
_RIGHT_TO_LEFT = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
_BACKWARD = re.compile(rf"{_RIGHT_TO_LEFT}(?:[^A-Za-z<>&\[\]\n“”\"']{{0,400}}{_RIGHT_TO_LEFT})?", re.DOTALL)
"""From the first to the last letter of a run, with the spaces, digits and marks between."""
_PARTS = re.compile(r"(<style.*?</style>|<script.*?</script>|<svg.*?</svg>|<title>.*?</title>|<[^>]*>)", re.DOTALL)
_JOINED = frozenset("\u200c\u200d")
_JOINING = range(0x0600, 0x1000)
"""Scripts in which an invisible joiner is part of the spelling: from Arabic to Myanmar's neighbours."""


@lru_cache(maxsize=2)
def _covered(fonts: Path) -> frozenset[int]:
    maps = [frozenset(TTFont(path, lazy=True).getBestCmap()) for path in sorted(fonts.glob("*.ttf"))]
    return frozenset.intersection(*maps)


def covered(code: int, fonts: Path) -> bool:
    """Whether every bundled typeface holds a code point."""
    return not _RARE.match(chr(code)) or code in _covered(fonts)


def steers(character: str) -> bool:
    """Whether a character acts without being seen, or has no meaning that others share."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs")


def escape(text: str, fonts: Path, also: frozenset[int] = frozenset()) -> str:
    """The text with every character that cannot be printed faithfully written as [U+XXXX].

    Args:
        text: any.
        fonts: folder of the bundled typefaces.
        also: code points that typefaces kept with the case hold.
    """

    def printable(found: re.Match[str]) -> str:
        character = found.group()
        if not steers(character) and (ord(character) in _covered(fonts) or ord(character) in also):
            return character
        if character in _JOINED and ord(character) in also and _joins(text, found.start()):
            return character
        return f"[U+{ord(character):04X}]"

    return _RARE.sub(printable, text)


def _joins(text: str, place: int) -> bool:
    around = (text[place - 1 : place], text[place + 1 : place + 2])
    return any(one and ord(one) in _JOINING for one in around) and all(not one or not one.isascii() for one in around)


def page(html: str, fonts: Path, also: frozenset[int]) -> str:
    """As `escape`, for a page: words between the tags that run from right to left are isolated by an element.

    Drawings keep the code points, for they are drawn with the bundled typefaces alone.
    """
    if not also:
        return escape(html, fonts)
    parts = _PARTS.split(html)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = escape(part, fonts, frozenset() if part.startswith(("<svg", "<style", "<script")) else also)
        else:
            parts[number] = _BACKWARD.sub(r"<bdi>\g<0></bdi>", escape(part, fonts, also))
    return "".join(parts)


def isolated(text: str, fonts: Path, also: frozenset[int]) -> str:
    """As `escape`, for text that stands alone: words from right to left between Unicode's marks of isolation."""
    return _BACKWARD.sub("\u2068\\g<0>\u2069", escape(text, fonts, also))
