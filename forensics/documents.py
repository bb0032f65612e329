"""What is made of a closed case folder without torch: its documents, signed or not, and whether all of it is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from forensics import files, foreign, report
from forensics.case import Case, CustodyEntry, Fact
from forensics.errors import CaseError, SettingsError, VerificationError
from forensics.folder import check_signature as check
from forensics.folder.bag import TAGS
from forensics.folder.custody import read_custody
from forensics.folder.journal import locked, recover
from forensics.folder.layout import CASE, OWN, REPLY, REPORT, SEAL, SIGNED, sha256
from forensics.folder.save import Sealing, save, sound
from forensics.folder.strangers import said as said_added
from forensics.folder.verify import Checked, added_error, load
from forensics.folder.verify import verify as verify_folder
from forensics.languages import ENGLISH
from forensics.report import derived, libraries, typefaces
from forensics.report.attachments import attached

if TYPE_CHECKING:
    from forensics.folder.sign import Key


FORMATS = ("pdf", "html", "json", "csv", "docx")
Elsewhere = Callable[[Path, str, str], bytes | None]
"""Draws the report of a closed case folder on paper of a size and in a language; none where it has to be drawn here."""
SUMMARY = "summary.pdf"
VIEWER = "viewer.html"
TABLES = "tables"
_LARGEST = 2048 * foreign.MIB
_SEALED = "the folder signed"
_MAKE_AGAIN = (
    "Make it again with `forensics report` on a copy of the folder and compare the two, or ask for the folder as it "
    "was handed over."
)
_SAME_RELEASES = (
    "Debian 12 has Pango 1.50, Debian 13 has 1.56; the Containerfile of the repository makes a system with those of "
    "Debian 12 and the packages of requirements.lock"
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reader of a folder knows of it from elsewhere, and asks `verify` to compare."""

    trust: tuple[Path, ...] = ()
    """Certificates of issuers: every signature must lead to one of them."""
    signer: str = ""
    """SHA-256 of the signatory's certificate; or the name in it, which means something with `trust` only."""
    digest: str = ""
    """SHA-256 of the second manifest or of `case.json`, as it was noted down."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How documents are drawn, whatever they show."""

    language: str = ENGLISH
    """Of the report, the letter, the viewer and the copy to edit; the case stays in English."""
    elsewhere: Elsewhere | None = None
    """Who draws the report, where that is not done here."""


def letters(case: Case) -> typefaces.Found:
    """The typefaces with which the letters of a case can be printed that the bundled ones lack."""
    return typefaces.find(case)


def drawing() -> tuple[Fact, ...]:
    """The libraries of the system that draw the pages here, for the environment of a case."""
    return libraries.facts()


def render(folder: Path, *, paper: str = "A4", language: str = ENGLISH, elsewhere: Elsewhere | None = None) -> Path:
    """Render the report of a case folder again, with its viewer, and renew the bag; the path of the PDF. As `write`."""
    return write(folder, ("pdf", "html"), paper=paper, drawing=Drawing(language, elsewhere))[0]


def write(
    folder: Path,
    formats: tuple[str, ...],
    *,
    paper: str = "A4",
    drawing: Drawing | None = None,
    summary: bool = False,
    unsign: bool = False,
    ignore_added: bool = False,
) -> tuple[Path, ...]:
    """Make documents from a case folder and renew the bag; their paths, in the order asked for.

    Args:
        folder: the case folder.
        formats: `pdf` the report, `html` the viewer of pairs, `csv` the tables, `json` the case, which is there;
            `docx` a copy to edit, which is written beside the folder, for it is not part of the record.
        paper: `A4` or `Letter`.
        drawing: the language of report, letter, viewer and copy to edit, and who draws; in English and here otherwise.
        summary: the two pages for a letter as well.
        unsign: where a document of a signed folder changes, take the signature off.
        ignore_added: pass over files that systems add.

    Raises:
        CaseError: the folder holds no case that this release reads, or is signed and would change.
        VerificationError: an exhibit differs from its digest.
        RenderingError: the report would be incomplete.
    """
    drawing = drawing or Drawing()
    if folder.is_dir():
        with locked(folder):
            recover(folder)
    case = load(folder)
    made: dict[str, bytes] = {}
    drafts: dict[Path, bytes] = {}
    paths: list[Path] = []
    tables = {f"{TABLES}/{name}": data for name, data in report.tables(case).items()} if "csv" in formats else {}
    # Drawing takes longest: what would be refused after it is refused before.
    sound(folder, (REPORT, VIEWER, SUMMARY, *tables), ignore_added=ignore_added)
    with ThreadPoolExecutor(1) as beside:
        drawn = None
        if drawing.elsewhere is not None and "pdf" in formats:
            drawn = beside.submit(drawing.elsewhere, folder, paper, drawing.language)
        for kind in formats:
            if kind == "pdf":
                made[REPORT] = _draw(case, folder, paper, language=drawing.language) if drawn is None else b""
                paths.append(folder / REPORT)
            elif kind == "html":
                made[VIEWER] = report.viewer(case, folder, language=drawing.language)
                paths.append(folder / VIEWER)
            elif kind == "csv":
                made |= tables
                paths.append(folder / TABLES)
            elif kind == "docx":
                drafts = {_free(folder): report.draft(case, folder, language=drawing.language)}
                paths += drafts
            else:
                paths.append(folder / CASE)
        if drawn is not None:
            made[REPORT] = drawn.result() or _draw(case, folder, paper, language=drawing.language)
    if summary:
        size = cast("Literal['A4', 'Letter']", paper)
        made[SUMMARY] = report.summary(case, folder, paper=size, language=drawing.language)
        paths.append(folder / SUMMARY)
    if REPORT not in made and not (folder / REPORT).is_file():
        made[REPORT] = _draw(case, folder, paper, language=drawing.language)  # a bag without its report does not verify
    save(folder, made, "report rendered", unsign=unsign, ignore_added=ignore_added)
    for path, data in drafts.items():
        files.write(path, data)
    return tuple(paths)


def _free(folder: Path) -> Path:
    """Where a copy to edit goes: beside the folder, and never over one that somebody has edited."""
    real = folder.resolve()
    names = chain(("-draft.docx",), (f"-draft-{n}.docx" for n in count(2)))
    return next(path for name in names if not (path := real.with_name(real.name + name)).exists())


def finish(folder: Path) -> Path:
    """Draw the report of a case whose examination was stopped after the case was frozen; the path of the PDF.

    Raises:
        CaseError: the report is there, and nothing is left to be done; else as `write`.
    """
    with locked(folder):
        went_on = recover(folder)
    if (folder / TAGS).is_file() and went_on:
        return folder / REPORT  # stopped while the report and the manifests were moved into place
    if (folder / TAGS).is_file():
        raise CaseError(
            f"{folder} holds an examination that ended; there is nothing to go on with.",
            hint="Name the folder of an `analyze` that was stopped.",
        )
    return render_as_asked(folder)


def render_as_asked(folder: Path) -> Path:
    """Render the report on the paper and in the language of its examination. As `write`."""
    used = {row.name: row.value for row in load(folder).settings}
    return render(folder, paper=used.get("paper", "A4"), language=used.get("language", ENGLISH))


def sign(
    folder: Path,
    key: Key,
    *,
    timestamp_url: str | None = None,
    paper: str | None = None,
    ignore_added: bool = False,
    unsign: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Path:
    """Verify the folder, sign its report as a document of its own, then sign the whole folder; the signed report.

    It is signed in the language of the report in the folder.

    Args:
        folder: the case folder.
        key: of the signatory.
        timestamp_url: a time-stamping authority, asked once for the report and once for the folder.
        paper: `A4` or `Letter`; that of the examination otherwise.
        ignore_added: pass over files that systems add; they are not signed.
        unsign: take an earlier reply of a time-stamping authority off, which the signature makes wrong.
        warn: told what the reader of the signature will see and the signatory may not know.

    Raises:
        VerificationError: the folder is not sound, or could not be signed.
        SettingsError: the key cannot be opened, or its certificate is not fit for signing.
    """
    from forensics.folder import sign as signing

    for _ in verify(folder, ignore_added=ignore_added):
        pass
    case = load(folder)
    used = {row.name: row.value for row in case.settings}
    with key.open() as signer:
        certificate = signing.suitable(signer)
        if certificate.self_signed:
            warn(
                f"The certificate of {certificate.subject} was issued by itself: a reader can trust it only who "
                f"received its digest from you by another way. SHA-256 {certificate.sha256}."
            )
        timestamper = signing.authority(timestamp_url) if timestamp_url else None
        spoken = derived.language_of(foreign.read(folder / REPORT, _LARGEST), REPORT)
        pdf = _draw(case, folder, paper or used.get("paper", "A4"), certificate.name, language=spoken)
        signed = signing.sign(pdf, signer, timestamper=timestamper)
        sealing = Sealing(
            _sealing_action(certificate.sha256, bool(timestamp_url)),
            lambda manifest: signing.seal(manifest, signer, timestamper=timestamper),
        )
        save(folder, {SIGNED: signed}, "report signed", sealing=sealing, unsign=unsign, ignore_added=ignore_added)
    return folder / SIGNED


def verify(folder: Path, expected: Expected | None = None, *, ignore_added: bool = False) -> Iterator[str]:
    """Check everything that can be checked of a case folder; a sentence for each part found sound.

    Args:
        folder: the case folder; nothing is written to it.
        expected: what is known of it from elsewhere.
        ignore_added: pass over files that systems add.

    Raises:
        SettingsError: an expectation that proves nothing.
        AddedError: everything is sound, and systems added files.
        VerificationError: naming the first thing that differs.
    """
    expected = expected or Expected()
    _meaningful(expected)
    checked = verify_folder(folder, ignore_added=True)  # what was added is said last: it must hide nothing
    yield f"{folder}: {checked.count} files agree with the manifests, the custody log and the case."
    if checked.added and ignore_added:
        yield f"Passed over, because systems add such files: {said_added(checked.added)}."
    yield from _digests(folder, expected.digest)
    case = load(folder)
    roots = check.roots(expected.trust) if expected.trust else ()
    seal = _seal(folder, roots)
    yield from _documents(folder, case, checked, roots, seal)
    yield from _signatures(folder, checked, seal, expected)
    yield from _stamped(folder, roots)
    if checked.added and not ignore_added:
        raise added_error(checked.count, checked.added)


def _digests(folder: Path, expected: str) -> Iterator[str]:
    whole, frozen = foreign.sha256(folder / TAGS), foreign.sha256(folder / CASE)
    yield f"Digest of the whole folder (SHA-256 of {TAGS}): {whole}."
    yield f"Digest of the frozen case (SHA-256 of {CASE}): {frozen}."
    wanted = expected.lower()
    if not wanted:
        return
    if wanted == whole:
        yield "The expected digest is that of the whole folder: nothing in it has changed since it was noted down."
    elif wanted == frozen:
        yield (
            "The expected digest is that of the frozen case: the case and its exhibits have not changed since it was "
            "noted down. It does not cover the custody log after the freeze."
        )
    else:
        raise VerificationError(
            f"The folder has another digest than expected: {whole}, and its case {frozen}, instead of {wanted}.",
            hint="This is another case, or another state of it, than the one whose digest was noted down.",
        )


def _documents(
    folder: Path, case: Case, checked: Checked, roots: tuple[object, ...], seal: check.Signature | None
) -> Iterator[str]:
    """Every document is the one that the case gives; what no case gives does not belong here."""
    inside = {a.name: a.data for a in attached(case, folder)}
    tables = {f"{TABLES}/{name}": data for name, data in report.tables(case).items()}
    names = [n for n in checked.stated if not n.startswith("data/") and n not in OWN]
    equal, alike = 0, []
    for name in names:
        found = foreign.read(folder / name, _LARGEST)
        if name in (REPORT, SUMMARY, SIGNED):
            check.embedded(found, inside, name)
        if name == SIGNED:
            continue  # its pages are compared with the signatory's name on them, below
        if found == _made(case, folder, name, found, tables):
            equal += 1
        else:
            alike.append(_alike(case, folder, name, found, seal))
    yield f"{equal} of {len([n for n in names if n != SIGNED])} documents are, byte for byte, what {CASE} gives."
    yield from alike
    if SIGNED in names:
        yield from _signed_document(folder, case, roots, seal)


def _made(case: Case, folder: Path, name: str, found: bytes, tables: dict[str, bytes]) -> bytes:
    """The document of this name as the case gives it. Raises VerificationError for a name that no case gives."""
    if name == REPORT:
        return _draw(case, folder, derived.paper_of(found, name), language=derived.language_of(found, name))
    if name == SUMMARY:
        paper = cast("Literal['A4', 'Letter']", derived.paper_of(found, name))
        return report.summary(case, folder, paper=paper, language=derived.language_of(found, name))
    if name == VIEWER:
        return report.viewer(case, folder, language=derived.language_of_page(found, name))
    if name in tables:
        return tables[name]
    raise VerificationError(
        f"{name} is no document that {CASE} gives.",
        hint="Find out who put it there; this release makes none of that name.",
    )


def _alike(case: Case, folder: Path, name: str, found: bytes, seal: check.Signature | None) -> str:
    """What is to be said of a document whose bytes differ. Raises VerificationError where it says something else."""
    if not name.endswith(".pdf"):
        raise VerificationError(f"{name} is not what {CASE} gives: it was rewritten.", hint=_MAKE_AGAIN)
    made = _made(case, folder, name, found, {})
    if (differs := derived.difference(found, made)) is None:
        return (
            f"{name} has other bytes than the document drawn here from {CASE} and shows the same: every page was "
            "compared in its text and at 144 dots to the inch. It was drawn with other releases of the libraries, or "
            "saved again by another program."
        )
    differs, same = _in_content(case, name, found, made, differs)
    if differs is None:
        return same
    said = f"{name} {differs.said} ({CASE}, drawn by this release)."
    if seal is not None and seal.trusted:
        return f"{said} The trusted signature below covers it as it is: the signatory can say why."
    raise VerificationError(said, hint=_MAKE_AGAIN)


def _in_content(
    case: Case, name: str, found: bytes, made: bytes, differs: derived.Difference, *, signed: bool = False
) -> tuple[derived.Difference | None, str]:
    """A document whose pages are others than here, judged by what it says where other releases drew it.

    Returns:
        How it differs, or nothing and what is to be said.
    """
    there, now = libraries.differing(libraries.stated(found, case))
    if not there:
        return differs, ""
    if (content := derived.content(found, made, signed=signed)) is not None:
        return content, ""
    return None, (
        f"{name} DIFFERS FROM THE DOCUMENT DRAWN HERE IN TYPESETTING ALONE: {_listed(there)} drew it, and here are "
        f"{_listed(now)}, which break lines or pages elsewhere. Compared were all words in their order, every letter "
        "and picture as it looks, and every drawing; they are the same. Not compared were where on a page they stand, "
        f"and rules and plain backgrounds. The file itself has the digest that the manifest and the custody log state: "
        f"SHA-256 {sha256(found)}. To compare page by page, run this command where the releases are those that drew it "
        f"({_SAME_RELEASES})."
    )


def _listed(versions: dict[str, str]) -> str:
    *some, last = libraries.said(versions).split(", ")
    return f"{', '.join(some)} and {last}" if some else last


def _signed_document(
    folder: Path, case: Case, roots: tuple[object, ...], seal: check.Signature | None
) -> Iterator[str]:
    data = foreign.read(folder / SIGNED, _LARGEST)
    found = check.signature(data, SIGNED, roots)
    if seal is None:
        raise VerificationError(
            f"{SIGNED} is signed, and {SEAL}, the signature over the whole folder, is missing.",
            hint="It was taken away, or the folder comes from a release that made none; sign again.",
        )
    if found.certificate.sha256 != seal.certificate.sha256:
        raise VerificationError(
            f"{SIGNED} and the folder were signed with two certificates, {found.certificate.sha256} and "
            f"{seal.certificate.sha256}.",
            hint="Ask both signatories.",
        )
    language = derived.language_of(data, SIGNED)
    made = _draw(case, folder, derived.paper_of(data, SIGNED), found.signatory, language=language)
    # The bytes before the signature are not enough: what was added with it can lie over the pages.
    if differs := derived.difference(data, made, signed=True):
        differs, same = _in_content(case, SIGNED, data, made, differs, signed=True)
        if differs is None:
            yield same
            return
        if seal.trusted:
            yield f"{SIGNED} {differs.said}. The trusted signature covers it as it is: the signatory can say why."
            return
        raise VerificationError(f"{SIGNED} {differs.said} ({CASE}, drawn by this release).", hint=_MAKE_AGAIN)
    how = "are, byte for byte," if data.startswith(made) else "have other bytes and show"
    yield f"{SIGNED}: the pages under the signature {how} what {CASE} gives."


def _seal(folder: Path, roots: tuple[object, ...]) -> check.Signature | None:
    """The signature over the folder, sound and the one that the custody log tells of; none where there is none."""
    logged = _sealing_line(tuple(read_custody(folder)))
    if not (folder / SEAL).is_file():
        if logged is not None:
            raise VerificationError(
                f"{SEAL} is missing: the custody log says that the folder was signed at {logged.utc}.",
                hint="The signature was taken away. Ask the signatory for the folder as it was signed.",
            )
        return None
    found = check.seal(
        foreign.read(folder / SEAL, check.LARGEST_SEAL), foreign.read(folder / TAGS, _LARGEST), SEAL, roots
    )
    if logged is None or logged.action not in (
        _sealing_action(found.certificate.sha256, stamped) for stamped in (False, True)
    ):
        raise VerificationError(
            f"{SEAL} was not made when the custody log says, or not by whom: another certificate, or another folder.",
            hint="Ask the signatory for the folder as it was signed.",
        )
    if logged.action == _sealing_action(found.certificate.sha256, True) and not found.stamped:
        raise VerificationError(
            f"{SEAL} carries no timestamp: the custody log, which it covers, says that it had one.",
            hint="The timestamp was taken away. Ask the signatory for the folder as it was signed.",
        )
    return found


def _sealing_action(certificate: str, stamped: bool) -> str:
    return f"{_SEALED}, {'with' if stamped else 'without'} a timestamp, certificate {certificate}"


def _sealing_line(entries: tuple[CustodyEntry, ...]) -> CustodyEntry | None:
    """The last signing of the folder that was not taken off afterwards."""
    for entry in reversed(entries):
        if entry.item == SEAL:
            return entry if entry.action.startswith(_SEALED) else None
    return None


def _signatures(folder: Path, checked: Checked, seal: check.Signature | None, expected: Expected) -> Iterator[str]:
    """Whose signature covers what, and what follows from it; an expectation that is not met is an error."""
    if seal is None:
        if expected.trust or expected.signer:
            raise VerificationError(
                "Nothing in this folder is signed, so that no signatory can be compared.",
                hint="Ask the signatory for the folder as it was signed.",
            )
        yield from _unsigned(folder)
        return
    yield (
        f"Signed by {seal.signatory}: the signature ({SEAL}) is sound and covers {len(checked.stated) + 1} files, that "
        f"is every file of the folder but the signature itself and what else is made from {TAGS}: the case and its "
        "exhibits, the report, the viewer, the tables and the whole custody log."
    )
    yield seal.certificate.said
    yield _trust(seal)
    yield _times(seal)
    if seal.trusted is False:
        raise VerificationError(
            f"The signature of {seal.signatory} is not to be trusted by what was named with --trust: {seal.reason}.",
            hint="Name the certificate of the issuer of this signatory, or ask why another one signed.",
        )
    if expected.signer:
        yield _as_expected(seal, expected)
    if seal.trusted is None and seal.certificate.problems:
        yield " ".join(seal.certificate.problems)


def _unsigned(folder: Path) -> Iterator[str]:
    stamp = "" if (folder / REPLY).is_file() else " No time-stamping authority states when it was in this state."
    yield (
        "NOTHING IN THIS FOLDER IS SIGNED. Its parts agree with one another and its documents are what the case gives; "
        "whoever can write to the folder could have made all of it anew, and could have rewritten the custody log "
        f"after the freeze.{stamp} Compare the digest of the folder with one that was noted down elsewhere "
        "(--expect-digest)."
    )


def _trust(seal: check.Signature) -> str:
    if seal.trusted is None:
        return (
            "Whether the certificate belongs to the person it names was not tested, because no issuer was named with "
            "--trust: anybody can make a certificate with this name. Compare its digest with one received from the "
            "signatory by another way (--expect-signer)."
        )
    if seal.trusted:
        return f"The certificate is trusted: it leads to {' > '.join(seal.chain)}."
    return f"The certificate is not trusted: {seal.reason}."


def _times(seal: check.Signature) -> str:
    stated = seal.stated or "no time"
    if not seal.stamped:
        return f"The signatory states {stated}; no time-stamping authority vouches for it."
    trusted = {None: "not tested, see --trust", True: "trusted", False: "not trusted: named with --trust by nobody"}
    return (
        f"The signatory states {stated}; the time-stamping authority {seal.authority} states {seal.stamped} "
        f"({trusted[seal.authority_trusted]})."
    )


def _as_expected(seal: check.Signature, expected: Expected) -> str:
    wanted = expected.signer
    if wanted.lower() == seal.certificate.sha256 or wanted in (seal.signatory, seal.certificate.subject):
        return "The signatory is the one expected."
    raise VerificationError(
        f"The folder was signed by {seal.signatory} with the certificate {seal.certificate.sha256}, not by {wanted}.",
        hint="Ask the signatory you expected for the folder as it was signed.",
    )


def _meaningful(expected: Expected) -> None:
    def hexadecimal(text: str) -> bool:
        return len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text)

    if expected.digest and not hexadecimal(expected.digest):
        raise SettingsError(
            f"{expected.digest!r} is no SHA-256.",
            hint="Give all 64 hexadecimal digits, as `forensics verify` prints them.",
        )
    if expected.signer and not hexadecimal(expected.signer) and not expected.trust:
        raise SettingsError(
            "A name alone is no proof: anybody can make a certificate with it.",
            hint="Give the SHA-256 of the signatory's certificate to --expect-signer, or name the issuer with --trust.",
        )


def _stamped(folder: Path, roots: tuple[object, ...]) -> Iterator[str]:
    if not (folder / REPLY).is_file():
        return
    stamp = check.reply(foreign.read(folder / REPLY, check.LARGEST_SEAL), foreign.sha256(folder / TAGS), REPLY, roots)
    trusted = {None: "not tested, see --trust", True: "trusted", False: "not trusted"}[stamp.trusted]
    yield (
        f"{REPLY}: the time-stamping authority {stamp.authority} ({trusted}) states that the folder was in this state "
        f"at {stamp.moment}."
    )


def _draw(case: Case, folder: Path, paper: str, signatory: str = "", *, language: str = ENGLISH) -> bytes:
    size = cast("Literal['A4', 'Letter']", paper)
    return report.render(case, folder, paper=size, signatory=signatory, language=language)
