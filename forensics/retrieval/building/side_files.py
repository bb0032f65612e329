"""Words beside pictures: `NAME.txt`, `NAME.caption`, `NAME.json`, `NAME.png.txt`, `metadata.jsonl`, `captions.json`.

Trainers, downloaders and hubs each have a custom of their own; all are looked for at once. Of several, a text file wins
for the caption over a JSON file, and that over a table for the whole folder.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forensics.pictures.metadata import encodings
from forensics.retrieval.building.entries import is_picture
from forensics.retrieval.building.places import Place
from forensics.retrieval.words import ALIASES, key, normalised, pick, valued

TEXTS = (".txt", ".caption", ".cap", ".text")
_OBJECTS = (".json",)
_DELIMITERS = ",;\t|"
TABLES = (
    *("metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.parquet", "metadata.json"),
    *("captions.json", "captions.jsonl", "captions.csv", "meta_cap.json", "meta_clean.json", "meta_lat.json"),
)
"""Words for all pictures of a folder, as the hubs for data sets and trainers keep them."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was found beside one picture."""

    row: dict[str, Any]
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Side:
    """The side files of a folder and of those below it."""

    place: Place
    files: dict[str, str] = field(default_factory=dict)
    """Name in lower case -> name."""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the tables: path of a picture in lower case -> its row."""
    tables: set[str] = field(default_factory=set)
    """Tables that name a picture."""

    @classmethod
    def of(cls, place: Place, names: Iterable[str]) -> Side:
        """Find the side files, and read the tables. Raises ValueError where a table is not readable."""
        found, names = cls(place), list(names)
        pictures = {n.rpartition(".")[0].lower() for n in names if is_picture(n)}
        for name in names:
            path = PurePosixPath(name)
            beside = path.suffix.lower() == ".json" and name.rpartition(".")[0].lower() in pictures
            if path.name.lower() in TABLES and not beside:
                found._table(name)
            elif path.suffix.lower() in (*TEXTS, *_OBJECTS) and not path.name.startswith("._"):
                found.files.setdefault(name.lower(), name)
        return found

    def knows(self, name: str) -> bool:
        """Whether a file is one of words."""
        path = PurePosixPath(name)
        return name.lower() in self.files or name in self.tables or path.name.lower() in TABLES

    def of_picture(self, name: str) -> Words:
        """The words about a picture. Raises OSError and ValueError where a side file is not readable."""
        stem, whole = PurePosixPath(name).with_suffix("").as_posix().lower(), name.lower()
        row: dict[str, Any] = dict(self.rows.get(whole) or self.rows.get(stem, {}))
        remarks: list[str] = []
        for suffix in _OBJECTS:
            for beside in (f"{stem}{suffix}", f"{whole}{suffix}"):
                if beside in self.files:
                    row |= document(self.place.read(self.files[beside]), self.files[beside])
                    row.pop("id", None)  # numbers there are seldom unique across folders; the path is
        for suffix in TEXTS:
            for beside in (f"{stem}{suffix}", f"{whole}{suffix}"):
                if beside in self.files:
                    text, remark = caption(self.place.read(self.files[beside]))
                    if text:
                        row["caption"] = text
                    if remark:
                        remarks.append(remark)
        return Words(row, tuple(remarks))

    def _table(self, name: str) -> None:
        data = self.place.read(name)
        text = "" if name.lower().endswith(".parquet") else encodings.decoded(data, "UTF-8").value
        if name.lower().endswith(".parquet"):
            try:
                rows = pq.read_table(pa.BufferReader(data)).to_pylist()
            except pa.ArrowException as exc:
                raise ValueError(f"{name}: {exc}") from exc
        elif name.lower().endswith(".jsonl"):
            # Lines end at line feeds alone: a JSON text may hold other separators of lines.
            parsed = (_parsed(line) for line in text.split("\n") if line.strip())
            rows = [one for one in parsed if isinstance(one, dict)]
        elif name.lower().endswith(".json"):
            rows = _listed(_parsed(text.strip("\ufeff")))
        else:
            stream = io.StringIO(text, newline="")
            try:
                rows = list(csv.DictReader(stream, delimiter=delimiter(text), skipinitialspace=True))
            except csv.Error as exc:  # no ValueError, unlike every other complaint about a text
                raise ValueError(f"{name}: {exc}") from exc
        for row in rows:
            words = normalised(row)
            if path := pick(words, "path"):
                words = {n: v for n, v in words.items() if n not in ("file_name", "path", "file")}
                self.rows[(PurePosixPath(name).parent / path).as_posix().lower()] = words
                self.tables.add(name)


def _listed(parsed: Any) -> list[dict[str, Any]]:
    """Rows of a JSON document: a list of them; pictures and sentences about them apart, as COCO has them; or captions,
    or objects, by the name of their picture, with its suffix or without, as trainers write."""
    if isinstance(parsed, list):
        rows = [row for row in parsed if isinstance(row, dict)]
        return [{"file_name": row["image"]} | row if isinstance(row.get("image"), str) else row for row in rows]
    if not isinstance(parsed, dict):
        return []
    images, sentences = parsed.get("images"), parsed.get("annotations")
    if isinstance(images, list) and isinstance(sentences, list):
        said: dict[str, Any] = {}
        for one in sentences:
            if isinstance(one, dict) and "caption" in one:
                said.setdefault(str(one.get("image_id")), one["caption"])
        kept = [row for row in images if isinstance(row, dict)]
        return [{"file_name": row.get("file_name"), "caption": said.get(str(row.get("id")), "")} for row in kept]
    return [
        {**(value if isinstance(value, dict) else {"caption": value}), "file_name": _below(name)}
        for name, value in parsed.items()
        if isinstance(value, dict | str | list)
    ]


def _below(name: str) -> str:
    """A path of the machine that wrote the table, as one from the folder of the table on."""
    path = name.replace("\\", "/")
    return path.rsplit("/", 1)[-1] if path.startswith("/") or path[1:3] == ":/" else path


def delimiter(text: str) -> str:
    """What stands between the columns: the sign under which the first line names a column of paths, or most columns."""
    first = next((line for line in text.splitlines() if line.strip()), "").lstrip("\ufeff")

    def names(sign: str) -> list[str]:
        return [key(name) for name in next(csv.reader([first], delimiter=sign, skipinitialspace=True), [])]

    return max(
        _DELIMITERS, key=lambda s: (any(n in ALIASES["path"] for n in names(s)), len(names(s)), -_DELIMITERS.index(s))
    )


def document(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object in a side file, names in one form. Raises ValueError where it is none."""
    text = encodings.decoded(data, "UTF-8")
    parsed = _parsed(text.value.strip("\ufeff"))
    if not isinstance(parsed, dict):
        raise ValueError(f"{PurePosixPath(name).name} is not an object")
    return normalised(parsed)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError as exc:
        raise ValueError("nested beyond reason") from exc


def caption(data: bytes) -> tuple[str, str]:
    """(caption, what to say of its code)"""
    text = encodings.decoded(data, "UTF-8")
    said = text.code
    if "no UTF-8" in said:
        said = "caption that is no UTF-8, read as Latin-1"
    elif "UTF-16" in said:
        said = "caption in UTF-16"
    else:
        said = ""
    return valued(text.value).text, said


def left_over(names: Iterable[str], side: Side, pictures: Mapping[str, object] | frozenset[str]) -> tuple[str, ...]:
    """Files that are neither pictures nor words about one, counted by suffix: a text that belongs to no picture too."""
    counts: dict[str, int] = {}
    owners = {owner for p in pictures for owner in (p.lower(), PurePosixPath(p).with_suffix("").as_posix().lower())}
    for name in names:
        path = PurePosixPath(name)
        about = name in side.tables or path.with_suffix("").as_posix().lower() in owners
        if name not in pictures and not (side.knows(name) and about):
            suffix = path.suffix.lower()
            counts[suffix] = counts.get(suffix, 0) + 1
    return tuple(
        f"{count} file{'s' if count > 1 else ''} {f'*{suffix}' if suffix else 'without a suffix'}"
        for suffix, count in sorted(counts.items())
    )


__all__ = ["TABLES", "TEXTS", "Side", "Words", "caption", "delimiter", "document", "key", "left_over"]
