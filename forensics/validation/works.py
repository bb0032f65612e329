"""Works of known status: what a manifest must say, and what may be said with it.

A manifest is a JSONL file, one object a line, with `id`, `path` (of the picture, relative to the manifest), `role`
(`control`: never trained on; `planted` or `member`: trained on; rows with other roles are passed over), `half`
(`calibration` or `test`; rows with another half are passed over) and, optionally, `caption`, `creator`, `family` and
`repetitions` (times a pass of the training). `samples/reference/manifest.jsonl` is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from forensics import foreign
from forensics.case import FileDigest
from forensics.errors import SettingsError
from forensics.path_names import entered
from forensics.pictures import bounded

MEMBERS = ("planted", "member")
HALVES = ("calibration", "test")
_LARGEST = 256 * foreign.MIB
OFTEN = 16
"""Repetitions a pass from which a work stands for the first proposition of retention: fixed before any study."""


@dataclass(frozen=True, slots=True)
class KnownWork:
    """One work of known status."""

    id: str
    path: Path
    caption: str
    creator: str
    family: str
    member: bool
    repetitions: int
    """0 for controls; for members 1 where the manifest does not say."""
    half: str

    def read(self) -> Image.Image:
        """The upright RGB picture. Raises ImageError."""
        return bounded.read(self.path).picture


def read(manifest: Path) -> tuple[KnownWork, ...]:
    """The works that take part, in the order of the manifest.

    Raises:
        SettingsError: unreadable, a field missing, a family in both halves, or a half without members or controls.
    """
    works = []
    try:
        lines = foreign.text(foreign.read(manifest, _LARGEST)).splitlines()
    except foreign.Unreadable as exc:
        raise SettingsError(f"{manifest} {exc}.", hint="Name a manifest in JSONL form.") from exc
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if row["role"] in (*MEMBERS, "control") and row["half"] in HALVES:
                works.append(_work(row, manifest.parent))
        except (ValueError, KeyError, TypeError) as exc:
            raise SettingsError(
                f"{manifest}, line {number}: not a work of known status ({type(exc).__name__}: {exc}).",
                hint="Each line needs id, path, role and half; see `forensics validate --help`.",
            ) from exc
    _check(works, manifest)
    return tuple(works)


def _work(row: dict[str, Any], folder: Path) -> KnownWork:
    member = row["role"] in MEMBERS
    return KnownWork(
        id=str(row["id"]),
        path=folder / entered(row["path"], folder),
        caption=row.get("caption", ""),
        creator=row.get("creator", ""),
        family=row.get("family") or str(row["id"]),
        member=member,
        repetitions=int(row.get("repetitions", 1)) if member else 0,
        half=row["half"],
    )


def _check(works: Sequence[KnownWork], manifest: Path) -> None:
    for half in HALVES:
        for member in (True, False):
            if not any(w.half == half and w.member is member for w in works):
                kind = "member" if member else "control"
                raise SettingsError(
                    f"{manifest} lists no {kind} in the {half} half.",
                    hint="Both halves need works that were trained on and works that were not.",
                )
    families: dict[str, str] = {}
    for work in works:
        if families.setdefault(work.family, work.half) != work.half:
            raise SettingsError(
                f"{manifest}: the family {work.family!r} is in both halves.",
                hint="Put near-duplicates and editions of one work into one half.",
            )


def digests(manifest: Path, works: Sequence[KnownWork]) -> tuple[FileDigest, ...]:
    """The manifest, and one digest over the pictures of the works that took part."""
    data = manifest.read_bytes()
    pictures = hashlib.sha256()
    size = 0
    for work in sorted(works, key=lambda w: w.id):
        picture = work.path.read_bytes()
        size += len(picture)
        pictures.update(f"{hashlib.sha256(picture).hexdigest()}  {work.id}\n".encode())
    return (
        FileDigest(manifest.name, hashlib.sha256(data).hexdigest(), len(data)),
        FileDigest(f"pictures of {len(works)} works", pictures.hexdigest(), size),
    )
