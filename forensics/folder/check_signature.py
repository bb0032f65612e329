"""Examining the documents of a case folder: what is embedded in them, who signed them, when, and over which bytes.

Validation is offline: no certificate is fetched, no revocation list asked. Whether the certificate belongs to the
person it names is known only where its issuer is trusted (`roots`).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forensics.errors import SettingsError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNED = "report-signed.pdf"
_HINT = "Ask the signatory for the file as it was signed."


@dataclass(frozen=True, slots=True)
class Signature:
    """What was found out about one valid signature."""

    signatory: str
    """Name in the certificate."""
    certificate: str
    """SHA-256 of the certificate."""
    stated: str
    """Moment by the clock of the signatory, which nobody else vouches for; empty where none is stated."""
    stamped: str
    """Moment by the clock of a time-stamping authority; empty without one."""
    trusted: bool | None
    """Whether the certificate leads to one of the roots; None where no roots were given."""


def embedded(pdf: bytes, expected: Mapping[str, bytes], name: str) -> int:
    """Compare what is embedded in a PDF with what the folder says should be; the number of files.

    Raises VerificationError naming the first file that differs, is missing or was added.
    """
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            found = {key: spec.get_file().read_bytes() for key, spec in document.attachments.items()}
    except (pikepdf.PdfError, ValueError) as exc:
        raise VerificationError(f"{name} cannot be read as a PDF: {exc}.", hint=_HINT) from exc
    for key, data in expected.items():
        if key not in found:
            raise VerificationError(f"{name}: the embedded file {key} is missing.", hint=_HINT)
        if found[key] != data:
            raise VerificationError(f"{name}: the embedded file {key} differs from the case folder.", hint=_HINT)
    if added := sorted(found.keys() - expected.keys()):
        raise VerificationError(f"{name}: the embedded file {added[0]} does not belong to the case.", hint=_HINT)
    return len(found)


def roots(paths: Iterable[Path]) -> tuple[Any, ...]:
    """Certificates of issuers that are trusted, from PEM or DER files. Raises SettingsError."""
    from pyhanko.keys import load_certs_from_pemder

    try:
        return tuple(load_certs_from_pemder([str(p) for p in paths]))
    except (OSError, ValueError) as exc:
        raise SettingsError(f"A trusted certificate cannot be read: {exc}.", hint="Give a PEM or DER file.") from exc


def signature(pdf: bytes, name: str = SIGNED, trusted: Sequence[Any] = ()) -> Signature:
    """The one signature of a document, which must be sound and cover the whole file.

    Raises VerificationError saying which of these does not hold.
    """
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature

    with _quiet():
        try:
            found = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures
        except Exception as exc:  # a damaged file can fail anywhere in the parser
            raise VerificationError(f"{name} cannot be read as a PDF: {exc}.", hint=_HINT) from exc
        if len(found) != 1:
            raise VerificationError(f"{name} carries {len(found) or 'no'} signatures instead of one.", hint=_HINT)
        try:
            status = validate_pdf_signature(found[0], _context(trusted), _context(trusted))
        except Exception as exc:  # a damaged signature container likewise
            raise VerificationError(f"{name}: the signature is damaged: {exc}.", hint=_HINT) from exc
    if not status.intact:
        raise VerificationError(f"{name} was changed after it was signed.", hint=_HINT)
    if not status.valid:
        raise VerificationError(f"{name}: the signature was not made with the key of its certificate.", hint=_HINT)
    if status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
        raise VerificationError(f"{name}: something was added that the signature does not cover.", hint=_HINT)
    if not status.docmdp_ok:
        raise VerificationError(f"{name}: changed in a way that the signature forbids.", hint=_HINT)
    stamp = status.timestamp_validity
    if stamp is not None and not (stamp.intact and stamp.valid):
        raise VerificationError(f"{name}: the timestamp of the signature is damaged.", hint=_HINT)
    certificate = status.signing_cert
    return Signature(
        certificate.subject.human_friendly,
        hashlib.sha256(certificate.dump()).hexdigest(),
        _moment(status.signer_reported_dt),
        _moment(stamp.timestamp) if stamp else "",
        bool(status.trusted) if trusted else None,
    )


def reply(data: bytes, digest: str, name: str, trusted: Sequence[Any] = ()) -> str:
    """The moment that the reply of a time-stamping authority (RFC 3161) states for a digest.

    Raises VerificationError where the reply is not one, is about another digest, or was changed.
    """
    from asn1crypto import tsp
    from pyhanko.sign.validation.generic_cms import validate_tst_signed_data

    hint = f"Send the request again and store the reply as {name}."
    try:
        response = tsp.TimeStampResp.load(data)
        granted = response["status"]["status"].native in ("granted", "granted_with_mods")
        token = response["time_stamp_token"]["content"]
        info = token["encap_content_info"]["content"].parsed
        imprint = info["message_imprint"]["hashed_message"].native.hex()
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise VerificationError(f"{name} is no reply of a time-stamping authority.", hint=hint) from exc
    if not granted:
        raise VerificationError(f"{name}: the authority refused the request.", hint=hint)
    if imprint != digest:
        raise VerificationError(f"{name} is a timestamp of another state of this folder.", hint=hint)
    with _quiet():
        try:
            status = asyncio.run(validate_tst_signed_data(token, _context(trusted), lambda _: bytes.fromhex(digest)))
        except Exception as exc:
            raise VerificationError(f"{name}: the timestamp is damaged: {exc}.", hint=hint) from exc
    if not (status["intact"] and status["valid"]):
        raise VerificationError(f"{name}: the timestamp was changed after it was signed.", hint=hint)
    return _moment(status["timestamp"])


def _context(trusted: Sequence[Any]) -> Any:
    from pyhanko_certvalidator import ValidationContext

    return ValidationContext(trust_roots=list(trusted), allow_fetching=False, revocation_mode="soft-fail")


def _moment(when: Any) -> str:
    return when.isoformat() if when is not None else ""


class _quiet:
    """pyHanko logs every path it cannot build; what matters is in the status."""

    def __enter__(self) -> None:
        self._before = {name: logging.getLogger(name).level for name in ("pyhanko", "pyhanko_certvalidator")}
        for name in self._before:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        for name, level in self._before.items():
            logging.getLogger(name).setLevel(level)
