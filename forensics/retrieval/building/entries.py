"""One picture of a source, not yet read, and a source opened for reading: what every kind of source gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from forensics.path_names import is_text, printable
from forensics.retrieval.readers.layout import Excluded
from forensics.retrieval.words import normalised, pick, picked

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".avif",
    ".jpe",
    ".jfif",
    ".jif",
    ".apng",
    ".dib",
    ".mpo",
    ".heic",
    ".heif",
    ".jxl",
)
"""Of files that are taken for pictures, in any case of letters."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a source, not yet read."""

    path: str
    """Relative to the source's `base`, with forward slashes."""
    training_id: str
    caption: str
    creator: str
    expected_sha256: str
    """Digest the source states for these very bytes; empty where it states none."""
    source_sha256: str
    """Digest the source states for an earlier form: img2dataset's, of the bytes as downloaded, before resizing."""
    url: str
    licence: str
    read: Callable[[], bytes]
    in_folder: bool = True
    """Whether `path` is a file below the source's base; otherwise a member of an archive."""
    licence_url: str = ""
    rights_holder: str = ""
    fetched_at: str = ""
    shard: str = ""
    key: str = ""
    repetitions: int | None = None
    """How often the source states that the image stood in the training set."""
    remarks: tuple[str, ...] = ()
    """What a reader should know of how the words were read; counted over the build."""


Unit = Callable[[], Iterator[Entry | Excluded]]


@dataclass(frozen=True, slots=True)
class Source:
    """A source opened for reading."""

    kind: str
    base: Path | None
    """Folder the entries' paths start from; none where it is not of this machine."""
    total: int
    """Entries as far as known before reading; 0 where the source does not say."""
    units: tuple[Unit, ...]
    """The source in pieces, each of which can be read for itself and again: what a build resumes and shares out by."""
    fingerprint: str
    """SHA-256 over names and sizes, or over the table: a build is resumed on the same source only."""
    not_looked_at: tuple[str, ...] = ()
    """Files that are neither pictures nor words about them, by kind: `3 files *.psd`."""

    @property
    def entries(self) -> Iterator[Entry | Excluded]:
        """All of it, in order."""
        for unit in self.units:
            yield from unit()


def is_picture(name: str) -> bool:
    """Whether a file is taken for a picture by its name. What systems put beside files (`._NAME`) is none."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry comes from."""

    path: str
    read: Callable[[], bytes]
    downloaded: bool = False
    """Whether a stated digest is of another form of the work than these bytes."""
    in_folder: bool = True
    shard: str = ""
    key: str = ""


def entry(origin: Origin, row: Mapping[str, Any], remarks: tuple[str, ...] = ()) -> Entry:
    """An entry from a row of words under any of their names."""
    words = normalised(row)
    if not is_text(origin.path):
        # Text columns hold text alone, so the picture is indexed and its place on disk is not.
        remarks = (*remarks, "name that is no UTF-8, so its path is not stored")
        origin = replace(origin, path=printable(origin.path), in_folder=False)
    caption, digest, times = picked(words, "caption"), pick(words, "sha256").lower(), pick(words, "repetitions")
    more = (caption.remark,) if caption.remark else ()
    return Entry(
        path=origin.path,
        training_id=pick(words, "training_id") or origin.path,
        caption=caption.text,
        creator=pick(words, "creator"),
        expected_sha256="" if origin.downloaded else digest,
        source_sha256=digest if origin.downloaded else "",
        url=pick(words, "url"),
        licence=pick(words, "licence"),
        read=origin.read,
        in_folder=origin.in_folder,
        licence_url=pick(words, "licence_url"),
        rights_holder=pick(words, "rights_holder"),
        fetched_at=pick(words, "fetched_at"),
        shard=printable(origin.shard),
        key=printable(origin.key),
        repetitions=int(times) if times.isdigit() else None,
        remarks=(*remarks, *more),
    )


def slices(count: int, rows: int, read: Callable[[int, int], Iterator[Entry | Excluded]]) -> tuple[Unit, ...]:
    """Pieces of so many rows."""
    return tuple(partial(read, start, min(count, start + rows)) for start in range(0, count, rows))


def fingerprint(*parts: object) -> str:
    """SHA-256 over what tells one source from another."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()
