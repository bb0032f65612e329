"""The files of a collection as they lie in its folder: digests, what they show, and what they state of their making.

A moment that is written inside a file is that file's word; the one that the file system keeps is a weak one, for it
changes whenever a file is moved, unpacked or saved.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from forensics import foreign
from forensics.errors import ImageError
from forensics.path_names import printable
from forensics.pictures import bounded, intake
from forensics.pictures.intake import Decoded
from forensics.pictures.metadata.base import text
from forensics.pictures.png import pixel_sha256

_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = ("EXIF DateTimeOriginal", "EXIF DateTimeDigitized", "EXIF DateTime")
_OFFSETS = ("EXIF OffsetTimeOriginal", "EXIF OffsetTimeDigitized", "EXIF OffsetTime")
_XMP = ("XMP xmp:CreateDate", "XMP photoshop:DateCreated")
_SIGNED, _CAPTURED, _VALIDATED = "C2PA time of signing", "web capture: time of the picture's capture", "C2PA validation"
_HIDDEN = re.compile(r"(^|/)(\.|__MACOSX|Thumbs\.db$|desktop\.ini$)")


@dataclass(frozen=True, slots=True)
class Stated:
    """One moment that a file states."""

    source: str
    moment: dt.datetime
    """UTC where `zone`; otherwise local time of a place unknown, written as if it were UTC."""
    zone: bool
    weak: bool = False
    """Whether it is the file system's and not the file's."""


@dataclass(frozen=True, slots=True)
class Received:
    """One file."""

    name: str
    """Relative to the folder, with forward slashes."""
    sha256: str
    pixels: str
    """SHA-256 of the decoded pixels; empty where it does not decode."""
    stated: tuple[Stated, ...]
    credentials: str
    """What Content Credentials and the hashes of a capture say where they do not hold; empty otherwise."""
    prompt: str
    """The words that the file states it was made from; empty where it states none."""
    seed: str
    problem: str
    """Why it cannot be examined; empty where it can."""


def names(folder: Path, but: Sequence[Path] = ()) -> list[str]:
    """Every file below a folder, sorted, without hidden ones and without those named."""
    left_out = {foreign.resolved(path) for path in but}
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            relative = path.relative_to(folder).as_posix()
            if foreign.resolved(path) not in left_out and not _HIDDEN.search(relative):
                found.append(relative)
    return found


def read(folder: Path, name: str, url: str = "") -> tuple[Received, Image.Image | None]:
    """A file and its picture, upright RGB; None where it cannot be examined.

    Args:
        folder: of the collection.
        name: of the file, relative to it.
        url: of the picture in a web capture; empty for the largest.
    """
    path = folder / name
    try:
        data = intake.read_bytes(path)
    except ImageError as exc:
        return Received(printable(name), "", "", (), "", "", "", exc.message), None
    digest = hashlib.sha256(data).hexdigest()
    weak = tuple(_of_system(path))
    try:
        with bounded.within(replace(bounded.Limits(), url=url)):
            decoded = bounded.decode(data, name)
    except ImageError as exc:
        return Received(printable(name), digest, "", weak, "", "", "", exc.message), None
    record = next((r for r in decoded.records if r.offers_prompt or r.seed is not None), None)
    return (
        Received(
            printable(name),
            digest,
            pixel_sha256(decoded.picture),
            (*_stated(decoded), *_changed(data), *weak),
            "; ".join(_broken(decoded)),
            record.prompt if record is not None and record.offers_prompt else "",
            str(record.seed) if record is not None and record.seed is not None else "",
            "",
        ),
        decoded.picture,
    )


def _of_system(path: Path) -> Iterator[Stated]:
    try:
        moment = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    except (OSError, ValueError, OverflowError):  # gone meanwhile, or a year that no calendar has
        return
    yield Stated("the file system", moment, zone=True, weak=True)


def _broken(decoded: Decoded) -> Iterator[str]:
    for fact in decoded.provenance:
        if (fact.name == _VALIDATED or fact.name.startswith("web capture")) and "roken" in fact.value[:8]:
            yield f"{fact.name}: {fact.value}"


def _stated(decoded: Decoded) -> Iterator[Stated]:
    """Content Credentials and captures first, then EXIF and XMP."""
    for fact in decoded.provenance:
        if fact.name == _SIGNED or fact.name.startswith(_CAPTURED):
            yield from _iso(fact.name.split(" (")[0], fact.value)
    entries = {fact.name: text(fact.value) for fact in decoded.metadata}
    for name, offset in zip(_EXIF, _OFFSETS, strict=True):
        if name in entries:
            said = re.sub(r"^(\d{4}):(\d\d):(\d\d) ", r"\1-\2-\3T", entries[name].strip())
            yield from _iso(name, said + entries.get(offset, "").strip())
    for name in _XMP:
        if name in entries:
            yield from _iso(name, entries[name])


def _iso(source: str, value: str) -> Iterator[Stated]:
    """The moment, where it is one: a field that is blank or holds zeros states none."""
    try:
        moment = dt.datetime.fromisoformat(value.strip())
        zone = moment.tzinfo is not None
        utc = (moment if zone else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return
    yield Stated(source, utc, zone=zone)


def _changed(data: bytes) -> Iterator[Stated]:
    """The chunk tIME of PNG: the last change of the picture, in UTC (PNG, third edition, section 11.3.5)."""
    if not data.startswith(_PNG):
        return
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"tIME" and length == 7 and at + 15 <= len(data):
            try:
                year, month, day, hour, minute, second = struct.unpack_from(">HBBBBB", data, at + 8)
                moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
            except ValueError:
                return
            yield Stated("PNG tIME", moment, zone=True)
        at += 12 + length
