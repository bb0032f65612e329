"""Examining the documents of a case folder: what is embedded in them, who signed them, when, and over which bytes.

Validation is offline: no certificate is fetched, no revocation list asked. Whether the certificate belongs to the
person it names is known only where its issuer is trusted (`roots`).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forensics import foreign
from forensics.errors import SettingsError, VerificationError
from forensics.folder.bag import TAGS
from forensics.folder.certificates import Certificate, describe
from forensics.folder.layout import SEAL, SIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_CERTIFICATES = 64 * foreign.MIB
LARGEST_SEAL = foreign.MIB
"""Bytes of a signature or reply with its certificates; usual ones have ten thousand."""
_HINT = "Ask the signatory for the file as it was signed."


_TRUST = {
    "NO_CERTIFICATE_CHAIN_FOUND": "it leads to none of the certificates named",
    "OUT_OF_BOUNDS_NO_POE": "it had expired, or was not valid yet, and no trusted timestamp shows an earlier moment",
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": "a certificate between it and the one named is not valid for this",
    "CRYPTO_CONSTRAINTS_FAILURE": "it rests on a method that is no longer held safe",
    "REVOKED_NO_POE": "it was revoked",
}
"""Reasons of pyHanko (ETSI EN 319 102-1) in words."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What was found out about one valid signature."""

    certificate: Certificate
    """Of the signatory, judged at the moment of signing as far as a trusted timestamp shows it, else now."""
    stated: str
    """Moment by the clock of the signatory, which nobody else vouches for; empty where none is stated."""
    stamped: str
    """Moment by the clock of a time-stamping authority; empty without one."""
    authority: str
    """Name in the certificate of that authority; empty without one."""
    authority_trusted: bool | None
    trusted: bool | None
    """Whether the certificate leads to one of the roots and may sign documents; None where no roots were given."""
    reason: str = ""
    """Why it is not trusted; empty otherwise."""
    chain: tuple[str, ...] = ()
    """Names from the trusted certificate down to the signatory's; empty where it leads to none."""

    @property
    def signatory(self) -> str:
        """Name in the certificate."""
        return self.certificate.name


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
    return tuple(certificate for path in paths for certificate in _certificates(path))


def _certificates(path: Path) -> list[Any]:
    from pyhanko.keys import load_certs_from_pemder_data

    hint = "Give a PEM or DER file."
    try:
        data = foreign.read(path, _LARGEST_CERTIFICATES)
    except foreign.Unreadable as exc:
        raise SettingsError(f"The trusted certificate {path} {exc}.", hint=hint) from exc
    try:
        return list(load_certs_from_pemder_data(data))
    except ValueError as exc:
        raise SettingsError(f"A trusted certificate cannot be read: {path.name}: {exc}.", hint=hint) from exc


def signature(pdf: bytes, name: str = SIGNED, trusted: Sequence[Any] = ()) -> Signature:
    """The one signature of a document, which must be sound and cover the whole file.

    Raises VerificationError saying which of these does not hold.
    """
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature

    with quiet():
        try:
            found = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures
        except Exception as exc:  # a damaged file can fail anywhere in the parser
            raise VerificationError(f"{name} cannot be read as a PDF: {exc}.", hint=_HINT) from exc
        if len(found) != 1:
            raise VerificationError(f"{name} carries {len(found) or 'no'} signatures instead of one.", hint=_HINT)
        try:
            status = validate_pdf_signature(found[0], _context(trusted), _context(trusted))
            if (moment := _earlier(status)) is not None:
                status = validate_pdf_signature(found[0], _context(trusted, moment), _context(trusted))
        except Exception as exc:  # a damaged signature container likewise
            raise VerificationError(f"{name}: the signature is damaged: {exc}.", hint=_HINT) from exc
    _sound(status, name)
    if status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
        raise VerificationError(f"{name}: something was added that the signature does not cover.", hint=_HINT)
    if not status.docmdp_ok:
        raise VerificationError(f"{name}: changed in a way that the signature forbids.", hint=_HINT)
    return _found(status, trusted)


def seal(data: bytes, content: bytes, name: str = SEAL, trusted: Sequence[Any] = ()) -> Signature:
    """The one signature (detached CMS, RFC 5652) over the second manifest of a folder.

    Args:
        data: the signature in DER.
        content: the bytes that it should cover.
        name: what to call it in messages.
        trusted: as `roots` gives them.

    Raises:
        VerificationError: no signature, one over other bytes, or one that was changed.
    """
    from asn1crypto import cms
    from pyhanko.sign.validation.generic_cms import async_validate_detached_cms

    try:
        signed = cms.ContentInfo.load(data, strict=True)
        if signed["content_type"].native != "signed_data" or len(signed["content"]["signer_infos"]) != 1:
            raise ValueError("it holds no signature, or several")
        body = signed["content"]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise VerificationError(f"{name} is no signature: {exc}.", hint=_HINT) from exc

    def validate(moment: dt.datetime | None = None) -> Any:
        return asyncio.run(async_validate_detached_cms(content, body, _context(trusted, moment), _context(trusted)))

    with quiet():
        try:
            status = validate()
            if (moment := _earlier(status)) is not None:
                status = validate(moment)
        except Exception as exc:  # a damaged container can fail anywhere in the parser
            raise VerificationError(f"{name}: the signature is damaged: {exc}.", hint=_HINT) from exc
    if not status.intact:
        raise VerificationError(
            f"{name}: the signature is over another state of this folder: {TAGS} was changed or exchanged after it.",
            hint="Restore the folder from its archive.",
        )
    _sound(status, name)
    return _found(status, trusted)


def _sound(status: Any, name: str) -> None:
    if not status.intact:
        raise VerificationError(f"{name} was changed after it was signed.", hint=_HINT)
    if not status.valid:
        raise VerificationError(f"{name}: the signature was not made with the key of its certificate.", hint=_HINT)
    stamp = status.timestamp_validity
    if stamp is not None and not (stamp.intact and stamp.valid):
        raise VerificationError(f"{name}: the timestamp of the signature is damaged.", hint=_HINT)


def _earlier(status: Any) -> dt.datetime | None:
    """The moment at which the certificate is to be judged: that of a trusted timestamp; none where there is none."""
    stamp = status.timestamp_validity
    trusted = stamp is not None and stamp.intact and stamp.valid and stamp.trusted
    return stamp.timestamp if trusted else None


def _found(status: Any, trusted: Sequence[Any]) -> Signature:
    stamp, indication = status.timestamp_validity, status.trust_problem_indic
    certificate = describe(status.signing_cert, _earlier(status) or dt.datetime.now(dt.UTC))
    accepted = bool(status.trusted) and not certificate.problems
    reason = ""
    if trusted and not accepted:
        stated = " ".join(certificate.problems)
        reason = stated or _TRUST.get(getattr(indication, "name", ""), "it leads to none of the certificates named")
    path = [*status.validation_path.iter_certs(include_root=True)] if accepted and status.validation_path else []
    return Signature(
        certificate=certificate,
        stated=_moment(status.signer_reported_dt),
        stamped=_moment(stamp.timestamp) if stamp else "",
        authority=str(stamp.signing_cert.subject.human_friendly) if stamp else "",
        authority_trusted=bool(stamp.trusted) if stamp and trusted else None,
        trusted=accepted if trusted else None,
        reason=reason,
        chain=tuple(str(c.subject.human_friendly) for c in path),
    )


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a time-stamping authority states about the folder."""

    moment: str
    """By the clock of the authority."""
    authority: str
    """Name in its certificate."""
    trusted: bool | None
    """Whether the certificate leads to one of the roots; None where no roots were given."""


def reply(data: bytes, digest: str, name: str, trusted: Sequence[Any] = ()) -> Stamp:
    """What the reply of a time-stamping authority (RFC 3161) states about a digest.

    Raises VerificationError where the reply is not one, is about another digest, or was changed.
    """
    from asn1crypto import tsp
    from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
    from pyhanko.sign.validation.status import TimestampSignatureStatus

    hint = f"Send the request again and store the reply as {name}."
    try:
        response = tsp.TimeStampResp.load(data)
        granted = response["status"]["status"].native in ("granted", "granted_with_mods")
        token = response["time_stamp_token"]["content"]
        info = token["encap_content_info"]["content"].parsed
        imprint = info["message_imprint"]["hashed_message"].native.hex()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise VerificationError(f"{name} is no reply of a time-stamping authority.", hint=hint) from exc
    if not granted:
        raise VerificationError(f"{name}: the authority refused the request.", hint=hint)
    if imprint != digest:
        raise VerificationError(f"{name} is a timestamp of another state of this folder.", hint=hint)
    with quiet():
        try:
            found = asyncio.run(validate_tst_signed_data(token, _context(trusted), lambda _: bytes.fromhex(digest)))
            status = TimestampSignatureStatus(**found)
        except Exception as exc:
            raise VerificationError(f"{name}: the timestamp is damaged: {exc}.", hint=hint) from exc
    if not (status.intact and status.valid):
        raise VerificationError(f"{name}: the timestamp was changed after it was signed.", hint=hint)
    authority = str(status.signing_cert.subject.human_friendly)
    return Stamp(_moment(status.timestamp), authority, bool(status.trusted) if trusted else None)


def _context(trusted: Sequence[Any], moment: dt.datetime | None = None) -> Any:
    from pyhanko_certvalidator import ValidationContext

    return ValidationContext(
        trust_roots=list(trusted), allow_fetching=False, revocation_mode="soft-fail", moment=moment
    )


def _moment(when: Any) -> str:
    return when.isoformat() if when is not None else ""


class quiet:
    """pyHanko logs every path it cannot build; what matters is in the status."""

    def __enter__(self) -> None:
        self._before = {name: logging.getLogger(name).level for name in ("pyhanko", "pyhanko_certvalidator")}
        for name in self._before:
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        for name, level in self._before.items():
            logging.getLogger(name).setLevel(level)
