"""What the finished stages of an examination gave, kept in its folder until the case is frozen.

`unfinished/identity.json` says which question was put to which bytes by which means; one file a stage holds its result.
Each is written whole, under the digest of what it holds, of its name and of that identity: one that was half written,
changed or brought in from another case is passed over, and the stage is done again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.errors import CaseError
from forensics.folder.journal import write_file
from forensics.folder.layout import UNFINISHED, sha256

IDENTITY = "identity.json"
_LARGEST = 4096 * foreign.MIB
_DIGEST = 64


def agree(folder: Path, parts: tuple[str, ...]) -> str:
    """Fix which examination the folder holds, or find it to be the same one; the digest of its identity.

    Args:
        folder: the case folder.
        parts: "name=value" of everything that a result depends on.

    Raises:
        CaseError: the folder holds results of another examination, or cannot be written.
    """
    path = folder / UNFINISHED / IDENTITY
    if path.exists():
        _same(folder, path, parts)
    else:
        write_file(path, json.dumps(parts, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))
    return sha256(json.dumps(parts).encode())


def put(folder: Path, name: str, identity: str, data: bytes) -> str:
    """Keep the result of a stage; its digest. Raises CaseError where it cannot be written."""
    digest = _digest(name, identity, data)
    write_file(_place(folder, name), digest.encode() + b"\n" + data)
    return digest


def get(folder: Path, name: str, identity: str) -> tuple[bytes, str] | None:
    """The result of a stage and its digest; none where it did not finish.

    Raises:
        foreign.Unreadable: what lies there is not what this examination wrote.
    """
    path = _place(folder, name)
    if not path.exists():
        return None
    found = foreign.read(path, _LARGEST)
    digest, data = found[:_DIGEST].decode("latin-1"), found[_DIGEST + 1 :]
    if digest != _digest(name, identity, data):
        raise foreign.Unreadable("differs from its digest")
    return data, digest


def remains(folder: Path) -> list[str]:
    """Names of what is kept, relative to the folder, in order."""
    place = folder / UNFINISHED
    if not place.is_dir() or place.is_symlink():
        return []
    return sorted(p.relative_to(folder).as_posix() for p in place.iterdir() if p.is_file() or p.is_symlink())


def remove(folder: Path) -> None:
    """Remove what is kept, and the folder that it lies in. Raises OSError."""
    for name in remains(folder):
        (folder / name).unlink(missing_ok=True)
    place = folder / UNFINISHED
    if place.is_dir() and not place.is_symlink():
        place.rmdir()


def _place(folder: Path, name: str) -> Path:
    return folder / UNFINISHED / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.kept"


def _digest(name: str, identity: str, data: bytes) -> str:
    return sha256(f"{identity} {name} ".encode() + data)


def _same(folder: Path, path: Path, parts: tuple[str, ...]) -> None:
    try:
        before: Any = foreign.read_json(path, foreign.MIB)
    except foreign.Unreadable as exc:
        raise CaseError(f"{path} {exc}.", hint="Start the examination anew with --force.") from exc
    if before == list(parts):
        return
    known = {str(part) for part in before} if isinstance(before, list) else set()
    changed = [part.partition("=")[0] for part in parts if part not in known]
    changed += [part.partition("=")[0] for part in sorted(known) if part not in parts]
    named = ", ".join(dict.fromkeys(changed)) or "their order"
    raise CaseError(
        f"The examination in {folder} cannot go on: what it was begun with is not what is there now ({named}). Nothing "
        "was changed.",
        hint="Put back what was there, or start anew with --force, which keeps this folder aside.",
    )
