"""The case folder: bytes in, exhibits out, a hash-chained custody log, a bag that other programs can check.

    data/case.json  data/protocol.json  data/exhibits/<sha256><suffix>      the evidence, fixed when the case is frozen
    report.pdf  custody.jsonl                                               what was made of it and done with it
    bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt    the bag (RFC 8493)
    tagmanifest-sha256.txt.tsq                                              the request for a timestamp (RFC 3161)

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
from forensics.bundle import bag, timestamp
from forensics.bundle.bag import DATA, RESTORE, file_sha256
from forensics.case import SCHEMA, Case, CustodyEntry, Exhibit, FileDigest, Item, ValidationFacts
from forensics.errors import CaseError, VerificationError
from forensics.pictures import pixel_sha256, png_bytes
from forensics.schema import canonical, decode

CASE = f"{DATA}/case.json"
CUSTODY = "custody.jsonl"
MANIFEST = bag.PAYLOAD
REPORT = "report.pdf"
REQUEST = f"{bag.TAGS}.tsq"
REPLY = f"{bag.TAGS}.tsr"
"""The reply of a time-stamping authority, put there by a person."""
EXHIBITS = "exhibits"
_OWN = (bag.DECLARATION, bag.INFO, bag.PAYLOAD, CUSTODY)
"""Tag files of the bag itself; every other one is a document whose digest the custody log records."""
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


def entry_digest(entry: CustodyEntry) -> str:
    """Digest of one custody line as written: what the next line carries as `previous`."""
    return sha256(_line(entry))


def stored(folder: Path, relative: str) -> Path:
    """Where a path that the case names lies on disk."""
    return folder / DATA / relative


def custody_lines(entries: tuple[CustodyEntry, ...]) -> bytes:
    """Custody entries as the log holds them."""
    return b"".join(_line(entry) + b"\n" for entry in entries)


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
            (folder / DATA / EXHIBITS).mkdir(parents=True, exist_ok=True)
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
        """Store a file that is no picture among the evidence."""
        self._write(name, data)
        digest = sha256(data)
        self.log("file stored", name, digest)
        return FileDigest(name, digest, len(data))

    def close(self, case: Case) -> str:
        """Write the frozen case and return its digest."""
        data = canonical(case)
        self._write(Path(CASE).name, data)
        digest = sha256(data)
        self.log("case frozen", Path(CASE).name, digest)
        return digest

    def _write(self, relative: str, data: bytes) -> None:
        path = stored(self.folder, relative)
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
        raise CaseError(f"{path} cannot be read: {exc}.", hint=RESTORE) from exc
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise CaseError(
            f"{path} has schema version {version!r}; this release reads version {SCHEMA}.",
            hint="Use the release of forensics that the case names under 'tool'.",
        )
    try:
        return decode(Case, data)
    except ValueError as exc:
        raise CaseError(f"{path} does not hold together: {exc}.", hint=RESTORE) from exc


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
        raise VerificationError(f"{CUSTODY} cannot be read: {exc.strerror}.", hint=RESTORE) from exc
    for number, line in enumerate(lines, 1):
        try:
            fields: Any = json.loads(line)
            entry = CustodyEntry(**fields)
        except (ValueError, TypeError) as exc:
            raise VerificationError(f"{CUSTODY}, line {number} is not a custody entry.", hint=RESTORE) from exc
        if _line(entry) != line:
            raise VerificationError(f"{CUSTODY}, line {number} is not in the form it was written in.", hint=RESTORE)
        yield entry


def save_report(folder: Path, pdf: bytes) -> Path:
    """Write the report beside its case. Raises as `save`."""
    save(folder, {REPORT: pdf}, "report rendered")
    return folder / REPORT


def save(folder: Path, documents: Mapping[str, bytes], action: str) -> None:
    """Write documents beside the case; log those that differ from the ones there; renew the bag.

    Raises:
        VerificationError: something else in the folder was changed; a new manifest must not make that look right.
        CaseError: a document cannot be written.
    """
    if (folder / bag.TAGS).exists():
        _check(folder, but=tuple(documents))
    for name, data in documents.items():
        path = folder / name
        if path.exists() and path.read_bytes() == data:
            continue
        try:
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(path.name + ".part")
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as exc:
            raise CaseError(f"{path} cannot be written: {exc.strerror}.", hint="Free some space.") from exc
        append_custody(folder, action, name, sha256(data))
    write_manifest(folder)


def write_manifest(folder: Path) -> None:
    """Both manifests of the bag over what lies in the folder, and the request for a timestamp over the second."""
    facts: tuple[tuple[str, str], ...] = ()
    if not (folder / bag.INFO).is_file():
        case = load(folder)
        facts = (
            ("Bag-Software-Agent", f"{case.tool.name} {case.tool.value}"),
            ("Bagging-Date", case.created[:10]),
            ("External-Identifier", case.id),
            ("External-Description", "Case folder of a technical examination of pictures."),
        )
    bag.seal(folder, facts, beside=(REQUEST, REPLY))
    (folder / REQUEST).write_bytes(timestamp.request(file_sha256(folder / bag.TAGS)))


def verify(folder: Path) -> int:
    """Re-hash everything and follow the chain; the number of files checked.

    Raises:
        VerificationError: naming the first file, entry or exhibit that differs.
    """
    stated = _check(folder)
    # (6) Every document on disk is the last one of its name that was logged.
    if REPORT not in stated:
        raise VerificationError(f"{REPORT} is not in the manifest.", hint=RESTORE)
    logged = {entry.item: entry.sha256 for entry in read_custody(folder)}
    for name in stated:
        if not name.startswith(f"{DATA}/") and name not in _OWN and logged.get(name) != stated[name]:
            raise VerificationError(f"{name} differs from the digest in the custody log.", hint=RESTORE)
    # (7) The request for a timestamp asks for this state of the folder.
    if not (folder / REQUEST).is_file():
        raise VerificationError(f"{REQUEST} is missing.", hint=RESTORE)
    if (folder / REQUEST).read_bytes() != timestamp.request(file_sha256(folder / bag.TAGS)):
        raise VerificationError(f"{REQUEST} does not belong to {bag.TAGS}: one of the two was changed.", hint=RESTORE)
    return len(stated) + 2  # and the second manifest and the request, which no manifest can list


def _check(folder: Path, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Steps 1 to 5 of `verify`, for every file `but` those; the digests that both manifests state."""
    # (1) Every file of both manifests is there and has the stated digest.
    tags = bag.read(folder, bag.TAGS)
    _compare(folder, tags, bag.TAGS, but)
    if missing := [name for name in _OWN if name not in tags]:
        raise VerificationError(f"{missing[0]} is not in the manifest.", hint=RESTORE)
    if (folder / bag.DECLARATION).read_bytes() != bag.DECLARED:
        raise VerificationError(f"{bag.DECLARATION} does not declare the bag that was written.", hint=RESTORE)
    payload = bag.read(folder, MANIFEST)
    _compare(folder, payload, MANIFEST, but)
    stated = payload | tags
    # (2) Nothing stands in the folder that the manifests do not know.
    known = {*stated, *but, bag.TAGS, REQUEST, REPLY}
    if unlisted := [name for name in bag.files(folder) if name not in known]:
        raise VerificationError(f"{unlisted[0]} is not in the manifest.", hint="Find out who added it, or restore.")
    if CASE not in stated:
        raise VerificationError(f"{CASE} is not in the manifest.", hint=RESTORE)
    # (3) The custody chain is unbroken.
    entries = list(read_custody(folder))
    previous = "0" * 64
    for number, entry in enumerate(entries, 1):
        if entry.seq != number or entry.previous != previous:
            raise VerificationError(
                f"{CUSTODY}, entry {number} breaks the chain.", hint="An entry was changed or removed."
            )
        previous = entry_digest(entry)
    # (4) The case on disk is the one that was frozen.
    case = load(folder)
    frozen = [e.sha256 for e in entries if e.action == "case frozen"]
    if frozen != [stated[CASE]]:
        raise VerificationError(f"{CASE} differs from the digest in the custody log.", hint=RESTORE)
    if case.custody != tuple(entries[: len(case.custody)]):
        raise VerificationError(f"{CUSTODY} does not begin with the entries recorded in {CASE}.", hint=RESTORE)
    # (5) Every file it names carries the digest it states.
    named = [(f"Exhibit {e.id}", e.path, e.sha256) for e in case.exhibits]
    named += [(f"Item {i.id}", i.stored, i.sha256) for i in case.items]
    named.append(("The protocol", case.protocol.path, case.protocol.sha256))
    if isinstance(case.validation, ValidationFacts):
        named.append(("The validation record", case.validation.path, case.validation.digest))
    for what, path, digest in named:
        if stated.get(f"{DATA}/{path}") != digest:
            raise VerificationError(f"{what} ({path}) differs from the digest in {CASE}.", hint=RESTORE)
    return stated


def _compare(folder: Path, stated: Mapping[str, str], manifest: str, but: tuple[str, ...]) -> None:
    for name, digest in stated.items():
        if name in but:
            continue
        if not (folder / name).is_file():
            others = [n for n in bag.files(folder) if n not in stated and n not in but]
            if digest in (file_sha256(folder / other) for other in others):
                raise VerificationError(f"{manifest} was changed: {name} stands under another name.", hint=RESTORE)
            raise VerificationError(f"{name} is missing.", hint=RESTORE)
        actual = file_sha256(folder / name)
        if actual != digest:
            raise VerificationError(_blame(folder, name, actual, manifest), hint=RESTORE)


def _blame(folder: Path, name: str, actual: str, manifest: str) -> str:
    """Which of two disagreeing files was changed: a second witness, the custody log, decides where it can."""
    if name in _OWN:
        return f"{name} and {manifest} disagree: one of the two was changed."
    try:
        vouched = any(entry.sha256 == actual for entry in read_custody(folder))
    except VerificationError:
        vouched = False
    if vouched:
        return f"{manifest} was changed: {name} still has the digest that {CUSTODY} records."
    return f"{name} differs from the manifest."
