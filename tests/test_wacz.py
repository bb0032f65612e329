"""Web captures: opened, digests, signature and timestamp verified, the picture taken out with its address and time.

Made here by the rules of WACZ 1.1.1, WARC 1.1 and WACZ Signing and Verification 0.1.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from forensics.errors import ImageError, SettingsError
from forensics.pictures import bounded, intake, wacz
from forensics.settings import Settings
from forensics.stages.asked import decodes
from tests.metadata import files

pytest.importorskip("warcio")
URL, TIME = "https://example.org/works/hare.png", "2026-01-02T03:04:05Z"


def warc(pictures: dict[str, bytes], *, wrong: bool = False) -> bytes:
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=not wrong)
    for url, data in {"https://example.org/": b"<html>", **pictures}.items():
        kind = "image/png" if data[:4] == b"\x89PNG" else "text/html"
        headers = StatusAndHeaders(
            "200 OK", [("Content-Type", kind), ("Content-Length", str(len(data)))], protocol="HTTP/1.1"
        )
        record = writer.create_warc_record(
            url, "response", payload=io.BytesIO(data), http_headers=headers, warc_headers_dict={"WARC-Date": TIME}
        )
        writer.write_record(record)
    data = buffer.getvalue()
    return re.sub(rb"(WARC-(?:Payload|Block)-Digest: sha1:)[A-Z2-7]{32}", rb"\1" + b"A" * 32, data) if wrong else data


def key_and_certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "capture.example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2025, 1, 1))
        .not_valid_after(dt.datetime(2035, 1, 1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def token(data: bytes) -> tuple[bytes, str]:
    """(reply of a time-stamping authority over these bytes, its certificate as PEM)"""
    key, certificate = key_and_certificate()
    der = certificate.public_bytes(serialization.Encoding.DER)
    own = asn1_x509.Certificate.load(der)
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.3",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": hashlib.sha256(data).digest(),
            },
            "serial_number": 1,
            "gen_time": dt.datetime(2026, 1, 2, 3, 5, tzinfo=dt.UTC),
        }
    )
    content = info.dump()
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.sha256(content).digest()]},
        ]
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "certificates": [own],
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": {"issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}},
                    "digest_algorithm": {"algorithm": "sha256"},
                    "signed_attrs": attributes,
                    "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
                    "signature": key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256())),
                }
            ],
        }
    )
    reply = tsp.TimeStampResp(
        {
            "status": {"status": "granted"},
            "time_stamp_token": {"content_type": "signed_data", "content": signed},
        }
    )
    return reply.dump(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def package(pictures: dict[str, bytes], *, signed: str = "", wrong: bool = False, change: bytes = b"") -> bytes:
    """A capture; signed anonymously or by a domain; with a record's digest wrong, or a listed file changed."""
    members = {
        f"archive/data.warc{'' if wrong else '.gz'}": warc(pictures, wrong=wrong),
        "indexes/index.cdx.gz": b"index",
    }
    members["pages/pages.jsonl"] = (
        b'{"format": "json-pages-1.0"}\n'
        + json.dumps({"url": "https://example.org/", "ts": TIME, "title": "Works"}).encode()
    )
    listed = {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "software": "capturer 1.0",
        "created": TIME,
        "resources": [
            {"name": Path(n).name, "path": n, "hash": f"sha256:{hashlib.sha256(d).hexdigest()}", "bytes": len(d)}
            for n, d in members.items()
        ],
    }
    members["datapackage.json"] = json.dumps(listed).encode()
    digest = "sha256:" + hashlib.sha256(members["datapackage.json"]).hexdigest()
    stated: dict[str, Any] = {"path": "datapackage.json", "hash": digest}
    if signed:
        key, certificate = key_and_certificate()
        signature = base64.b64encode(key.sign(digest.encode(), ec.ECDSA(hashes.SHA256()))).decode()
        data = {"hash": digest, "created": TIME, "software": "signer 1.0", "signature": signature}
        if signed == "anonymous":
            public = key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            data["publicKey"] = base64.b64encode(public).decode()
        else:
            reply, chain = token(signature.encode())
            data |= {
                "domain": "capture.example.org",
                "timeSignature": base64.b64encode(reply).decode(),
                "timestampCert": chain,
                "domainCert": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            }
        stated["signedData"] = data
    members["datapackage-digest.json"] = json.dumps(stated).encode()
    if change:
        members["pages/pages.jsonl"] += change
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data_ in members.items():
            archive.writestr(name, data_)
    return buffer.getvalue()


SMALL, LARGE = files.png(files.picture(32)), files.png(files.picture(80))


def facts(data: bytes) -> dict[str, str]:
    return {fact.name: fact.value for fact in intake.decode(data, "capture.wacz").provenance}


def test_the_largest_picture_is_taken_with_its_address_and_time() -> None:
    data = package({"https://example.org/icon.png": SMALL, URL: LARGE}, signed="domain")
    decoded = intake.decode(data, "capture.wacz")
    assert decoded.picture.size == (80, 80)
    assert decoded.media_type == wacz.MEDIA_TYPE
    said = " ".join(decoded.decoding)
    for part in (URL, TIME, hashlib.sha256(LARGE).hexdigest(), "2 pictures", "https://example.org/icon.png"):
        assert part in said
    found = facts(data)
    assert found["web capture: files"] == "3 of 3 listed files agree with their digests."
    assert found["web capture: digest of the list of files"] == "agrees"
    assert found["web capture: digest of the picture's record"] == "The record agrees with the digest that it states."
    assert found["web capture: signature"].startswith("Holds, by the key of the certificate CN=capture.example.org")
    assert found["web capture: timestamp"].startswith(
        "2026-01-02T03:05:00Z: holds, by the key of CN=capture.example.org"
    )
    assert found["web capture: page"] == f"https://example.org/, {TIME}, Works"


def test_a_picture_is_taken_by_its_address() -> None:
    data = package({"https://example.org/icon.png": SMALL, URL: LARGE})
    assert wacz.read(data, "x", url="https://example.org/icon.png").picture.data == SMALL
    with pytest.raises(ImageError, match="holds no picture at"):
        wacz.read(data, "x", url="https://example.org/other.png")


def test_the_address_is_chosen_at_the_command_line(tmp_path: Path) -> None:
    icon = "https://example.org/icon.png"
    capture, plain = tmp_path / "a.wacz", tmp_path / "plain.png"
    capture.write_bytes(package({icon: SMALL, URL: LARGE}))
    plain.write_bytes(LARGE)
    chosen = Settings(url=icon)
    with bounded.within(bounded.Limits()):
        decodes(chosen, capture, plain)
        found = bounded.decode(capture.read_bytes(), "a.wacz")
        assert icon in found.decoding[0]
        assert "the one of the address given was taken" in found.decoding[1]
        with pytest.raises(ImageError, match="holds no picture at") as missing:
            decodes(Settings(url="https://example.org/other.png"), capture)
        assert URL in missing.value.hint
        with pytest.raises(SettingsError, match="none of the files is one"):
            decodes(chosen, plain)


def test_signatures_of_several_kinds() -> None:
    assert facts(package({URL: LARGE}, signed="anonymous"))["web capture: signature"].startswith(
        "Holds, by a key that the package"
    )
    assert facts(package({URL: LARGE}))["web capture: signature"] == "The package is not signed."


def test_what_was_changed_is_named_and_the_picture_still_examined() -> None:
    changed = facts(package({URL: LARGE}, signed="domain", change=b"\n"))
    assert changed["web capture: files"].startswith("Broken: pages/pages.jsonl differs from its digest. 2 of 3")
    wrong = facts(package({URL: LARGE}, wrong=True))
    assert (
        wrong["web capture: digest of the picture's record"]
        == "Broken: the record differs from the digest that it states."
    )
    data = package({URL: LARGE}, signed="domain")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    stated = json.loads(members["datapackage-digest.json"])
    stated["signedData"]["signature"] = base64.b64encode(b"0" * 70).decode()
    members["datapackage-digest.json"] = json.dumps(stated).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    found = facts(buffer.getvalue())
    assert found["web capture: signature"].startswith("Broken")
    assert found["web capture: timestamp"].startswith(
        "Broken: the token of 2026-01-02T03:05:00Z is over something else"
    )


def test_captures_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ImageError, match="holds no picture"):
        intake.decode(package({}), "x")
    data = bytearray(package({URL: LARGE}))
    data[200] ^= 0xFF
    with pytest.raises(ImageError, match="cannot be read"):
        intake.decode(bytes(data), "x")
    with pytest.raises(ImageError, match="not an image"):
        intake.decode(b"PK\x03\x04 not a package", "x")
