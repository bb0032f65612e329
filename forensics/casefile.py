"""The case folder: bytes in, exhibits out, a hash-chained custody log, a manifest that `sha256sum -c` accepts.

    case.json  custody.jsonl  exhibits/<sha256><suffix>  manifest-sha256.txt  report.pdf

The folder is the only cut on disk between the half that needs torch and the half that does not.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from forensics import intake
from forensics.case import SCHEMA, Case, CustodyEntry, Exhibit, FileDigest, Item
from forensics.errors import CaseError, VerificationError
from forensics.pictures import pixel_sha256, png_bytes
from forensics.schema import canonical, decode

CASE = "case.json"
CUSTODY = "custody.jsonl"
MANIFEST = "manifest-sha256.txt"
REPORT = "report.pdf"
EXHIBITS = "exhibits"
_RESTORE = "Restore the folder from its archive."
_SUFFIX = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/tiff": ".tif", "image/bmp": ".bmp",
    "image/gif": ".gif", "image/avif": ".avif", "image/mpo": ".jpg",
}  # fmt: skip


def utc_now() -> str:
    """UTC, ISO 8601, whole seconds. `SOURCE_DATE_EPOCH` fixes it, for byte-identical repetition."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch else dt.datetime.now(dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entry_digest(entry: CustodyEntry) -> str:
    """Digest of one custody line as written: what the next line carries as `previous`."""
    return sha256(_line(entry))


def _line(entry: CustodyEntry) -> bytes:
    fields = {name: getattr(entry, name) for name in CustodyEntry.__slots__}
    return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


class Ledger:
    """A case folder being written. Stages see neither paths nor terminals: only the ledger writes."""

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        """Create the folder. An existing one is refused, or with `force` kept aside under a new name.

        Raises:
            CaseError: the folder exists, or cannot be made.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                raise CaseError(
                    f"{folder} exists already and was left as it is.",
                    hint="Choose another folder with -o, or pass --force to keep the old one aside and start anew.",
                )
            if not (folder / CUSTODY).is_file():
                raise CaseError(
                    f"{folder} holds other files than a case and was left as it is.",
                    hint="--force keeps an old case folder aside, and nothing else. Choose another folder with -o.",
                )
            folder.rename(_aside(folder))
        try:
            (folder / EXHIBITS).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CaseError(
                f"{folder} cannot be created: {exc.strerror}.", hint="Choose another folder with -o."
            ) from exc
        self.folder = folder
        self.actor = _actor()
        self._custody: list[CustodyEntry] = []
        self._exhibits: dict[str, Exhibit] = {}
        self.log("case folder opened", folder.name, "")

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        return tuple(self._exhibits.values())

    @property
    def custody(self) -> tuple[CustodyEntry, ...]:
        return tuple(self._custody)

    def log(self, action: str, item: str, digest: str) -> None:
        """Append one link to the custody chain, on disk at once: nothing gathered is lost if the run stops."""
        previous = entry_digest(self._custody[-1]) if self._custody else "0" * 64
        entry = CustodyEntry(len(self._custody) + 1, utc_now(), self.actor, action, item, digest, previous)
        self._custody.append(entry)
        with (self.folder / CUSTODY).open("ab") as stream:
            stream.write(_line(entry) + b"\n")

    def receive(self, path: Path, item_id: str, role: str) -> tuple[Item, Image.Image]:
        """Take a file into evidence: read once, hash, store the bytes, then decode a copy.

        Raises:
            ImageError: the file cannot be read or decoded; the digest of what was read is in the custody log.
        """
        data = intake.read_bytes(path)
        name = os.fsencode(path.name).decode("utf-8", "backslashreplace")  # a name need not be text
        digest = sha256(data)  # before decoding: what is examined is what was received
        self.log(f"received as {role}", name, digest)
        decoded = intake.decode(data, name)
        stored = f"{EXHIBITS}/{digest}{_SUFFIX.get(decoded.media_type, '.bin')}"
        self._write(stored, data)
        exhibit = self.put(decoded.picture, item_id, f"{role.capitalize()} image, working copy", "received")
        item = Item(
            id=item_id, role=role, file_name=name, sha256=digest, size_bytes=len(data),
            media_type=decoded.media_type, width=decoded.width, height=decoded.height, stored=stored,
            exhibit=exhibit.id, decoding=decoded.decoding, metadata=decoded.metadata, generator=decoded.generator,
            provenance=decoded.provenance,
        )  # fmt: skip
        return item, decoded.picture

    def put(
        self, picture: Image.Image, exhibit_id: str, title: str, made_by: str, *, seed: int | None = None
    ) -> Exhibit:
        """Store a picture as PNG under its digest and enter it as an exhibit."""
        if exhibit_id in self._exhibits:
            raise ValueError(f"exhibit {exhibit_id} was entered already")
        data = png_bytes(picture)
        digest = sha256(data)
        path = f"{EXHIBITS}/{digest}.png"
        self._write(path, data)
        exhibit = Exhibit(
            id=exhibit_id, sha256=digest, pixel_sha256=pixel_sha256(picture), path=path, media_type="image/png",
            width=picture.width, height=picture.height, title=title, made_by=made_by, seed=seed,
        )  # fmt: skip
        self._exhibits[exhibit_id] = exhibit
        self.log("exhibit stored", exhibit_id, digest)
        return exhibit

    def put_file(self, name: str, data: bytes) -> FileDigest:
        """Store a file that is no picture at the top of the folder."""
        self._write(name, data)
        digest = sha256(data)
        self.log("file stored", name, digest)
        return FileDigest(name, digest, len(data))

    def close(self, case: Case) -> str:
        """Write the frozen case and return its digest."""
        data = canonical(case)
        self._write(CASE, data)
        digest = sha256(data)
        self.log("case frozen", CASE, digest)
        return digest

    def _write(self, relative: str, data: bytes) -> None:
        path = self.folder / relative
        try:
            temporary = path.with_name(path.name + ".part")
            temporary.write_bytes(data)
            temporary.replace(path)  # a reader never sees half a file
        except OSError as exc:
            raise CaseError(
                f"{path} cannot be written: {exc.strerror}.", hint="Free some space and run again."
            ) from exc


def _aside(folder: Path) -> Path:
    for number in range(1, 10_000):
        candidate = folder.with_name(f"{folder.name}.kept-{number}")
        if not candidate.exists():
            return candidate
    raise CaseError(f"{folder} has too many kept copies.", hint="Move some of them elsewhere.")


def _actor() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"


def load(folder: Path) -> Case:
    """The case in a folder. Raises CaseError for a missing, damaged or foreign `case.json`."""
    path = folder / CASE
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise CaseError(f"{folder} holds no {CASE}.", hint="Name a folder that `forensics analyze` made.") from exc
    except (OSError, ValueError) as exc:
        raise CaseError(f"{path} cannot be read: {exc}.", hint=_RESTORE) from exc
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise CaseError(
            f"{path} has schema version {version!r}; this release reads version {SCHEMA}.",
            hint="Use the release of forensics that the case names under 'tool'.",
        )
    try:
        return decode(Case, data)
    except ValueError as exc:
        raise CaseError(f"{path} does not hold together: {exc}.", hint=_RESTORE) from exc


def append_custody(folder: Path, action: str, item: str, digest: str) -> None:
    """Add one link to the chain of a folder that is already closed."""
    entries = list(read_custody(folder))
    previous = entry_digest(entries[-1]) if entries else "0" * 64
    entry = CustodyEntry(len(entries) + 1, utc_now(), _actor(), action, item, digest, previous)
    with (folder / CUSTODY).open("ab") as stream:
        stream.write(_line(entry) + b"\n")


def read_custody(folder: Path) -> Iterator[CustodyEntry]:
    """The custody entries on disk. Raises VerificationError for a line that is not one."""
    path = folder / CUSTODY
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise VerificationError(f"{CUSTODY} cannot be read: {exc.strerror}.", hint=_RESTORE) from exc
    for number, line in enumerate(lines, 1):
        try:
            fields: Any = json.loads(line)
            entry = CustodyEntry(**fields)
        except (ValueError, TypeError) as exc:
            raise VerificationError(f"{CUSTODY}, line {number} is not a custody entry.", hint=_RESTORE) from exc
        if _line(entry) != line:
            raise VerificationError(f"{CUSTODY}, line {number} is not in the form it was written in.", hint=_RESTORE)
        yield entry


def save_report(folder: Path, pdf: bytes) -> Path:
    """Write the report beside its case; log it if it differs from the one there; renew the manifest.

    Raises:
        VerificationError: something else in the folder was changed; a new manifest must not make that look right.
    """
    if (folder / MANIFEST).exists():
        _check(folder, but=(REPORT,))
    path = folder / REPORT
    if not path.exists() or path.read_bytes() != pdf:
        temporary = path.with_name(path.name + ".part")
        temporary.write_bytes(pdf)
        temporary.replace(path)
        append_custody(folder, "report rendered", REPORT, sha256(pdf))
    write_manifest(folder)
    return path


def write_manifest(folder: Path) -> None:
    """`manifest-sha256.txt` over every file of the folder but itself, in the format of GNU coreutils."""
    stated = {name: file_sha256(folder / name) for name in _files(folder)}
    (folder / MANIFEST).write_bytes(_manifest(stated))


def _manifest(stated: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in stated.items()).encode()


def _files(folder: Path) -> list[str]:
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name != MANIFEST)


def verify(folder: Path) -> int:
    """Re-hash everything and follow the chain; the number of files checked.

    Raises:
        VerificationError: naming the first file, entry or exhibit that differs.
    """
    stated = _check(folder)
    # (5) The report on disk is the last one that was logged.
    if REPORT not in stated:
        raise VerificationError(f"{REPORT} is not in the manifest.", hint=_RESTORE)
    reports = [e.sha256 for e in read_custody(folder) if e.action == "report rendered"]
    if not reports or reports[-1] != stated[REPORT]:
        raise VerificationError(f"{REPORT} differs from the digest in the custody log.", hint=_RESTORE)
    return len(stated)


def _check(folder: Path, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Steps 1 to 4 of `verify`, for every file `but` those; the digests that the manifest states."""
    # (1) Every file of the manifest is there and has the stated digest.
    stated = _read_manifest(folder)
    unlisted = [name for name in _files(folder) if name not in stated and name not in but]
    for name, digest in stated.items():
        if name in but:
            continue
        if not (folder / name).is_file():
            if digest in (file_sha256(folder / other) for other in unlisted):
                raise VerificationError(f"{MANIFEST} was changed: {name} stands under another name.", hint=_RESTORE)
            raise VerificationError(f"{name} is missing.", hint=_RESTORE)
        actual = file_sha256(folder / name)
        if actual != digest:
            raise VerificationError(_blame(folder, name, actual), hint=_RESTORE)
    # (2) Nothing stands in the folder that the manifest does not know.
    if unlisted:
        raise VerificationError(f"{unlisted[0]} is not in the manifest.", hint="Find out who added it, or restore.")
    if missing := [name for name in (CASE, CUSTODY) if name not in stated]:
        raise VerificationError(f"{missing[0]} is not in the manifest.", hint=_RESTORE)
    # (3) The custody chain is unbroken.
    entries = list(read_custody(folder))
    previous = "0" * 64
    for number, entry in enumerate(entries, 1):
        if entry.seq != number or entry.previous != previous:
            raise VerificationError(
                f"{CUSTODY}, entry {number} breaks the chain.", hint="An entry was changed or removed."
            )
        previous = entry_digest(entry)
    # (4) The case on disk is the one that was frozen, and every file it names carries the digest it states.
    case = load(folder)
    frozen = [e.sha256 for e in entries if e.action == "case frozen"]
    if frozen != [stated[CASE]]:
        raise VerificationError(f"{CASE} differs from the digest in the custody log.", hint=_RESTORE)
    if case.custody != tuple(entries[: len(case.custody)]):
        raise VerificationError(f"{CUSTODY} does not begin with the entries recorded in {CASE}.", hint=_RESTORE)
    named = [(f"Exhibit {e.id}", e.path, e.sha256) for e in case.exhibits]
    named += [(f"Item {i.id}", i.stored, i.sha256) for i in case.items]
    named.append(("The protocol", case.protocol.path, case.protocol.sha256))
    for what, path, digest in named:
        if stated.get(path) != digest:
            raise VerificationError(f"{what} ({path}) differs from the digest in {CASE}.", hint=_RESTORE)
    return stated


def _blame(folder: Path, name: str, actual: str) -> str:
    """Which of two disagreeing files was changed: a second witness, the custody log, decides where it can."""
    if name == CUSTODY:
        return f"{CUSTODY} and {MANIFEST} disagree: one of the two was changed."
    try:
        vouched = any(entry.sha256 == actual for entry in read_custody(folder))
    except VerificationError:
        vouched = False
    if vouched:
        return f"{MANIFEST} was changed: {name} still has the digest that {CUSTODY} records."
    return f"{name} differs from the manifest."


def _read_manifest(folder: Path) -> dict[str, str]:
    try:
        data = (folder / MANIFEST).read_bytes()
        lines = data.decode().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise VerificationError(f"{MANIFEST} cannot be read.", hint="Name a folder that forensics made.") from exc
    stated: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or name.startswith("/") or ".." in Path(name).parts:
            raise VerificationError(f"{MANIFEST}, line {number} is not a digest and a name.", hint=_RESTORE)
        stated[name] = digest
    if _manifest(stated) != data:  # repeated names, foreign line ends
        raise VerificationError(f"{MANIFEST} is not in the form it was written in.", hint=_RESTORE)
    return stated
