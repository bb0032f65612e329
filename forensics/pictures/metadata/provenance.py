"""Signed and unsigned statements of provenance: Content Credentials (C2PA) and the IPTC digital source type in XMP.

Read by c2pa-python, which validates hashes and signature; nothing is fetched from a network, so revocation is not
checked and manifests kept elsewhere are named only. An intact signature says that the holder of the key signed these
bytes, and nothing about who that is; whether an issuer vouches for the holder is asked of the lists of trusted issuers
that a person gives (`trust`). Five things are never merged: bytes that changed, a certificate that does not qualify, an
issuer on no list, a manifest that departs from the standard, and a manifest that lies elsewhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forensics.case import Fact
from forensics.pictures.metadata.base import document, text
from forensics.pictures.metadata.trust import TrustList

_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/avif", "image/tiff", "image/gif"})
_MARKS = (b"jumb", b"c2pa", b"http://purl.org/dc/terms/provenance", b"dcterms:provenance")
"""One of these byte strings is in every file with a manifest or a reference to one; the library loads only then."""
_UNTRUSTED = "signingCredential.untrusted"
_SOURCE_TYPE = re.compile(r"DigitalSourceType[^>]{0,40}?(?:=\s*[\"']|>|resource=[\"'])\s*([^\"'<>\s]{1,200})")
_NAME = "Content Credentials (C2PA)"


def read(data: bytes, media_type: str, xmp: str = "", trust: Sequence[TrustList] = ()) -> tuple[Fact, ...]:
    """What the file states of its provenance, as facts; empty where it states nothing.

    Args:
        data: the bytes as received.
        media_type: of the container.
        xmp: the XMP packet as text.
        trust: lists of trusted issuers; none means that trust is not judged.
    """
    facts: list[Fact] = []
    for value in dict.fromkeys(_SOURCE_TYPE.findall(xmp)):
        facts.append(Fact("XMP digital source type (unsigned)", value.rsplit("/", 1)[-1]))
    if media_type in _TYPES and any(mark in data for mark in _MARKS):
        facts += _manifest(data, media_type, trust)
    return tuple(facts)


def _settings(trust: Sequence[TrustList]) -> dict[str, Any]:
    """For the library: nothing is fetched, and issuers count only where they are on a list that was given."""
    chosen: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}}
    if trust:
        chosen["trust"] = {"trust_anchors": "".join(one.anchors for one in trust)}
    return chosen


def _manifest(data: bytes, media_type: str, trust: Sequence[TrustList]) -> list[Fact]:
    import c2pa  # loads a native library of 20 MB

    try:
        settings = c2pa.Settings.from_dict(_settings(trust))
        with c2pa.Context(settings) as context, c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader:
            store = document(reader.json())
    except c2pa.C2paError as exc:
        reason = str(exc).split("\n")[0][:300]
        if "ManifestNotFound" in reason:  # the mark was a coincidence, or a reference that was stripped
            return []
        if "RemoteManifest" in reason or reason.startswith("Remote"):  # the library's name for it has changed
            elsewhere = f"The file refers to a manifest kept elsewhere, which was not fetched: {reason}"
            return [Fact(_NAME, f"{elsewhere}. Nothing is known of its signature; that speaks neither way.")]
        return [Fact(_NAME, f"A manifest is there and could not be read: {reason}")]
    active = text(store.get("active_manifest")) if store else ""
    manifests = store.get("manifests") if store else None
    manifest = manifests.get(active) if isinstance(manifests, dict) else None
    if store is None or not isinstance(manifest, dict):
        return [Fact(_NAME, "A manifest is there and could not be read: it names no active claim.")]
    return [
        Fact(_NAME, f"manifest {active}, {len(manifests or {})} in the file"),
        *_signature(manifest, store, trust),
        *_claim(manifest),
    ]


def _signature(manifest: Mapping[str, Any], store: Mapping[str, Any], trust: Sequence[TrustList]) -> list[Fact]:
    """Whether signature and hashes hold, the certificate qualifies and an issuer vouches for it, each apart."""
    failures, held = _results(store)
    signer = manifest.get("signature_info")
    if not isinstance(signer, dict):
        if not failures:
            return [Fact("C2PA validation", "The manifest carries no signature.")]
        signer = {}
    facts = [Fact("C2PA validation", _validation(failures, held, store.get("validation_state") == "Invalid"))]
    if unfit := _of(failures, _CREDENTIAL):
        facts.append(
            Fact("C2PA certificate", f"The signing certificate does not qualify for what it was used for. {unfit}")
        )
    if untimed := _of(failures, _TIME):
        facts.append(Fact("C2PA time stamp", f"The time stamp beside the signature is not confirmed. {untimed}"))
    named = ", ".join(filter(None, (text(signer.get("common_name")), text(signer.get("issuer")))))
    facts.append(Fact("C2PA signer", f"{named or 'not named'} ({text(signer.get('alg'))})"))
    if moment := text(signer.get("time")):
        facts.append(Fact("C2PA time of signing", moment))
    facts.append(Fact("C2PA trust", _trusted(failures, held, trust)))
    return facts + [
        Fact("C2PA ingredient validation", f"Of an ingredient, a file that was used: {code} ({why})")
        for code, why in _ingredient_failures(store)
    ]


_TRUSTED = "signingCredential.trusted"
_SIGNATURE = "claimSignature.validated"
_BINDING = re.compile(r"assertion\.(?:dataHash|bmffHash|boxesHash|collectionHash|multiAssetHash)\.match")
"""What binds the manifest to the bytes of the file, found to hold."""
_CREDENTIAL = re.compile(rf"(?!{re.escape(_UNTRUSTED)})signingCredential\..*|claimSignature\.outsideValidity")
_TIME = re.compile(r"timeStamp\..*")
_CHANGED = re.compile(r".*\.(?:mismatch|missing|inaccessible|undeclared|hardBindings\.missing)")
_OTHERWISE = (_CREDENTIAL, _TIME, re.compile(re.escape(_UNTRUSTED)))
"""Failures that have a sentence of their own beside that on the bytes."""
Failures = Sequence[tuple[str, str]]
"""Code by the C2PA standard, and the library's words for it."""


def _validation(failures: Failures, held: frozenset[str], invalid: bool) -> str:
    """The one sentence on signature and hashes."""
    bytes_changed = _of([f for f in failures if not _matches(f[0], (_TIME,))], _CHANGED)
    others = [f for f in failures if not _matches(f[0], (*_OTHERWISE, _CHANGED))]
    departs = "; ".join(f"{code} ({why})" for code, why in others)
    bound = _SIGNATURE in held and any(_BINDING.fullmatch(code) for code in held)
    if bytes_changed:
        return f"Broken: the file is not as it was signed. {bytes_changed}{'; ' if departs else ''}{departs}"
    if bound and departs:
        return f"Signature and hashes are intact, and the manifest departs from the standard. {departs}"
    if bound or not (failures or invalid):
        return "Signature and hashes are intact."
    if _of(failures, _CREDENTIAL) and not departs:
        return "Whether the file is as it was signed was not established, because the certificate does not qualify."
    return f"Broken: signature and hashes do not both hold. {departs or 'no reason given'}"


def _trusted(failures: Failures, held: frozenset[str], trust: Sequence[TrustList]) -> str:
    """The one sentence on who vouches for the signer; it is none on whether the signature holds."""
    if not trust:
        return (
            "The certificate was not checked against a list of trusted issuers, because none was given; that speaks "
            "neither for nor against the file."
        )
    given = "; ".join(one.sentence for one in trust)
    if _TRUSTED in held:
        return f"The certificate leads to an issuer on {given}."
    if any(code == _UNTRUSTED for code, _ in failures):
        return (
            f"The certificate leads to no issuer on {given}. Who holds the key is then vouched for by nobody on it; "
            "that is not the same as a broken signature."
        )
    return f"Whether the certificate leads to an issuer was not established (asked of {given})."


def _results(store: Mapping[str, Any]) -> tuple[Failures, frozenset[str]]:
    """(failures, codes of what holds) of the active manifest, without those of its ingredients."""
    results = store.get("validation_results")
    active = results.get("activeManifest") if isinstance(results, dict) else None
    if not isinstance(active, dict):
        return _coded(store.get("validation_status")), frozenset()
    return _coded(active.get("failure")), frozenset(code for code, _ in _coded(active.get("success")))


def _ingredient_failures(store: Mapping[str, Any]) -> Failures:
    results = store.get("validation_results")
    deltas = _rows(results.get("ingredientDeltas")) if isinstance(results, dict) else ()
    nested = [row["validationDeltas"] for row in deltas if isinstance(row.get("validationDeltas"), dict)]
    found = [failure for one in nested for failure in _coded(one.get("failure")) if failure[0] != _UNTRUSTED]
    return list(dict.fromkeys(found))


def _coded(rows: object) -> Failures:
    return [(text(row.get("code")), text(row.get("explanation"))) for row in _rows(rows)]


def _matches(code: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(code) for pattern in patterns)


def _of(failures: Failures, pattern: re.Pattern[str]) -> str:
    """The failures of one kind, by their names in the standard; empty where there are none."""
    return "; ".join(f"{code} ({why})" for code, why in failures if pattern.fullmatch(code))


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
