"""What an image generator wrote into a file, in one form whatever the software.

Everything here is a statement of the file: it can be forged and stripped, and is printed as "the file states".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from forensics.case import Fact

MAX_CHARS = 2_000_000
"""Longer entries are not parsed: a graph of a whole workflow stays far below this."""
Entries = Mapping[str, str]
"""Text entries of a file by name: PNG text chunks, EXIF tags as `EXIF <name>`, `comment`, `xmp`."""


@dataclass(frozen=True, slots=True)
class GeneratorMetadata:
    """One record of one generator. Empty and None mean: not stated."""

    software: str
    """The program whose layout the entry has, with its version where the entry names one."""
    source: str
    """Where in the file the record lay: `PNG text "parameters"`, `least significant bits of the alpha channel`."""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    sampler: str = ""
    scheduler: str = ""
    """Spacing of the noise levels where it is stated apart from the sampler: `Karras`."""
    guidance: float | None = None
    """Scale of classifier-free guidance."""
    model: str = ""
    model_hash: str = ""
    """As stated; which digest it is depends on the software."""
    width: int | None = None
    height: int | None = None
    further: tuple[Fact, ...] = ()
    """Other parameters of the record, verbatim."""
    problems: tuple[str, ...] = ()
    """What in the record could not be read, one sentence each."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What is stated, one fact an entry, under the names of this class."""
        rows = [Fact("generator", f"{self.software}, {self.source}")]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("software", "source", "further", "problems") or value is None or value == "":
                continue
            rows.append(Fact(field.name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value)))
        return (*rows, *self.further, *(Fact("not readable", problem) for problem in self.problems))


def whole(value: object) -> int | None:
    """A whole number from what a file may hold for one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str) and len(value) < 40:
        try:
            return int(value.strip())
        except ValueError:
            return None
    return None


def real(value: object) -> float | None:
    """A finite number from what a file may hold for one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text(value: object) -> str:
    """A string as it is, numbers as digits, everything else empty."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def document(value: str) -> dict[str, Any] | None:
    """The JSON object in an entry, or None: no JSON, no object, too long or nested beyond reason."""
    if len(value) > MAX_CHARS:
        return None
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def further(record: Mapping[str, object], known: frozenset[str]) -> tuple[Fact, ...]:
    """The scalar entries of a record that have no field of their own."""
    rows = ((str(key), text(value)) for key, value in record.items() if key not in known)
    return tuple(Fact(key, value[:400]) for key, value in rows if value)[:40]
