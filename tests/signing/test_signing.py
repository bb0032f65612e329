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

import pikepdf
import pytest
from asn1crypto import keys, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.generic import NameObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.timestamps import DummyTimeStamper

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests` from any working directory

from forensics import documents
from forensics import folder as case_folder
from forensics.errors import SettingsError, VerificationError
from forensics.folder import check_signature as check
from forensics.folder.bag import TAGS
from forensics.folder.check_signature import SIGNED
from forensics.folder.layout import CUSTODY, REPLY, REPORT
from forensics.folder.sign import Pkcs12
from tests.cli.support import run
from tests.report import pages
from tests.test_casefile import flip, small_case
from tests.tools import verapdf

START, END = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
WORD = "a passphrase"


def certificate(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, *, stamps: bool = False
) -> x509.Certificate:
    """Self-signed."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(usage, critical=True)
    )
    if stamps:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A P-256 key as PKCS#12, and its certificate as PEM."""
    folder = tmp_path_factory.mktemp("key")
    private = ec.generate_private_key(ec.SECP256R1())
    cert = certificate(private, "A. N. Examiner")
    locked = serialization.BestAvailableEncryption(WORD.encode())
    (folder / "id.p12").write_bytes(
        serialization.pkcs12.serialize_key_and_certificates(b"id", private, cert, None, locked)
    )
    (folder / "id.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "word").write_text(WORD + "\n", encoding="utf-8")
    return folder / "id.p12", folder / "id.pem"


@pytest.fixture(scope="module")
def stamper() -> DummyTimeStamper:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    cert = certificate(private, "Time of Example", stamps=True).public_bytes(serialization.Encoding.DER)
    return DummyTimeStamper(asn1_x509.Certificate.load(cert), keys.PrivateKeyInfo.load(der))


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
    """Replace a document so that bag and custody log agree with it: only the document itself can tell."""
    case_folder.save(folder, {name: data}, "report signed" if name == SIGNED else "report rendered")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        list(documents.verify(folder))


def test_signed_folder_verifies_and_says_by_whom_and_when(signed: Path, key: tuple[Path, Path]) -> None:
    done = run("verify", signed, "--trust", key[1])
    assert done.exit_code == 0, done.stderr
    assert "A. N. Examiner" in done.stdout
    assert "covers the whole file; issuer trusted" in done.stdout
    assert "by a time-stamping authority at 20" in done.stdout
    assert "embedded files agree" in done.stdout


def test_without_a_named_issuer_trust_is_not_claimed(signed: Path) -> None:
    found = check.signature((signed / SIGNED).read_bytes())
    assert found.trusted is None
    assert "issuer not tested" in run("verify", signed).stdout


def test_another_issuer_is_not_trusted(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    made = certificate(ec.generate_private_key(ec.SECP256R1()), "Somebody else")
    other.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    assert "issuer not trusted" in run("verify", signed, "--trust", other).stdout


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
    exchange(folder, SIGNED, out.getvalue())
    refused(folder, r"report-signed\.pdf: something was added that|signature forbids")


def test_signature_taken_off_is_found(folder: Path) -> None:
    exchange(folder, SIGNED, (folder / REPORT).read_bytes())
    refused(folder, "carries no signatures")


def test_document_saved_again_by_another_program_is_found(folder: Path) -> None:
    with pikepdf.open(folder / SIGNED) as document:
        out = io.BytesIO()
        document.save(out)
    exchange(folder, SIGNED, out.getvalue())
    refused(folder, r"report-signed\.pdf")


def test_exchanged_attachment_is_named(folder: Path) -> None:
    name = next(n for n in ("Q1.jpg", "Q1.png") if n in _attached(folder / REPORT))
    with pikepdf.open(folder / REPORT) as document:
        document.attachments[name] = b"another picture"
        out = io.BytesIO()
        document.save(out)
    exchange(folder, REPORT, out.getvalue())
    refused(folder, rf"report\.pdf: the embedded file {name} differs from the case folder")


def test_removed_and_added_attachments_are_named(folder: Path) -> None:
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
    assert run("sign", folder).exit_code == SettingsError.exit_code


def test_unsound_folder_is_not_signed(folder: Path, key: tuple[Path, Path]) -> None:
    flip(folder / "data" / "protocol.json", 9)
    with pytest.raises(VerificationError, match="protocol"):
        documents.sign(folder, Pkcs12(key[0], WORD.encode()))


def _attached(path: Path) -> set[str]:
    with pikepdf.open(path) as document:
        return set(document.attachments)
