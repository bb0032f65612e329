"""A PAdES signature (ETSI EN 319 142, baseline B-B; with a timestamp B-T) over a whole PDF, by pyHanko.

The signature is invisible and added as an incremental update: the pages and their rules (PDF/A-3a, PDF/UA-1) stay as
they are, and the bytes before it are those of the unsigned document.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forensics.errors import SettingsError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = "Signature"
_KEY_HINT = "Check the file and the passphrase; `openssl pkcs12 -info -in FILE` shows what it holds."


class Key(Protocol):
    """Something that opens a signer of pyHanko for as long as it is needed."""

    def open(self) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True, slots=True)
class Pkcs12:
    """A key file with its certificate."""

    path: Path
    passphrase: bytes | None = None

    def open(self) -> AbstractContextManager[Any]:
        """The signer. Raises SettingsError where the file cannot be opened."""
        from pyhanko.sign import signers

        try:
            self.path.read_bytes()
        except OSError as exc:
            raise SettingsError(f"{self.path} cannot be read: {exc.strerror}.", hint=_KEY_HINT) from exc
        signer = signers.SimpleSigner.load_pkcs12(str(self.path), passphrase=self.passphrase)
        if signer is None or signer.signing_cert is None:
            raise SettingsError(f"{self.path} cannot be opened as PKCS#12 with this passphrase.", hint=_KEY_HINT)
        return nullcontext(signer)


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
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        reason="The signatory stands for this report.",
    )
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        out = signers.PdfSigner(facts, signer, timestamper=timestamper).sign_pdf(writer)
    except Exception as exc:  # pyHanko, the token and the authority each have errors of their own
        raise VerificationError(
            f"The report was not signed: {exc or type(exc).__name__}.",
            hint="Nothing was written. See whether key, token or time-stamping authority answer.",
        ) from exc
    return bytes(out.getvalue())


def authority(url: str) -> Any:
    """A time-stamping authority by its address (RFC 3161 over HTTP)."""
    from pyhanko.sign.timestamps import HTTPTimeStamper

    return HTTPTimeStamper(url)
