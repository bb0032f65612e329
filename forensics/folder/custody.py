"""The custody log: one line an event, each carrying the digest of the line before."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics.case import CustodyEntry
from forensics.errors import VerificationError
from forensics.folder.bag import RESTORE
from forensics.folder.layout import CUSTODY, sha256


def utc_now() -> str:
    """UTC, ISO 8601, whole seconds. `SOURCE_DATE_EPOCH` fixes it, for byte-identical repetition."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch else dt.datetime.now(dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def entry_digest(entry: CustodyEntry) -> str:
    """Digest of one custody line as written: what the next line carries as `previous`."""
    return sha256(custody_line(entry))


def custody_lines(entries: tuple[CustodyEntry, ...]) -> bytes:
    """Custody entries as the log holds them."""
    return b"".join(custody_line(entry) + b"\n" for entry in entries)


def custody_line(entry: CustodyEntry) -> bytes:
    fields = {name: getattr(entry, name) for name in CustodyEntry.__slots__}
    return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


def current_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"


def append_custody(folder: Path, action: str, item: str, digest: str) -> None:
    """Add one link to the chain of a folder that is already closed."""
    entries = list(read_custody(folder))
    previous = entry_digest(entries[-1]) if entries else "0" * 64
    entry = CustodyEntry(len(entries) + 1, utc_now(), current_user(), action, item, digest, previous)
    with (folder / CUSTODY).open("ab") as stream:
        stream.write(custody_line(entry) + b"\n")


def read_custody(folder: Path) -> Iterator[CustodyEntry]:
    """The custody entries on disk. Raises VerificationError for a line that is not one."""
    path = folder / CUSTODY
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise VerificationError(f"{CUSTODY} cannot be read: {exc.strerror}.", hint=RESTORE) from exc
    for number, line in enumerate(lines, 1):
        try:
            fields: Any = json.loads(line)
            entry = CustodyEntry(**fields)
        except (ValueError, TypeError) as exc:
            raise VerificationError(f"{CUSTODY}, line {number} is not a custody entry.", hint=RESTORE) from exc
        if custody_line(entry) != line:
            raise VerificationError(f"{CUSTODY}, line {number} is not in the form it was written in.", hint=RESTORE)
        yield entry
