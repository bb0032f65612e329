"""What is made of a closed case folder without torch: its report, signed or not, and whether all of it is sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from forensics import folder as case_folder
from forensics import report
from forensics.case import Case
from forensics.folder import check_signature as check
from forensics.folder.bag import TAGS, file_sha256
from forensics.folder.check_signature import SIGNED
from forensics.folder.layout import CASE, REPLY, REPORT
from forensics.report.attachments import attached

if TYPE_CHECKING:
    from forensics.folder.sign import Key


FORMATS = ("pdf", "html", "json", "csv")
SUMMARY = "summary.pdf"
VIEWER = "viewer.html"
TABLES = "tables"


def render(folder: Path, *, paper: str = "A4") -> Path:
    """Render the report of a case folder again, with its viewer, and renew the bag; the path of the PDF. As `write`."""
    return write(folder, ("pdf", "html"), paper=paper)[0]


def write(folder: Path, formats: tuple[str, ...], *, paper: str = "A4", summary: bool = False) -> tuple[Path, ...]:
    """Make documents from a case folder and renew the bag; their paths, in the order asked for.

    Args:
        folder: the case folder.
        formats: `pdf` the report, `html` the viewer of pairs, `csv` the tables, `json` the case, which is there.
        paper: `A4` or `Letter`.
        summary: the two pages for a letter as well.

    Raises:
        CaseError: the folder holds no case that this release reads.
        VerificationError: an exhibit differs from its digest.
        RenderingError: the report would be incomplete.
    """
    case = case_folder.load(folder)
    made: dict[str, bytes] = {}
    paths: list[Path] = []
    for kind in formats:
        if kind == "pdf":
            made[REPORT] = _draw(case, folder, paper)
            paths.append(folder / REPORT)
        elif kind == "html":
            made[VIEWER] = report.viewer(case, folder)
            paths.append(folder / VIEWER)
        elif kind == "csv":
            made |= {f"{TABLES}/{name}": data for name, data in report.tables(case).items()}
            paths.append(folder / TABLES)
        else:
            paths.append(folder / CASE)
    if summary:
        made[SUMMARY] = report.summary(case, folder, paper=cast("Literal['A4', 'Letter']", paper))
        paths.append(folder / SUMMARY)
    if REPORT not in made and not (folder / REPORT).is_file():
        made[REPORT] = _draw(case, folder, paper)  # a bag without its report does not verify
    case_folder.save(folder, made, "report rendered")
    return tuple(paths)


def sign(folder: Path, key: Key, *, timestamp_url: str | None = None, paper: str | None = None) -> Path:
    """Verify the folder, render the report as a signed document, sign it, and store it beside the draft.

    Raises:
        VerificationError: the folder is not sound, or the document could not be signed.
        SettingsError: the key cannot be opened.
    """
    from forensics.folder import sign as signing

    for _ in verify(folder):
        pass
    case = case_folder.load(folder)
    used = {row.name: row.value for row in case.settings}
    with key.open() as signer:
        pdf = _draw(case, folder, paper or used.get("paper", "A4"), signing.name_of(signer))
        timestamper = signing.authority(timestamp_url) if timestamp_url else None
        signed = signing.sign(pdf, signer, timestamper=timestamper)
    case_folder.save(folder, {SIGNED: signed}, "report signed")
    return folder / SIGNED


def verify(folder: Path, trust: tuple[Path, ...] = ()) -> Iterator[str]:
    """Check everything that can be checked of a case folder; a sentence for each part found sound.

    Raises:
        VerificationError: naming the first thing that differs.
    """
    count = case_folder.verify(folder)
    yield f"{folder}: {count} files agree with the manifests, the custody log and the case."
    case = case_folder.load(folder)
    expected = {a.name: a.data for a in attached(case, folder)}
    documents = [name for name in (REPORT, SUMMARY, SIGNED) if (folder / name).is_file()]
    for name in documents:
        files = check.embedded((folder / name).read_bytes(), expected, name)
        yield f"{name}: {files} embedded files agree with the folder."
    roots = check.roots(trust) if trust else ()
    if SIGNED in documents:
        yield _said(check.signature((folder / SIGNED).read_bytes(), SIGNED, roots))
    if (folder / REPLY).is_file():
        digest = file_sha256(folder / TAGS)
        moment = check.reply((folder / REPLY).read_bytes(), digest, REPLY, roots)
        yield f"{REPLY}: a time-stamping authority states that the folder was in this state at {moment}."


def _draw(case: Case, folder: Path, paper: str, signatory: str = "") -> bytes:
    return report.render(case, folder, paper=cast("Literal['A4', 'Letter']", paper), signatory=signatory)


def _said(s: check.Signature) -> str:
    issuer = {
        None: "not tested, because no trusted issuer was named with --trust",
        True: "trusted",
        False: "not trusted: it leads to none of the certificates named",
    }[s.trusted]
    stamp = f"by a time-stamping authority at {s.stamped}" if s.stamped else "by no authority"
    return (
        f"{SIGNED}: signed by {s.signatory}; the signature is sound and covers the whole file; issuer {issuer}; "
        f"time attested {stamp}, stated by the signatory as {s.stated or 'nothing'}; certificate SHA-256 "
        f"{s.certificate}."
    )
