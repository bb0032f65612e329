"""Works that somebody puts forward, many at once: from a folder with captions beside, a table, or an index.

The readers are those of `forensics index build` (`retrieval.building.sources`), and of an index itself; so whatever can
be indexed can be surveyed. Every picture is decoded within bounds, and what cannot be used is named with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from forensics import foreign
from forensics.controls.works import Controls
from forensics.errors import ForensicsError, IndexError_
from forensics.path_names import printable
from forensics.pictures import bounded
from forensics.retrieval.building.entries import Entry
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.sources import open_source
from forensics.retrieval.readers.layout import Excluded
from forensics.retrieval.readers.native import LanceIndex

_LARGEST = 1024 * foreign.MIB
_ROWS = 256
"""Rows of an index that are fetched at once."""


@dataclass(frozen=True, slots=True)
class PortfolioWork:
    """One work, with the bytes that were hashed."""

    id: str
    """As the source names it: its identifier, else its path."""
    caption: str
    creator: str
    sha256: str
    data: bytes
    repetitions: int | None = None
    """How often the source states that it stood in a training set; None where it states nothing."""
    path: str = ""
    """Where its file lies, relative to the source; empty where it has none of its own."""
    date: str = ""

    def picture(self) -> Image.Image:
        """The upright RGB picture. Raises ImageError."""
        return bounded.decode(self.data, self.id).picture


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A work that was not used."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The works of one source."""

    name: str
    kind: str
    """What the source is, in words."""
    base: Path | None
    """Folder that the works' paths start from; None where they have none."""
    works: tuple[PortfolioWork, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over identifiers, captions and file digests."""
        lines = [f"{work.sha256}\0{work.id}\0{work.caption}\n" for work in self.works]
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def read(source: Path | str) -> Portfolio:
    """Every work of a folder with side files, a CSV, JSONL or Parquet table, archives, or a native index.

    Raises:
        IndexError_: nothing of the kind lies there, it is not readable, or it holds no picture that can be used.
    """
    if Path(source).is_dir() and LanceIndex.recognises(Files(str(source))):
        kind, base, found = _of_index(source)
    else:
        opened = open_source(source)
        kind, base, found = opened.kind, opened.base, (_of_entry(entry) for entry in opened.entries)
    works: list[PortfolioWork] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set()
    for one in found:
        if isinstance(one, LeftOut):
            left_out.append(one)
        elif one.id in taken:
            left_out.append(LeftOut(one.id, "another work of the source has this very identifier"))
        else:
            taken.add(one.id)
            works.append(one)
    if not works:
        said = f" The first of {len(left_out)}: {left_out[0].id}: {left_out[0].reason}." if left_out else ""
        raise IndexError_(f"{source} holds no work that can be read.{said}", hint="Name the folder or table of works.")
    return Portfolio(Path(str(source).rstrip("/")).name, kind, base, tuple(works), tuple(left_out))


def of_controls(controls: Controls) -> Portfolio:
    """Control works as works of a portfolio. Raises ControlsError where a file cannot be read."""
    works = []
    for control in controls.works:
        data = control.read()
        digest = hashlib.sha256(data).hexdigest()
        date = str(control.date or "")
        works.append(PortfolioWork(control.name, control.caption, "", digest, data, None, control.name, date))
    base = controls.works[0].path.parents[len(Path(controls.works[0].name).parts) - 1]
    return Portfolio(controls.name, "control works", base, tuple(works), ())


def _of_entry(found: Entry | Excluded) -> PortfolioWork | LeftOut:
    if isinstance(found, Excluded):
        return LeftOut(printable(found.path), printable(found.reason))
    try:
        data = found.read()
    except OSError as exc:
        return LeftOut(printable(found.training_id), f"its file cannot be read: {exc.strerror or exc}")
    digest = hashlib.sha256(data).hexdigest()
    if found.expected_sha256 and found.expected_sha256 != digest:
        return LeftOut(found.training_id, "its file has another SHA-256 than the source states")
    path = found.path if found.in_folder else ""
    made = PortfolioWork(
        found.training_id, found.caption, found.creator, digest, data, found.repetitions, path, found.fetched_at
    )
    return _decodable(made)


def _of_index(source: Path | str) -> tuple[str, Path | None, Iterator[PortfolioWork | LeftOut]]:
    index = LanceIndex(str(source))
    count = index.info().facts.count

    def rows() -> Iterator[PortfolioWork | LeftOut]:
        for start in range(0, count, _ROWS):
            for row in index.fetch(range(start, min(count, start + _ROWS))):
                try:
                    data = foreign.read(row.picture, _LARGEST) if row.picture is not None else row.image
                except foreign.Unreadable as exc:
                    yield LeftOut(row.training_id, f"its picture {exc}")
                    continue
                if data is None:
                    yield LeftOut(row.training_id, "the index holds no picture of it")
                    continue
                digest = hashlib.sha256(data).hexdigest()
                path = str(row.picture) if row.picture is not None else ""
                yield _decodable(
                    PortfolioWork(row.training_id, row.caption, row.creator, digest, data, row.repetitions, path)
                )

    return "training index", None, rows()


def _decodable(work: PortfolioWork) -> PortfolioWork | LeftOut:
    try:
        work.picture()
    except ForensicsError as exc:
        return LeftOut(work.id, exc.message)
    return work
