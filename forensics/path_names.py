"""Names of files as text: a name is bytes, and need be neither UTF-8 nor short nor free of control characters."""

from __future__ import annotations

import os
import re
from pathlib import Path

LONGEST = 255
"""Bytes of one name on the file systems in use."""
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def printable(name: str) -> str:
    r"""Text that can be encoded: bytes of a name that are no UTF-8 become `\xfc`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace") if _has_bytes(name) else name


def is_text(name: str) -> bool:
    """Whether a name is UTF-8."""
    return not _has_bytes(name)


def too_long(path: Path) -> str:
    """The part of a path that no file system in use takes, printable; empty where there is none."""
    return next((printable(part) for part in path.parts if len(os.fsencode(part)) > LONGEST), "")


def folder_stem(path: Path) -> str:
    """The name of a file without its suffix as the beginning of a folder's name: no dash in front, for commands would
    take it for an option, and nothing that a terminal would act on."""
    stem = os.fsencode(path.stem).decode("utf-8", "replace").replace("\ufffd", "_")
    stem = _DIRECTION.sub("_", "".join(c if c.isprintable() else "_" for c in stem))
    return stem.strip().lstrip("-") or "image"


def _has_bytes(name: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in name)
