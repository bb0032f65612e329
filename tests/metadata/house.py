"""Certificates by the profile of the C2PA standard, made for a test, and pictures signed with them."""

from __future__ import annotations

import datetime as dt
import io
import json

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.metadata import files

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def certificate(
    name: str,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
    until: dt.datetime = dt.datetime(2060, 1, 1),
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
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), True)
        .add_extension(usage, True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256()), key


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as one file."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def signed(leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey, remote: str = "", base: bytes = b"") -> bytes:
    """A PNG with a manifest, kept at the address `remote` if there is one, made from the picture `base` if any."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", pem(leaf), private, None))
    actions = {
        "label": "c2pa.actions.v2",
        "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE}]},
    }
    manifest = {"claim_generator_info": [{"name": "test"}], "title": "test", "assertions": [actions]}
    builder, out = c2pa.Builder(json.dumps(manifest)), io.BytesIO()
    if base:
        builder.add_ingredient(
            json.dumps({"title": "base", "relationship": "componentOf"}), "image/png", io.BytesIO(base)
        )
    if remote:
        builder.set_no_embed()
        builder.set_remote_url(remote)
    builder.sign(signer, "image/png", io.BytesIO(files.png()), out)
    return out.getvalue()
