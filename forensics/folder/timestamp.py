"""The request for a timestamp of RFC 3161, for those who have no connection while they examine.

The request is a file. Any time-stamping authority answers it, on any computer, at any later hour:

    curl -H 'Content-Type: application/timestamp-query' --data-binary @tagmanifest-sha256.txt.tsq URL > REPLY
    openssl ts -verify -queryfile tagmanifest-sha256.txt.tsq -in REPLY -CAfile AUTHORITY.pem
"""

from __future__ import annotations

_VERSION = bytes.fromhex("020101")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
"""AlgorithmIdentifier: OID 2.16.840.1.101.3.4.2.1, NULL."""
_SEND_CERTIFICATE = bytes.fromhex("0101ff")


def request(sha256: str) -> bytes:
    """TimeStampReq in DER over a digest in hexadecimal. Without a nonce: the same digest gives the same request."""
    digest = bytes.fromhex(sha256)
    if len(digest) != 32:
        raise ValueError("a SHA-256 has 32 bytes")
    imprint = _tlv(0x30, _SHA256 + _tlv(0x04, digest))
    return _tlv(0x30, _VERSION + imprint + _SEND_CERTIFICATE)


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content  # all contents here are shorter than 128 bytes
