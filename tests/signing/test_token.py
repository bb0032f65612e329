"""Signing with a key that never leaves its token: SoftHSM, a token in software that speaks PKCS#11 like any other.

Skipped where SoftHSM is not installed (`apt-get install softhsm2`, `brew install softhsm`); SOFTHSM2_LIB names its
module where it lies elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from forensics import documents
from forensics.errors import SettingsError
from forensics.folder import check_signature as check
from forensics.folder.layout import REPORT, SIGNED
from forensics.folder.sign import Pkcs11
from tests.cli.support import run
from tests.signing.keys import certificate
from tests.test_casefile import small_case

LIBRARIES = (
    os.environ.get("SOFTHSM2_LIB", ""),
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
TOKEN, LABEL, PIN = "forensics test", "examiner", "271828"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The module of a fresh token that holds an RSA key and its certificate."""
    api = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    found = next((path for path in LIBRARIES if path and Path(path).is_file()), None)
    tool = shutil.which("softhsm2-util")
    if found is None or tool is None:
        pytest.skip("SoftHSM is not installed")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read when the module is loaded, for the process
    made = subprocess.run(
        [tool, "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "314159"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    cert = certificate(private, "A. N. Token Holder")
    (folder / "key.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    done = subprocess.run(
        [tool, "--import", str(folder / "key.pem"), "--token", TOKEN, "--label", LABEL, "--id", "01", "--pin", PIN],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "key.pem").unlink()
    loaded = api.lib(found)
    loaded.reinitialize()
    with loaded.get_token(token_label=TOKEN).open(rw=True, user_pin=PIN) as session:
        session.create_object(_attributes(cert.public_bytes(serialization.Encoding.DER)))
    yield found
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def _attributes(der: bytes) -> dict[object, object]:
    from pkcs11 import Attribute, CertificateType, ObjectClass

    parsed = asn1_x509.Certificate.load(der)
    return {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True,
        Attribute.LABEL: LABEL,
        Attribute.ID: b"\x01",
        Attribute.SUBJECT: parsed.subject.dump(),
        Attribute.ISSUER: parsed.issuer.dump(),
        Attribute.SERIAL_NUMBER: parsed["tbs_certificate"]["serial_number"].dump(),
        Attribute.VALUE: der,
    }


def test_the_command_signs_with_the_key_on_the_token(library: str, tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    (folder / REPORT).unlink()
    documents.render(folder)
    word = tmp_path / "pin"
    word.write_text(PIN + "\n", encoding="utf-8")
    done = run("sign", folder, "--pkcs11", library, "--token-label", TOKEN, "--cert-label", LABEL, "--passfile", word)
    assert done.exit_code == 0, done.stderr
    found = check.signature((folder / SIGNED).read_bytes())
    assert "A. N. Token Holder" in found.signatory
    said = list(documents.verify(folder))
    (line,) = [one for one in said if one.startswith("Signed by A. N. Token Holder")]
    assert "is sound and covers" in line
    assert "every file of the folder" in line


@pytest.mark.parametrize(
    ("token", "label", "pin"),
    [("no such token", LABEL, PIN), (TOKEN, LABEL, "000000")],
    ids=["unknown token", "wrong PIN"],
)
def test_a_token_that_does_not_open_is_named_and_nothing_is_written(
    library: str, tmp_path: Path, token: str, label: str, pin: str
) -> None:
    folder = small_case(tmp_path / "case")
    (folder / REPORT).unlink()
    documents.render(folder)
    with pytest.raises(SettingsError, match="cannot be opened"):
        documents.sign(folder, Pkcs11(library, token, label, pin))
    assert not (folder / SIGNED).exists()


def test_a_certificate_that_is_not_on_the_token_is_refused(library: str, tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    (folder / REPORT).unlink()
    documents.render(folder)
    with pytest.raises(SettingsError, match="somebody else"):
        documents.sign(folder, Pkcs11(library, TOKEN, "somebody else", PIN))
    assert not (folder / SIGNED).exists()
