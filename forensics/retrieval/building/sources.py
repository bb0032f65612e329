"""What an index can be built from: folders with side files, tables, tar files of samples, Parquet, img2dataset.

Every source gives its entries in one fixed order, whatever the file system's. What cannot become an entry is an
`Excluded` with its reason, and what is no picture is counted as not looked at: nothing is silently left out.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forensics import files
from forensics.errors import IndexError_
from forensics.path_names import entered, existing, printable
from forensics.retrieval.building import parquet_pictures
from forensics.retrieval.building.archives import (
    ARCHIVES,
    Sample,
    is_archive,
    packed_pictures,
    packed_places,
    samples,
    stem,
)
from forensics.retrieval.building.entries import SUFFIXES, Entry, Origin, Source, entry, fingerprint, is_picture, slices
from forensics.retrieval.building.places import Place
from forensics.retrieval.building.side_files import Side, delimiter, left_over
from forensics.retrieval.readers.layout import Excluded
from forensics.retrieval.words import ALIASES, key, normalised, pick, plain

__all__ = [
    "SUFFIXES",
    "TABLES",
    "UNIT_ROWS",
    "Entry",
    "Source",
    "default_name",
    "loose_pictures",
    "open_source",
    "packed_pictures",
    "packed_places",
    "rows_by_key",
    "shard_names",
]

UNIT_ROWS = 256
"""Entries of one unit of a folder or table; of tar files one is a unit, of Parquet files a row group."""
TABLES = (".csv", ".tsv", ".parquet", ".jsonl")


def open_source(
    source: Path | str,
    where: Mapping[str, frozenset[str]] | None = None,
    *,
    digests: str = "file",
    unit_rows: int = UNIT_ROWS,
) -> Source:
    """The source at this path.

    Args:
        source: a folder of pictures, tar files or Parquet files, or one written by img2dataset, as a path or as the
            address of an object store; or the path of a table (CSV, TSV, Parquet, JSONL) or of one tar file.
        where: for tables: keep the rows whose column holds one of these values.
        digests: for tables: what a column `sha256` is of. `file`: the very file named, which is then checked;
            `origin`: another form of the work, which is then only recorded.
        unit_rows: entries of one unit of a folder or table.

    Raises:
        IndexError_: nothing there, no pictures, or a table without a column of paths.
    """
    if "://" not in str(source):
        path = Path(source)
        if path.is_file() and (path.suffix.lower() in TABLES or is_archive(path.name)):
            return _file(path, where or {}, unit_rows, downloaded=digests == "origin")
        if not path.is_dir():
            raise IndexError_(
                f"{source} is neither a folder nor a table.",
                hint=f"Give a folder or a file of {', '.join((*TABLES, *ARCHIVES))}.",
            )
    if where:
        raise IndexError_("Rows can be chosen by column in a table only.", hint="Give a table instead of a folder.")
    place = Place(source)
    files = place.walk()
    return _folder_of(place, files, unit_rows)


def _file(path: Path, where: Mapping[str, frozenset[str]], unit_rows: int, *, downloaded: bool) -> Source:
    """One file as a source: a table, a tar file, or pictures in Parquet."""
    place = Place(path.parent)
    if is_archive(path.name):
        return _shards(place, {path.name: path.stat().st_size}, [stem(path.name)])
    if path.suffix.lower() == ".parquet" and parquet_pictures.holds_pictures(place, path.name):
        if where:
            raise IndexError_(
                "Rows of a file that holds pictures cannot be chosen by column.", hint="Filter the file beforehand."
            )
        sizes = {path.name: path.stat().st_size}
        return parquet_pictures.source(place, sizes, [path.name], f"pictures in {path.name}", ())
    return _table(path, where, unit_rows, downloaded=downloaded)


def _folder_of(place: Place, files: Mapping[str, int], unit_rows: int) -> Source:
    tables = [
        name for name in files if name.lower().endswith(".parquet") and not PurePosixPath(name).name.startswith("._")
    ]
    packed = [name for name in files if is_archive(name)]
    full = [name for name in tables if parquet_pictures.holds_pictures(place, name)]
    if full and not packed:
        rest = left_over(files, Side(place), frozenset(full))
        return parquet_pictures.source(place, files, full, _kind("pictures in Parquet files", place), rest)
    numbered = shard_names(files)
    if packed or numbered:
        names = sorted({*numbered, *(stem(name) for name in packed)}, key=_shard_order)
        return _shards(place, files, names)
    return _folder(place, files, unit_rows)


def default_name(source: Path | str) -> str:
    """What a collection is called after its source."""
    return Path(str(source).rstrip("/")).stem


def _kind(kind: str, place: Place) -> str:
    return kind if place.path is not None else f"{kind} at {place}"


# Folders


def _folder(place: Place, files: Mapping[str, int], unit_rows: int) -> Source:
    names = [name for name in files if is_picture(name)]
    try:
        side = Side.of(place, files)
    except (OSError, ValueError) as exc:
        raise IndexError_(f"A table of words in {place} is not readable: {exc}.", hint="Repair or remove it.") from exc
    rest = left_over(files, side, frozenset(names))
    if not names:
        said = f" It holds {', '.join(rest)}." if rest else ""
        raise IndexError_(f"{place} holds no pictures.{said}", hint=f"Known suffixes: {', '.join(SUFFIXES)}.")

    def read(start: int, stop: int) -> Iterator[Entry | Excluded]:
        for name in names[start:stop]:
            try:
                words = side.of_picture(name)
            except (OSError, ValueError) as exc:
                yield Excluded(printable(name), f"its side file is not readable: {exc}")
                continue
            # img2dataset writes these side files too; its digest is of the bytes before it resized them.
            origin = Origin(
                name, partial(place.read, name), "original_width" in words.row, in_folder=place.path is not None
            )
            yield entry(origin, words.row, words.remarks)

    listed = ((name, files[name]) for name in names)
    units = slices(len(names), unit_rows, read)
    return Source(
        _kind("folder with side files", place),
        place.path,
        len(names),
        units,
        fingerprint("folder", unit_rows, *listed),
        rest,
    )


# Tables


def _table(source: Path, where: Mapping[str, frozenset[str]], unit_rows: int, *, downloaded: bool) -> Source:
    rows = [normalised(row) for row in _read_table(source)]
    for column in where:
        if rows and key(column) not in rows[0]:
            raise IndexError_(f"{source} has no column {column!r}.", hint=f"Columns: {', '.join(rows[0])}.")
    rows = [row for row in rows if all(plain(row.get(key(c))) in values for c, values in where.items())]
    if not rows:
        raise IndexError_(f"{source} has no rows to index.", hint="Check the table and the choice of rows.")
    if not any(name in row for row in rows[:1] for name in ALIASES["path"]):
        raise IndexError_(
            f"{source} has no column of picture paths; it has {', '.join(rows[0])[:300]}.",
            hint=f"Name one of: {', '.join(ALIASES['path'])}.",
        )
    given = [pick(row, "path") for row in rows]
    absolute = [str(existing(_named(path, source.parent))) for path in given]
    folders = [str(Path(full).parent) for full, path in zip(absolute, given, strict=True) if path]
    base = Path(os.path.commonpath(folders)) if folders else source.parent

    def read(start: int, stop: int) -> Iterator[Entry | Excluded]:
        for number in range(start, stop):
            row, path, full = rows[number], given[number], absolute[number]
            if path:
                name = Path(full).relative_to(base).as_posix()
                yield entry(Origin(name, Path(full).read_bytes, downloaded), row)
            else:
                yield Excluded(f"row {number + 1}", "the row names no picture")

    chosen = "".join(f", rows with {c} {' or '.join(sorted(values))}" for c, values in sorted(where.items()))
    digest = files.sha256(source)
    units = slices(len(rows), unit_rows, read)
    return Source(
        f"table {source.name}{chosen}", base, len(rows), units, fingerprint("table", unit_rows, digest, chosen)
    )


def _named(path: str, folder: Path) -> Path:
    """The path that a row of a table in this folder means, absolute, links kept."""
    return Path(os.path.abspath(folder / entered(path, folder)))  # noqa: PTH100


def _read_table(source: Path) -> list[dict[str, Any]]:
    suffix = source.suffix.lower()
    try:
        if suffix == ".parquet":
            return list(pq.read_table(source).to_pylist())
        text = source.read_bytes().decode("utf-8-sig")
        if suffix == ".jsonl":
            # Lines end at line feeds alone: a JSON text may hold other separators of lines.
            return [_object(json.loads(line)) for line in text.split("\n") if line.strip()]
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter(text), skipinitialspace=True))
    except UnicodeDecodeError as exc:
        code = "UTF-16" if source.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff") else "no UTF-8"
        raise IndexError_(
            f"{source} is not a readable table: its text is {code}.", hint="Save it as UTF-8 and give it again."
        ) from exc
    except (OSError, ValueError, pa.ArrowException, csv.Error, RecursionError) as exc:
        raise IndexError_(f"{source} is not a readable table: {exc}.", hint="Check its format and encoding.") from exc


def _object(parsed: object) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise ValueError("a line is not an object")
    return parsed


# Tar files, and img2dataset's output


def _shards(place: Place, files: Mapping[str, int], shards: list[str]) -> Source:
    """Tar files or folders of samples, with img2dataset's listings (key, url, caption, status, sha256, ...) beside."""
    listings = {shard for shard in shards if f"{shard}.parquet" in files}
    packed = {shard: name for shard in shards for s in ARCHIVES if (name := f"{shard}{s}") in files}
    loose = loose_pictures(files, shards)
    ours = {f"{s}.parquet" for s in listings} | set(packed.values())
    ours |= {name for shard in shards for name in files if name.startswith(f"{shard}/")}
    rest = left_over(files, Side(place), frozenset({*ours, *(f"{s}_stats.json" for s in shards)}))

    def read(shard: str) -> Iterator[Entry | Excluded]:
        with ExitStack() as stack:
            if shard in packed:
                members = stack.enter_context(samples(place, packed[shard]))
            else:
                members = _loose(place, loose[shard], [n for n in files if n.startswith(f"{shard}/")])
            rows = rows_by_key(place, shard) if shard in listings else {}
            for one in sorted(rows.keys() | members.keys()):
                yield from _sample(shard, one, rows.get(one), members.get(one), place, packed=shard in packed)

    units = tuple(partial(read, shard) for shard in shards)
    total = sum(_count(place, f"{shard}.parquet") for shard in sorted(listings))
    parts = (f"{shard}{suffix}" for shard in shards for suffix in (*ARCHIVES, ".parquet"))
    listed = ((name, files[name]) for name in parts if name in files)
    kind = "img2dataset output" if listings else "tar files of samples"
    return Source(_kind(kind, place), place.path, total, units, fingerprint("img2dataset", *listed), rest)


def _loose(place: Place, pictures: Mapping[str, str], names: Iterable[str]) -> dict[str, Sample]:
    """The pictures of a shard that is a folder, with their side files."""
    side = Side.of(place, names)
    found = {}
    for one, name in pictures.items():
        sample = Sample(name, partial(place.read, name))
        try:
            words = side.of_picture(name)
            sample.row, sample.remarks = dict(words.row), list(words.remarks)
        except (OSError, ValueError) as exc:
            sample.unreadable = f"its side file is not readable: {exc}"
        found[one] = sample
    return found


def _sample(
    shard: str, one: str, listed: Mapping[str, Any] | None, sample: Sample | None, place: Place, *, packed: bool
) -> Iterator[Entry | Excluded]:
    row = normalised(listed or {})
    status = plain(row.get("status")) or "success"
    if status != "success":
        reason = plain(row.get("error_message")) or "no message"
        yield Excluded(f"{shard}/{one}", f"img2dataset status {status!r}: {reason}")
    elif sample is None:
        yield Excluded(f"{shard}/{one}", "listed by img2dataset, but the shard holds no picture")
    elif sample.nothing:
        yield Excluded(printable(f"{shard}/{one}"), printable(sample.nothing))
    elif sample.unreadable and not row:
        yield Excluded(f"{shard}/{one}", sample.unreadable)
    else:
        for name in sample.more:
            yield Excluded(f"{shard}/{name}", "a further picture of a sample, of which one is taken")
        origin = Origin(
            sample.name,
            sample.read,
            downloaded=True,
            in_folder=not packed and place.path is not None,
            shard=shard,
            key=one,
        )
        words = {n: v for n, v in sample.row.items() if plain(v)} | {n: v for n, v in row.items() if plain(v)}
        # Keys are unique in img2dataset's output; in other archives a shard may begin again at zero.
        words.setdefault("key", one if listed is not None or re.fullmatch(r"\d{9,}", one) else f"{shard}/{one}")
        yield entry(origin, words, tuple(sample.remarks))


def _count(place: Place, name: str) -> int:
    try:
        with place.open(name) as stream:
            return int(pq.read_metadata(stream).num_rows)
    except (OSError, pa.ArrowException) as exc:
        raise IndexError_(f"{place}/{name} is not a readable table: {exc}.", hint="Obtain the shard again.") from exc


def _shard_order(name: str) -> tuple[str, int, str]:
    number = re.search(r"(\d+)$", name)
    return name[: number.start()] if number else name, int(number[1]) if number else -1, name


def shard_names(files: Iterable[str]) -> list[str]:
    """Shards of img2dataset's output, in order of their numbers."""
    found = {name.partition(".")[0] for name in files if re.fullmatch(r"\d+\.(tar|parquet)", name)}
    return sorted(found, key=lambda stem: (int(stem), stem))


def loose_pictures(files: Iterable[str], shards: Sequence[str]) -> dict[str, dict[str, str]]:
    """Pictures of shards that are folders: shard -> key -> name."""
    loose: dict[str, dict[str, str]] = {shard: {} for shard in shards}
    for name in files:
        folder, _, rest = name.partition("/")
        if folder in loose and rest and "/" not in rest and is_picture(name):
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
