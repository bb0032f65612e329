"""The custody log: one line an action, each bound to the line before it by its digest.

The chain shows that no line was taken out or changed alone. Whoever can write to the folder can write the whole chain
anew: what holds the lines before the freeze is their copy in the case, what holds those after it a signature.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import CustodyEntry
from forensics.errors import VerificationError
from forensics.files import utc_now
from forensics.folder.bag import RESTORE
from forensics.folder.layout import CUSTODY, sha256

FIRST = "0" * 64
"""What the first line carries as digest of the line before it."""
FROZEN = "case frozen"
"""What the log says of the case, once."""
_LIMIT = 64 * foreign.MIB


def actor() -> str:
    """Name of the user as the system states it."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"
    return os.fsencode(name).decode("utf-8", "backslashreplace")  # a name need not be text


def line(entry: CustodyEntry) -> bytes:
    """One entry as it is written, without the line end."""
    fields = {name: getattr(entry, name) for name in CustodyEntry.__slots__}
    return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


def custody_lines(entries: tuple[CustodyEntry, ...]) -> bytes:
    """Custody entries as the log holds them."""
    return b"".join(line(entry) + b"\n" for entry in entries)


def entry_digest(entry: CustodyEntry) -> str:
    """Digest of one custody line as written: what the next line carries as `previous`."""
    return sha256(line(entry))


def following(entries: tuple[CustodyEntry, ...], action: str, item: str, digest: str) -> CustodyEntry:
    """The next link of a chain, by the user of now at the time of now."""
    previous = entry_digest(entries[-1]) if entries else FIRST
    return CustodyEntry(len(entries) + 1, utc_now(), actor(), action, item, digest, previous)


def read_custody(folder: Path, *, torn: bool = False) -> Iterator[CustodyEntry]:
    """The custody entries on disk.

    Args:
        folder: the case folder.
        torn: pass over a last line that was only half written, as an interrupted run leaves it.

    Raises:
        VerificationError: a line is not an entry.
    """
    try:
        data = foreign.read(folder / CUSTODY, _LIMIT)
    except foreign.Unreadable as exc:
        raise VerificationError(f"{CUSTODY} {exc}.", hint=RESTORE) from exc
    lines = data.split(b"\n")
    rest = lines.pop()
    if rest and not torn:
        lines.append(rest)
    for number, raw in enumerate(lines, 1):
        entry = _entry(raw, number)
        if line(entry) != raw:
            said = "has changed line ends" if raw.endswith(b"\r") else "is not in the form it was written in"
            raise VerificationError(f"{CUSTODY}, line {number} {said}.", hint=RESTORE)
        yield entry
    if rest and not torn:
        raise VerificationError(f"{CUSTODY}, line {len(lines)} is not in the form it was written in.", hint=RESTORE)


def check_chain(entries: list[CustodyEntry]) -> None:
    """Raises VerificationError naming the first entry that does not follow from the one before it."""
    previous = FIRST
    for number, entry in enumerate(entries, 1):
        if entry.seq != number or entry.previous != previous:
            raise VerificationError(
                f"{CUSTODY}, entry {number} breaks the chain.", hint="An entry was changed or removed."
            )
        previous = entry_digest(entry)


def _entry(raw: bytes, number: int) -> CustodyEntry:
    try:
        fields: Any = foreign.parse(raw, depth=2, values=100)
        entry = CustodyEntry(**fields)
    except (foreign.Unreadable, TypeError) as exc:
        raise VerificationError(f"{CUSTODY}, line {number} is not a custody entry.", hint=RESTORE) from exc
    texts = [getattr(entry, name) for name in CustodyEntry.__slots__ if name != "seq"]
    if type(entry.seq) is not int or not all(isinstance(text, str) for text in texts):
        raise VerificationError(f"{CUSTODY}, line {number} is not a custody entry.", hint=RESTORE)
    return entry
