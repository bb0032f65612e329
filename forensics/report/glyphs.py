"""Text from a case may hold any character; the page has only the bundled typefaces.

A character that one of them lacks, or that steers the text invisibly (control, direction, private use), is written as
[U+XXXX]: a fallback typeface would differ from machine to machine, and a direction mark can disguise a file name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

_RARE = re.compile(r"[^\t\n\x20-\x7e\xa0-\xac\xae-\xff–—‘’“”…−×\u202f]")


@lru_cache(maxsize=2)
def _covered(fonts: Path) -> frozenset[int]:
    maps = [frozenset(TTFont(path, lazy=True).getBestCmap()) for path in sorted(fonts.glob("*.ttf"))]
    return frozenset.intersection(*maps)


def escape(text: str, fonts: Path) -> str:
    """The text with every character that cannot be printed faithfully written as [U+XXXX]."""

    def printable(found: re.Match[str]) -> str:
        character = found.group()
        steering = unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs")
        if not steering and ord(character) in _covered(fonts):
            return character
        return f"[U+{ord(character):04X}]"

    return _RARE.sub(printable, text)
