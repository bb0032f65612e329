"""An attacker who holds a case folder and knows how it is made: every digest and every chain is made again.

Only what needs a key that the attacker has not got stays as it was.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pikepdf

from forensics import foreign
from forensics.case import CustodyEntry
from forensics.folder import bag, timestamp
from forensics.folder.custody import custody_lines, entry_digest, read_custody
from forensics.folder.layout import BESIDE, CASE, CUSTODY, REPORT, REQUEST, sha256

Change = Callable[[CustodyEntry], CustodyEntry | None]


def rehash(folder: Path, change: Change = lambda entry: entry) -> None:
    """Custody chain, manifests and request over what lies in the folder now; `change` edits or drops a custody line."""
    entries: list[CustodyEntry] = []
    for entry in read_custody(folder):
        edited = change(entry)
        if edited is None:
            continue
        path = folder / (CASE if edited.action == "case frozen" else edited.item)
        if edited.sha256 and path.is_file():
            edited = dataclasses.replace(edited, sha256=foreign.sha256(path))
        previous = entry_digest(entries[-1]) if entries else "0" * 64
        entries.append(dataclasses.replace(edited, seq=len(entries) + 1, previous=previous))
    (folder / CUSTODY).write_bytes(custody_lines(tuple(entries)))
    names = [name for name in bag.files(folder) if name not in BESIDE]
    made = bag.manifests(folder, names, {}, bag.described(folder))
    for name, data in {**made, REQUEST: timestamp.request(sha256(made[bag.TAGS]))}.items():
        (folder / name).write_bytes(data)


def without(*names: str) -> Change:
    """Drop the custody lines about files of these names."""
    return lambda entry: None if entry.item in names else entry


def pages(folder: Path, name: str = REPORT) -> None:
    """Draw a white sheet over the first page of a PDF and keep everything else, attachments included."""
    with pikepdf.open(folder / name) as document:
        sheet = document.make_stream(b"q 1 1 1 rg 60 60 300 300 re f Q")
        document.pages[0].contents_add(sheet)
        out = io.BytesIO()
        document.save(out)
    (folder / name).write_bytes(out.getvalue())


def number_in_case(folder: Path) -> None:
    """Another value in `case.json`, which still holds together; its copy inside the PDF stays as it was."""
    data = json.loads((folder / CASE).read_bytes())
    data["matter"]["reference"] = "forged"
    text = json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / CASE).write_bytes(text.encode() + b"\n")


def replaced(path: Path, pattern: bytes, by: bytes) -> None:
    data = path.read_bytes()
    changed = re.sub(pattern, by, data, count=1)
    assert changed != data, f"{pattern!r} does not occur in {path.name}"
    path.write_bytes(changed)
