"""Content Credentials: signed here with a certificate made for the test, read back, broken and named."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import time
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from forensics.errors import SettingsError
from forensics.pictures import bounded, intake
from forensics.pictures.metadata import trust
from tests.metadata import files
from tests.metadata.house import SOURCE, certificate, pem
from tests.metadata.house import signed as signed_by


@pytest.fixture(scope="module")
def signed() -> bytes:
    """A PNG with a manifest: created by a trained model, with one ingredient."""
    root, root_key = certificate("Test root")
    leaf, key = certificate("Test signer", (root.subject, root_key))
    chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (leaf, root))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, private, None))
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE, "softwareAgent": {"name": "Test model"}}
    manifest = {
        "claim_generator_info": [{"name": "test generator", "version": "3"}],
        "title": "test",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    builder, out = c2pa.Builder(json.dumps(manifest)), io.BytesIO()
    ingredient = {"title": "source.png", "relationship": "componentOf"}
    builder.add_ingredient(json.dumps(ingredient), "image/png", io.BytesIO(files.png(files.picture(32))))
    builder.sign(signer, "image/png", io.BytesIO(files.png()), out)
    return out.getvalue()


def facts(data: bytes) -> dict[str, str]:
    return {fact.name: fact.value for fact in intake.decode(data, "test").provenance}


def test_intact_manifest_is_read_with_its_limits(signed: bytes) -> None:
    found = facts(signed)
    assert found["C2PA validation"] == "Signature and hashes are intact."
    assert found["C2PA signer"] == "Test signer, Test house (Es256)"
    assert found["C2PA claim generator"] == "test generator 3"
    assert found["C2PA action"].startswith("c2pa.created, digital source type trainedAlgorithmicMedia, Test model")
    assert found["C2PA ingredient"] == "source.png (componentOf, image/png)"
    assert "not checked" in found["C2PA trust"]


def test_changed_pixels_break_the_named_hash(signed: bytes) -> None:
    # Text behind the pixels leaves the picture decodable while the bytes are no longer those that were signed.
    end = signed.rindex(b"IEND") - 4
    chunk = files.png(Comment="added later")
    start = chunk.index(b"tEXt") - 4
    added = chunk[start : start + 12 + int.from_bytes(chunk[start : start + 4], "big")]
    found = facts(signed[:end] + added + signed[end:])
    assert found["C2PA validation"].startswith("Broken")
    assert "assertion.dataHash.mismatch" in found["C2PA validation"]


def test_damaged_manifest_is_a_fact_and_no_error(signed: bytes) -> None:
    import zlib

    start = signed.index(b"caBX") - 4
    length = int.from_bytes(signed[start : start + 4], "big")
    body = bytearray(signed[start + 8 : start + 8 + length])
    body[length // 2 :] = bytes(length - length // 2)
    chunk = b"caBX" + bytes(body)
    damaged = signed[: start + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + signed[start + 12 + length :]
    found = facts(damaged)
    assert "could not be read" in found.get("Content Credentials (C2PA)", "") or "Broken" in found["C2PA validation"]


def test_xmp_source_type_is_said_to_be_unsigned() -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{SOURCE}"/></rdf:RDF></x:xmpmeta>'
    )
    buffer = io.BytesIO()
    files.picture().save(buffer, "WEBP", xmp=packet.encode())
    assert facts(buffer.getvalue()) == {"XMP digital source type (unsigned)": "trainedAlgorithmicMedia"}


def test_file_without_statement_has_none_and_loads_no_library() -> None:
    import subprocess
    import sys

    asset = Path(__file__).parents[1] / "assets" / "plain.png"
    code = (
        "import sys; from pathlib import Path; from forensics.pictures import intake; "
        f"assert intake.read(Path({str(asset)!r})).provenance == (); assert 'c2pa' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _changed(data: bytes) -> bytes:
    end = data.rindex(b"IEND") - 4
    chunk = files.png(Comment="added later")
    start = chunk.index(b"tEXt") - 4
    return data[:end] + chunk[start : start + 12 + int.from_bytes(chunk[start : start + 4], "big")] + data[end:]


def _entities(*rows: tuple[x509.Certificate, str]) -> bytes:
    """A list of trusted entities as ETSI TS 119 602 has it: certificates with their status."""
    services = [
        {
            "ServiceInformation": {
                "ServiceDigitalIdentity": {
                    "X509Certificates": [{"val": base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode()}]
                },
                "ServiceStatus": f"http://c2pa.org/conformance/trust-list/{status}",
            }
        }
        for c, status in rows
    ]
    about = {"ListIssueDateTime": "2026-08-05T00:11:39Z", "NextUpdate": "2027-08-05T00:11:39Z"}
    return json.dumps(
        {"LoTE": {"ListAndSchemeInformation": about, "TrustedEntitiesList": [{"TrustedEntityServices": services}]}}
    ).encode()


class House:
    """Two issuers, a signer under the first, and files that it signed."""

    def __init__(self) -> None:
        self.root, root_key = certificate("Listed root")
        self.other, _ = certificate("Another root")
        self.leaf, self.key = certificate("Test signer", (self.root.subject, root_key))
        self.intact = signed_by(self.leaf, self.key)
        self.root_key = root_key


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def judged(data: bytes, tmp_path: Path, *lists: bytes) -> dict[str, str]:
    """Facts of a file held against lists of trusted issuers."""
    paths = []
    for number, content in enumerate(lists):
        paths.append(tmp_path / f"list-{number}")
        paths[-1].write_bytes(content)
    given = trust.lists(map(str, paths))
    return {fact.name: fact.value for fact in intake.decode(data, "test", trust=given).provenance}


def test_an_issuer_on_the_list_is_said_with_the_list(house: House, tmp_path: Path) -> None:
    found = judged(house.intact, tmp_path, b"Subject\tCN=\xfc\n" + pem(house.other) + b"\n" + pem(house.root))
    assert found["C2PA validation"] == "Signature and hashes are intact."
    assert found["C2PA trust"].startswith("The certificate leads to an issuer on the list with SHA-256 ")
    assert "2 issuers, undated, its youngest certificate valid from 2020-01-01" in found["C2PA trust"]


def test_a_list_of_entities_is_dated_by_itself_and_only_the_trusted_count(house: House, tmp_path: Path) -> None:
    found = judged(house.intact, tmp_path, _entities((house.root, "trusted"), (house.other, "withdrawn")))
    assert "leads to an issuer" in found["C2PA trust"]
    assert "1 issuer, issued on 2026-08-05 as it states, to be replaced by 2027-08-05" in found["C2PA trust"]
    withdrawn = judged(house.intact, tmp_path, _entities((house.root, "withdrawn"), (house.other, "trusted")))
    assert "leads to no issuer" in withdrawn["C2PA trust"]


def test_untrusted_broken_and_elsewhere_are_three_sentences(house: House, tmp_path: Path) -> None:
    untrusted = judged(house.intact, tmp_path, pem(house.other))
    assert untrusted["C2PA validation"] == "Signature and hashes are intact."
    assert "leads to no issuer" in untrusted["C2PA trust"]
    assert "not the same as a broken signature" in untrusted["C2PA trust"]
    broken = judged(_changed(house.intact), tmp_path, pem(house.root))
    assert broken["C2PA validation"].startswith("Broken: the file is not as it was signed. assertion.dataHash.mismatch")
    assert "leads to an issuer" in broken["C2PA trust"]
    elsewhere = judged(signed_by(house.leaf, house.key, "https://example.org/m.c2pa"), tmp_path, pem(house.root))
    assert list(elsewhere) == ["Content Credentials (C2PA)"]
    assert "kept elsewhere, which was not fetched" in elsewhere["Content Credentials (C2PA)"]


def test_several_lists_count_together(house: House, tmp_path: Path) -> None:
    found = judged(house.intact, tmp_path, pem(house.other), house.root.public_bytes(serialization.Encoding.DER))
    assert "leads to an issuer" in found["C2PA trust"]
    assert found["C2PA trust"].count("SHA-256") == 2


def test_the_issuer_of_an_ingredient_is_not_that_of_the_file(house: House, tmp_path: Path) -> None:
    other, other_key = certificate("Unlisted root")
    leaf, key = certificate("Unlisted signer", (other.subject, other_key))
    found = judged(signed_by(house.leaf, house.key, base=signed_by(leaf, key)), tmp_path, pem(house.root))
    assert "leads to an issuer" in found["C2PA trust"]
    assert found["C2PA validation"] == "Signature and hashes are intact."


def test_a_root_of_the_same_name_is_no_issuer(house: House, tmp_path: Path) -> None:
    impostor, _ = certificate("Listed root")
    assert impostor.subject == house.root.subject
    assert "leads to no issuer" in judged(house.intact, tmp_path, pem(impostor))["C2PA trust"]


def test_a_certificate_that_ran_out_is_no_broken_file(house: House, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    leaf, key = certificate("Short-lived", (house.root.subject, house.root_key), until=now + dt.timedelta(seconds=3))
    data = signed_by(leaf, key)
    while dt.datetime.now(dt.UTC).replace(tzinfo=None) < leaf.not_valid_after_utc.replace(tzinfo=None):
        time.sleep(0.2)
    time.sleep(1)
    found = judged(data, tmp_path, pem(house.root))
    assert "does not qualify" in found["C2PA certificate"]
    assert "not as it was signed." not in found["C2PA validation"]


def test_the_worker_process_judges_by_the_same_lists(house: House, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(pem(house.root))
    with bounded.within(bounded.Limits(trust=trust.lists([str(path)]))):
        found = {fact.name: fact.value for fact in bounded.decode(house.intact, "test").provenance}
    assert "leads to an issuer" in found["C2PA trust"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no certificate of an issuer"),
        (b"no certificates here", "holds no certificate of an issuer"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "no Base64"),
        (b'{"a": 1}', "no list of trusted entities"),
        (b"{", "is not valid JSON"),
        (b'{"LoTE": {"ListAndSchemeInformation": {}, "TrustedEntitiesList": []}}', "holds no certificate of an issuer"),
    ],
)
def test_what_is_no_list_is_refused_with_the_place_of_one(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=said) as caught:
        trust.read(path)
    assert "conformance" in caught.value.hint


def test_a_signer_s_certificate_is_no_issuer(house: House, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(pem(house.leaf))
    with pytest.raises(SettingsError, match="holds no certificate of an issuer"):
        trust.read(path)
    path.write_bytes(pem(house.leaf, house.root))
    assert (trust.read(path).issuers, trust.read(path).left_out) == (1, 1)
