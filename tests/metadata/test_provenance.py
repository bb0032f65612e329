"""Content Credentials: signed here with a certificate made for the test, read back, broken and named."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from forensics.pictures import intake
from tests.metadata import files

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def certificate(
    name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A root, or a signing certificate under the issuer, by the profile of the C2PA standard."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test house")]
    )
    root = issuer is None
    issuer_name, issuer_key = issuer or (subject, key)
    usage = x509.KeyUsage(True, False, False, False, False, root, root, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1))
        .not_valid_after(dt.datetime(2060, 1, 1))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), True)
        .add_extension(usage, True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256()), key


@pytest.fixture(scope="module")
def signed() -> bytes:
    """A PNG with a manifest: created by a trained model, with one ingredient."""
    root, root_key = certificate("Test root")
    leaf, key = certificate("Test signer", (root.subject, root_key))
    chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (leaf, root))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, private, None))
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE, "softwareAgent": {"name": "Test model"}}
    manifest = {
        "claim_generator_info": [{"name": "test generator", "version": "3"}],
        "title": "test",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    builder, out = c2pa.Builder(json.dumps(manifest)), io.BytesIO()
    ingredient = {"title": "source.png", "relationship": "componentOf"}
    builder.add_ingredient(json.dumps(ingredient), "image/png", io.BytesIO(files.png(files.picture(32))))
    builder.sign(signer, "image/png", io.BytesIO(files.png()), out)
    return out.getvalue()


def facts(data: bytes) -> dict[str, str]:
    return {fact.name: fact.value for fact in intake.decode(data, "test").provenance}


def test_intact_manifest_is_read_with_its_limits(signed: bytes) -> None:
    found = facts(signed)
    assert found["C2PA validation"] == "Signature and hashes are intact."
    assert found["C2PA signer"] == "Test signer, Test house (Es256)"
    assert found["C2PA claim generator"] == "test generator 3"
    assert found["C2PA action"].startswith("c2pa.created, digital source type trainedAlgorithmicMedia, Test model")
    assert found["C2PA ingredient"] == "source.png (componentOf, image/png)"
    assert "not checked" in found["C2PA trust"]


def test_changed_pixels_break_the_named_hash(signed: bytes) -> None:
    # Text behind the pixels leaves the picture decodable while the bytes are no longer those that were signed.
    end = signed.rindex(b"IEND") - 4
    chunk = files.png(Comment="added later")
    start = chunk.index(b"tEXt") - 4
    added = chunk[start : start + 12 + int.from_bytes(chunk[start : start + 4], "big")]
    found = facts(signed[:end] + added + signed[end:])
    assert found["C2PA validation"].startswith("Broken")
    assert "assertion.dataHash.mismatch" in found["C2PA validation"]


def test_damaged_manifest_is_a_fact_and_no_error(signed: bytes) -> None:
    import zlib

    start = signed.index(b"caBX") - 4
    length = int.from_bytes(signed[start : start + 4], "big")
    body = bytearray(signed[start + 8 : start + 8 + length])
    body[length // 2 :] = bytes(length - length // 2)
    chunk = b"caBX" + bytes(body)
    damaged = signed[: start + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + signed[start + 12 + length :]
    found = facts(damaged)
    assert "could not be read" in found.get("Content Credentials (C2PA)", "") or "Broken" in found["C2PA validation"]


def test_xmp_source_type_is_said_to_be_unsigned() -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{SOURCE}"/></rdf:RDF></x:xmpmeta>'
    )
    buffer = io.BytesIO()
    files.picture().save(buffer, "WEBP", xmp=packet.encode())
    assert facts(buffer.getvalue()) == {"XMP digital source type (unsigned)": "trainedAlgorithmicMedia"}


def test_file_without_statement_has_none_and_loads_no_library() -> None:
    import subprocess
    import sys

    asset = Path(__file__).parents[1] / "assets" / "plain.png"
    code = (
        "import sys; from pathlib import Path; from forensics.pictures import intake; "
        f"assert intake.read(Path({str(asset)!r})).provenance == (); assert 'c2pa' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
