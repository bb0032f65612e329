"""Keys and certificates for tests, made on the spot."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12 as container
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper

START, END = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
WORD = "a passphrase"
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def usage(*, signs: bool = True, issues: bool = False, encrypts: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(signs, signs, encrypts, False, False, issues, False, False, False)


def certificate(
    key: Private,
    subject: str,
    *,
    issuer: tuple[Private, str] | None = None,
    begins: dt.datetime = START,
    ends: dt.datetime = END,
    uses: x509.KeyUsage | None = None,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
    authority: bool = False,
) -> x509.Certificate:
    """A certificate: by `issuer`, key and name, or by itself."""
    by, title = issuer or (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(title))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(uses or usage(issues=authority), critical=True)
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=True)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def pkcs12(path: Path, key: Any, cert: x509.Certificate | None, word: str | None = WORD) -> Path:
    """Write a key file."""
    locked: Any = serialization.BestAvailableEncryption(word.encode()) if word else serialization.NoEncryption()
    path.write_bytes(container.serialize_key_and_certificates(b"id", key, cert, None, locked))
    return path


def pem(path: Path, cert: x509.Certificate) -> Path:
    """Write a certificate."""
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return path


def stamper(title: str = "Time of Example") -> DummyTimeStamper:
    """A time-stamping authority in this process."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    cert = certificate(private, title, purposes=(ExtendedKeyUsageOID.TIME_STAMPING,))
    loaded = asn1_x509.Certificate.load(cert.public_bytes(serialization.Encoding.DER))
    return DummyTimeStamper(loaded, keys.PrivateKeyInfo.load(der))
