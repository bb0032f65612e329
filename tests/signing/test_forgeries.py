"""Forgeries by one who holds the folder and makes every digest anew: what is said of each, signed and unsigned.

Each row: what is done to the folder, what `verify` must say of a signed case, what of an unsigned one. A text in
quotation marks `error:` is the message of the failure, `said:` a sentence of a folder that passes, because without a
signature nothing in it can show the forgery; then it must be said that nothing is signed.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` from any working directory

from forensics import documents, foreign
from forensics.documents import SUMMARY, VIEWER, Expected
from forensics.errors import SettingsError, VerificationError
from forensics.folder.bag import TAGS
from forensics.folder.layout import CASE, CUSTODY, REPLY, REPORT, SEAL, SIGNED
from forensics.folder.save import Sealing, save
from forensics.folder.sign import Pkcs12, seal, sign
from tests.cli.support import run
from tests.signing import forger, keys
from tests.test_casefile import small_case

NAME = "A. N. Examiner"
FORMATS = ("pdf", "html", "csv")


@dataclasses.dataclass(frozen=True)
class Given:
    """Two cases that are sound, unsigned and signed with a timestamp, and their signatory."""

    unsigned: Path
    signed: Path
    other: Path
    """Another case, unsigned."""
    certificate: Path
    digest: str
    stranger: Path
    """Certificate of another key with the same name, and that key."""
    stranger_key: Path


def made(folder: Path, *, reference: bool = False) -> Path:
    small_case(folder)
    (folder / REPORT).unlink()
    documents.write(folder, FORMATS, summary=True)
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    root = tmp_path_factory.mktemp("forgeries")
    private, strange = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    cert, same_name = keys.certificate(private, NAME), keys.certificate(strange, NAME)
    unsigned, other = made(root / "unsigned"), made(root / "other")
    signed = Path(shutil.copytree(unsigned, root / "signed"))
    stamping = keys.stamper()
    with Pkcs12(keys.pkcs12(root / "id.p12", private, cert), keys.WORD.encode()).open() as signer:
        seal_with(signed, signer, stamping)
    found = documents._seal(signed, ())
    assert found is not None
    assert found.stamped
    return Given(
        unsigned,
        signed,
        other,
        keys.pem(root / "id.pem", cert),
        found.certificate.sha256,
        keys.pem(root / "stranger.pem", same_name),
        keys.pkcs12(root / "stranger.p12", strange, same_name),
    )


def seal_with(folder: Path, signer: object, stamping: object) -> None:
    """What `documents.sign` does, with a time-stamping authority in this process."""
    from forensics import report
    from forensics.folder.sign import suitable
    from forensics.folder.verify import load

    certificate = suitable(signer)
    pdf = sign(report.render(load(folder), folder, signatory=certificate.name), signer, timestamper=stamping)
    action = documents._sealing_action(certificate.sha256, stamped=stamping is not None)
    sealing = Sealing(action, lambda content: seal(content, signer, timestamper=stamping))
    save(folder, {SIGNED: pdf}, "report signed", sealing=sealing)


def rehashed(change: Callable[[Path], None]) -> Callable[[Path, Given], None]:
    def forge(folder: Path, given: Given) -> None:
        change(folder)
        forger.rehash(folder)

    return forge


def edit_table(folder: Path) -> None:
    table = sorted((folder / "tables").iterdir())[0]
    table.write_bytes(table.read_bytes() + b"forged,row\n")


def other_times(folder: Path, given: Given) -> None:
    frozen = [e.action for e in forger.read_custody(folder)].index("case frozen")
    forger.rehash(
        folder,
        lambda e: (
            dataclasses.replace(e, actor="somebody else", utc="2001-01-01T00:00:00Z") if e.seq > frozen + 1 else e
        ),
    )


def other_beginning(folder: Path, given: Given) -> None:
    forger.rehash(folder, lambda e: dataclasses.replace(e, actor="somebody else") if e.seq <= 2 else e)


def other_exhibit(folder: Path) -> None:
    path = next((folder / "data" / "exhibits").glob("*.png"))
    Image.new("RGB", (64, 64), "red").save(path)


def other_pdf(folder: Path, given: Given) -> None:
    """The genuine PDF of another case."""
    forger.number_in_case(given.other.rename(given.other.with_name("changed")))
    changed = given.other.with_name("changed")
    forger.rehash(changed)
    documents.write(changed, ("pdf",))
    shutil.copy(changed / REPORT, folder / REPORT)
    shutil.rmtree(changed)
    made(given.other)
    forger.rehash(folder)


def signature_removed(folder: Path, given: Given) -> None:
    """With every line that told of it."""
    for name in (SEAL, SIGNED):
        (folder / name).unlink(missing_ok=True)
    forger.rehash(folder, forger.without(SEAL, SIGNED))


def seal_removed(folder: Path, given: Given) -> None:
    """The signature over the folder alone; the signed report stays."""
    (folder / SEAL).unlink(missing_ok=True)
    forger.rehash(folder, forger.without(SEAL))


def signature_deleted(folder: Path, given: Given) -> None:
    (folder / SEAL).unlink(missing_ok=True)


def other_signer(folder: Path, given: Given) -> None:
    """Changed pages, then everything signed again with another key of the same name."""
    signature_removed(folder, given)
    with Pkcs12(given.stranger_key, keys.WORD.encode()).open() as signer:
        seal_with(folder, signer, keys.stamper())


def old_signature(folder: Path, given: Given) -> None:
    """The genuine signature and signed report beside another case."""
    keep = {name: (given.signed / name).read_bytes() for name in (SEAL, SIGNED)}
    shutil.rmtree(folder)
    shutil.copytree(given.other, folder)
    with Pkcs12(given.stranger_key, keys.WORD.encode()).open() as signer:
        seal_with(folder, signer, None)
    for name, data in keep.items():
        (folder / name).write_bytes(data)
    forger.rehash(folder, lambda e: dataclasses.replace(e, action=_action(given)) if e.item == SEAL else e)


def _action(given: Given) -> str:
    return documents._sealing_action(given.digest, stamped=True)


def stamp_removed(folder: Path, given: Given) -> None:
    """The timestamp stands outside what is signed, so taking it away leaves a sound signature."""
    if not (folder / SEAL).is_file():
        (folder / REPLY).unlink(missing_ok=True)
        return
    found = cms.ContentInfo.load((folder / SEAL).read_bytes())
    found["content"]["signer_infos"][0]["unsigned_attrs"] = []
    (folder / SEAL).write_bytes(found.dump(force=True))


def whole(folder: Path, given: Given) -> None:
    """Another case from nothing, which is a case like any other."""
    shutil.rmtree(folder)
    small_case(folder)
    forger.number_in_case(folder)
    (folder / REPORT).unlink()
    forger.rehash(folder, forger.without(REPORT))
    documents.write(folder, FORMATS)


def added_document(folder: Path, given: Given) -> None:
    (folder / "letter.pdf").write_bytes((folder / REPORT).read_bytes())
    line = list(forger.read_custody(folder))[-1]
    extra = dataclasses.replace(line, action="report rendered", item="letter.pdf", sha256="0" * 64)
    with (folder / CUSTODY).open("ab") as log:
        log.write(forger.custody_lines((extra,)))
    forger.rehash(folder)


def script_in_viewer(folder: Path) -> None:
    forger.replaced(folder / VIEWER, rb"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", b"")


def link_for_exhibit(folder: Path, given: Given) -> None:
    path = next((folder / "data" / "exhibits").glob("*.png"))
    path.rename(folder.parent / path.name)
    path.symlink_to(folder.parent / path.name)


def link_for_data(folder: Path, given: Given) -> None:
    (folder / "data").rename(folder.parent / "elsewhere")
    (folder / "data").symlink_to(folder.parent / "elsewhere")


def pipe(folder: Path, given: Given) -> None:
    os.mkfifo(folder / "data" / "pipe")


def empty_folder(folder: Path, given: Given) -> None:
    (folder / "tables" / "more").mkdir()


def dangling_link(folder: Path, given: Given) -> None:
    (folder / "note").symlink_to("nowhere")


class Row(NamedTuple):
    forge: Callable[[Path, Given], None]
    signed: str
    unsigned: str


STATE = r"error: .*the signature is over another state of this folder"
NOTHING = r"said: NOTHING IN THIS FOLDER IS SIGNED\."
TABLE = {
    "pages of the report": Row(rehashed(forger.pages), STATE, r"error: report\.pdf page 1 is not the one"),
    "pages of the summary": Row(
        rehashed(lambda folder: forger.pages(folder, SUMMARY)), STATE, r"error: summary\.pdf page 1 is not the one"
    ),
    "viewer without its policy": Row(rehashed(script_in_viewer), STATE, r"error: viewer\.html is not what"),
    "a table": Row(rehashed(edit_table), STATE, r"error: tables/.* is not what"),
    "custody after the freeze": Row(other_times, STATE, NOTHING + ".*could have rewritten the custody log"),
    "custody before the freeze": Row(other_beginning, "error: .*does not begin", "error: .*does not begin"),
    "an exhibit": Row(rehashed(other_exhibit), r"error: Exhibit|error: Item", r"error: Exhibit|error: Item"),
    "the case under its PDF": Row(
        rehashed(forger.number_in_case), STATE, r"error: report\.pdf: the embedded file case"
    ),
    "PDF of another case": Row(other_pdf, STATE, r"error: report\.pdf: the embedded file"),
    "signature removed": Row(signature_removed, NOTHING, NOTHING),
    "signature over the folder removed": Row(
        seal_removed, r"error: report-signed\.pdf is signed, and .*p7s, .* is missing", NOTHING
    ),
    "signature deleted": Row(signature_deleted, r"error: .*p7s is missing: the custody log says", NOTHING),
    "another signer of the same name": Row(
        other_signer, "said: .*anybody can make a certificate", "said: .*anybody can"
    ),
    "old signature over a new case": Row(old_signature, STATE, STATE),
    "timestamp taken off": Row(stamp_removed, r"error: .*carries no timestamp", NOTHING + ".*No time-stamping"),
    "the whole case made anew": Row(whole, NOTHING, NOTHING),
    "a document added": Row(added_document, STATE, r"error: letter\.pdf is no document that"),
    "exhibit replaced by a link": Row(link_for_exhibit, r"error: .*is a link", r"error: .*is a link"),
    "data replaced by a link": Row(link_for_data, r"error: data is a link", r"error: data is a link"),
    "a pipe": Row(pipe, r"error: data/pipe is a pipe", r"error: data/pipe is a pipe"),
    "an empty folder": Row(empty_folder, r"error: tables/more is an empty", r"error: tables/more is an empty"),
    "a link to nowhere": Row(dangling_link, r"error: note is a link", r"error: note is a link"),
}


def judged(folder: Path, expected: Expected | None = None) -> str:
    said: list[str] = []
    try:
        said.extend(documents.verify(folder, expected))
    except VerificationError as exc:
        return f"error: {exc.message}"
    return "said: " + " ".join(said[1:])


@pytest.mark.parametrize("kind", ["signed", "unsigned"])
@pytest.mark.parametrize("name", TABLE)
def test_each_forgery_has_its_word(given: Given, tmp_path: Path, name: str, kind: str) -> None:
    import re

    folder = Path(shutil.copytree(getattr(given, kind), tmp_path / "case"))
    TABLE[name].forge(folder, given)
    found, wanted = judged(folder), getattr(TABLE[name], kind)
    pattern = wanted.replace("said: ", "said: .*", 1)
    assert any(re.match(one, found, re.DOTALL) for one in pattern.split("|")), found


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if row.signed.startswith("said")])
def test_what_passes_without_the_signatory_fails_with_it(given: Given, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(given.signed, tmp_path / "case"))
    TABLE[name].forge(folder, given)
    noted = foreign.sha256(given.signed / TAGS)
    for expected in (Expected((given.certificate,)), Expected(signer=given.digest), Expected(digest=noted)):
        assert judged(folder, expected).startswith("error: "), expected


def test_genuine_folder_meets_every_expectation(given: Given) -> None:
    for digest in (foreign.sha256(given.signed / TAGS), foreign.sha256(given.signed / CASE)):
        found = judged(given.signed, Expected((given.certificate,), NAME, digest))
        assert "covers" in found
        assert "The certificate is trusted" in found
        assert "The signatory is the one expected" in found
        assert "The expected digest is that of the" in found
    assert judged(given.unsigned).startswith("said: ")


def test_exit_codes_at_the_command_line(given: Given) -> None:
    assert run("verify", given.signed, "--trust", given.certificate).exit_code == 0
    assert run("verify", given.signed, "--trust", given.stranger).exit_code == VerificationError.exit_code
    assert run("verify", given.unsigned, "--trust", given.certificate).exit_code == VerificationError.exit_code
    assert run("verify", given.signed, "--expect-signer", "0" * 64).exit_code == VerificationError.exit_code
    assert run("verify", given.signed, "--expect-digest", "0" * 64).exit_code == VerificationError.exit_code
    assert run("verify", given.signed, "--expect-signer", NAME).exit_code == SettingsError.exit_code
    assert run("verify", given.signed, "--expect-digest", "abc").exit_code == SettingsError.exit_code


def test_openssl_checks_the_signature_over_the_folder(given: Given) -> None:
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl, which checks the signature independently, is not installed")
    done = subprocess.run(
        [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            SEAL,
            "-content",
            TAGS,
            "-CAfile",
            str(given.certificate),
            "-purpose",
            "any",
            "-out",
            os.devnull,
        ],
        cwd=given.signed,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_pdf_saved_again_with_other_bytes_shows_the_same(given: Given, tmp_path: Path) -> None:
    import pikepdf

    folder = Path(shutil.copytree(given.unsigned, tmp_path / "case"))
    with pikepdf.open(folder / REPORT, allow_overwriting_input=True) as document:
        document.save(folder / REPORT, recompress_flate=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    forger.rehash(folder)
    assert "report.pdf has other bytes than the document drawn here" in judged(folder)


def test_one_digit_of_one_number_on_a_page_is_found(given: Given, tmp_path: Path) -> None:
    """The smallest forgery: the text layer and every other page stay as they are."""
    import io

    import pikepdf

    folder = Path(shutil.copytree(given.unsigned, tmp_path / "case"))
    with pikepdf.open(folder / REPORT) as document:
        dot = document.make_stream(b"q 0 0 0 rg 200 300 1.2 1.2 re f Q")
        document.pages[-1].contents_add(dot)
        number = len(document.pages)
        out = io.BytesIO()
        document.save(out)
    (folder / REPORT).write_bytes(out.getvalue())
    forger.rehash(folder)
    assert judged(folder).startswith(f"error: report.pdf page {number} is not the one")


def test_signed_folder_is_not_changed_without_saying_so(given: Given, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(given.signed, tmp_path / "case"))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert run("report", folder, "--paper", "Letter").exit_code == 9
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert run("report", folder).exit_code == 0  # nothing differs, so nothing changes
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert run("report", folder, "--paper", "Letter", "--unsign").exit_code == 0
    assert "NOTHING IN THIS FOLDER IS SIGNED" in judged(folder)
    assert b"taken off, because the folder changes" in (folder / CUSTODY).read_bytes()
