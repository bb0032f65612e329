"""Signed and unsigned statements of provenance: Content Credentials (C2PA) and the IPTC digital source type in XMP.

Read by c2pa-python, which validates hashes and signature; nothing is fetched from a network, so revocation is not
checked and manifests kept elsewhere are named only. The signer's certificate is judged against no list of trusted
issuers: an intact signature says that the holder of the key signed these bytes, and nothing about who that is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from forensics.case import Fact
from forensics.pictures.metadata.base import document, text

_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/avif", "image/tiff", "image/gif"})
_MARKS = (b"jumb", b"c2pa", b"http://purl.org/dc/terms/provenance", b"dcterms:provenance")
"""One of these byte strings is in every file with a manifest or a reference to one; the library loads only then."""
_UNTRUSTED = "signingCredential.untrusted"
_SOURCE_TYPE = re.compile(r"DigitalSourceType[^>]{0,40}?(?:=\s*[\"']|>|resource=[\"'])\s*([^\"'<>\s]{1,200})")
_NAME = "Content Credentials (C2PA)"


def read(data: bytes, media_type: str, xmp: str = "") -> tuple[Fact, ...]:
    """What the file states of its provenance, as facts; empty where it states nothing.

    Args:
        data: the bytes as received.
        media_type: of the container.
        xmp: the XMP packet as text.
    """
    facts: list[Fact] = []
    for value in dict.fromkeys(_SOURCE_TYPE.findall(xmp)):
        facts.append(Fact("XMP digital source type (unsigned)", value.rsplit("/", 1)[-1]))
    if media_type in _TYPES and any(mark in data for mark in _MARKS):
        facts += _manifest(data, media_type)
    return tuple(facts)


def _manifest(data: bytes, media_type: str) -> list[Fact]:
    import c2pa  # loads a native library of 20 MB

    try:
        settings = c2pa.Settings.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}})
        with c2pa.Context(settings) as context, c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader:
            store = document(reader.json())
    except c2pa.C2paError as exc:
        reason = str(exc).split("\n")[0][:300]
        if "ManifestNotFound" in reason:  # the mark was a coincidence, or a reference that was stripped
            return []
        if "RemoteManifest" in reason or reason.startswith("Remote"):  # the library's name for it has changed
            return [Fact(_NAME, f"The file refers to a manifest kept elsewhere, which was not fetched: {reason}")]
        return [Fact(_NAME, f"A manifest is there and could not be read: {reason}")]
    active = text(store.get("active_manifest")) if store else ""
    manifests = store.get("manifests") if store else None
    manifest = manifests.get(active) if isinstance(manifests, dict) else None
    if store is None or not isinstance(manifest, dict):
        return [Fact(_NAME, "A manifest is there and could not be read: it names no active claim.")]
    return [
        Fact(_NAME, f"manifest {active}, {len(manifests or {})} in the file"),
        *_signature(manifest, store),
        *_claim(manifest),
    ]


def _signature(manifest: Mapping[str, Any], store: Mapping[str, Any]) -> list[Fact]:
    """Whether signature and hashes hold, with every failure by its name in the standard."""
    failures = [(text(row.get("code")), text(row.get("explanation"))) for row in _rows(store.get("validation_status"))]
    broken = [f"{code} ({why})" for code, why in failures if code != _UNTRUSTED]
    signer = manifest.get("signature_info")
    facts = []
    if broken or store.get("validation_state") == "Invalid":
        named = "; ".join(broken) or "no reason given"
        facts.append(Fact("C2PA validation", f"Broken: the file is not as it was signed. {named}"))
    elif isinstance(signer, dict):
        facts.append(Fact("C2PA validation", "Signature and hashes are intact."))
    else:
        facts.append(Fact("C2PA validation", "The manifest carries no signature."))
    if isinstance(signer, dict):
        named = ", ".join(filter(None, (text(signer.get("common_name")), text(signer.get("issuer")))))
        facts.append(Fact("C2PA signer", f"{named or 'not named'} ({text(signer.get('alg'))})"))
        if moment := text(signer.get("time")):
            facts.append(Fact("C2PA time of signing", moment))
    if any(code == _UNTRUSTED for code, _ in failures):
        facts.append(Fact("C2PA trust", "The certificate was not checked against a list of trusted issuers."))
    return facts


def _claim(manifest: Mapping[str, Any]) -> list[Fact]:
    facts = []
    software = [
        " ".join(filter(None, (text(row.get("name")), text(row.get("version")))))
        for row in _rows(manifest.get("claim_generator_info"))
    ]
    if named := ", ".join(filter(None, software)) or text(manifest.get("claim_generator")):
        facts.append(Fact("C2PA claim generator", named))
    for assertion in _rows(manifest.get("assertions")):
        label, data = text(assertion.get("label")), assertion.get("data")
        if label.startswith("c2pa.actions") and isinstance(data, dict):
            facts += [Fact("C2PA action", _action(row)) for row in _rows(data.get("actions"))]
        elif label and not label.startswith(("c2pa.hash", "c2pa.thumbnail")):
            facts.append(Fact("C2PA assertion", label))
    for row in _rows(manifest.get("ingredients")):
        kind = ", ".join(filter(None, (text(row.get("relationship")), text(row.get("format")))))
        facts.append(Fact("C2PA ingredient", f"{text(row.get('title')) or 'without title'} ({kind})"))
    return facts


def _action(row: Mapping[str, Any]) -> str:
    agent = row.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    kind = text(row.get("digitalSourceType")).rsplit("/", 1)[-1]
    parts = [text(row.get("action")), f"digital source type {kind}" if kind else "", text(agent), text(row.get("when"))]
    return ", ".join(filter(None, parts))


def _rows(value: object) -> Iterable[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
