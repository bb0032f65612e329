"""Checks that only others can make, such as a maker's own detector of its watermark: what they state, row by row.

Nothing here is measured or judged. A row says who looked, when, where, with what, and what came of it; the capture of
the result is hashed and kept with the case. The report prints it as the statement of whoever is named, and no number,
rank or finding depends on it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import Absent, CheckByOthers, FileDigest, Item
from forensics.errors import SettingsError
from forensics.files import utc_now
from forensics.folder import Ledger
from forensics.folder.layout import EXHIBITS, sha256
from forensics.path_names import printable
from forensics.registry import nearest
from forensics.settings import Settings, toml

MOST = 100
"""Rows of one file."""
LONGEST = 4000
"""Characters of one value."""
LARGEST = 64 * foreign.MIB
"""Bytes of one capture."""
EXAMPLE = """Write one table for each check:
[[check]]
tool = "SynthID Detector"
version = "as shown on 3 November 2026"
by = "A. Example, Example Laboratory"
on = 2026-11-03
where = "https://example.org/detector"
result = "the words that were shown"
item = "Q1"              # the file that was checked; Q1, the disputed image, where it is left out
sha256 = ""              # of the bytes that were checked, where that is known
capture = "shown.png"    # the result as it was shown; the path counts from this file"""
_NO_CAPTURE = Absent("capture", "No capture of the result was handed in.")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Row:
    """One check as the file has it."""

    tool: str
    version: str
    by: str
    on: str
    where: str
    result: str
    item: str = "Q1"
    sha256: str = ""
    capture: str = ""
    """Path of the capture; empty where there is none."""


_NEEDED = ("tool", "version", "by", "on", "where", "result")


def asked(settings: Settings) -> tuple[Row, ...]:
    """The rows of the file that the settings name, none where they name none. Raises SettingsError as `load`."""
    if settings.check_by_others is None:
        return ()
    return load(Path(settings.check_by_others), ("Q1", *(f"R{n}" for n in range(1, len(settings.originals) + 1))))


def load(path: Path, items: Sequence[str]) -> tuple[Row, ...]:
    """The rows of a file of checks, every one complete.

    Args:
        path: a TOML file with a table `[[check]]` for each.
        items: ids that the files received have, the disputed image first.

    Raises:
        SettingsError: the file cannot be read, or a row lacks something or says something that cannot be.
    """
    document = toml(path, "Check the path given to --check-by-others.")
    name = printable(path.name)
    if unknown := sorted(set(document) - {"check"}):
        raise SettingsError(f"{name}: unknown table {unknown[0]!r}.", hint=EXAMPLE)
    rows = document.get("check")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{name} holds no check.", hint=EXAMPLE)
    if len(rows) > MOST:
        raise SettingsError(f"{name} holds {len(rows)} checks, more than {MOST}.", hint="Keep those that matter.")
    return tuple(_row(row, f"{name}, check {number}", path.parent, items) for number, row in enumerate(rows, 1))


def _row(given: Mapping[str, Any], where: str, base: Path, items: Sequence[str]) -> Row:
    known = tuple(field.name for field in fields(Row))
    for key in given:
        if key not in known:
            raise SettingsError(f"{where}: unknown key {key!r}.", hint=nearest(key, known))
    values = {key: _text(value, f"{where}, {key}") for key, value in given.items()}
    for key in _NEEDED:
        if not values.get(key, ""):
            raise SettingsError(f"{where} does not say {key!r}.", hint=EXAMPLE)
    row = Row(**{key: value for key, value in values.items() if value})
    _day(row.on, where)
    if row.item not in items:
        raise SettingsError(
            f"{where} is about {row.item!r}, and no file received is called so.",
            hint=f"Files received are {', '.join(items)}: Q1 is the disputed image, R1 the first work put forward.",
        )
    if row.sha256 and not _DIGEST.fullmatch(row.sha256.lower()):
        raise SettingsError(f"{where}: sha256 is no SHA-256.", hint="It has 64 digits from 0 to f; or leave it empty.")
    if not row.capture:
        return row
    place = base / row.capture
    try:
        size = len(foreign.read(place, LARGEST))
    except foreign.Unreadable as exc:
        raise SettingsError(
            f"{where}: the capture {row.capture} {exc}.", hint="Its path counts from the file of checks."
        ) from exc
    if not size:
        raise SettingsError(f"{where}: the capture {row.capture} is empty.", hint="Save it again.")
    return replace(row, capture=str(place))


def _text(value: Any, where: str) -> str:
    if isinstance(value, dt.date):  # of which a moment is one
        value = value.isoformat()
    if not isinstance(value, str):
        raise SettingsError(f"{where} must be text.", hint='Put it between quotation marks: key = "value".')
    value = value.strip()
    if len(value) > LONGEST:
        raise SettingsError(
            f"{where} has {len(value):,} characters, more than {LONGEST:,}.", hint="Hand the rest in as the capture."
        )
    if any(ord(c) < 32 and c not in "\n\t" for c in value):
        raise SettingsError(f"{where} holds a control character.", hint="Take it out.")
    return value


def _day(text: str, where: str) -> None:
    """Raises SettingsError for what is no day, and for one that is not over."""
    try:
        day = dt.date.fromisoformat(text[:10])
    except ValueError as exc:
        raise SettingsError(f"{where}: {text!r} is no day.", hint="Write it as on = 2026-11-03.") from exc
    if day > dt.date.fromisoformat(utc_now()[:10]) + dt.timedelta(days=1):  # elsewhere it may be tomorrow already
        raise SettingsError(f"{where}: {text} is in the future.", hint="State the day on which it was checked.")


def enter(rows: Sequence[Row], items: Sequence[Item], ledger: Ledger) -> tuple[CheckByOthers, ...]:
    """The statements with their captures among the evidence.

    Args:
        items: the files received.

    Raises:
        SettingsError: a row states the digest of other bytes than those received, or its capture is gone.
        CaseError: a capture cannot be stored.
    """
    received = {item.id: item for item in items}
    return tuple(_entered(row, f"K{n}", received[row.item], ledger) for n, row in enumerate(rows, 1))


def _entered(row: Row, tag: str, item: Item, ledger: Ledger) -> CheckByOthers:
    if row.sha256 and row.sha256.lower() != item.sha256:
        raise SettingsError(
            f"The check with {row.tool} is stated of bytes with SHA-256 {row.sha256}, and {item.id} has {item.sha256}.",
            hint="A check of another file is no check of this one. Leave it out, or have the file received checked.",
        )
    kept: FileDigest | Absent = _NO_CAPTURE
    name = ""
    if row.capture:
        path = Path(row.capture)
        try:
            data = foreign.read(path, LARGEST)
        except foreign.Unreadable as exc:
            raise SettingsError(f"The capture {path} {exc}.", hint="Keep every input still during the run.") from exc
        name = printable(path.name)
        ledger.log("received as capture of a check by others", name, sha256(data))
        suffix = path.suffix.lower() if _SUFFIX.fullmatch(path.suffix.lower()) else ".bin"
        kept = ledger.put_file(f"{EXHIBITS}/{sha256(data)}{suffix}", data)
    return CheckByOthers(
        tag, item.id, row.tool, row.version, row.by, row.on, row.where, row.result, bool(row.sha256), name, kept
    )
