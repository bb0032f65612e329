"""What makes a table citable: a snapshot names one version of it and every file of that version with its digest.

    URI/images.lance/           the table; Lance keeps every version until it is told to forget it
    URI/snapshots/<tag>.json    one snapshot each: files, digests, models, coverage
    URI/excluded/<tag>.jsonl    what the source listed and the table does not hold, each with its reason

Lance stores no checksums, its tags can be moved, and its indexes are not built reproducibly; the digests here cover the
files that were really used. Left out are the two places that change without the version changing: the hint for the
newest version, and the tags themselves, which are compared instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from forensics import foreign
from forensics.case import FileDigest
from forensics.errors import IndexError_
from forensics.retrieval.base import Column
from forensics.retrieval.building.files import Files
from forensics.retrieval.readers.layout import Excluded
from forensics.schema import of_kinds

SCHEMA = 2
TABLE = "images.lance"
SNAPSHOTS = "snapshots"
REBUILD = "Obtain the index again from its source, or build it again; a damaged index is not searched."


@dataclass(frozen=True, slots=True)
class Approximate:
    """An approximate index over one column: for looking around, never for a report."""

    column: str
    name: str
    kind: str
    partitions: int
    sub_vectors: int
    nprobes: int
    """Partitions read for a query unless another number is given."""
    refine: int
    """How many times k rows are compared again with their stored vectors."""
    trained_with: str
    """What made the centroids, from how many rows, with which seed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One citable state of an index."""

    name: str
    tag: str
    version: int
    """Of the table."""
    count: int
    dense: bool
    """Whether row ids are 0, 1, 2, ... in the order of the table, so that a row is found by place."""
    fragments: int
    columns: tuple[Column, ...]
    built: str
    """UTC, ISO 8601."""
    coverage: str
    source: str
    pictures: str
    """Folder the rows' picture paths start from, relative to the index folder; it alone may lead upwards."""
    excluded: int
    excluded_file: str
    files: tuple[FileDigest, ...]
    rows_digest: str
    tool: str
    libraries: tuple[str, ...]
    made_by: str
    """How the vectors were computed: device, threads, pictures in one pass."""
    ann: tuple[Approximate, ...] = ()
    metric: str = "cosine"
    schema: int = SCHEMA

    @property
    def root(self) -> str:
        """SHA-256 over (path, size, SHA-256) of every file, sorted by path."""
        lines = sorted(f"{f.path}\0{f.size_bytes}\0{f.sha256}\n" for f in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 over everything the snapshot states."""
        return hashlib.sha256(_canonical(asdict(self))).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(f.size_bytes for f in self.files)

    def column(self, name: str) -> Column | None:
        """The column of this name, if there is one."""
        return next((c for c in self.columns if c.name == name), None)

    def to_bytes(self) -> bytes:
        """Canonical JSON with its own digest and the root beside it."""
        return _canonical(asdict(self) | {"digest": self.digest, "root": self.root})


def _canonical(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode()


def exists(files: Files) -> bool:
    """Whether there is a snapshot here at all."""
    return any(n.endswith(".json") for n in files.names(SNAPSHOTS))


def tags(files: Files) -> list[str]:
    """Tags of all snapshots, sorted."""
    return [n.removesuffix(".json") for n in files.names(SNAPSHOTS) if n.endswith(".json")]


def read(files: Files, at: str | None = None) -> Snapshot:
    """The snapshot with this tag, or the one of the highest version.

    Raises:
        IndexError_: none, no such tag, or one that is not readable or not what it was.
    """
    known = tags(files)
    if not known:
        raise IndexError_(f"{files.uri} holds no snapshot.", hint="Make one with `forensics index build`.")
    if at is not None and at not in known:
        raise IndexError_(f"{files.uri} has no snapshot {at!r}.", hint=f"There are: {', '.join(known)}.")
    chosen = [_read(files, tag) for tag in ([at] if at is not None else known)]
    return max(chosen, key=lambda s: (s.version, s.tag))


def _read(files: Files, tag: str) -> Snapshot:
    name = f"{SNAPSHOTS}/{tag}.json"
    try:
        data = foreign.parse(files.read(name))
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this version reads {SCHEMA}")
        stated, root = data.pop("digest"), data.pop("root")
        data["columns"] = tuple(Column(**c) for c in data["columns"])
        data["files"] = tuple(FileDigest(**f) for f in data["files"])
        data["ann"] = tuple(Approximate(**a) for a in data["ann"])
        data["libraries"] = tuple(data["libraries"])
        snapshot = Snapshot(**data)
        of_kinds(snapshot, "the snapshot")
        if (stated, root) != (snapshot.digest, snapshot.root):
            raise ValueError("its contents differ from the digest it carries")
        if snapshot.tag != tag:
            raise ValueError(f"it says that it is {snapshot.tag!r}")
        for file in snapshot.files:
            path = PurePosixPath(file.path)
            if path.is_absolute() or ".." in path.parts or not {"\\", "\0"}.isdisjoint(file.path):
                raise ValueError(f"{file.path!r} leads out of the folder")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IndexError_(f"{files.uri}/{name} is not a readable snapshot: {exc}.", hint=REBUILD) from exc
    return snapshot


def check_tag(tag: str) -> None:
    """Raises IndexError_ where a tag is not made of letters, digits, points, dashes and underscores."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", tag):
        raise IndexError_(
            f"{tag!r} is not a tag.",
            hint="Use letters, digits, points, dashes and underscores.",
        )


def write(files: Files, snapshot: Snapshot, excluded: Sequence[Excluded]) -> Snapshot:
    """Store what was left out and the snapshot itself; the snapshot as stored."""
    name = f"excluded/{snapshot.tag}.jsonl"
    text = "".join(json.dumps(asdict(e), ensure_ascii=False, sort_keys=True) + "\n" for e in excluded)
    files.write(name, text.encode())
    stored = replace(
        snapshot,
        excluded=len(excluded),
        excluded_file=name,
        files=tuple(sorted((*snapshot.files, files.digest(name)), key=lambda f: f.path)),
    )
    files.write(f"{SNAPSHOTS}/{snapshot.tag}.json", stored.to_bytes())
    return stored


def check_sizes(files: Files, snapshot: Snapshot) -> None:
    """Raises IndexError_ naming the first file that is missing or has another size."""
    for file in snapshot.files:
        size = files.size(file.path)
        if size is None:
            raise IndexError_(f"{files.uri}/{file.path} is missing.", hint=REBUILD)
        if size != file.size_bytes:
            raise IndexError_(
                f"{files.uri}/{file.path} has {size} bytes; the snapshot states {file.size_bytes}.", hint=REBUILD
            )


def check_digests(files: Files, snapshot: Snapshot) -> None:
    """Read every file. Raises IndexError_ naming the first one that differs."""
    check_sizes(files, snapshot)
    for file in snapshot.files:
        if files.digest(file.path).sha256 != file.sha256:
            raise IndexError_(f"{files.uri}/{file.path} differs from the digest in the snapshot.", hint=REBUILD)
