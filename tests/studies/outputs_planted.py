"""Errors planted into a log and its files by a script that knows where: one of every kind that a check looks for.

`sow` takes a clean log, rows in the order planned, and plants each error in a row of its own. What should be found
stands in `Sown.expected`, with the consequences that an error has of its own accord: a row left out leaves a gap, a
planned try that nobody made, and perhaps a file that nobody logged.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from forensics.outputs.check import Deviation, Kind

COLUMNS = (
    *("number", "time", "service", "version", "account", "prompt", "image_prompt", "seed", "result", "file"),
    *("class", "works", "url", "note"),
)
Row = dict[str, str]
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Expected:
    """One deviation that should be found."""

    kind: Kind
    rows: tuple[str, ...] = ()
    """Hidden names of the rows concerned, which its lines should hold."""
    said: str = ""
    """A part of what it should say."""


@dataclass
class Sown:
    """A log with errors in it."""

    folder: Path
    rows: list[Row]
    """Each with a hidden name under `_`."""
    expected: list[Expected] = field(default_factory=list)
    left: set[tuple[str, str]] = field(default_factory=set)
    """Service and prompt of places that errors leave free."""

    def expect(self, kind: Kind, *rows: Row, said: str = "") -> None:
        self.expected.append(Expected(kind, tuple(row["_"] for row in rows), said))

    def write(self) -> Path:
        """`log.csv` of the folder, and the file system's times of files set beside those of the log."""
        path = self.folder / "log.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)
        return path

    def lines(self, names: Sequence[str]) -> set[int]:
        """Lines of the log on which rows of these names stand."""
        return {n for n, row in enumerate(self.rows, 2) if row["_"] in names}

    def missed(self, found: Sequence[Deviation]) -> list[Expected]:
        """What should have been found and was not."""
        return [one for one in self.expected if not any(self._meets(one, d) for d in found)]

    def false(self, found: Sequence[Deviation]) -> list[Deviation]:
        """What was found and was not planted."""
        return [d for d in found if not any(self._meets(one, d) for one in self.expected)]

    def _meets(self, one: Expected, found: Deviation) -> bool:
        lines = self.lines(one.rows)
        return found.kind is one.kind and lines <= set(found.lines) and one.said in found.said


def clean(rows: Sequence[Row], folder: Path) -> Sown:
    """Rows with hidden names, and their files as if saved five seconds after each try."""
    named = [{**dict.fromkeys(COLUMNS, ""), **row, "_": f"row {n}"} for n, row in enumerate(rows)]
    for row in named:
        if row["file"]:
            _touch(folder / row["file"], moment(row["time"]) + dt.timedelta(seconds=5))
    return Sown(folder, named)


def moment(text: str) -> dt.datetime:
    """The time of a row of a clean log."""
    return dt.datetime.strptime(text, FORMAT).replace(tzinfo=dt.UTC)


def sow(sown: Sown, began: str, seed: int = 0) -> Sown:
    """Plant one error of every kind that a log with a plan can have.

    Args:
        sown: as `clean` gave it: at least a hundred rows with pictures in PNG, prompts of the class image among them,
            times a minute apart.
        began: UTC, ISO 8601: the moment of the plan.
        seed: of the draw of the rows.
    """
    draw = np.random.default_rng(seed)
    pictures = [r for r in sown.rows[3:-3] if r["result"] == "picture"]
    order = [pictures[int(n)] for n in draw.permutation(len(pictures))]
    taken: set[str] = set()
    names = [row["_"] for row in sown.rows]

    def take(fits: Callable[[Row], bool] = lambda row: True) -> Row:
        """A row that fits, far enough from every other one taken that errors stay apart."""
        row = next(r for r in order if r["_"] not in taken and fits(r))
        at = names.index(row["_"])
        taken.update(names[max(0, at - 1) : at + 2])
        return row

    _of_plan(sown, take, began)
    _of_files(sown, take)
    _of_rows(sown, take)
    _extra(sown)
    return sown


def _words_alone(row: Row) -> bool:
    return not row["image_prompt"]


def _of_plan(sown: Sown, take: Callable[..., Row], began: str) -> None:
    rows = sown.rows
    changed = take(_words_alone)
    _untried(sown, changed)
    changed["prompt"] += ", please"
    sown.expect(Kind.NOT_PLANNED, changed, said="please")
    other = take()
    other["version"] = "9.9"
    sown.expect(Kind.VERSION, other, said="9.9")
    stranger = take()
    _untried(sown, stranger)
    stranger["service"] = "Gamma"
    sown.expect(Kind.SERVICE, stranger, said="Gamma")
    supplied = take(lambda r: _words_alone(r) and r["class"] == "verbatim")
    supplied["image_prompt"] = "template.png"
    sown.expect(Kind.IMAGE_SUPPLIED, supplied)
    missing = take(lambda r: r["class"] == "image")
    missing["image_prompt"] = ""
    sown.expect(Kind.IMAGE_MISSING, missing)
    other_class = take(lambda r: r["class"] == "verbatim")
    other_class["class"] = "reworded"
    sown.expect(Kind.CLASS, other_class)
    # What was tried is exchanged with the next row; number, time, file and account stay where they are.
    at = rows.index(take(lambda r: _neighbours_differ(rows, r)))
    for name in ("service", "version", "prompt", "image_prompt", "class", "works", "seed"):
        rows[at][name], rows[at + 1][name] = rows[at + 1][name], rows[at][name]
    # Either of the two can be called the one that is out of order.
    sown.expect(Kind.ORDER, said="planned as number")
    early = rows[0]
    early["time"] = (dt.datetime.fromisoformat(began) - dt.timedelta(hours=1)).strftime(FORMAT)
    _touch(sown.folder / early["file"], moment(early["time"])) if early["file"] else None
    sown.expect(Kind.BEFORE, early)
    _untried(sown, early)


def _extra(sown: Sown) -> None:
    """Three tries more than planned, of a prompt all of whose places are taken."""
    rows = sown.rows
    last, time = max(int(r["number"]) for r in rows), moment(rows[-1]["time"])
    model = next(r for r in reversed(rows) if (r["service"], r["prompt"]) not in sown.left and r["version"] != "9.9")
    for extra in range(1, 4):
        more = {**model, "number": str(last + extra), "result": "refused", "file": "", "_": f"extra {extra}"}
        more["time"] = (time + dt.timedelta(minutes=extra)).strftime(FORMAT)
        rows.append(more)
        sown.expect(Kind.BEYOND, more)


def _neighbours_differ(rows: list[Row], row: Row) -> bool:
    after = rows[rows.index(row) + 1]
    return (row["prompt"], row["service"]) != (after["prompt"], after["service"]) and after["result"] == "picture"


def _untried(sown: Sown, row: Row) -> None:
    sown.left.add((row["service"], row["prompt"]))
    sown.expect(Kind.NOT_TRIED, said=f"on {row['service']} {row['version']}")


def _of_files(sown: Sown, take: Callable[..., Row]) -> None:
    folder = sown.folder
    gone = take()
    (folder / gone["file"]).unlink()
    sown.expect(Kind.NO_FILE, gone, said=gone["file"])
    first, second = sorted((take(), take()), key=sown.rows.index)
    shutil.copy2(folder / first["file"], folder / second["file"])
    _touch(folder / second["file"], moment(second["time"]))
    sown.expect(Kind.FILE_TWICE, first, second)
    first, second = sorted((take(), take()), key=sown.rows.index)
    with Image.open(folder / first["file"]) as image:
        image.save(folder / second["file"], compress_level=1, pnginfo=None)
    _touch(folder / second["file"], moment(second["time"]))
    sown.expect(Kind.PIXELS_TWICE, first, second)
    first, second = sorted((take(), take()), key=sown.rows.index)
    sown.expect(Kind.NO_ROW, said=second["file"])
    second["file"] = first["file"]
    sown.expect(Kind.NAMED_TWICE, first, second)
    # The file of the first try is older than the second by as much as the two lie apart.
    if moment(second["time"]) - moment(first["time"]) > dt.timedelta(minutes=10):
        sown.expect(Kind.WEAK_EARLIER, second)
    refused = take()
    refused["result"] = "refused"
    sown.expect(Kind.REFUSED_WITH_FILE, refused)
    damaged = take()
    path = folder / damaged["file"]
    path.write_bytes(path.read_bytes()[:200])
    _touch(path, moment(damaged["time"]))
    sown.expect(Kind.UNREADABLE, damaged)
    stray = folder / "unlogged.png"
    Image.fromarray(np.random.default_rng(5).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(stray)
    sown.expect(Kind.NO_ROW, said=stray.name)
    for kind, days in ((Kind.EARLIER, -2), (Kind.LATER, 2)):
        row = take()
        when = moment(row["time"]) + dt.timedelta(days=days)
        _insert(folder / row["file"], b"tIME", struct.pack(">HBBBBB", *when.timetuple()[:6]))
        _touch(folder / row["file"], moment(row["time"]))
        sown.expect(kind, row, said="PNG tIME")
    weak = take()
    _touch(folder / weak["file"], moment(weak["time"]) - dt.timedelta(days=1))
    sown.expect(Kind.WEAK_EARLIER, weak)
    for kind, said in ((Kind.OTHER_PROMPT, "a heron by a lake"), (Kind.OTHER_SEED, "4711")):
        row = take(_words_alone)
        row["seed"] = row["seed"] or "1"
        words, seed = (said, row["seed"]) if kind is Kind.OTHER_PROMPT else (row["prompt"], said)
        stated = (
            f"parameters\0{words}\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: {seed}, Size: 128x128, Model: m"
        )
        _insert(folder / row["file"], b"tEXt", stated.encode("latin-1", "replace"))
        _touch(folder / row["file"], moment(row["time"]))
        sown.expect(kind, row, said=said)


def _of_rows(sown: Sown, take: Callable[..., Row]) -> None:
    rows = sown.rows
    for keep in (False, True):
        row = take()
        rows.remove(row)
        sown.expect(Kind.GAP, said=row["number"])
        _untried(sown, row)
        if keep:
            sown.expect(Kind.NO_ROW, said=row["file"])
        else:
            (sown.folder / row["file"]).unlink()
    twice = take()
    rows.insert(rows.index(twice) + 1, {**twice, "_": "again"})
    sown.expect(Kind.ROW_TWICE, twice, rows[rows.index(twice) + 1])
    numbered = take()
    before = rows[rows.index(numbered) - 1]
    sown.expect(Kind.GAP, said=numbered["number"])
    numbered["number"] = before["number"]
    sown.expect(Kind.NUMBER_TWICE, before, numbered)
    local = take()
    local["time"] = local["time"].removesuffix("Z")
    sown.expect(Kind.NO_OFFSET, local)
    at = rows.index(take(lambda r: rows[rows.index(r) + 1]["time"] > r["time"]))
    rows[at]["time"], rows[at + 1]["time"] = rows[at + 1]["time"], rows[at]["time"]
    sown.expect(Kind.BACKWARDS, rows[at], rows[at + 1])
    other = take(lambda r: rows[rows.index(r) - 1]["service"] == r["service"] == rows[rows.index(r) + 1]["service"])
    at = rows.index(other)
    other["account"] = "another"
    sown.expect(Kind.ACCOUNT, rows[at - 1], other)
    sown.expect(Kind.ACCOUNT, other, rows[at + 1])


def _touch(path: Path, when: dt.datetime) -> None:
    os.utime(path, (when.timestamp(), when.timestamp()))


def _insert(path: Path, kind: bytes, body: bytes) -> None:
    """Put a chunk behind the header of a PNG."""
    data = path.read_bytes()
    crc = struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data[:33] + struct.pack(">I", len(body)) + kind + body + crc + data[33:])
