"""Control works: pictures known not to be in the checkpoint's training set, each with its ground for exclusion.

A folder of controls holds the pictures and a table `controls.csv` with the columns `file`, `ground` and, optionally,
`caption` and `date`. A work without a ground is refused: an unexplained control is no control. The embedded reference
checkpoint has controls of its own, excluded by the manifest of its training run.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image

from forensics import foreign
from forensics.case import FileDigest
from forensics.errors import ControlsError
from forensics.path_names import existing

TABLE = "controls.csv"
_LARGEST = 512 * foreign.MIB
_LARGEST_TABLE = 64 * foreign.MIB
_DATE_TAGS = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTime)
_EMBEDDED_GROUND = "Held out: the manifest of the training run lists it as a control, never trained on."


@dataclass(frozen=True, slots=True)
class ControlWork:
    """One control."""

    name: str
    """Relative to the folder, with forward slashes."""
    path: Path
    caption: str
    ground: str
    date: dt.date | None = None
    """When it was made, as the table states; None where it states nothing."""

    def digest(self) -> FileDigest:
        """Name, SHA-256 and size of the file. Raises ControlsError."""
        data = self.read()
        return FileDigest(self.name, hashlib.sha256(data).hexdigest(), len(data))

    def read_as(self, hashed: FileDigest) -> bytes:
        """The bytes that were hashed before. Raises ControlsError where others are there now."""
        data = self.read()
        if hashlib.sha256(data).hexdigest() != hashed.sha256:
            raise ControlsError(
                f"The control work {self.name} changed while the controls were read.",
                hint="Keep the controls still during the run, and start it again.",
            )
        return data

    def read(self) -> bytes:
        """Bytes of the file. Raises ControlsError."""
        try:
            return foreign.read(self.path, _LARGEST)
        except foreign.Unreadable as exc:
            raise ControlsError(f"The control work {self.name} {exc}.", hint="Mend the table or the file.") from exc


@dataclass(frozen=True, slots=True)
class Controls:
    """A set of control works and how it is called."""

    name: str
    works: tuple[ControlWork, ...]

    def files(self) -> dict[str, FileDigest]:
        """Name of each work -> its file as it is now. Raises ControlsError."""
        return {name: work.digest() for name, work in {work.name: work for work in self.works}.items()}

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted names and file digests of all works."""
        return combined(self.files())

    @property
    def grounds(self) -> str:
        """The distinct grounds, each with its number of works, as sentences."""
        counts: dict[str, int] = {}
        for work in self.works:
            counts[work.ground] = counts.get(work.ground, 0) + 1
        return " ".join(f"{ground} ({count} works)" for ground, count in counts.items())

    def shuffled(self, seed: int, exclude: frozenset[str]) -> tuple[ControlWork, ...]:
        """All works whose file digest is not in `exclude`, in an order that depends on the seed alone."""
        return self.drawn(seed, exclude, self.files())

    def drawn(self, seed: int, exclude: frozenset[str], files: Mapping[str, FileDigest]) -> tuple[ControlWork, ...]:
        """As `shuffled`, with the files hashed before."""
        eligible = [work for work in self.works if files[work.name].sha256 not in exclude]
        random.Random(f"controls/{seed}").shuffle(eligible)
        return tuple(eligible)


def combined(files: Mapping[str, FileDigest]) -> str:
    """SHA-256 over the sorted names and file digests of works."""
    lines = sorted(f"{d.sha256}  {d.path}\n" for d in files.values())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load(folder: Path) -> Controls:
    """The controls of a folder.

    Raises:
        ControlsError: no folder, no table, no ground for a work, or a picture that the table names and nobody finds.
    """
    table = folder / TABLE
    if not folder.is_dir():
        raise ControlsError(f"{folder} is not a folder.", hint="Name the folder that holds the control works.")
    try:
        text = foreign.text(foreign.read(table, _LARGEST_TABLE).removeprefix(b"\xef\xbb\xbf"))
        rows = _rows(text)
    except (foreign.Unreadable, csv.Error) as exc:
        said = f": it {exc}" if isinstance(exc, foreign.Unreadable) else ""
        raise ControlsError(
            f"{folder} has no readable {TABLE}{said}.",
            hint=f"`forensics controls build {folder}` writes one to fill in, with the columns file, ground and "
            "caption: why each work cannot have been trained on.",
        ) from exc
    works: list[ControlWork] = []
    for number, row in enumerate(rows, 2):
        name, ground = _name(row.get("file") or "", folder), (row.get("ground") or "").strip()
        if not name or not ground:
            raise ControlsError(
                f"{table}, line {number}: a file and a ground are needed.",
                hint="State why the work cannot have been trained on, for instance its date, or leave it out.",
            )
        path = existing(folder / name)
        if not _inside(path, folder):
            raise ControlsError(f"{table}, line {number}: {name[:80]} is not in the folder.", hint="Mend the table.")
        date = _date((row.get("date") or "").strip(), f"{table}, line {number}")
        works.append(ControlWork(name, path, (row.get("caption") or "").strip(), ground, date))
    if not works:
        raise ControlsError(f"{table} lists no work.", hint="Add control works, or leave --controls out.")
    return Controls(folder.name, tuple(works))


def _rows(text: str) -> list[dict[str, str]]:
    """The rows of a table as a person or a spreadsheet writes one: between commas, or semicolons. Raises csv.Error."""
    head = text.partition("\n")[0]
    sign = ";" if head.count(";") > head.count(",") else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=sign))


def _name(cell: str, folder: Path) -> str:
    """A file's name as the table has it; blanks around it count where there is such a file."""
    try:
        return cell if cell and (folder / cell).is_file() else cell.strip()
    except (OSError, ValueError):
        return cell.strip()


def _inside(path: Path, folder: Path) -> bool:
    """Whether it is a file of the folder, not of a place that a link in it leads to."""
    try:
        return path.is_file() and foreign.resolved(path).is_relative_to(foreign.resolved(folder))
    except (OSError, ValueError, RuntimeError):  # an over-long name, a NUL, links in a circle
        return False


def _date(text: str, where: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as exc:
        raise ControlsError(f"{where}: {text[:40]!r} is no date.", hint="Write year-month-day: 2026-11-28.") from exc


def embedded(reference: Path) -> Controls:
    """The controls of the embedded reference checkpoint, from its manifest.

    Raises:
        ControlsError: the manifest is missing or lists none.
    """
    manifest = reference / "manifest.jsonl"
    try:
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as exc:
        raise ControlsError("The embedded controls are missing.", hint="Install the package again.") from exc
    works = tuple(
        ControlWork(row["path"], reference / row["path"], row["caption"], _EMBEDDED_GROUND)
        for row in rows
        # Half "none" marks works of the fine-tune's creator: drawn by a rule of their own, so not exchangeable.
        if row["role"] == "control" and row["half"] != "none"
    )
    if not works:
        raise ControlsError("The embedded manifest lists no control work.", hint="Install the package again.")
    return Controls("embedded controls", works)


def made_on(file: Path | BinaryIO) -> dt.date | None:
    """The day that the file states in EXIF; None where it states none that can be read."""
    try:
        with Image.open(file) as picture:
            exif = picture.getexif()
            stated = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    # What Pillow's readers raise for damaged files; the directory is read when it is asked for.
    except (OSError, ValueError, SyntaxError, struct.error, RuntimeError, TypeError, LookupError, ArithmeticError):
        return None
    except Image.DecompressionBombError:
        return None
    for tag in _DATE_TAGS:
        try:
            return dt.datetime.strptime(str(stated.get(tag, ""))[:10], "%Y:%m:%d").date()
        except ValueError:
            continue
    return None
