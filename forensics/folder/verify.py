"""Is the folder the one that was written: every byte against the manifests, the custody chain and the case.

What this shows is that the parts agree with one another. That they are the parts that were there once is shown by what
lies outside the folder alone: a signature, a timestamp, a digest that somebody noted down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.case import READ, Case, ValidationFacts
from forensics.errors import AddedError, CaseError, VerificationError
from forensics.folder import bag, strangers, timestamp
from forensics.folder.bag import DATA, RESTORE
from forensics.folder.custody import FROZEN, check_chain, read_custody
from forensics.folder.journal import JOURNAL, leftovers
from forensics.folder.layout import BESIDE, CASE, CUSTODY, MANIFEST, OWN, REPORT, REQUEST, SEAL, STORED
from forensics.folder.unfinished import is_unfinished, refuse
from forensics.schema import decode

_CASE_LIMIT = 256 * foreign.MIB
_OTHER = "Name a folder that `forensics analyze` or `forensics compare` made."


@dataclass(frozen=True, slots=True)
class Checked:
    """A folder whose parts agree."""

    stated: Mapping[str, str]
    """Every file of both manifests -> its SHA-256."""
    count: int
    """Number of files checked: the listed ones, the second manifest and what was made from it."""
    added: tuple[str, ...] = ()
    """Files that systems and syncing programs added, where these were to be passed over."""


def load(folder: Path) -> Case:
    """The case in a folder.

    Raises:
        CaseError: `case.json` is missing, damaged, foreign, or of an examination that did not end.
    """
    path = folder / CASE
    try:
        data = foreign.read_json(path, _CASE_LIMIT)
    except foreign.Unreadable as exc:
        if not path.exists():
            raise CaseError(f"{folder} holds no {CASE}.", hint=_OTHER) from exc
        raise CaseError(f"{path} cannot be read: it {exc}.", hint=RESTORE) from exc
    if is_unfinished(data):
        raise refuse(folder, data, CaseError)
    version = data.get("schema") if isinstance(data, dict) else None
    if version not in READ:
        raise CaseError(
            f"{path} has schema version {version!r}; this release reads versions {' and '.join(map(str, READ))}.",
            hint="Use the release of forensics that the case names under 'tool'.",
        )
    try:
        return decode(Case, data)
    except (ValueError, CaseError) as exc:
        said = exc.message if isinstance(exc, CaseError) else str(exc)
        raise CaseError(f"{path} does not hold together: {said}.", hint=RESTORE) from exc


def verify(folder: Path, *, ignore_added: bool = False) -> Checked:
    """Re-hash everything and follow the chain.

    Args:
        folder: the case folder.
        ignore_added: pass over files that systems and syncing programs are known to add.

    Raises:
        AddedError: all parts are sound, and such files were added.
        VerificationError: naming the first file, entry or exhibit that differs.
    """
    stated, added = check(folder)
    # (6) Every document on disk is the last one of its name that was logged.
    if REPORT not in stated:
        raise VerificationError(f"{REPORT} is not in the manifest.", hint=RESTORE)
    logged = {entry.item: entry.sha256 for entry in read_custody(folder)}
    for name in stated:
        if not name.startswith(f"{DATA}/") and name not in OWN and logged.get(name) != stated[name]:
            raise VerificationError(f"{name} differs from the digest in the custody log.", hint=RESTORE)
    # (7) The request for a timestamp asks for this state of the folder.
    try:
        request = foreign.read(folder / REQUEST, foreign.KIB)
    except foreign.Unreadable as exc:
        missing = not (folder / REQUEST).exists()
        said = f"{REQUEST} is missing." if missing else f"{REQUEST} {exc}."
        raise VerificationError(said, hint=RESTORE) from exc
    if request != timestamp.request(foreign.sha256(folder / bag.TAGS)):
        raise VerificationError(f"{REQUEST} does not belong to {bag.TAGS}: one of the two was changed.", hint=RESTORE)
    beside = sum((folder / name).is_file() for name in BESIDE)
    count = len(stated) + 1 + beside  # the second manifest and what is made from it, which no manifest can list
    if added and not ignore_added:
        raise added_error(count, added)
    return Checked(stated, count, added)


def added_error(count: int, added: tuple[str, ...]) -> AddedError:
    """The error for a folder whose `count` files are sound and to which systems added others."""
    return AddedError(
        f"All {count} files of the case agree with the manifests, the custody log and the case. Added since: "
        f"{strangers.said(added)}.",
        hint="Remove what was added, or pass --ignore-system-files, which names it and passes over it.",
    )


def check(folder: Path, but: tuple[str, ...] = ()) -> tuple[dict[str, str], tuple[str, ...]]:
    """Steps 1 to 5 of `verify`, for every file `but` those.

    Returns:
        The digests that both manifests state, and the files that systems added.

    Raises:
        VerificationError: naming the first thing that differs.
    """
    _finished(folder)
    found = bag.contents(folder)
    if found.other:
        name, what = found.other[0]
        raise VerificationError(
            f"{name} is {what}; a case folder holds regular files alone.", hint="Find out who put it there, or restore."
        )
    # (1) Every file of both manifests is there and has the stated digest.
    tags = bag.read(folder, bag.TAGS)
    _compare(folder, tags, bag.TAGS, but, found.files)
    if missing := [name for name in OWN if name not in tags]:
        raise VerificationError(f"{missing[0]} is not in the manifest.", hint=RESTORE)
    if foreign.read(folder / bag.DECLARATION, foreign.KIB) != bag.DECLARED:
        raise VerificationError(f"{bag.DECLARATION} does not declare the bag that was written.", hint=RESTORE)
    payload = bag.read(folder, MANIFEST)
    _compare(folder, payload, MANIFEST, but, found.files)
    stated = payload | tags
    # (2) Nothing stands in the folder that the manifests do not know.
    known = {*stated, *but, bag.TAGS, *BESIDE}
    unlisted = [name for name in found.files if name not in known]
    if unknown := [name for name in unlisted if not strangers.maker(name)]:
        raise VerificationError(
            f"{bag.shown(unknown[0])} is not in the manifest.", hint="Find out who added it, or restore."
        )
    if CASE not in stated:
        raise VerificationError(f"{CASE} is not in the manifest.", hint=RESTORE)
    # (3) The custody chain is unbroken.
    entries = list(read_custody(folder))
    check_chain(entries)
    # (4) The case on disk is the one that was frozen.
    case = load(folder)
    frozen = [e.sha256 for e in entries if e.action == FROZEN]
    if frozen != [stated[CASE]]:
        raise VerificationError(f"{CASE} differs from the digest in the custody log.", hint=RESTORE)
    if case.custody != tuple(entries[: len(case.custody)]):
        raise VerificationError(f"{CUSTODY} does not begin with the entries recorded in {CASE}.", hint=RESTORE)
    # (5) Every file it names carries the digest it states.
    _cited(case, stated)
    return stated, tuple(unlisted)


def _finished(folder: Path) -> None:
    """Before anything else: what is no case folder, an examination that was stopped, and a change that was, are said to
    be that."""
    if not any(os.path.lexists(folder / name) for name in (bag.TAGS, MANIFEST, CASE, CUSTODY)):
        what = "holds no case" if foreign.is_folder(folder) else "is no folder"
        raise VerificationError(f"{folder} {what}.", hint=_OTHER)
    try:
        data = foreign.read_json(folder / CASE, _CASE_LIMIT)
    except foreign.Unreadable:
        data = None  # what is wrong with it is said in its place
    if is_unfinished(data):
        raise refuse(folder, data, VerificationError)
    if isinstance(data, dict) and data.get("type") == "Case" and not (folder / bag.TAGS).exists():
        raise VerificationError(
            f"{bag.TAGS} is missing: the case was frozen, and no report was made of it, or the manifests were removed.",
            hint="Run `forensics report` on the folder, or restore it from its archive.",
        )
    if (folder / JOURNAL).is_file():
        raise VerificationError(
            "A change of the folder was interrupted before it was complete.",
            hint="Run `forensics report` on the folder: it finishes the change, and nothing is lost.",
        )
    if left := leftovers(folder):
        raise VerificationError(
            f"{left[0]} was left by a program that was interrupted while writing; the case itself is older than that.",
            hint="Run `forensics report` on the folder: it removes what was left.",
        )


def _cited(case: Case, stated: Mapping[str, str]) -> None:
    named = [(f"Exhibit {e.id}", e.path, e.sha256) for e in case.exhibits]
    named += [(f"Item {i.id}", i.stored, i.sha256) for i in case.items]
    named.append(("The protocol", case.protocol.path, case.protocol.sha256))
    named += [(f"The file {e.item}", e.item, e.sha256) for e in case.custody if e.action == STORED]
    if isinstance(case.validation, ValidationFacts):
        named.append(("The validation record", case.validation.path, case.validation.digest))
    for what, path, digest in named:
        if stated.get(f"{DATA}/{path}") != digest:
            raise VerificationError(f"{what} ({path}) differs from the digest in {CASE}.", hint=RESTORE)


def _compare(
    folder: Path, stated: Mapping[str, str], manifest: str, but: tuple[str, ...], there: tuple[str, ...]
) -> None:
    present = set(there)
    for name, digest in stated.items():
        if name in but:
            continue
        if name not in present:
            others = [n for n in there if n not in stated and n not in but]
            if digest in (foreign.sha256(folder / other) for other in others):
                raise VerificationError(f"{manifest} was changed: {name} stands under another name.", hint=RESTORE)
            raise VerificationError(f"{name} is missing.", hint=RESTORE)
        try:
            actual = foreign.sha256(folder / name)
        except foreign.Unreadable as exc:
            raise VerificationError(f"{name} {exc}.", hint=RESTORE) from exc
        if actual != digest:
            raise VerificationError(_blame(folder, name, actual, manifest, digest), hint=RESTORE)


def _blame(folder: Path, name: str, actual: str, manifest: str, digest: str) -> str:
    """Which of two disagreeing files was changed: a second witness, the custody log, decides where it can."""
    if change := _line_ends(folder / name, digest):
        return f"{name} differs from the manifest in its line ends alone: a program wrote {change} on the way."
    if name in OWN:
        return f"{name} and {manifest} disagree: one of the two was changed."
    try:
        vouched = any(entry.sha256 == actual for entry in read_custody(folder))
    except VerificationError:
        vouched = False
    if vouched:
        return f"{manifest} was changed: {name} still has the digest that {CUSTODY} records."
    return f"{name} differs from the manifest."


def _line_ends(path: Path, digest: str) -> str:
    try:
        return strangers.line_ends(foreign.read(path, _CASE_LIMIT), digest)
    except foreign.Unreadable:
        return ""


def sealed(folder: Path) -> bool:
    """Whether a signature over the folder lies in it."""
    return (folder / SEAL).is_file()


def is_case(data: Any) -> bool:
    """Whether a JSON document is a case, finished or not."""
    return isinstance(data, dict) and (data.get("type") == "Case" or is_unfinished(data))
