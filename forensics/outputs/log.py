"""The log of a collection: a row a try, those that were refused as well, from CSV or JSONL.

A row that cannot be read makes the whole log unusable, with its line and what to do; a row that can be read and does
not agree with the others, with the files or with the plan is a deviation, which the report names (`check`).
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.errors import SettingsError
from forensics.outputs.plan import PromptClass
from forensics.registry import nearest

NAMES = ("log.csv", "log.jsonl")
"""Where a log lies in a folder of pictures, the first that is there."""
REQUIRED = ("number", "time", "service", "version", "account", "prompt", "result", "file")
OPTIONAL = ("seed", "class", "works", "image_prompt", "url", "note")
ALONE = ("class", "works")
"""Needed as well where there is no plan that would say it."""
MOST = 200_000
_LARGEST = 256 * foreign.MIB
_WORKS = ";"
_SHAPE = f"Write the columns {', '.join(REQUIRED)}; then, as far as known, {', '.join(OPTIONAL)}."


class Result(StrEnum):
    """What came of a try."""

    PICTURE = "picture"
    REFUSED = "refused"
    """By a filter, before or after."""
    FAILED = "failed"
    """For another reason: no answer, an error, no credit."""


@dataclass(frozen=True, slots=True)
class Row:
    """One try as logged."""

    line: int
    """Of the file, from 1."""
    number: int
    time: dt.datetime
    """UTC."""
    offset: bool
    """Whether the log states the offset from UTC; without one the time is taken for UTC."""
    service: str
    version: str
    account: str
    prompt: str
    result: Result
    file: str
    """Relative to the folder, with forward slashes; empty where none is named."""
    seed: str = ""
    prompt_class: PromptClass | None = None
    works: tuple[str, ...] = ()
    image_prompt: str = ""
    """What was supplied as a picture, as logged; empty for nothing."""
    url: str = ""
    """Of the picture in a web capture."""
    note: str = ""

    @property
    def picture(self) -> str:
        """The name of what came: that of the file, with the address where it is one picture of a capture."""
        return f"{self.file}#{self.url}" if self.url else self.file

    @property
    def said(self) -> tuple[object, ...]:
        """Everything but line and number: a row with the same is the same row again."""
        what = (self.time, self.service, self.version, self.account, self.prompt, self.result, self.file)
        return (*what, self.seed, self.prompt_class, self.works, self.image_prompt, self.url, self.note)


@dataclass(frozen=True, slots=True)
class Log:
    """The whole."""

    name: str
    sha256: str
    rows: tuple[Row, ...]
    """In the order of the file."""
    unknown: tuple[str, ...]
    """Columns that are not read."""


def find(folder: Path) -> Path:
    """The log of a folder of pictures. Raises SettingsError where there is none."""
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise SettingsError(
        f"{folder} holds no {' and no '.join(NAMES)}.",
        hint=f"Name the log with --log. {_SHAPE} `forensics outputs plan` writes an empty one.",
    )


def read(path: Path, *, planned: bool) -> Log:
    """The rows of a log.

    Args:
        path: CSV or TSV with a heading, or JSONL with an object a line.
        planned: whether a plan says what class a prompt is of and what it aims at.

    Raises:
        SettingsError: unreadable, a column missing, or a row whose number, time, result or class cannot be read.
    """
    try:
        data = foreign.read(path, _LARGEST)
        text = foreign.text(data.removeprefix(b"\xef\xbb\xbf"))
        numbered = _jsonl(text) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(text, path)
    except (foreign.Unreadable, csv.Error) as exc:
        said = str(exc) if isinstance(exc, foreign.Unreadable) else f"is no table that can be read: {exc}"
        raise SettingsError(f"{path} {said}.", hint=_SHAPE) from exc
    if not numbered:
        raise SettingsError(f"{path} holds no row.", hint="Log every try, those that were refused as well.")
    if len(numbered) > MOST:
        raise SettingsError(f"{path} holds more than {MOST} rows.", hint="Divide the collection into several.")
    columns = list(dict.fromkeys(key for _, row in numbered for key in row))
    needed = REQUIRED if planned else (*REQUIRED, *ALONE)
    for name in needed:
        if name not in columns:
            why = "" if name in REQUIRED else " Without a plan the log has to say it."
            raise SettingsError(f"{path} has no column {name!r}.{why}", hint=_SHAPE)
    rows = tuple(_row(line, row, path, planned=planned) for line, row in numbered)
    unknown = tuple(c for c in columns if c not in (*REQUIRED, *OPTIONAL))
    return Log(path.name, hashlib.sha256(data).hexdigest(), rows, unknown)


def _csv(text: str, path: Path) -> list[tuple[int, dict[str, str]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if _semicolons(text) else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if len(set(names)) != len(names):
        raise foreign.Unreadable("gives a column twice")
    reader.fieldnames = names
    found = []
    for row in reader:
        if None in row or None in row.values():
            raise foreign.Unreadable(f"has another number of fields in line {reader.line_num} than in its heading")
        found.append((reader.line_num, {key: value.strip() for key, value in row.items()}))
    return [(line, row) for line, row in found if any(row.values())]


def _semicolons(text: str) -> bool:
    """Whether spreadsheets of this language separate by semicolons, as the heading shows."""
    heading = text.partition("\n")[0]
    return heading.count(";") > heading.count(",")


def _jsonl(text: str) -> list[tuple[int, dict[str, str]]]:
    found = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            row = foreign.parse(content)
        except foreign.Unreadable as exc:
            raise foreign.Unreadable(f"line {line}: {exc}") from exc
        if not isinstance(row, dict):
            raise foreign.Unreadable(f"has no object in line {line}")
        found.append((line, {key.strip().lower(): _plain(value) for key, value in row.items()}))
    return found


def _plain(value: Any) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, list):
        return _WORKS.join(_plain(one) for one in value)
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _row(line: int, row: Mapping[str, str], path: Path, *, planned: bool) -> Row:
    def refuse(what: str, hint: str) -> SettingsError:
        return SettingsError(f"{path}, line {line}: {what}.", hint=hint)

    def get(name: str) -> str:
        return row.get(name, "")

    if not re.fullmatch(r"[0-9]{1,9}", get("number")):
        raise refuse(f"{get('number')[:40]!r} is no number of a try", "Number the tries 1, 2, 3 and so on.")
    try:
        moment = dt.datetime.fromisoformat(get("time"))
        offset = moment.tzinfo is not None
        utc = (moment if offset else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError) as exc:
        raise refuse(f"{get('time')[:40]!r} is no time", "Write the moment as 2026-11-28T14:03:20Z.") from exc
    result = get("result").lower()
    if result not in [r.value for r in Result]:
        raise refuse(f"the result is {result!r}", f"Write one of: {', '.join(Result)}.")
    kind = get("class").lower()
    if kind not in ["", *PromptClass] or (not kind and not planned):
        raise refuse(f"the class of the prompt is {kind!r}", nearest(kind, list(PromptClass)))
    for name in ("service", "version"):
        if not get(name):
            raise refuse(f"no {name}", f"Write the {name} as shown, or “not shown”.")
    if not get("prompt") and not get("image_prompt"):
        raise refuse("no prompt", "Write the words as sent, word for word.")
    return Row(
        line=line,
        number=int(get("number")),
        time=utc,
        offset=offset,
        service=get("service"),
        version=get("version"),
        account=get("account"),
        prompt=get("prompt"),
        result=Result(result),
        file=_relative(get("file")),
        seed=get("seed"),
        prompt_class=PromptClass(kind) if kind else None,
        works=_names(get("works")),
        image_prompt=get("image_prompt"),
        url=get("url"),
        note=get("note"),
    )


def _names(text: str) -> tuple[str, ...]:
    parts: Sequence[str] = [part.strip() for part in text.split(_WORKS)]
    return tuple(dict.fromkeys(part for part in parts if part))


def _relative(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
