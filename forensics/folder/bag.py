"""A folder as a BagIt bag (RFC 8493), with the same bytes every time: no clock, names in order.

`data/` is the evidence, fixed once the case is frozen; beside it lie the documents made from it (report, viewer,
signature, custody log) as tag files. Two manifests in the form of GNU coreutils cover one each, and the second the
first: `sha256sum -c manifest-sha256.txt` and `sha256sum -c tagmanifest-sha256.txt` check everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from forensics.errors import VerificationError

DATA = "data"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
PAYLOAD = "manifest-sha256.txt"
TAGS = "tagmanifest-sha256.txt"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
RESTORE = "Restore the folder from its archive."


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files(folder: Path) -> list[str]:
    """Every file of the folder, with forward slashes, in order."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def seal(folder: Path, facts: Iterable[tuple[str, str]], *, beside: tuple[str, ...] = ()) -> None:
    """Write declaration, description and both manifests over what lies in the folder.

    Args:
        folder: holds `data/` and the documents.
        facts: lines of `bag-info.txt`; the size of the payload is added. Kept as they are where the file exists.
        beside: files that no manifest can list, because they are made from it.
    """
    payload = [name for name in files(folder) if name.startswith(f"{DATA}/")]
    (folder / DECLARATION).write_bytes(DECLARED)
    octets = sum((folder / name).stat().st_size for name in payload)
    lines = [*facts] if not (folder / INFO).is_file() else _described(folder)
    lines = [(k, v) for k, v in lines if k != "Payload-Oxum"] + [("Payload-Oxum", f"{octets}.{len(payload)}")]
    (folder / INFO).write_bytes("".join(f"{k}: {_one_line(v)}\n" for k, v in lines).encode())
    (folder / PAYLOAD).write_bytes(form({name: file_sha256(folder / name) for name in payload}))
    tags = [n for n in files(folder) if not n.startswith(f"{DATA}/") and n not in (TAGS, *beside)]
    (folder / TAGS).write_bytes(form({name: file_sha256(folder / name) for name in tags}))


def form(stated: Mapping[str, str]) -> bytes:
    """A manifest as bytes."""
    return "".join(f"{digest}  {name}\n" for name, digest in stated.items()).encode()


def read(folder: Path, manifest: str) -> dict[str, str]:
    """Name -> digest as a manifest states it. Raises VerificationError for one that is not in the form of `form`."""
    try:
        data = (folder / manifest).read_bytes()
        lines = data.decode().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise VerificationError(f"{manifest} cannot be read.", hint="Name a folder that forensics made.") from exc
    stated: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        digest, separator, name = line.partition("  ")
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts or not name
        if not separator or len(digest) != 64 or outside or (path.parts[0] == DATA) != (manifest == PAYLOAD):
            raise VerificationError(f"{manifest}, line {number} is not a digest and a name.", hint=RESTORE)
        stated[name] = digest
    if form(stated) != data:  # repeated names, foreign line ends
        raise VerificationError(f"{manifest} is not in the form it was written in.", hint=RESTORE)
    return stated


def _described(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / INFO).read_text(encoding="utf-8", errors="replace").splitlines()
    return [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
