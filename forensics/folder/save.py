"""Documents beside the case: written all or none, logged, and bound by the manifests; signed, they stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from forensics import foreign
from forensics.case import CustodyEntry
from forensics.errors import CaseError
from forensics.folder import bag, strangers, timestamp
from forensics.folder.custody import custody_lines, following, read_custody
from forensics.folder.journal import change, locked, recover
from forensics.folder.layout import BESIDE, CUSTODY, REPLY, REPORT, REQUEST, SEAL, SIGNED, sha256
from forensics.folder.verify import check, load


@dataclass(frozen=True, slots=True)
class Sealing:
    """How the whole folder is signed."""

    action: str
    """What the custody log says: it stands under the signature."""
    seal: Callable[[bytes], bytes]
    """Bytes of the second manifest -> the signature over them."""


def save_report(folder: Path, pdf: bytes) -> Path:
    """Write the report beside its case. Raises as `save`."""
    save(folder, {REPORT: pdf}, "report rendered")
    return folder / REPORT


def save(
    folder: Path,
    documents: Mapping[str, bytes],
    action: str,
    *,
    sealing: Sealing | None = None,
    unsign: bool = False,
    ignore_added: bool = False,
) -> None:
    """Write documents beside the case; log those that differ from the ones there; renew the bag. All of it or nothing.

    Args:
        folder: the case folder.
        documents: name -> bytes.
        action: what the custody log says of each.
        sealing: sign the folder as it is then.
        unsign: where a signed folder changes, take signature and timestamp off, and log that.
        ignore_added: pass over files that systems add; they enter no manifest.

    Raises:
        VerificationError: something else in the folder was changed; a new manifest must not make that look right.
        CaseError: a document cannot be written, the folder is signed, or another program is writing to it.
    """
    with locked(folder):
        recover(folder)
        listed = _listed(folder, documents, ignore_added)
        differing = {name: data for name, data in documents.items() if _differs(folder / name, data)}
        entries = tuple(read_custody(folder))
        before = len(entries)
        removed = _taken_off(folder, bool(differing) or sealing is not None, unsign, sealing)
        for name in removed:
            entries = (*entries, following(entries, "taken off, because the folder changes", name, ""))
        for name, data in differing.items():
            entries = (*entries, following(entries, action, name, sha256(data)))
        if sealing is not None:
            entries = (*entries, following(entries, sealing.action, SEAL, ""))
        new = dict(differing)
        if len(entries) > before:
            new[CUSTODY] = custody_lines(entries)
        new = {**new, **_bag(folder, [name for name in listed if name not in removed], new)}
        if sealing is not None:
            new[SEAL] = sealing.seal(new[bag.TAGS])
        change(folder, {name: data for name, data in new.items() if _differs(folder / name, data)}, removed)


def sound(folder: Path, but: tuple[str, ...], *, ignore_added: bool = False) -> None:
    """Whether documents of these names could be written to the folder as it is. Raises as `save`."""
    _listed(folder, dict.fromkeys(but, b""), ignore_added)


def append_custody(folder: Path, action: str, item: str, digest: str) -> CustodyEntry:
    """Add one link to the chain of a folder that is closed, and renew the bag. Raises as `save`."""
    with locked(folder):
        recover(folder)
        listed = _listed(folder, {}, ignore_added=False)
        entries = tuple(read_custody(folder))
        _taken_off(folder, changes=True, unsign=False, sealing=None)
        entry = following(entries, action, item, digest)
        new = {CUSTODY: custody_lines((*entries, entry))}
        change(folder, {**new, **_bag(folder, listed, new)})
    return entry


def write_manifest(folder: Path) -> None:
    """Both manifests of the bag over what lies in the folder, and the request for a timestamp over the second."""
    names = [name for name in bag.files(folder) if name not in BESIDE and not strangers.maker(name)]
    change(folder, _bag(folder, names, {}))


def _listed(folder: Path, documents: Mapping[str, bytes], ignore_added: bool) -> list[str]:
    """Names that belong to the bag as it is; a folder that has a manifest must be sound but for the documents."""
    if not (folder / bag.TAGS).exists():
        return [name for name in bag.files(folder) if name not in BESIDE and not strangers.maker(name)]
    stated, added = check(folder, but=tuple(documents))
    if added and not ignore_added:
        raise CaseError(
            f"Files were added to {folder}: {strangers.said(added)}. Nothing was written.",
            hint="Remove them, or pass --ignore-system-files, which passes over them.",
        )
    return list(stated)


def _taken_off(folder: Path, changes: bool, unsign: bool, sealing: Sealing | None) -> tuple[str, ...]:
    """What a change of the folder would make wrong, and which is therefore to go."""
    if not changes:
        return ()
    # A new signature takes the place of the old one, and the custody log keeps the line of both.
    stands = tuple(n for n in (SEAL, SIGNED, REPLY) if (folder / n).is_file() and (sealing is None or n == REPLY))
    if stands and not unsign:
        raise CaseError(
            f"{folder} carries {' and '.join(stands)}, which a change of its documents would make wrong; nothing was "
            "written.",
            hint="Work on a copy of the folder, or pass --unsign, which takes it off and logs that.",
        )
    return stands


def _bag(folder: Path, names: list[str], new: Mapping[str, bytes]) -> dict[str, bytes]:
    if (folder / bag.INFO).is_file():
        facts = bag.described(folder)
    else:
        case = load(folder)
        facts = (
            ("Bag-Software-Agent", f"{case.tool.name} {case.tool.value}"),
            ("Bagging-Date", case.created[:10]),
            ("External-Identifier", case.id),
            ("External-Description", "Case folder of a technical examination of pictures."),
        )
    made = bag.manifests(folder, names, new, facts)
    return {**made, REQUEST: timestamp.request(sha256(made[bag.TAGS]))}


def _differs(path: Path, data: bytes) -> bool:
    try:
        return foreign.read(path, max(len(data), 1)) != data
    except foreign.Unreadable:
        return True
