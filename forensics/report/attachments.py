"""What travels inside the PDF: the case, the files as received, tables, custody log, protocol, and their digests.

A pure function of the case and its folder. `pdfdetach -saveall report.pdf && sha256sum -c attachments-sha256.txt`
checks them without this program.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from forensics import folder as case_folder
from forensics import schema
from forensics.case import Case, ValidationFacts
from forensics.errors import VerificationError
from forensics.report.tables import tables

LIST = "attachments-sha256.txt"
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".avif": "image/avif",
}


@dataclass(frozen=True, slots=True)
class Attached:
    """One embedded file."""

    name: str
    data: bytes
    description: str
    relationship: Literal["Source", "Data", "Supplement"]
    """As ISO 32000-2 defines it: what the document was made from, what a figure of it shows, what goes beyond it."""

    @property
    def media_type(self) -> str:
        """By suffix, from a table of our own: the one of the system differs between machines."""
        return _TYPES.get(PurePosixPath(self.name).suffix, "application/octet-stream")


def attached(case: Case, folder: Path) -> tuple[Attached, ...]:
    """Every file to embed, the list of digests last.

    Raises VerificationError naming a file that is missing or differs from its digest.
    """
    parts = [
        Attached("case.json", schema.canonical(case), "The case in full: all this report states is in it.", "Source")
    ]
    for item in case.items:
        data = _read(folder, item.stored, item.sha256, f"Item {item.id}")
        name = f"{item.id}{PurePosixPath(item.stored).suffix}"
        parts.append(Attached(name, data, f"Item {item.id}, the bytes as received.", "Source"))
    protocol = _read(folder, case.protocol.path, case.protocol.sha256, "The protocol")
    parts.append(Attached("protocol.json", protocol, "The protocol, hashed before the run.", "Supplement"))
    if isinstance(case.validation, ValidationFacts):
        record = _read(folder, case.validation.path, case.validation.digest, "The validation record")
        parts.append(Attached("validation.json", record, "The validation record cited.", "Supplement"))
    custody = case_folder.custody_lines(case.custody)
    parts.append(Attached("custody.jsonl", custody, "The custody log up to the frozen case.", "Supplement"))
    parts += [Attached(name, data, "Numbers of this report, unrounded.", "Data") for name, data in tables(case).items()]
    listed = "".join(f"{hashlib.sha256(p.data).hexdigest()}  {p.name}\n" for p in parts)
    parts.append(Attached(LIST, listed.encode(), "SHA-256 of every other attachment.", "Supplement"))
    return tuple(parts)


def _read(folder: Path, path: str, digest: str, what: str) -> bytes:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise VerificationError(f"{what} lies outside the case folder: {path!r}.")
    try:
        data = case_folder.stored(folder, path).read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a path with a NUL
        raise VerificationError(
            f"{what} ({path}) cannot be read.", hint="Restore the case folder from its archive."
        ) from exc
    if hashlib.sha256(data).hexdigest() != digest:
        raise VerificationError(
            f"{what} ({path}) differs from its digest.", hint="Run `forensics verify` on the case folder."
        )
    return data
