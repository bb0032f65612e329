"""One reading of what collections say about their pictures, for every reader: names of columns and values as text.

Captions become prompts, so a byte-order mark, a Python spelling of bytes or the word "nan" in them is an error of
evidence. Names are compared without regard to case, spaces, hyphens and marks of byte order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forensics.pictures.metadata import encodings

ALIASES = {
    "path": ("image_path", "path", "file", "file_name", "filename", "filepath", "image_file", "local_path"),
    "caption": (
        "caption",
        "text",
        "title",
        "description",
        "prompt",
        "top_caption",
        "txt",
        "alt",
        "alt_text",
        "tags",
        "tag_string",
    ),
    "creator": ("creator", "artist", "author", "artist_name", "photographer", "tag_string_artist"),
    "training_id": ("training_id", "id", "key", "image_id", "sample_id"),
    "sha256": ("sha256",),
    "url": ("url", "image_url", "img_url", "source_url"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "rights_holder": ("rights_holder", "copyright"),
    "fetched_at": ("fetched_at",),
    "repetitions": ("repetitions", "copies"),
}
"""Column names understood in tables, side files and metadata; the first one that holds something wins."""
_LISTS = frozenset({"tags", "tag_string", "creator", "artist", "author", "artist_name"})
"""Names whose lists are one statement; a list under another name holds alternatives."""
_NOTHING = frozenset({"", "nan", "none", "null", "n/a", "<na>", "undefined"})


@dataclass(frozen=True, slots=True)
class Value:
    """A value as text, and what was done to it."""

    text: str
    remark: str = ""


def key(name: object) -> str:
    """A column's name in the one form that names are compared in."""
    return str(name).strip(" \t\r\n\ufeff\"'").lower().replace(" ", "_").replace("-", "_")


def normalised(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its names in that form; of names that fall together the first that holds something stays."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name is not None and (key(name) not in found or plain(found[key(name)]) == ""):
            found[key(name)] = value
    return found


def plain(value: object) -> str:
    """A value as text: bytes decoded, nothing and NaN empty, no false fractions, one kind of line ends."""
    return valued(value).text


def valued(value: object, name: str = "") -> Value:
    """As `plain`, with what a reader should know about it.

    Args:
        value: of a cell or of a JSON document.
        name: of its column, in the form of `key`.
    """
    if value is None or isinstance(value, bool):
        return Value("" if value is None else str(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            return Value("")
        return Value(str(int(value)) if value == int(value) else repr(value))
    if isinstance(value, bytes | bytearray | memoryview):
        read = encodings.decoded(bytes(value), "UTF-8")
        return Value(_clean(read.value), read.code)
    if isinstance(value, Mapping):
        return next(
            (valued(value[n], name) for n in ("name", "text", "caption", "title", "value") if n in value), Value("")
        )
    if isinstance(value, list | tuple):
        parts = [part for part in (valued(one, name).text for one in value) if part]
        if name in _LISTS:
            return Value(", ".join(parts))
        remark = "several alternatives are stated; the first was taken" if len(parts) > 1 else ""
        return Value(parts[0] if parts else "", remark)
    return Value(_clean(str(value)))


def _clean(text: str) -> str:
    found = text.strip("\ufeff\0 \t\r\n").replace("\r\n", "\n").replace("\r", "\n").strip()
    return "" if found.lower() in _NOTHING else found


def pick(row: Mapping[str, Any], field: str) -> str:
    """What a row says of a field, by any of its names. The row has names in the form of `key`."""
    return picked(row, field).text


def picked(row: Mapping[str, Any], field: str) -> Value:
    """As `pick`, with what a reader should know about it."""
    values = (valued(row[name], name) for name in ALIASES[field] if name in row)
    return next((value for value in values if value.text), Value(""))
