"""Reading files that others made: a regular file, so many bytes, valid text, JSON of bounded depth and finite numbers.

Evidence comes from the other side. A pipe never ends, `/dev/zero` never fills, a number of 400 digits overflows, a
list nested 200,000 deep exhausts the stack, a lone surrogate cannot be written again, and of two equal keys each reader
picks its own. Every file that this program did not just write goes through here, and whatever is wrong with it comes
out as one exception with a sentence, which the caller turns into its own error.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import zlib
from pathlib import Path
from typing import Any

KIB, MIB = 1 << 10, 1 << 20
DEPTH = 64
"""Levels of nesting; the deepest file the program writes has nine."""
VALUES = 4_000_000
"""Values in one document: a quarter of a gigabyte as Python objects."""
_LARGEST = 2**63
_CHUNK = 1 << 20


class Unreadable(ValueError):
    """Why a foreign file cannot be used: the rest of a sentence that begins with its name."""


def read(path: Path, limit: int) -> bytes:
    """All bytes of a regular file.

    Args:
        path: the file; a link is followed, what it leads to must be a regular file.
        limit: greatest number of bytes.

    Raises:
        Unreadable: no such file, no regular file, or larger than `limit`.
    """
    descriptor = opened(path)
    with os.fdopen(descriptor, "rb") as stream:
        size = os.fstat(descriptor).st_size
        if size > limit:
            raise Unreadable(f"has {size:,} bytes, more than the {limit:,} that such a file may have")
        try:
            data = stream.read(limit + 1)  # a file of /proc states no size, and a file can grow while it is read
        except OSError as exc:
            raise Unreadable(f"cannot be read: {exc.strerror or exc}") from exc
    if len(data) > limit:
        raise Unreadable(f"has more than the {limit:,} bytes that such a file may have")
    return data


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a regular file, read in blocks. Raises Unreadable."""
    with os.fdopen(opened(path), "rb") as stream:
        try:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise Unreadable(f"cannot be read: {exc.strerror or exc}") from exc


def opened(path: Path) -> int:
    """A descriptor of a regular file, opened for reading. Opening a pipe does not wait. Raises Unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as exc:  # ValueError: a name with a NUL
        raise Unreadable(f"cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("is not a regular file")
    return descriptor


def expanded(data: bytes, limit: int) -> bytes:
    """What gzip compressed, or the bytes as they are where it was not gzip.

    Args:
        data: a whole file.
        limit: greatest number of bytes after expansion: a few bytes can expand to more than memory holds.

    Raises:
        Unreadable: damaged, cut off, followed by something else, or larger than `limit`.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    expander = zlib.decompressobj(wbits=31)  # the gzip container
    try:
        found = expander.decompress(data, limit + 1)
    except zlib.error as exc:
        raise Unreadable(f"is damaged: {exc}") from exc
    if len(found) > limit:
        raise Unreadable(f"expands to more than the {limit:,} bytes that such a file may have")
    if not expander.eof or expander.unused_data:
        raise Unreadable("is cut off" if not expander.eof else "is followed by something else")
    return found


def resolved(path: Path) -> Path:
    """Where a path leads, through its links, as far as it can be followed.

    `Path.resolve` raises RuntimeError for links in a circle up to Python 3.12, and ValueError for a NUL: neither is an
    error here, for whoever opens the file is told what is wrong with it.
    """
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path.absolute()


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that no file system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def text(data: bytes) -> str:
    """Strict UTF-8. Raises Unreadable."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Unreadable(f"is not UTF-8 text: byte {exc.start} is {data[exc.start]:#04x}") from exc


def parse(data: bytes | str, *, depth: int = DEPTH, values: int = VALUES) -> Any:
    """A JSON document: bounded in depth and number of values, numbers finite, text that can be written again.

    Args:
        data: bytes in UTF-8, or text.
        depth: greatest number of levels.
        values: greatest number of values, names of keys included.

    Raises:
        Unreadable: not JSON, out of bounds, a number that is not finite or too large, a key given twice.
    """
    if isinstance(data, bytes):
        data = text(data)
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as exc:
        raise Unreadable(f"is nested deeper than {depth} levels") from exc
    except Unreadable:
        raise
    except ValueError as exc:
        raise Unreadable(f"is not valid JSON: {exc}") from exc
    _bounded(value, depth, values)
    return value


def read_json(path: Path, limit: int, *, depth: int = DEPTH, values: int = VALUES) -> Any:
    """`read` and `parse`. Raises Unreadable."""
    return parse(read(path, limit), depth=depth, values=values)


def finite(value: object) -> float:
    """A finite number from a JSON value: no text, no truth value. Raises Unreadable."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unreadable(f"states {_short(value)} where a finite number is needed")
    return float(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"gives the key {_short(twice)} twice")
    return made


def _constant(name: str) -> Any:
    raise Unreadable(f"holds {name}, which is not a finite number")


def _bounded(value: Any, depth: int, values: int) -> None:
    """Without recursion: the stack of the interpreter is not the bound."""
    level, count = [value], 0
    for _ in range(depth + 1):
        below: list[Any] = []
        count += len(level)
        if count > values:
            raise Unreadable(f"holds more than {values:,} values")
        for one in level:
            if isinstance(one, str):
                if not one.isascii():
                    _plain(one)
            elif isinstance(one, dict):
                below.extend(one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            else:
                _plain(one)
        if not below:
            return
        level = below
    raise Unreadable(f"is nested deeper than {depth} levels")


def _plain(one: Any) -> None:
    if isinstance(one, str):
        if not one.isascii():
            try:
                one.encode()
            except UnicodeEncodeError as exc:
                raise Unreadable("holds half of a surrogate pair, which is no text") from exc
    elif isinstance(one, float):
        if not math.isfinite(one):
            raise Unreadable("holds a number that is too large")
    elif isinstance(one, int) and not -_LARGEST <= one < _LARGEST:
        raise Unreadable("holds a number that is too large")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
