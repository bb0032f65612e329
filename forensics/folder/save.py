"""Documents written beside a case that is closed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from forensics.errors import CaseError
from forensics.folder import bag, timestamp
from forensics.folder.bag import file_sha256
from forensics.folder.custody import append_custody
from forensics.folder.layout import REPLY, REPORT, REQUEST, sha256
from forensics.folder.verify import check, load


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
        check(folder, but=tuple(documents))
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
