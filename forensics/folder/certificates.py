"""What a certificate says about itself, and what speaks against signing with it or against a signature made with it.

Nothing is fetched: neither issuers nor lists of revoked certificates. Sources: RFC 5280 sections 4.1.2.5 (validity),
4.2.1.3 (key usage), 4.2.1.9 (basic constraints) and 4.2.1.12 (extended key usage); RFC 9336 (document signing).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

_SIGNS = frozenset({"digital_signature", "non_repudiation"})
_DOCUMENTS = frozenset(
    {
        "any_extended_key_usage",
        "email_protection",
        "1.3.6.1.5.5.7.3.36",
        "microsoft_document_signing",
        "adobe_authentic_documents_trust",
    }
)
"""Purposes with which documents are signed; 1.3.6.1.5.5.7.3.36 is that of RFC 9336. A certificate without any stated
purpose serves every one (RFC 5280, 4.2.1.12)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one certificate states."""

    name: str
    """Common name of the subject; the whole subject where it has none."""
    subject: str
    issuer: str
    sha256: str
    """Of the certificate in DER, hexadecimal."""
    begins: str
    ends: str
    """First and last moment of validity, ISO 8601."""
    uses: tuple[str, ...]
    """Key usages, then purposes, in words; empty where it states none."""
    self_signed: bool
    """Subject and issuer are one: nobody else vouches for the name."""
    problems: tuple[str, ...]
    """What speaks against a signature made with it at the moment asked about, as sentences."""

    @property
    def said(self) -> str:
        """One sentence: validity, use, issuer, digest."""
        issuer = "itself, so nobody else vouches for the name" if self.self_signed else self.issuer
        use = ", ".join(self.uses) if self.uses else "no stated use"
        return (
            f"The certificate of {self.subject} was issued by {issuer}; it is valid from {self.begins} to {self.ends}; "
            f"use: {use}; SHA-256 {self.sha256}."
        )


def describe(certificate: Any, moment: dt.datetime) -> Certificate:
    """What a certificate states.

    Args:
        certificate: of asn1crypto.
        moment: with a time zone; the moment for which validity is judged.
    """
    subject, issuer = certificate.subject.human_friendly, certificate.issuer.human_friendly
    begins, ends = certificate.not_valid_before, certificate.not_valid_after
    usages = set(certificate.key_usage_value.native) if certificate.key_usage_value is not None else set()
    purposes = (
        list(certificate.extended_key_usage_value.native) if certificate.extended_key_usage_value is not None else []
    )
    name = certificate.subject.native.get("common_name") or subject
    alone = bool(certificate.self_signed in ("yes", "maybe"))
    return Certificate(
        name if isinstance(name, str) else str(name[0]),
        subject,
        issuer,
        hashlib.sha256(certificate.dump()).hexdigest(),
        _stamp(begins),
        _stamp(ends),
        tuple(u.replace("_", " ") for u in (*sorted(usages), *purposes)),
        alone,
        tuple(_problems(certificate, usages, purposes, begins, ends, moment)),
    )


def _problems(
    certificate: Any, usages: set[str], purposes: list[str], begins: dt.datetime, ends: dt.datetime, moment: dt.datetime
) -> list[str]:
    found = []
    if moment > ends:
        found.append(f"The certificate expired at {_stamp(ends)}.")
    if moment < begins:
        found.append(f"The certificate is not valid before {_stamp(begins)}.")
    if certificate.key_usage_value is not None and not usages & _SIGNS:
        found.append(f"The certificate is for {_words(sorted(usages))}, not for signatures.")
    if purposes and not set(purposes) & _DOCUMENTS:
        found.append(f"The certificate is for {_words(purposes)}, not for signatures over documents.")
    if certificate.ca and certificate.self_signed == "no":
        found.append("The certificate is that of an issuer of certificates, not that of a person.")
    return found


def _words(uses: list[str]) -> str:
    return ", ".join(use.replace("_", " ") for use in uses) or "nothing"


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
