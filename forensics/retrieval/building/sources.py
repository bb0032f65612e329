"""What an index can be built from: a folder with captions in side files, a table of paths, or img2dataset's output.

Every source gives its entries in one fixed order, whatever the file system's. What cannot become an entry is an
`Excluded` with its reason, never silently left out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from forensics.errors import IndexError_
from forensics.retrieval.building.places import Place
from forensics.retrieval.readers.layout import Excluded

UNIT_ROWS = 256
"""Entries of one unit of a folder or table; of img2dataset's output a shard is a unit."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
_SIDE = (".json", ".txt")
_ALIASES = {
    "path": ("image_path", "path", "file", "file_name", "filename"),
    "caption": ("caption", "text", "title", "description"),
    "creator": ("creator", "artist", "author"),
    "training_id": ("training_id", "id", "key"),
    "sha256": ("sha256",),
    "url": ("url",),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "rights_holder": ("rights_holder", "copyright"),
    "fetched_at": ("fetched_at",),
    "repetitions": ("repetitions", "copies"),
}
"""Column names understood in tables and side files, the first one present wins."""


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


@dataclass(frozen=True, slots=True)
class Source:
    """A source opened for reading."""

    kind: str
    base: Path | None
    """Folder the entries' paths start from; none where it is not of this machine."""
    total: int
    units: tuple[Callable[[], Iterator[Entry | Excluded]], ...]
    """The source in pieces, each of which can be read for itself and again: what a build resumes and shares out by."""
    fingerprint: str
    """SHA-256 over names and sizes, or over the table: a build is resumed on the same source only."""

    @property
    def entries(self) -> Iterator[Entry | Excluded]:
        """All of it, in order."""
        for unit in self.units:
            yield from unit()


def open_source(
    source: Path | str,
    where: Mapping[str, frozenset[str]] | None = None,
    *,
    digests: str = "file",
    unit_rows: int = UNIT_ROWS,
) -> Source:
    """The source at this path.

    Args:
        source: a folder of pictures or one written by img2dataset, as a path or as the address of an object store;
            or the path of a table (CSV, TSV, Parquet, JSONL).
        where: for tables: keep the rows whose column holds one of these values.
        digests: for tables: what a column `sha256` is of. `file`: the very file named, which is then checked;
            `origin`: another form of the work, which is then only recorded.
        unit_rows: entries of one unit of a folder or table.

    Raises:
        IndexError_: nothing there, no pictures, or a table without a column of paths.
    """
    if "://" not in str(source):
        path = Path(source)
        if path.is_file() and path.suffix.lower() in TABLES:
            return _table(path, where or {}, unit_rows, downloaded=digests == "origin")
        if not path.is_dir():
            raise IndexError_(
                f"{source} is neither a folder nor a table.", hint=f"Give a folder or a file of {', '.join(TABLES)}."
            )
    if where:
        raise IndexError_("Rows can be chosen by column in a table only.", hint="Give a table instead of a folder.")
    place = Place(source)
    files = place.walk()
    shards = shard_names(files)
    return _img2dataset(place, files, shards) if shards else _folder(place, files, unit_rows)


def default_name(source: Path | str) -> str:
    """What a collection is called after its source."""
    return Path(str(source).rstrip("/")).stem


def _pick(row: Mapping[str, Any], field: str) -> str:
    for name in _ALIASES[field]:
        if row.get(name) not in (None, ""):
            return str(row[name])
    return ""


def _entry(
    path: str,
    row: Mapping[str, Any],
    read: Callable[[], bytes],
    *,
    downloaded: bool = False,
    in_folder: bool = True,
    shard: str = "",
    key: str = "",
) -> Entry:
    digest = _pick(row, "sha256").lower()
    times = _pick(row, "repetitions")
    return Entry(
        path=path,
        training_id=_pick(row, "training_id") or path,
        caption=_pick(row, "caption"),
        creator=_pick(row, "creator"),
        expected_sha256="" if downloaded else digest,
        source_sha256=digest if downloaded else "",
        url=_pick(row, "url"),
        licence=_pick(row, "licence"),
        read=read,
        in_folder=in_folder,
        licence_url=_pick(row, "licence_url"),
        rights_holder=_pick(row, "rights_holder"),
        fetched_at=_pick(row, "fetched_at"),
        shard=shard,
        key=key,
        repetitions=int(times) if times.isdigit() else None,
    )


def _slices(
    count: int, rows: int, read: Callable[[int, int], Iterator[Entry | Excluded]]
) -> tuple[Callable[[], Iterator[Entry | Excluded]], ...]:
    return tuple(partial(read, start, min(count, start + rows)) for start in range(0, count, rows))


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _folder(place: Place, files: Mapping[str, int], unit_rows: int) -> Source:
    names = [name for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES]
    if not names:
        raise IndexError_(f"{place} holds no pictures.", hint=f"Known suffixes: {', '.join(SUFFIXES)}.")
    side = {name for name in files if PurePosixPath(name).suffix in _SIDE}

    def read(start: int, stop: int) -> Iterator[Entry | Excluded]:
        for name in names[start:stop]:
            try:
                row = _side_files(place, name, side)
                # img2dataset writes these side files too; its digest is of the bytes before it resized them.
                downloaded = "original_width" in row
                yield _entry(
                    name, row, partial(place.read, name), downloaded=downloaded, in_folder=place.path is not None
                )
            except (OSError, ValueError) as exc:
                yield Excluded(name, f"its side file is not readable: {exc}")

    listed = ((name, files[name]) for name in names)
    units = _slices(len(names), unit_rows, read)
    return Source(
        _kind("folder with side files", place),
        place.path,
        len(names),
        units,
        _fingerprint("folder", unit_rows, *listed),
    )


def _kind(kind: str, place: Place) -> str:
    return kind if place.path is not None else f"{kind} at {place}"


def _side_files(place: Place, name: str, side: Collection[str]) -> dict[str, Any]:
    """What `<stem>.json` (an object) and `<stem>.txt` (the caption) say; the text file wins for the caption."""
    row: dict[str, Any] = {}
    if (beside := PurePosixPath(name).with_suffix(".json").as_posix()) in side:
        data = json.loads(place.read(beside).decode())
        if not isinstance(data, dict):
            raise ValueError(f"{PurePosixPath(beside).name} is not an object")
        row |= data
        row.pop("id", None)  # numbers there are seldom unique across folders; the path is
    if (beside := PurePosixPath(name).with_suffix(".txt").as_posix()) in side:
        row["caption"] = place.read(beside).decode().strip()
    return row


def _table(source: Path, where: Mapping[str, frozenset[str]], unit_rows: int, *, downloaded: bool) -> Source:
    rows = _read_table(source)
    for column in where:
        if rows and column not in rows[0]:
            raise IndexError_(f"{source} has no column {column!r}.", hint=f"Columns: {', '.join(rows[0])}.")
    rows = [row for row in rows if all(str(row.get(c)) in values for c, values in where.items())]
    if not rows:
        raise IndexError_(f"{source} has no rows to index.", hint="Check the table and the choice of rows.")
    if not any(name in rows[0] for name in _ALIASES["path"]):
        raise IndexError_(
            f"{source} has no column of picture paths.", hint=f"Name one of: {', '.join(_ALIASES['path'])}."
        )
    given = [_pick(row, "path") for row in rows]
    absolute = [os.path.abspath(source.parent / path) for path in given]  # noqa: PTH100 - keeps symbolic links as named
    folders = [str(Path(full).parent) for full, path in zip(absolute, given, strict=True) if path]
    base = Path(os.path.commonpath(folders)) if folders else source.parent

    def read(start: int, stop: int) -> Iterator[Entry | Excluded]:
        for number in range(start, stop):
            row, path, full = rows[number], given[number], absolute[number]
            if path:
                name = Path(full).relative_to(base).as_posix()
                yield _entry(name, row, Path(full).read_bytes, downloaded=downloaded)
            else:
                yield Excluded(f"row {number + 1}", "the row names no picture")

    chosen = "".join(f", rows with {c} {' or '.join(sorted(values))}" for c, values in sorted(where.items()))
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    units = _slices(len(rows), unit_rows, read)
    return Source(
        f"table {source.name}{chosen}", base, len(rows), units, _fingerprint("table", unit_rows, digest, chosen)
    )


def _read_table(source: Path) -> list[dict[str, Any]]:
    try:
        if source.suffix.lower() == ".parquet":
            return list(pq.read_table(source).to_pylist())
        with source.open(encoding="utf-8-sig", newline="") as stream:
            if source.suffix.lower() == ".jsonl":
                return [json.loads(line) for line in stream if line.strip()]
            return list(csv.DictReader(stream, delimiter="\t" if source.suffix.lower() == ".tsv" else ","))
    except (OSError, ValueError, pa.ArrowException, csv.Error) as exc:
        raise IndexError_(f"{source} is not a readable table: {exc}.", hint="Check its format and encoding.") from exc


def _img2dataset(place: Place, files: Mapping[str, int], shards: list[str]) -> Source:
    """Shards `00000.tar` or `00000/` beside `00000.parquet` (key, url, caption, status, sha256, ...)."""
    listings = {shard for shard in shards if f"{shard}.parquet" in files}
    packed = {shard for shard in shards if f"{shard}.tar" in files}
    loose = loose_pictures(files, shards)

    def read(shard: str) -> Iterator[Entry | Excluded]:
        with ExitStack() as stack:
            members = (
                stack.enter_context(packed_pictures(place, f"{shard}.tar"))
                if shard in packed
                else {key: (name, partial(place.read, name)) for key, name in loose[shard].items()}
            )
            rows = rows_by_key(place, shard) if shard in listings else {}
            for key in sorted(rows.keys() | members.keys()):
                row = rows.get(key, {})
                status = row.get("status", "success")
                if status != "success":
                    reason = row.get("error_message") or "no message"
                    yield Excluded(f"{shard}/{key}", f"img2dataset status {status!r}: {reason}")
                elif key not in members:
                    yield Excluded(f"{shard}/{key}", "listed by img2dataset, but the shard holds no picture")
                else:
                    name, bytes_of = members[key]
                    in_folder = shard not in packed and place.path is not None
                    yield _entry(
                        name, {"key": key} | row, bytes_of, downloaded=True, in_folder=in_folder, shard=shard, key=key
                    )

    units = tuple(partial(read, shard) for shard in shards)
    total = sum(_count(place, f"{shard}.parquet") for shard in sorted(listings))
    parts = (f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".parquet"))
    listed = ((name, files[name]) for name in parts if name in files)
    return Source(_kind("img2dataset output", place), place.path, total, units, _fingerprint("img2dataset", *listed))


def _count(place: Place, name: str) -> int:
    try:
        with place.open(name) as stream:
            return int(pq.read_metadata(stream).num_rows)
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{place}/{name} is not a readable table: {exc}.", hint="Obtain the shard again.") from exc


def shard_names(files: Iterable[str]) -> list[str]:
    """Shards of img2dataset's output, in order of their numbers."""
    found = {name.partition(".")[0] for name in files if re.fullmatch(r"\d+\.(tar|parquet)", name)}
    return sorted(found, key=lambda stem: (int(stem), stem))


def loose_pictures(files: Iterable[str], shards: Sequence[str]) -> dict[str, dict[str, str]]:
    """Pictures of shards that are folders: shard -> key -> name."""
    loose: dict[str, dict[str, str]] = {shard: {} for shard in shards}
    for name in files:
        folder, _, rest = name.partition("/")
        if folder in loose and rest and "/" not in rest and PurePosixPath(name).suffix.lower() in SUFFIXES:
            loose[folder][PurePosixPath(name).stem] = name
    return loose


def rows_by_key(place: Place, shard: str) -> dict[str, dict[str, Any]]:
    """What a shard's listing says, by key. Raises IndexError_ where it is not readable."""
    name = f"{shard}.parquet"
    try:
        with place.open(name) as stream:
            rows = pq.read_table(stream).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise IndexError_(f"{place}/{name} is not a readable table: {exc}.", hint="Obtain the shard again.") from exc
    return {str(row["key"]): row for row in rows if row.get("key") is not None}


Members = dict[str, tuple[str, Callable[[], bytes]]]
"""Pictures of a shard by key: (name below the source, how to read it)."""


@contextmanager
def packed_pictures(place: Place, name: str) -> Iterator[Members]:
    """Pictures of a tar file, to be read while it is open. Raises IndexError_ where it is not readable."""
    with ExitStack() as stack:
        archive, files = _archive(stack, place, name, "r")
        yield {
            inside.stem: (f"{name}/{inside.name}", partial(_extract, archive, member))
            for member, inside in files
            if inside.suffix.lower() in SUFFIXES
        }


def packed_places(place: Place, name: str) -> dict[str, tuple[int, int]]:
    """Where in a tar file its pictures lie, by key: (first byte, length). Raises as `packed_pictures` does."""
    with ExitStack() as stack:
        _, files = _archive(stack, place, name, "r:")  # in a compressed one places mean nothing
        return {
            inside.stem: (member.offset_data, member.size)
            for member, inside in files
            if inside.suffix.lower() in SUFFIXES and not member.issparse()
        }


def _archive(
    stack: ExitStack, place: Place, name: str, mode: Literal["r", "r:"]
) -> tuple[tarfile.TarFile, list[tuple[tarfile.TarInfo, PurePosixPath]]]:
    try:
        stream = stack.enter_context(place.open(name))
        archive = stack.enter_context(tarfile.open(fileobj=stream, mode=mode))  # noqa: SIM115 - closed by the stack
        return archive, [(m, PurePosixPath(m.name)) for m in archive.getmembers() if m.isfile()]
    except (OSError, tarfile.TarError) as exc:
        raise IndexError_(f"{place}/{name} is not a readable tar file: {exc}.", hint="Obtain the shard again.") from exc


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    if stream is None:
        raise OSError(f"{member.name} is not a file")
    return stream.read()
