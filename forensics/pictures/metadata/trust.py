"""Lists of trusted issuers for Content Credentials, as a person hands them in: none ships with the program.

Who is trusted to vouch for signers changes from month to month, and a list inside a release would be out of date before
the release is. The coalition behind C2PA publishes its list, as PEM and as a document of the form ETSI TS 119 602 with
the day of its issue, in the folder `trust-list` of the repository c2pa-org/conformance-public, with a second one for
time-stamping authorities. A list that is given is identified by its digest, dated, and kept with the case.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.errors import SettingsError
from forensics.path_names import printable

LARGEST = 4 * foreign.MIB
WHERE = (
    "Give the list of the C2PA conformance programme (trust-list/C2PA-TRUST-LIST.pem or .json of the repository "
    "c2pa-org/conformance-public), or certificates of your own as PEM."
)
_BLOCK = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END (?:X509 )?CERTIFICATE-----", re.DOTALL)
_MOST = 5000
"""Certificates in one list; the largest in use holds some hundreds."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """One list as it was given, read."""

    data: str
    """The bytes of the file, one character each (Latin-1): the list travels to the process that decodes as text."""
    anchors: str
    """The certificates of issuers in it, as PEM."""
    issuers: int
    """How many."""
    dated: str
    """From which day it is, and how that is known, as part of a sentence."""
    left_out: int = 0
    """Certificates in it that are no issuer's, or whose status in the list is another than trusted."""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the file."""
        return hashlib.sha256(self.data.encode("latin-1")).hexdigest()

    @property
    def suffix(self) -> str:
        """Of the file that is kept with the case."""
        return ".json" if self.data.lstrip().startswith("{") else ".pem"

    @property
    def sentence(self) -> str:
        """Which list it is: "the list with SHA-256 01ab…, 23 issuers, issued on 2026-08-05 as it states"."""
        count = f"{self.issuers} {'issuer' if self.issuers == 1 else 'issuers'}"
        more = f", {self.left_out} further certificates in it not counted as issuers" if self.left_out else ""
        return f"the list with SHA-256 {self.digest}, {count}, {self.dated}{more}"


def lists(paths: Iterable[str]) -> tuple[TrustList, ...]:
    """Every list given, in the order given. Raises SettingsError as `read`."""
    return tuple(read(Path(path)) for path in paths)


def read(path: Path) -> TrustList:
    """A list of trusted issuers: certificates as PEM or DER, or a list of trusted entities as JSON.

    Raises:
        SettingsError: the file cannot be read, or holds no certificate of an issuer, or a damaged one.
    """
    name = printable(str(path))
    try:
        data = foreign.read(path, LARGEST)
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            found, dated, untrusted = _entities(foreign.parse(data.removeprefix(b"\xef\xbb\xbf")))
        else:
            found, dated, untrusted = list(_certificates(data)), "", 0
        return _list(data, found, dated, untrusted)
    except foreign.Unreadable as exc:
        raise SettingsError(f"The list of trusted issuers {name} {exc}.", hint=WHERE) from exc


def _list(data: bytes, found: list[bytes], dated: str, untrusted: int) -> TrustList:
    """Raises Unreadable for a certificate that cannot be read, and where there is no issuer's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if len(found) > _MOST:
        raise foreign.Unreadable(f"holds more than {_MOST:,} certificates")
    anchors, youngest, others = [], "", 0
    for number, der in enumerate(found, 1):
        try:
            certificate = x509.load_der_x509_certificate(der)
            basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            issues = basic.ca
        except x509.ExtensionNotFound:
            issues = False
        except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension) as exc:
            raise foreign.Unreadable(f"holds a certificate, the {number}th, that cannot be read: {exc}") from exc
        if not issues:
            others += 1
            continue
        anchors.append(certificate.public_bytes(Encoding.PEM).decode("ascii"))
        youngest = max(youngest, certificate.not_valid_before_utc.strftime("%Y-%m-%d"))
    if not anchors:
        raise foreign.Unreadable("holds no certificate of an issuer")
    dated = dated or f"undated, its youngest certificate valid from {youngest}"
    return TrustList(data.decode("latin-1"), "".join(anchors), len(anchors), dated, others + untrusted)


def _certificates(data: bytes) -> Iterator[bytes]:
    """The certificates of a PEM file, whatever stands between them, or the one of a DER file, as DER."""
    if data.startswith(b"\x30\x82"):
        yield data
        return
    for number, block in enumerate(_BLOCK.finditer(data), 1):
        yield _decoded(b"".join(block[1].split()), number)


def _entities(document: Any) -> tuple[list[bytes], str, int]:
    """(certificates whose status is trusted, day of issue in words, certificates of another status) of a list of
    trusted entities (ETSI TS 119 602)."""
    try:
        listed = document["LoTE"]
        about = listed["ListAndSchemeInformation"]
        services = [
            service["ServiceInformation"]
            for entity in listed["TrustedEntitiesList"]
            for service in entity["TrustedEntityServices"]
        ]
        found: list[bytes] = []
        untrusted = 0
        for service in services:
            values = [str(row["val"]) for row in service["ServiceDigitalIdentity"]["X509Certificates"]]
            status = str(service.get("ServiceStatus", "trusted")).rsplit("/", 1)[-1].lower()
            if status in ("trusted", "granted"):
                found += [_decoded(value.encode(), len(found) + n) for n, value in enumerate(values, 1)]
            else:
                untrusted += len(values)
        issued, until = (str(about.get(key, ""))[:10] for key in ("ListIssueDateTime", "NextUpdate"))
    except (KeyError, TypeError, AttributeError) as exc:
        raise foreign.Unreadable("is JSON, but no list of trusted entities as ETSI TS 119 602 has it") from exc
    dated = f"issued on {issued} as it states" if issued else ""
    return found, f"{dated}, to be replaced by {until}" if issued and until else dated, untrusted


def _decoded(text: bytes, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise foreign.Unreadable(f"holds a certificate, the {number}th, that is no Base64") from exc
