"""A case folder checked: every digest, the chain of custody, the exhibits against the case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from forensics.case import SCHEMA, Case, ValidationFacts
from forensics.errors import CaseError, VerificationError
from forensics.folder import bag, timestamp
from forensics.folder.bag import DATA, RESTORE, file_sha256
from forensics.folder.custody import entry_digest, read_custody
from forensics.folder.layout import CASE, CUSTODY, MANIFEST, OWN, REPLY, REPORT, REQUEST
from forensics.schema import decode


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


def verify(folder: Path) -> int:
    """Re-hash everything and follow the chain; the number of files checked.

    Raises:
        VerificationError: naming the first file, entry or exhibit that differs.
    """
    stated = check(folder)
    # (6) Every document on disk is the last one of its name that was logged.
    if REPORT not in stated:
        raise VerificationError(f"{REPORT} is not in the manifest.", hint=RESTORE)
    logged = {entry.item: entry.sha256 for entry in read_custody(folder)}
    for name in stated:
        if not name.startswith(f"{DATA}/") and name not in OWN and logged.get(name) != stated[name]:
            raise VerificationError(f"{name} differs from the digest in the custody log.", hint=RESTORE)
    # (7) The request for a timestamp asks for this state of the folder.
    if not (folder / REQUEST).is_file():
        raise VerificationError(f"{REQUEST} is missing.", hint=RESTORE)
    if (folder / REQUEST).read_bytes() != timestamp.request(file_sha256(folder / bag.TAGS)):
        raise VerificationError(f"{REQUEST} does not belong to {bag.TAGS}: one of the two was changed.", hint=RESTORE)
    return len(stated) + 2  # and the second manifest and the request, which no manifest can list


def check(folder: Path, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Steps 1 to 5 of `verify`, for every file `but` those; the digests that both manifests state."""
    # (1) Every file of both manifests is there and has the stated digest.
    tags = bag.read(folder, bag.TAGS)
    _compare(folder, tags, bag.TAGS, but)
    if missing := [name for name in OWN if name not in tags]:
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
    if name in OWN:
        return f"{name} and {manifest} disagree: one of the two was changed."
    try:
        vouched = any(entry.sha256 == actual for entry in read_custody(folder))
    except VerificationError:
        vouched = False
    if vouched:
        return f"{manifest} was changed: {name} still has the digest that {CUSTODY} records."
    return f"{name} differs from the manifest."
