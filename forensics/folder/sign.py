"""A PAdES signature (ETSI EN 319 142, baseline B-B; with a timestamp B-T) over a whole PDF, by pyHanko.

The signature is invisible and added as an incremental update: the pages and their rules (PDF/A-3a, PDF/UA-1) stay as
they are, and the bytes before it are those of the unsigned document.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm

from forensics import foreign
from forensics.errors import SettingsError, VerificationError
from forensics.folder.certificates import Certificate, describe
from forensics.folder.check_signature import quiet as _quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = "Signature"
_LARGEST_KEY = 4 * foreign.MIB
_EXPORT_HINT = "Export key and certificate together: `openssl pkcs12 -export -inkey KEY -in CERTIFICATE -out FILE`."
_KEY_HINT = "Check the file and the passphrase; `openssl pkcs12 -info -in FILE` shows what it holds."


class Key(Protocol):
    """Something that opens a signer of pyHanko for as long as it is needed."""

    def open(self) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True, slots=True)
class Pkcs12:
    """A key file with its certificate."""

    path: Path
    passphrase: bytes | None = None

    def read(self) -> bytes:
        """The file as it is, for which no passphrase is needed. Raises SettingsError where it cannot be read."""
        try:
            return foreign.read(self.path, _LARGEST_KEY)
        except foreign.Unreadable as exc:
            raise SettingsError(f"{self.path} {exc}.", hint=_KEY_HINT) from exc

    def open(self) -> AbstractContextManager[Any]:
        """The signer. Raises SettingsError where the file cannot be opened."""
        from cryptography.hazmat.primitives.serialization import pkcs12
        from pyhanko.sign import signers

        data = self.read()
        refusal: Exception | None = None
        for word in _spellings(self.passphrase):
            try:
                private, certificate, _ = pkcs12.load_key_and_certificates(data, word)
            except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
                refusal = exc
                continue
            if private is None or certificate is None:
                lacking = "private key" if private is None else "certificate"
                raise SettingsError(f"{self.path} was opened and holds no {lacking}.", hint=_EXPORT_HINT)
            with _quiet():
                signer = signers.SimpleSigner.load_pkcs12(str(self.path), passphrase=word)
            if signer is None or signer.signing_cert is None:
                raise SettingsError(f"{self.path} holds a kind of key that cannot sign documents.", hint=_EXPORT_HINT)
            return nullcontext(signer)
        raise SettingsError(
            f"{self.path} cannot be opened as PKCS#12 with this passphrase.", hint=_KEY_HINT
        ) from refusal


def _spellings(passphrase: bytes | None) -> tuple[bytes | None, ...]:
    """An empty passphrase and none are two things to PKCS#12 and one to the person who types it."""
    return (b"", None) if not passphrase else (passphrase,)


@dataclass(frozen=True, slots=True)
class Pkcs11:
    """A key on a token or in a security module: it never leaves it."""

    library: str
    """Path of the module of the maker of the token."""
    token: str
    certificate: str
    """Labels, as the token lists them."""
    pin: str
    raw: bool = False
    """For tokens that sign a ready digest only."""

    def open(self) -> AbstractContextManager[Any]:
        """The signer. Raises SettingsError where the token cannot be opened."""
        return self._session()

    @contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            import pkcs11 as api
            from pyhanko.config.pkcs11 import TokenCriteria
            from pyhanko.sign import pkcs11
        except ImportError as exc:
            raise SettingsError(
                "Signing with a token needs the package python-pkcs11.", hint="Run `pip install 'pyhanko[pkcs11]'`."
            ) from exc
        try:
            session = pkcs11.open_pkcs11_session(
                self.library, token_criteria=TokenCriteria(label=self.token), user_pin=self.pin
            )
        except (api.PKCS11Error, OSError, RuntimeError) as exc:
            said = str(exc) or type(exc).__name__
            raise SettingsError(
                f"The token {self.token!r} cannot be opened: {said}.",
                hint="`pkcs11-tool --module LIBRARY --list-objects` shows what the token holds.",
            ) from exc
        try:
            signer = pkcs11.PKCS11Signer(session, cert_label=self.certificate, use_raw_mechanism=self.raw)
            try:
                found = signer.signing_cert
            except api.PKCS11Error as exc:
                raise self._no_certificate(exc) from exc
            if found is None:
                raise self._no_certificate()
            yield signer
        finally:
            session.close()

    def _no_certificate(self, cause: Exception | None = None) -> SettingsError:
        said = f": {cause}" if cause else ""
        return SettingsError(
            f"The token {self.token!r} gives no certificate labelled {self.certificate!r}{said}.",
            hint="`pkcs11-tool --module LIBRARY --list-objects` shows what the token holds.",
        )


def name_of(signer: Any) -> str:
    """The name in the certificate of an open signer."""
    subject = signer.signing_cert.subject
    return str(subject.native.get("common_name") or subject.human_friendly)


def suitable(signer: Any) -> Certificate:
    """The certificate of an open signer, which may sign documents now; what it states may still be worth a warning.

    Raises:
        SettingsError: it expired, is not valid yet, or is of another use.
    """
    found = describe(signer.signing_cert, dt.datetime.now(dt.UTC))
    if found.problems:
        raise SettingsError(
            f"Nothing was signed with the certificate of {found.subject}. {' '.join(found.problems)}",
            hint="Sign with a certificate that is valid today and that was issued for signing documents.",
        )
    return found


def sign(pdf: bytes, signer: Any, *, timestamper: Any = None) -> bytes:
    """The signed document; nothing of it may change afterwards.

    Args:
        pdf: the unsigned report.
        signer: an open signer.
        timestamper: of pyHanko; None for a signature without a timestamp (B-B).

    Raises:
        VerificationError: the document cannot be signed, for instance because the token or the authority refused.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    facts = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm=_digest_for(signer),
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        reason="The signatory stands for this report.",
    )
    with _converted("The report"):
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        out = signers.PdfSigner(facts, signer, timestamper=timestamper).sign_pdf(writer)
        return bytes(out.getvalue())


def seal(content: bytes, signer: Any, *, timestamper: Any = None) -> bytes:
    """A detached signature (CMS, RFC 5652) in DER over the second manifest, and through it over the whole folder.

        openssl cms -verify -binary -inform DER -in tagmanifest-sha256.txt.p7s \\
            -content tagmanifest-sha256.txt -CAfile ISSUER.pem -purpose any -out /dev/null

    Args:
        content: bytes of the manifest, as they lie on the disk.
        signer: an open signer.
        timestamper: of pyHanko; None for a signature without a timestamp.

    Raises:
        VerificationError: it cannot be signed, for instance because the token or the authority refused.
    """
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes

    attributes = PdfCMSSignedAttributes(signing_time=dt.datetime.now(dt.UTC).replace(microsecond=0))
    with _converted("The folder"):
        made = asyncio.run(
            signer.async_sign_general_data(
                content, _digest_for(signer), detached=True, timestamper=timestamper, signed_attr_settings=attributes
            )
        )
        return bytes(made.dump())


def _digest_for(signer: Any) -> str:
    """RFC 8419 prescribes one digest for each Edwards curve; SHA-256 otherwise."""
    return {"ed25519": "sha512", "ed448": "shake256"}.get(signer.signing_cert.public_key.algorithm, "sha256")


@contextmanager
def _converted(what: str) -> Iterator[None]:
    try:
        with _quiet():
            yield
    except Exception as exc:  # pyHanko, the token and the authority each have errors of their own
        raise VerificationError(
            f"{what} was not signed: {exc or type(exc).__name__}.",
            hint="Nothing was written. See whether key, token or time-stamping authority answer.",
        ) from exc


def authority(url: str) -> Any:
    """A time-stamping authority by its address (RFC 3161 over HTTP)."""
    from pyhanko.sign.timestamps import HTTPTimeStamper

    return HTTPTimeStamper(url)
