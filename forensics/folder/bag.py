"""A folder as a BagIt bag (RFC 8493), with the same bytes every time: no clock, names in order.

`data/` is the evidence, fixed once the case is frozen; beside it lie the documents made from it (report, viewer,
signature, custody log) as tag files. Two manifests in the form of GNU coreutils cover one each, and the second the
first: `sha256sum -c manifest-sha256.txt` and `sha256sum -c tagmanifest-sha256.txt` check everything.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from forensics import foreign
from forensics.errors import VerificationError

DATA = "data"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
PAYLOAD = "manifest-sha256.txt"
TAGS = "tagmanifest-sha256.txt"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
RESTORE = "Restore the folder from its archive."
_LIMIT = 16 * foreign.MIB
_NAME, _PATH = 255, 4096
"""Bytes of one name and of a path that common systems accept."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder; links are named and never followed."""

    files: tuple[str, ...]
    """Regular files, relative, with forward slashes, in order."""
    other: tuple[tuple[str, str], ...]
    """Everything that is neither a regular file nor a folder of such: name, and what it is."""


def contents(folder: Path) -> Contents:
    """Everything in a folder, to any depth."""
    files: list[str] = []
    other: list[tuple[str, str]] = []
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            found = sorted(os.scandir(folder / inside), key=lambda e: e.name)
        except OSError as exc:
            other.append((shown(inside or "."), f"a folder that cannot be read ({exc.strerror})"))
            continue
        if not found and inside:
            other.append((shown(inside), "an empty folder"))
        for entry in found:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if entry.is_symlink():
                other.append((shown(name), "a link to another place"))
            elif entry.is_dir(follow_symlinks=False):
                pending.append(name)
            elif entry.is_file(follow_symlinks=False):
                files.append(name)
            else:
                other.append((shown(name), _kind(entry)))
    return Contents(tuple(sorted(files)), tuple(sorted(other)))


def files(folder: Path) -> list[str]:
    """Every regular file of the folder, with forward slashes, in order."""
    return list(contents(folder).files)


def shown(name: str) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def manifests(folder: Path, names: Iterable[str], new: Mapping[str, bytes], facts: Facts) -> dict[str, bytes]:
    """Declaration, description and both manifests, as they should be once `new` is written; nothing is written here.

    Args:
        folder: the case folder.
        names: files already there that belong to the bag; those that are made here need not be among them.
        new: files about to be written, name -> bytes.
        facts: lines of `bag-info.txt`; the size of the payload is added.
    """
    made = (DECLARATION, INFO, PAYLOAD, TAGS)
    listed = sorted({*names, *new} - {*made})
    payload = [name for name in listed if name.startswith(f"{DATA}/")]
    octets = sum(len(new[n]) if n in new else (folder / n).stat().st_size for n in payload)
    lines = [(k, v) for k, v in facts if k != "Payload-Oxum"] + [("Payload-Oxum", f"{octets}.{len(payload)}")]
    digests = {n: hashlib.sha256(new[n]).hexdigest() if n in new else foreign.sha256(folder / n) for n in listed}
    result = {
        DECLARATION: DECLARED,
        INFO: "".join(f"{k}: {_one_line(v)}\n" for k, v in lines).encode(),
        PAYLOAD: form({name: digests[name] for name in payload}),
    }
    tags = {name: digests[name] for name in listed if not name.startswith(f"{DATA}/")}
    tags |= {name: hashlib.sha256(data).hexdigest() for name, data in result.items()}
    return {**result, TAGS: form(dict(sorted(tags.items())))}


Facts = tuple[tuple[str, str], ...]


def described(folder: Path) -> Facts:
    """The lines of `bag-info.txt`. Raises VerificationError."""
    try:
        lines = foreign.text(foreign.read(folder / INFO, _LIMIT)).split("\n")
    except foreign.Unreadable as exc:
        raise VerificationError(f"{INFO} {exc}.", hint=RESTORE) from exc
    return tuple((key, value.strip()) for key, _, value in (line.partition(":") for line in lines if line))


def form(stated: Mapping[str, str]) -> bytes:
    """A manifest as bytes."""
    return "".join(f"{digest}  {name}\n" for name, digest in stated.items()).encode()


def read(folder: Path, manifest: str) -> dict[str, str]:
    """Name -> digest as a manifest states it. Raises VerificationError for one that is not in the form of `form`."""
    try:
        data = foreign.read(folder / manifest, _LIMIT)
        lines = foreign.text(data).split("\n")
    except foreign.Unreadable as exc:
        raise VerificationError(
            f"{manifest} cannot be read: it {exc}.", hint="Name a folder that forensics made."
        ) from exc
    if b"\r\n" in data:
        raise VerificationError(
            f"{manifest} has changed line ends: a program wrote CR LF instead of LF on the way.", hint=RESTORE
        )
    stated: dict[str, str] = {}
    for number, line in enumerate(lines[:-1], 1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or not _inside(name, manifest == PAYLOAD):
            raise VerificationError(f"{manifest}, line {number} is not a digest and a name.", hint=RESTORE)
        stated[name] = digest
    if form(stated) != data:  # repeated names, a last line without its end
        raise VerificationError(f"{manifest} is not in the form it was written in.", hint=RESTORE)
    return stated


def _inside(name: str, payload: bool) -> bool:
    """Whether it is the name of a file in the folder, in the half that the manifest covers, spelt in the one way."""
    path = PurePosixPath(name)
    plain = bool(name) and name.isprintable() and path.as_posix() == name and not path.is_absolute()
    short = len(name.encode()) <= _PATH and all(len(part.encode()) <= _NAME for part in path.parts)
    return plain and short and ".." not in path.parts and bool(path.parts) and (path.parts[0] == DATA) == payload


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return "something that cannot be examined"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _one_line(text: str) -> str:
    return " ".join(text.split())
