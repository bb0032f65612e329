"""What the program asks of the machine for files of its own: their digest, their writing, their date and their place.

Files that others made are opened through `foreign`; inputs whose digest a report names are hashed through `inputs`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from forensics.errors import SettingsError

PART = ".part"
"""End of the name of a file that is being written, after its own name and a number that no other writer has."""


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks. Raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that has its name only when all of it is there; several may write one file, the last one stays.

    The folder is made where it is missing. What is written is not flushed to the disk: whoever must know after a power
    cut compares a digest. Whatever ends the writing early leaves the file as it was.

    Raises:
        OSError: it cannot be written; nothing was changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{PART}")
    try:
        with part.open("xb") as stream:
            yield stream
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """`whole`, all at once. Raises OSError; nothing was changed."""
    with whole(path) as stream:
        stream.write(data)


def seal(folder: Path, name: str) -> None:
    """Write the digests of every file of a folder into it, as `sha256sum -c` reads them.

    Args:
        folder: searched with all folders below it.
        name: of the list, which does not list itself.

    Raises:
        OSError: a file cannot be read, or the list cannot be written.
    """
    named = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / name)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in named]
    write(folder / name, "".join(lines).encode())


def utc_now() -> str:
    """UTC, ISO 8601, whole seconds. `SOURCE_DATE_EPOCH` fixes it, for byte-identical repetition.

    Raises:
        SettingsError: the variable holds no number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch else dt.datetime.now(dt.UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise SettingsError(
            f"SOURCE_DATE_EPOCH is {epoch!r}, which is no number of seconds since 1970.",
            hint="Unset the variable, or give a whole number.",
        ) from exc
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def user_cache(name: str) -> Path:
    """The user's folder for files that can be made or fetched again: on Linux `$XDG_CACHE_HOME/forensics/NAME`, else
    `~/.cache/forensics/NAME`; where other systems keep such files, there."""
    import platformdirs  # a hundredth of a second, and few commands come here

    return platformdirs.user_cache_path("forensics", appauthor=False) / name


def user_config(name: str) -> Path:
    """A file of the user's configuration: on Linux `$XDG_CONFIG_HOME/forensics/NAME`, else `~/.config/forensics/NAME`;
    where other systems keep such files, there."""
    import platformdirs  # as above

    return platformdirs.user_config_path("forensics", appauthor=False) / name
