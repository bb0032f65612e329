"""Signing and examining: the signature is sound, covers the whole file and spoils no rule; tampering is named.

Keys and certificates are made here; the time-stamping authority is a server of this test on the local host.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import http.server
import io
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.generic import NameObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.timestamps import DummyTimeStamper

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` from any working directory

from forensics import documents
from forensics import folder as case_folder
from forensics.errors import SettingsError, VerificationError
from forensics.folder import check_signature as check
from forensics.folder.bag import TAGS
from forensics.folder.layout import CUSTODY, REPLY, REPORT, SEAL, SIGNED
from forensics.folder.sign import Pkcs12, seal, suitable
from tests.cli.support import run
from tests.report import pages
from tests.signing import forger, keys
from tests.signing.keys import WORD
from tests.test_casefile import flip, small_case
from tests.tools import verapdf


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A P-256 key as PKCS#12, and its certificate as PEM."""
    folder = tmp_path_factory.mktemp("key")
    private = ec.generate_private_key(ec.SECP256R1())
    cert = keys.certificate(private, "A. N. Examiner")
    (folder / "word").write_text(WORD + "\n", encoding="utf-8")
    return keys.pkcs12(folder / "id.p12", private, cert), keys.pem(folder / "id.pem", cert)


@pytest.fixture(scope="module")
def stamper() -> DummyTimeStamper:
    return keys.stamper()


@pytest.fixture(scope="module")
def authority(stamper: DummyTimeStamper) -> Iterator[str]:
    """Address of a time-stamping authority."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["Content-Length"])))
            body = stamper.request_tsa_response(asked).dump()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, key: tuple[Path, Path], authority: str) -> Path:
    """A case whose report was signed by the command, with a timestamp."""
    folder = small_case(tmp_path_factory.mktemp("signed") / "case")
    (folder / REPORT).unlink()
    documents.render(folder)
    word = key[0].with_name("word")
    done = run("sign", folder, "--pkcs12", key[0], "--passfile", word, "--timestamp-url", authority)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder / SIGNED}\n"
    return folder


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "case"))


def exchange(folder: Path, name: str, data: bytes) -> None:
    """Replace a document in an unsigned folder so that bag and custody log agree with it."""
    (folder / name).write_bytes(data)
    forger.rehash(folder)


@pytest.fixture
def unsigned(folder: Path) -> Path:
    """The same case without its signature."""
    for name in (SEAL, SIGNED):
        (folder / name).unlink()
    forger.rehash(folder, forger.without(SEAL, SIGNED))
    return folder


def refused(folder: Path, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        list(documents.verify(folder))


def test_signed_folder_verifies_and_says_by_whom_and_when(signed: Path, key: tuple[Path, Path]) -> None:
    done = run("verify", signed, "--trust", key[1])
    assert done.exit_code == 0, done.stderr
    for said in (
        "Signed by A. N. Examiner",
        "the whole custody log",
        "The certificate is trusted",
        "Time of Example states 20",
        "issued by itself",
        "use: digital signature, non repudiation",
        "are, byte for byte, what data/case.json gives",
    ):
        assert said in done.stdout, said


def test_without_a_named_issuer_trust_is_not_claimed(signed: Path) -> None:
    found = check.signature((signed / SIGNED).read_bytes())
    assert found.trusted is None
    assert "anybody can make a certificate with this name" in run("verify", signed).stdout


def test_another_issuer_is_an_error(signed: Path, tmp_path: Path) -> None:
    made = keys.certificate(ec.generate_private_key(ec.SECP256R1()), "Somebody else")
    done = run("verify", signed, "--trust", keys.pem(tmp_path / "other.pem", made))
    assert done.exit_code == VerificationError.exit_code
    assert "it leads to none of the certificates named" in done.stderr


def test_every_page_says_signed_or_draft(signed: Path) -> None:
    for text in pages.page_texts((signed / SIGNED).read_bytes()):
        assert "Signed electronically by A. N. Examiner" in text
        assert "DRAFT" not in text
    assert all("DRAFT – NOT SIGNED" in text for text in pages.page_texts((signed / REPORT).read_bytes()))


def test_signing_leaves_the_standards_valid(signed: Path) -> None:
    verapdf.require()
    assert verapdf.failures([signed / SIGNED]) == {(SIGNED, profile): [] for profile in verapdf.PROFILES}


def test_bytes_before_the_signature_are_the_unsigned_document(signed: Path) -> None:
    from forensics import report

    case = case_folder.load(signed)
    unsigned = report.render(case, signed, signatory="A. N. Examiner")
    assert (signed / SIGNED).read_bytes().startswith(unsigned)


def test_signature_without_a_timestamp(signed: Path, key: tuple[Path, Path]) -> None:
    from forensics.folder.sign import sign

    with Pkcs12(key[0], WORD.encode()).open() as signer:
        data = sign((signed / REPORT).read_bytes(), signer)
    found = check.signature(data)
    assert found.stamped == ""
    assert found.stated


def test_every_changed_byte_of_the_signed_document_is_found(folder: Path) -> None:
    data = (folder / SIGNED).read_bytes()
    for position in (40, len(data) // 3, len(data) - 12):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(VerificationError, match=r"report-signed\.pdf"):
            check.signature(bytes(changed))
    flip(folder / SIGNED, 40)
    refused(folder, r"report-signed\.pdf differs from the manifest")


def test_addition_after_the_signature_is_found_though_it_is_intact(folder: Path) -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO((folder / SIGNED).read_bytes()))
    writer.root["/Note"] = NameObject("/Added")
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(VerificationError, match=r"something was added that|signature forbids"):
        check.signature(out.getvalue())


def test_signature_taken_off_is_found(folder: Path) -> None:
    with pytest.raises(VerificationError, match="carries no signatures"):
        check.signature((folder / REPORT).read_bytes())


def test_document_saved_again_by_another_program_is_found(folder: Path) -> None:
    with pikepdf.open(folder / SIGNED) as document:
        out = io.BytesIO()
        document.save(out)
    with pytest.raises(VerificationError, match=r"report-signed\.pdf"):
        check.signature(out.getvalue())


def test_exchanged_attachment_is_named(unsigned: Path) -> None:
    folder = unsigned
    name = next(n for n in ("Q1.jpg", "Q1.png") if n in _attached(folder / REPORT))
    with pikepdf.open(folder / REPORT) as document:
        document.attachments[name] = b"another picture"
        out = io.BytesIO()
        document.save(out)
    exchange(folder, REPORT, out.getvalue())
    refused(folder, rf"report\.pdf: the embedded file {name} differs from the case folder")


def test_removed_and_added_attachments_are_named(unsigned: Path) -> None:
    folder = unsigned
    before = (folder / REPORT).read_bytes()
    for change, said in (("remove", "custody.jsonl is missing"), ("add", "note.txt does not belong")):
        with pikepdf.open(io.BytesIO(before)) as document:
            if change == "remove":
                del document.attachments["custody.jsonl"]
            else:
                document.attachments["note.txt"] = b"x"
            out = io.BytesIO()
            document.save(out)
        exchange(folder, REPORT, out.getvalue())
        refused(folder, said)


def test_changed_custody_entry_is_named(folder: Path) -> None:
    path = folder / CUSTODY
    path.write_bytes(path.read_bytes().replace(b"exhibit stored", b"exhibit stowed", 1))
    case_folder.write_manifest(folder)
    refused(folder, r"custody\.jsonl, entry \d+ breaks the chain")


def test_reply_of_the_authority_is_read_and_belongs_to_this_state(folder: Path, stamper: DummyTimeStamper) -> None:
    asked = tsp.TimeStampReq.load((folder / case_folder.REQUEST).read_bytes())
    (folder / REPLY).write_bytes(stamper.request_tsa_response(asked).dump())
    assert "states that the folder was in this state at 20" in list(documents.verify(folder))[-1]
    data = (folder / REPLY).read_bytes()
    digest = hashlib.sha256((folder / TAGS).read_bytes()).digest()
    (folder / REPLY).write_bytes(data.replace(digest, bytes(32), 1))
    refused(folder, "timestamp of another state")
    (folder / REPLY).write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    refused(folder, r"\.tsr")
    (folder / REPLY).write_bytes(b"no reply")
    refused(folder, "no reply of a time-stamping authority")


def test_wrong_passphrase_and_missing_key_are_refused(folder: Path, key: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be opened"):
        Pkcs12(key[0], b"wrong").open()
    with pytest.raises(SettingsError, match="cannot be read"):
        Pkcs12(tmp_path / "none.p12").open()
    (tmp_path / "noise.p12").write_bytes(b"no key file")
    with pytest.raises(SettingsError, match="cannot be opened"):
        Pkcs12(tmp_path / "noise.p12").open()
    assert run("sign", folder).exit_code == SettingsError.exit_code


def test_key_file_without_key_is_named_as_that(tmp_path: Path) -> None:
    cert = keys.certificate(ec.generate_private_key(ec.SECP256R1()), "A. N. Examiner")
    with pytest.raises(SettingsError, match="holds no private key"):
        Pkcs12(keys.pkcs12(tmp_path / "bare.p12", None, cert), WORD.encode()).open()


@pytest.mark.parametrize("given", [None, b""])
def test_key_file_without_passphrase_opens_with_none_and_with_an_empty_one(tmp_path: Path, given: bytes | None) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    path = keys.pkcs12(tmp_path / "open.p12", private, keys.certificate(private, "A. N. Examiner"), word=None)
    with Pkcs12(path, given).open() as signer:
        assert signer.signing_cert is not None


YEAR = dt.timedelta(days=365)
NOW = dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"begins": NOW - 2 * YEAR, "ends": NOW - YEAR}, "expired at"),
        ({"begins": NOW + YEAR, "ends": NOW + 2 * YEAR}, "not valid before"),
        ({"uses": keys.usage(signs=False, encrypts=True)}, "not for signatures"),
        ({"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "not for signatures over documents"),
        ({"purposes": (ExtendedKeyUsageOID.TIME_STAMPING,)}, "not for signatures over documents"),
        ({"purposes": (ExtendedKeyUsageOID.CODE_SIGNING,)}, "not for signatures over documents"),
    ],
)
def test_unfit_certificate_signs_nothing(folder: Path, tmp_path: Path, facts: dict[str, Any], said: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    path = keys.pkcs12(tmp_path / "id.p12", private, keys.certificate(private, "A. N. Examiner", **facts))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with Pkcs12(path, WORD.encode()).open() as signer, pytest.raises(SettingsError, match=said):
        suitable(signer)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_signature_of_an_unfit_certificate_is_named_at_verifying(folder: Path, tmp_path: Path) -> None:
    """Another program may sign with what this one refuses: the true reason is said, and it is not trusted."""
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = keys.certificate(root, "An Issuer", authority=True)
    content = b"a manifest"
    for facts, said in (
        ({"begins": NOW - 2 * YEAR, "ends": NOW - YEAR}, "expired at"),
        ({"begins": NOW + YEAR, "ends": NOW + 2 * YEAR}, "not valid before"),
        ({"uses": keys.usage(signs=False, encrypts=True)}, "not for signatures"),
        ({}, ""),
    ):
        cert = keys.certificate(leaf, "A. N. Examiner", issuer=(root, "An Issuer"), **facts)
        with Pkcs12(keys.pkcs12(tmp_path / "id.p12", leaf, cert), WORD.encode()).open() as signer:
            made = seal(content, signer)
        found = check.seal(made, content, trusted=check.roots([keys.pem(tmp_path / "root.pem", authority)]))
        assert found.trusted is (not said)
        assert said in found.reason
        if not said:
            assert [name.removeprefix("Common Name: ") for name in found.chain] == ["An Issuer", "A. N. Examiner"]


def test_ed25519_signs_and_verifies(unsigned: Path, tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    cert = keys.certificate(private, "A. N. Examiner")
    path = keys.pkcs12(tmp_path / "id.p12", private, cert)
    said: list[str] = []
    documents.sign(unsigned, Pkcs12(path, WORD.encode()), warn=said.append)
    assert "was issued by itself" in said[0]
    expected = documents.Expected((keys.pem(tmp_path / "id.pem", cert),))
    assert any("The certificate is trusted" in line for line in documents.verify(unsigned, expected))


@pytest.mark.parametrize("data", [b"", b"no signature", b"0\x80" * 500, bytes(1000)])
def test_damaged_signature_over_the_folder_is_named(folder: Path, data: bytes) -> None:
    (folder / SEAL).write_bytes(data)
    refused(folder, r"p7s")


def test_every_changed_byte_of_the_signature_is_found(folder: Path) -> None:
    data, content = (folder / SEAL).read_bytes(), (folder / TAGS).read_bytes()
    genuine = check.seal(data, content)
    for position in range(0, len(data), 97):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            found = check.seal(bytes(changed), content)
        except VerificationError:
            continue
        # Bytes that bear on nothing are those of certificates of others and of the unsigned part.
        assert found.certificate == genuine.certificate


def test_unsound_folder_is_not_signed(folder: Path, key: tuple[Path, Path]) -> None:
    flip(folder / "data" / "protocol.json", 9)
    with pytest.raises(VerificationError, match="protocol"):
        documents.sign(folder, Pkcs12(key[0], WORD.encode()))


def _attached(path: Path) -> set[str]:
    with pikepdf.open(path) as document:
        return set(document.attachments)
