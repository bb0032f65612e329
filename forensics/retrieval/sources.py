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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forensics.errors import IndexError_
from forensics.retrieval.layout import Excluded

UNIT_ROWS = 256
"""Entries of one unit of a folder or table; of img2dataset's output a shard is a unit."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
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
    base: Path
    """Folder the entries' paths start from."""
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
    source: Path,
    where: Mapping[str, frozenset[str]] | None = None,
    *,
    digests: str = "file",
    unit_rows: int = UNIT_ROWS,
) -> Source:
    """The source at this path.

    Args:
        source: a folder of pictures, a folder written by img2dataset, or a table (CSV, TSV, Parquet, JSONL).
        where: for tables: keep the rows whose column holds one of these values.
        digests: for tables: what a column `sha256` is of. `file`: the very file named, which is then checked;
            `origin`: another form of the work, which is then only recorded.
        unit_rows: entries of one unit of a folder or table.

    Raises:
        IndexError_: nothing there, no pictures, or a table without a column of paths.
    """
    if source.is_file() and source.suffix.lower() in TABLES:
        return _table(source, where or {}, unit_rows, downloaded=digests == "origin")
    if not source.is_dir():
        raise IndexError_(
            f"{source} is neither a folder nor a table.", hint=f"Give a folder or a file of {', '.join(TABLES)}."
        )
    if where:
        raise IndexError_("Rows can be chosen by column in a table only.", hint="Give a table instead of a folder.")
    shards = sorted(
        {p.stem for p in source.iterdir() if re.fullmatch(r"\d+\.(tar|parquet)", p.name)},
        key=lambda stem: (int(stem), stem),
    )
    return _img2dataset(source, shards) if shards else _folder(source, unit_rows)


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


def _folder(source: Path, unit_rows: int) -> Source:
    files = [p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    files.sort(key=lambda p: p.relative_to(source).as_posix())
    if not files:
        raise IndexError_(f"{source} holds no pictures.", hint=f"Known suffixes: {', '.join(SUFFIXES)}.")

    def read(start: int, stop: int) -> Iterator[Entry | Excluded]:
        for path in files[start:stop]:
            name = path.relative_to(source).as_posix()
            try:
                row = _side_file(path)
                # img2dataset writes these side files too; its digest is of the bytes before it resized them.
                yield _entry(name, row, path.read_bytes, downloaded="original_width" in row)
            except (OSError, ValueError) as exc:
                yield Excluded(name, f"its side file is not readable: {exc}")

    listed = ((p.relative_to(source).as_posix(), p.stat().st_size) for p in files)
    units = _slices(len(files), unit_rows, read)
    return Source("folder with side files", source, len(files), units, _fingerprint("folder", unit_rows, *listed))


def _side_file(path: Path) -> dict[str, Any]:
    """What `<stem>.json` (an object) and `<stem>.txt` (the caption) say; the text file wins for the caption."""
    row: dict[str, Any] = {}
    if (side := path.with_suffix(".json")).is_file():
        data = json.loads(side.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"{side.name} is not an object")
        row |= data
        row.pop("id", None)  # numbers there are seldom unique across folders; the path is
    if (side := path.with_suffix(".txt")).is_file():
        row["caption"] = side.read_text(encoding="utf-8").strip()
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


def _img2dataset(source: Path, shards: list[str]) -> Source:
    """Shards `00000.tar` or `00000/` beside `00000.parquet` (key, url, caption, status, sha256, ...)."""

    def read(shard: str) -> Iterator[Entry | Excluded]:
        members, close = _members(source, shard)
        packed = (source / f"{shard}.tar").is_file()
        try:
            rows = _rows_by_key(source / f"{shard}.parquet")
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
                    yield _entry(
                        name, {"key": key} | row, bytes_of, downloaded=True, in_folder=not packed, shard=shard, key=key
                    )
        finally:
            close()

    units = tuple(partial(read, shard) for shard in shards)
    total = sum(_count(source / f"{shard}.parquet") for shard in shards)
    parts = [source / f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".parquet")]
    listed = ((p.name, p.stat().st_size) for p in parts if p.is_file())
    return Source("img2dataset output", source, total, units, _fingerprint("img2dataset", *listed))


def _count(parquet: Path) -> int:
    if not parquet.is_file():
        return 0
    try:
        return int(pq.read_metadata(parquet).num_rows)
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{parquet} is not a readable table: {exc}.", hint="Obtain the shard again.") from exc


def _rows_by_key(parquet: Path) -> dict[str, dict[str, Any]]:
    if not parquet.is_file():
        return {}
    return {str(row["key"]): row for row in _read_table(parquet) if row.get("key") is not None}


def _members(source: Path, shard: str) -> tuple[dict[str, tuple[str, Callable[[], bytes]]], Callable[[], None]]:
    """Pictures of a shard by key: (path below the source, how to read it); and how to close it."""
    found: dict[str, tuple[str, Callable[[], bytes]]] = {}
    if (tar := source / f"{shard}.tar").is_file():
        try:
            archive = tarfile.open(tar)  # noqa: SIM115 - closed by the caller, after its members were read
            files = [m for m in archive.getmembers() if m.isfile()]
        except (OSError, tarfile.TarError) as exc:
            raise IndexError_(f"{tar} is not a readable tar file: {exc}.", hint="Obtain the shard again.") from exc
        for member in files:
            name = PurePosixPath(member.name)
            if name.suffix.lower() in SUFFIXES:
                found[name.stem] = (f"{shard}.tar/{name.name}", partial(_extract, archive, member))
        return found, archive.close
    for path in sorted((source / shard).glob("*")) if (source / shard).is_dir() else []:
        if path.suffix.lower() in SUFFIXES:
            found[path.stem] = (f"{shard}/{path.name}", path.read_bytes)
    return found, lambda: None


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    if stream is None:
        raise OSError(f"{member.name} is not a file")
    return stream.read()
