"""What an examination was given is what it used: inputs are remembered when they are hashed, and compared at the end.

Weights are hashed when a checkpoint is identified and read into memory minutes later. Whoever exchanges a file in
between would have the report name the first one and measure the second. So every digest taken while `watching` lasts is
remembered with the file's identity on the disk (device, inode, size, times). Before and after a file is read it is
compared, and when the measurements are made each file is hashed once more; a difference ends the examination. Changed
times are changed by every writing, also by one that puts the first bytes back.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from forensics import files, foreign
from forensics.errors import CheckpointError, ForensicsError

_TREE = 200_000
"""Files of an index that are watched one by one."""
_P = ParamSpec("_P")
_R = TypeVar("_R")
_HINT = "Keep every input still during the run, and start it again."


@dataclass(frozen=True, slots=True)
class Stamp:
    """The identity of a file on the disk at one moment."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """None where there is no such file."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Seen:
    """One input, as it was when it was remembered."""

    sha256: str
    """Empty for a file whose identity alone is compared."""
    stamp: Stamp | None
    kind: type[ForensicsError]


@dataclass(slots=True)
class Watch:
    """The inputs of one examination."""

    _files: dict[Path, Seen] = field(default_factory=dict)
    _gathering: list[set[Path]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._files)

    def file(self, path: Path, sha256: str, kind: type[ForensicsError] = CheckpointError) -> None:
        """Remember a file whose bytes were hashed.

        Raises:
            ForensicsError: of `kind`; it was hashed before with another result.
        """
        place = path.absolute()
        before = self._files.get(place)
        if before is not None and before.sha256 and before.sha256 != sha256:
            raise _changed(path, kind)
        if before is None or not before.sha256:
            self._files[place] = Seen(sha256, Stamp.of(path), kind)
        self._told(place)

    def tree(self, folder: Path, kind: type[ForensicsError]) -> None:
        """Remember the identity of every file in a folder: for inputs too large to be read twice."""
        for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
            if number == _TREE:
                return
            self._files.setdefault(path.absolute(), Seen("", Stamp.of(path), kind))
            self._told(path.absolute())

    @contextlib.contextmanager
    def gathered(self) -> Iterator[dict[Path, Seen]]:
        """The inputs that are named while it lasts, known before or not; filled when it ends."""
        found: dict[Path, Seen] = {}
        named: set[Path] = set()
        self._gathering.append(named)
        try:
            yield found
        finally:
            self._gathering.pop()  # what gathers within it has ended: the last is this one
            found |= {place: self._files[place] for place in named}

    def again(self, inputs: Mapping[Path, Seen]) -> bool:
        """Remember inputs of an earlier examination without reading them again.

        Returns:
            Whether each of them is the very file that it was. Where one is not, none is remembered.

        Raises:
            ForensicsError: one was hashed in this examination already, with another result.
        """
        if any(Stamp.of(place) != seen.stamp for place, seen in inputs.items()):
            return False
        for place, seen in inputs.items():
            before = self._files.get(place)
            if before is not None and before.sha256 and seen.sha256 and before.sha256 != seen.sha256:
                raise _changed(place, seen.kind)
            if before is None or not before.sha256:
                self._files[place] = seen
            self._told(place)
        return True

    def _told(self, place: Path) -> None:
        for named in self._gathering:
            named.add(place)

    def unmoved(self, path: Path) -> None:
        """Compare one file that is about to be read, or was just read; one never seen is passed.

        Raises:
            ForensicsError: it is another file than the one that was hashed.
        """
        if (seen := self._files.get(path.absolute())) is not None and Stamp.of(path) != seen.stamp:
            _compare(path, seen)

    def check(self) -> None:
        """Compare every input with what it was, by its digest where one was taken.

        Raises:
            ForensicsError: of the kind of the first input that is another one now.
        """
        for path, seen in sorted(self._files.items()):
            _compare(path, seen)


_CURRENT: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("inputs", default=None)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Remember every digest that `hashed` is told of while it lasts."""
    watch = Watch()
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        _CURRENT.reset(token)


def watched(examination: Callable[_P, _R]) -> Callable[_P, _R]:
    """An examination whose inputs are watched from its first line to its last."""

    @functools.wraps(examination)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with watching():
            return examination(*args, **kwargs)

    return run


@contextlib.contextmanager
def gathered() -> Iterator[dict[Path, Seen]]:
    """The inputs that are named while it lasts, for `again`; filled when it ends. Outside of an examination as well."""
    watch = _CURRENT.get()
    if watch is not None:
        with watch.gathered() as found:
            yield found
        return
    with watching() as own, own.gathered() as found:
        yield found


def again(inputs: Mapping[Path, Seen]) -> bool:
    """As `Watch.again`; outside of an examination nothing is remembered."""
    watch = _CURRENT.get()
    return (watch if watch is not None else Watch()).again(inputs)


def check() -> None:
    """Compare every input of the examination that goes on. Raises as `Watch.check`."""
    if (watch := _CURRENT.get()) is not None:
        watch.check()


def tree(folder: Path, kind: type[ForensicsError]) -> None:
    """Remember a folder too large to be read twice, as `Watch.tree`."""
    if (watch := _CURRENT.get()) is not None and folder.is_dir():
        watch.tree(folder, kind)


def sha256(path: Path, kind: type[ForensicsError]) -> str:
    """Hexadecimal SHA-256 of an input, remembered as by `hashed`.

    Raises:
        OSError: it cannot be read.
        ForensicsError: of this kind, as `Watch.file`.
    """
    found = files.sha256(path)
    hashed(path, found, kind)
    return found


def hashed(path: Path, sha256: str, kind: type[ForensicsError] = CheckpointError) -> None:
    """To be told by whatever hashes an input. Raises as `Watch.file`."""
    if (watch := _CURRENT.get()) is not None:
        watch.file(path, sha256, kind)


def unmoved(*paths: Path) -> None:
    """To be called before and after an input is read. Raises as `Watch.unmoved`."""
    if (watch := _CURRENT.get()) is not None:
        for path in paths:
            watch.unmoved(path)


def _compare(path: Path, seen: Seen) -> None:
    if not seen.sha256:
        if Stamp.of(path) != seen.stamp:
            raise _changed(path, seen.kind)
        return
    try:
        found = foreign.sha256(path)
    except foreign.Unreadable as exc:
        raise _changed(path, seen.kind) from exc
    if found != seen.sha256 or _replaced(path, seen):
        raise _changed(path, seen.kind)


def _replaced(path: Path, seen: Seen) -> bool:
    """Whether the file was written or exchanged meanwhile, though its bytes are the first ones again."""
    now = Stamp.of(path)
    if now is None or seen.stamp is None:
        return True
    # A change of rights or of the number of names alone sets the time of change and nothing else; an exchange forth and
    # back by renaming does so too. What was read in between cannot be told, so both are refused.
    return now != seen.stamp


def _changed(path: Path, kind: type[ForensicsError]) -> ForensicsError:
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    return kind(
        f"{name} changed after it was hashed ({path.parent}): what was measured may not be what the report would name. "
        "No case was frozen.",
        hint=_HINT,
    )
