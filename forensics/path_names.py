"""Names of files as text: a name is bytes, and need be neither UTF-8 nor short nor free of control characters."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

LONGEST = 255
"""Bytes of one name on the file systems in use."""
_HERE = Path()
_DRIVE = re.compile(r"([A-Za-z]):[\\/]+")
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


def entered(text: str, base: Path = _HERE) -> str:
    r"""The path meant by what a person pasted or dragged in, where a shell did not get to read it.

    In a file that names others, relative paths count from `base`, the folder of that file.

    Quotes around it are taken off, `file://` addresses are read, `~` is the home folder. A name with backslashes before
    its blanks, with Windows' separators, or with a drive letter under Windows' subsystem for Linux (`C:\a` is
    `/mnt/c/a`) is understood where it leads to something that exists. What exists as it is written is never changed,
    and neither is an address of another scheme.
    """

    def lies(path: str) -> bool:
        return os.path.lexists(base / path)

    if not text or lies(text):
        return text
    path = _home(_local(_unquoted(text)))
    if lies(path):
        return path
    found = next(filter(lies, _readings(path)), None)
    if found is not None or path.isascii() or "://" in path or not is_text(path) or "\0" in path:
        return found or path
    other = spelt(base / path)
    if other is None:
        return path
    return str(other if Path(path).is_absolute() else other.relative_to(base))


def entered_before_colon(text: str, base: Path = _HERE) -> str:
    """As `entered`, for a path that a strength or a word may follow behind a colon: `FILE:0.8`."""
    whole = entered(text, base)
    head, colon, rest = text.rpartition(":")
    if not colon or os.path.lexists(base / whole):
        return whole
    path = entered(head, base)
    inside = _unquoted(text).rpartition(":") if text != _unquoted(text) else None
    if inside is not None and os.path.lexists(base / entered(inside[0], base)):  # the quotes are around both
        path, rest = entered(inside[0], base), inside[2]
    return f"{path}:{rest}" if os.path.lexists(base / path) else whole


def existing(path: Path) -> Path:
    """The file that a row of a table names, written with backslashes or in another form of the same letters perhaps;
    else the path as named."""
    forms = [path, path.parent / Path(*path.name.split("\\"))] if "\\" in path.name else [path]
    found = (one for form in forms if (one := form if there(form) else spelt(form)) is not None)
    return next(found, path)


def spelt(path: Path) -> Path | None:
    """The file whose name has the same letters in another form of Unicode, step by step; none where there is none."""
    found, parts = Path(path.anchor), path.parts[1:] if path.anchor else path.parts
    for part in parts:
        step = found / part
        if not there(step):
            wanted = unicodedata.normalize("NFC", part)
            try:
                same = sorted(p for p in found.iterdir() if unicodedata.normalize("NFC", p.name) == wanted)
            except OSError:
                return None
            if not same:
                return None
            step = same[0]
        found = step
    return found


def there(path: Path) -> bool:
    """Whether there is such a file or folder; a name that no file system takes is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or with a NUL
        return False


def _unquoted(text: str) -> str:
    inner = text.strip()
    return inner[1:-1] if len(inner) > 2 and inner[0] == inner[-1] and inner[0] in "\"'" else text


def _local(text: str) -> str:
    """The path of a `file:` address of this machine; anything else as it came."""
    if not text.lower().startswith("file:"):
        return text
    # Late: the module is heavy, and most command lines name no address.
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    # `#` and `?` are letters of file names here: programs that drag do not always encode them.
    parts = urlsplit(text.replace("#", "%23").replace("?", "%3F"))
    if parts.netloc.lower() in ("", "localhost"):
        return url2pathname(parts.path)
    return url2pathname(f"//{parts.netloc}{parts.path}") if os.name == "nt" else text


def _home(path: str) -> str:
    return str(Path(path).expanduser()) if re.match(r"~(?:[/\\]|$)", path) else path


def _readings(path: str) -> tuple[str, ...]:
    """Other ways to read a path on a system that separates names by a slash."""
    if os.name == "nt" or ("\\" not in path and not _DRIVE.match(path)):
        return ()
    slashed = path.replace("\\", "/")
    mounted = _DRIVE.sub(lambda drive: f"/mnt/{drive[1].lower()}/", slashed, count=1)
    return re.sub(r"\\(.)", r"\1", path), slashed, mounted


def folder_stem(path: Path) -> str:
    """The name of a file without its suffix as the beginning of a folder's name: no dash in front, for commands would
    take it for an option, and nothing that a terminal would act on."""
    stem = os.fsencode(path.stem).decode("utf-8", "replace").replace("\ufffd", "_")
    stem = _DIRECTION.sub("_", "".join(c if c.isprintable() else "_" for c in stem))
    return stem.strip().lstrip("-") or "image"


def _has_bytes(name: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in name)
