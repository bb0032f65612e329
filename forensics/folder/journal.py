"""Several files of a case folder changed together or not at all, and by one program at a time.

All new files are written beside the old ones under the suffix `.part` and flushed to the disk. Then a journal is
written that lists them with their digests, and only then is each moved to its name. Whatever stops the program, the
folder can be brought to one of two states: with the journal there, the moves are finished; without it, the parts are
removed. A full disk is met while the parts are written, when nothing has been touched yet.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from forensics import files, foreign
from forensics.errors import CaseError
from forensics.files import PART
from forensics.folder.layout import CASE, UNFINISHED
from forensics.folder.unfinished import is_unfinished

JOURNAL = "changes.journal"
_HEAD = "changes of a case folder, all written; to be moved into place"
_LIMIT, _CASE_LIMIT = 4 * foreign.MIB, 256 * foreign.MIB


def write_file(path: Path, data: bytes) -> None:
    """One file, whole or not at all.

    Raises:
        CaseError: it cannot be written; nothing was changed.
    """
    try:
        files.write(path, data)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def prepare(path: Path, data: bytes) -> Path:
    """The bytes of a file beside its place, on the disk; `settle` moves them there. Raises CaseError."""
    part = part_of(path)
    try:
        _flushed(part, data)
    except OSError as exc:
        _gone(part)
        raise _unwritable(path, exc) from exc
    return part


def settle(part: Path, path: Path) -> None:
    """Move what `prepare` wrote to its place. Raises CaseError."""
    try:
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def part_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(path.name + PART)


def change(folder: Path, files: Mapping[str, bytes], removed: tuple[str, ...] = ()) -> None:
    """Write files of a folder so that all of them are there, or none.

    Args:
        folder: the case folder.
        files: name relative to the folder, with forward slashes -> bytes.
        removed: names that are to go.

    Raises:
        CaseError: something cannot be written; nothing was changed.
    """
    parts = {name: folder / (name + PART) for name in files}
    current = folder
    try:
        for name, part in parts.items():
            current = folder / name
            current.parent.mkdir(parents=True, exist_ok=True)
            _flushed(part, files[name])
        lines = [_HEAD, *(f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in files.items())]
        lines += [f"{'-' * 64}  {name}" for name in removed]
        current = folder / JOURNAL
        journal = folder / (JOURNAL + PART)
        _flushed(journal, ("\n".join(lines) + "\n").encode())
        journal.replace(current)
    except OSError as exc:
        for part in (*parts.values(), folder / (JOURNAL + PART)):
            _gone(part)
        raise _unwritable(current, exc) from exc
    recover(folder)


def recover(folder: Path) -> bool:
    """Finish or undo what an interrupted program left; whether there was anything.

    Raises:
        CaseError: the folder cannot be written to.
    """
    found = leftovers(folder)
    journal = folder / JOURNAL
    try:
        for digest, name in _listed(journal):
            target, part = folder / name, folder / (name + PART)
            if digest.startswith("-"):
                target.unlink(missing_ok=True)
            elif part.is_file() and hashlib.sha256(part.read_bytes()).hexdigest() == digest:
                part.replace(target)  # else it was moved before the interruption, or the manifest will tell
        journal.unlink(missing_ok=True)
        for name in leftovers(folder):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # no such folder, a link, or one that still holds something
            (folder / UNFINISHED).rmdir()
        _flush_folder(folder)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    return bool(found)


def leftovers(folder: Path) -> list[str]:
    """Names of what an interrupted program left in the folder: the journal, parts, and the results of stages beside a
    case that is frozen; in order."""
    place = folder / UNFINISHED
    there = place.is_dir() and not place.is_symlink() and not _goes_on(folder)
    kept = [p.relative_to(folder).as_posix() for p in place.iterdir() if p.is_file()] if there else []
    names = sorted({*parts(folder), *kept})
    return [JOURNAL, *names] if (folder / JOURNAL).is_file() else names


def parts(folder: Path) -> list[str]:
    """Names of files that were only half written, in order."""
    found = (p for p in folder.rglob(f"*{PART}") if p.is_file() and not p.is_symlink())
    return sorted(p.relative_to(folder).as_posix() for p in found)


def _goes_on(folder: Path) -> bool:
    """Whether the folder holds an examination that did not end, whose results of stages are still needed."""
    try:
        return is_unfinished(foreign.read_json(folder / CASE, _CASE_LIMIT))
    except foreign.Unreadable:
        return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """For as long as it lasts no other program of this kind writes to the folder, wherever it is moved meanwhile.

    The lock is on the folder itself, so that it needs no file in it, and ends with the program however that ends. On a
    file system without locks nothing is locked.

    Raises:
        CaseError: another program holds the lock.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise CaseError(
                f"Another run is writing to {folder} at this moment; nothing was changed.",
                hint="Wait until it has ended, or choose another folder.",
            ) from exc
        return None
    return descriptor


def hold(folder: Path) -> int | None:
    """As `locked`, until `release` or the end of the program."""
    return _lock(folder)


def release(descriptor: int | None) -> None:
    """End what `hold` began."""
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _listed(journal: Path) -> list[tuple[str, str]]:
    """What a journal lists: digest and name. A journal in another form is none: the parts are then removed."""
    if not journal.is_file():
        return []
    try:
        lines = foreign.text(foreign.read(journal, _LIMIT)).splitlines()
    except foreign.Unreadable:
        return []
    rows = [(digest, name) for digest, _, name in (line.partition("  ") for line in lines[1:])]
    return rows if lines[:1] == [_HEAD] and all(_inside(journal.parent, name) for _, name in rows) else []


def _inside(folder: Path, name: str) -> bool:
    """Nothing is moved or removed outside the folder, not through a link either: a journal can be forged."""
    plain = name and not PurePosixPath(name).is_absolute() and ".." not in name.split("/") and "\0" not in name
    return bool(plain) and foreign.resolved((folder / name).parent).is_relative_to(foreign.resolved(folder))


def _flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """So that the moves survive a power cut; not every file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _gone(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _unwritable(path: Path, exc: OSError) -> CaseError:
    return CaseError(
        f"{path} cannot be written: {exc.strerror or exc}.", hint="Free some space, or check the permissions."
    )
