"""A picture out of a capture of the web in WACZ, with its address and time, and what of the package holds.

    datapackage.json           every file of the package with its size and SHA-256
    datapackage-digest.json    the SHA-256 of that list, and signedData over it: a key or a domain's certificate, and
                               perhaps a timestamp of RFC 3161 (WACZ Signing and Verification 0.1)
    archive/*.warc.gz          what the servers answered, one record a response (WARC 1.1, ISO 28500)

What fails is stated and the picture is examined all the same: a package that was changed is a fact about the evidence.
No authority is consulted: a signature that holds says that the key's holder signed, and nothing about who that is.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from typing import Any

from forensics.case import Fact
from forensics.errors import ImageError
from forensics.pictures.metadata.base import text

MEDIA_TYPE = "application/wacz"
MAX_MEMBER = 2_000_000_000
"""Bytes of one file of a package after expansion."""
MAX_PICTURES = 2000
_LISTED = 12
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    RuntimeError,
    NotImplementedError,
)
"""What damaged packages and archives make their readers raise."""
_HINT = "Obtain the capture again, or take the picture out of it by a documented step."


@dataclass(frozen=True, slots=True)
class Held:
    """One picture that a server answered with."""

    url: str
    time: str
    """UTC, ISO 8601, as the record states it."""
    media_type: str
    data: bytes
    digest: str
    """Whether the record's own digest of its payload agrees, as a sentence."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The picture chosen and the account of the package."""

    picture: Held
    steps: tuple[str, ...]
    facts: tuple[Fact, ...]


def is_capture(data: bytes) -> bool:
    """Whether a file is a WACZ package: a ZIP that holds its list of files."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return "datapackage.json" in package.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def read(data: bytes, name: str, *, url: str = "") -> Capture:
    """Open a capture, verify it and take a picture out of it.

    Args:
        data: the package as received.
        name: for messages.
        url: of the picture; where empty, the largest of the package is taken and the others are listed.

    Raises:
        ImageError: the package is not readable, or holds no such picture.
    """
    if util.find_spec("warcio") is None:
        raise ImageError(
            f"{name} is a web capture (WACZ), which is read by a package that is not installed.",
            hint="Install the extra: pip install 'forensics[wacz]' (it brings warcio).",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if package.testzip() is not None:
                raise zipfile.BadZipFile(f"{package.testzip()} differs from its checksum")
            listed = json.loads(_member(package, "datapackage.json"))
            facts = [*_files(package, listed), *_signed(package), *_pages(package)]
            pictures = list(_pictures(package))
    except _ERRORS as exc:
        raise ImageError(f"{name} is a web capture that cannot be read: {exc}.", hint=_HINT) from exc
    chosen, others = _chosen(pictures, name, url)
    steps = (
        f"The file is a capture of the web (WACZ). The picture was taken out of it: {chosen.url}, captured "
        f"{chosen.time}, "
        f"{len(chosen.data)} bytes, SHA-256 {hashlib.sha256(chosen.data).hexdigest()}. {chosen.digest}",
        f"The capture holds {len(pictures)} pictures; "
        + ("the one of the address given" if url else "the largest")
        + f" was taken. Others: {others or 'none'}.",
    )
    own = [
        Fact("web capture: address of the picture", chosen.url),
        Fact("web capture: time of the picture's capture (as the record states)", chosen.time),
        Fact("web capture: digest of the picture's record", chosen.digest),
    ]
    return Capture(chosen, steps, (*own, *facts))


def _member(package: zipfile.ZipFile, name: str) -> bytes:
    if package.getinfo(name).file_size > MAX_MEMBER:
        raise ValueError(f"{name} is larger than {MAX_MEMBER} bytes")
    return package.read(name)


def _files(package: zipfile.ZipFile, listed: Any) -> list[Fact]:
    """Every file of the package against the list."""
    resources = listed.get("resources") if isinstance(listed, dict) else None
    wrong, right = [], 0
    rows = [row for row in resources if isinstance(row, dict)] if isinstance(resources, list) else []
    named = {text(row.get("path")) for row in rows}
    for row in rows:
        path, stated = text(row.get("path")), text(row.get("hash"))
        kind, _, digest = stated.rpartition(":")
        if path not in package.namelist():
            wrong.append(f"{path} is missing")
        elif (kind or "sha256") not in hashlib.algorithms_available:
            wrong.append(f"{path} has a digest of an unknown kind, {kind}")
        elif hashlib.new(kind or "sha256", _member(package, path)).hexdigest() != digest.lower():
            wrong.append(f"{path} differs from its digest")
        else:
            right += 1
    own = {"datapackage.json", "datapackage-digest.json"}
    more = [n for n in package.namelist() if n not in named | own and not n.endswith("/")]
    said = f"{right} of {len(rows)} listed files agree with their digests."
    if wrong:
        said = f"Broken: {'; '.join(wrong[:_LISTED])}. {said}"
    if more:
        said += f" Not listed: {', '.join(more[:_LISTED])}."
    facts = [Fact("web capture: files", said)]
    made = (
        ", ".join(filter(None, (text(listed.get(n)) for n in ("software", "created", "wacz_version"))))
        if isinstance(listed, dict)
        else ""
    )
    return [*facts, Fact("web capture: made by", made)] if made else facts


def _signed(package: zipfile.ZipFile) -> list[Fact]:
    """The digest of the list, the signature over it and the timestamp."""
    if "datapackage-digest.json" not in package.namelist():
        return [Fact("web capture: signature", "The package carries no digest of its list of files and no signature.")]
    stated = json.loads(_member(package, "datapackage-digest.json"))
    if not isinstance(stated, dict):
        return [Fact("web capture: signature", "The digest of the list of files is not readable.")]
    actual = "sha256:" + hashlib.sha256(_member(package, "datapackage.json")).hexdigest()
    agrees = text(stated.get("hash")).lower() == actual
    said = "agrees" if agrees else f"Broken: it is {actual}, stated is {text(stated.get('hash'))[:100]}"
    facts = [Fact("web capture: digest of the list of files", said)]
    signed = stated.get("signedData")
    if not isinstance(signed, dict):
        return [*facts, Fact("web capture: signature", "The package is not signed.")]
    if text(signed.get("hash")).lower() != actual:
        facts.append(
            Fact("web capture: signature", "Broken: it is over another digest than that of the list of files.")
        )
        return facts
    facts.append(Fact("web capture: signature", _signature(signed)))
    for name in ("domain", "created", "software"):
        if value := text(signed.get(name)):
            facts.append(Fact(f"web capture: signature, {name} (as stated)", value))
    facts.append(Fact("web capture: timestamp", _timestamp(signed)))
    return facts


def _signature(signed: dict[str, Any]) -> str:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

    message = text(signed.get("hash")).encode()
    try:
        raw = base64.b64decode(text(signed.get("signature")), validate=True)
        if chain := text(signed.get("domainCert")):
            certificate = x509.load_pem_x509_certificates(chain.encode())[0]
            key: object = certificate.public_key()
            who = f"the key of the certificate {certificate.subject.rfc4514_string()}"
        else:
            key = serialization.load_der_public_key(base64.b64decode(text(signed.get("publicKey")), validate=True))
            who = "a key that the package itself brings"
    except (ValueError, IndexError, UnsupportedAlgorithm) as exc:
        return f"Not readable: {str(exc)[:160] or type(exc).__name__}."
    forms = [raw]
    if isinstance(key, ec.EllipticCurvePublicKey):
        side = (key.curve.key_size + 7) // 8
        if len(raw) == 2 * side:  # browsers write both numbers side by side instead of as DER
            forms.append(
                utils.encode_dss_signature(int.from_bytes(raw[:side], "big"), int.from_bytes(raw[side:], "big"))
            )
    for form in forms:
        for digest in (hashes.SHA256(), hashes.SHA384()):
            try:
                if isinstance(key, ec.EllipticCurvePublicKey):
                    key.verify(form, message, ec.ECDSA(digest))
                elif isinstance(key, rsa.RSAPublicKey):
                    key.verify(form, message, padding.PKCS1v15(), digest)
                else:
                    return "Not checked: the key is of a kind that this standard does not name."
            except InvalidSignature:
                continue
            return f"Holds, by {who}; the holder was not checked against a list of trusted issuers."
    return f"Broken: it does not belong to the digest and {who}."


def _timestamp(signed: dict[str, Any]) -> str:
    """Whether the token is over the signature and whole, and its time."""
    if not (encoded := text(signed.get("timeSignature"))):
        return "none"
    from asn1crypto import cms, tsp
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    try:
        body = base64.b64decode(encoded, validate=True)
        try:
            token = tsp.TimeStampResp.load(body)["time_stamp_token"]
            content = token["content"]
        except (ValueError, TypeError, KeyError):
            content = cms.ContentInfo.load(body)["content"]
        info = content["encap_content_info"]["content"].parsed
        imprint = info["message_imprint"]
        algorithm, digest = imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native
        moment = info["gen_time"].native.strftime("%Y-%m-%dT%H:%M:%SZ")
        stated = text(signed.get("signature"))
        forms = (stated.encode(), base64.b64decode(stated))
        if not any(hashlib.new(algorithm, form).digest() == digest for form in forms):
            return f"Broken: the token of {moment} is over something else than the signature."
        signer = content["signer_infos"][0]
        attributes = signer["signed_attrs"]
        kind = signer["digest_algorithm"]["algorithm"].native
        inner = next(a["values"][0].native for a in attributes if a["type"].native == "message_digest")
        if hashlib.new(kind, content["encap_content_info"]["content"].contents).digest() != inner:
            return f"Broken: the content of the token of {moment} was changed."
        chain = [c.dump() for c in content["certificates"]] if content["certificates"].native else []
        certificates = [x509.load_der_x509_certificate(c) for c in chain]
        if pem := text(signed.get("timestampCert")):
            certificates += x509.load_pem_x509_certificates(pem.encode())
        message = attributes.untag().dump()
        known: dict[str, hashes.HashAlgorithm] = {
            "sha256": hashes.SHA256(),
            "sha384": hashes.SHA384(),
            "sha512": hashes.SHA512(),
        }
        hashed = known[kind]
        for certificate in certificates:
            key = certificate.public_key()
            try:
                if isinstance(key, rsa.RSAPublicKey):
                    key.verify(signer["signature"].native, message, padding.PKCS1v15(), hashed)
                elif isinstance(key, ec.EllipticCurvePublicKey):
                    key.verify(signer["signature"].native, message, ec.ECDSA(hashed))
                else:
                    continue
            except InvalidSignature:
                continue
            return (
                f"{moment}: holds, by the key of {certificate.subject.rfc4514_string()}; the authority was not checked "
                "against a list of trusted ones."
            )
    except (ValueError, TypeError, KeyError, IndexError, StopIteration, AttributeError) as exc:
        return f"Not readable: {str(exc)[:160] or type(exc).__name__}."
    return f"Broken: no certificate at hand belongs to the signature of the token of {moment}."


def _pages(package: zipfile.ZipFile) -> list[Fact]:
    if "pages/pages.jsonl" not in package.namelist():
        return []
    facts = []
    for line in _member(package, "pages/pages.jsonl").decode("utf-8", "replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and (address := text(row.get("url"))):
            facts.append(
                Fact(
                    "web capture: page", ", ".join(filter(None, (address, text(row.get("ts")), text(row.get("title")))))
                )
            )
    return facts[:_LISTED]


def _pictures(package: zipfile.ZipFile) -> Iterator[Held]:
    """Responses that are pictures, in the order of the archives."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    count = 0
    for name in sorted(package.namelist()):
        if not name.startswith("archive/") or not name.endswith((".warc", ".warc.gz")):
            continue
        try:
            for record in ArchiveIterator(io.BytesIO(_member(package, name)), check_digests=True):
                if record.rec_type not in ("response", "resource") or count >= MAX_PICTURES:
                    continue
                headers = record.http_headers or record.rec_headers
                kind = (headers.get_header("Content-Type") or "").partition(";")[0].strip().lower()
                status = record.http_headers.get_statuscode() if record.http_headers else "200"
                if kind.startswith("image/") and status == "200":
                    count += 1
                    data = record.content_stream().read()
                    yield Held(
                        record.rec_headers.get_header("WARC-Target-URI") or "not stated",
                        record.rec_headers.get_header("WARC-Date") or "not stated",
                        kind,
                        data,
                        _digest(record),
                    )
        except ArchiveLoadFailed as exc:
            raise ValueError(f"{name} is not a readable archive: {exc}") from exc


def _digest(record: Any) -> str:
    passed = getattr(record.digest_checker, "passed", None)
    if passed is False:
        return "Broken: the record differs from the digest that it states."
    stated = record.rec_headers.get_header("WARC-Payload-Digest") or record.rec_headers.get_header("WARC-Block-Digest")
    return "The record agrees with the digest that it states." if passed and stated else "The record states no digest."


def _chosen(pictures: list[Held], name: str, url: str) -> tuple[Held, str]:
    """The picture asked for, or the largest that decodes; and the others in words."""
    from PIL import Image

    sizes: list[tuple[int, Held]] = []
    for held in pictures:
        try:
            with Image.open(io.BytesIO(held.data)) as image:
                sizes.append((image.width * image.height, held))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # drawings and icons of the page that are no raster pictures
    there = ", ".join(dict.fromkeys(held.url for _, held in sizes[:_LISTED]))
    if url:
        sizes = [(size, held) for size, held in sizes if held.url == url]
    if not sizes:
        asked = f" at {url}" if url else ""
        hint = f"Pictures that it holds: {there}." if url and there else _HINT
        raise ImageError(f"{name} is a web capture that holds no picture{asked}.", hint=hint)
    chosen = max(sizes, key=lambda row: row[0])[1]
    others = [held.url for held in pictures if held is not chosen]
    shown = ", ".join(others[:_LISTED])
    return chosen, shown + (f" and {len(others) - _LISTED} more" if len(others) > _LISTED else "")
