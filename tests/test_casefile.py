"""The case folder: what is written, that it is checked, and that one changed byte in any file is found and named."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import tsp
from PIL import Image

from forensics import folder as case_folder
from forensics.case import SCHEMA, Absent, Case, Fact, Matter, Outcome
from forensics.errors import CaseError, ImageError, VerificationError
from forensics.folder import Ledger, timestamp
from forensics.folder.bag import TAGS
from forensics.folder.layout import CASE, CUSTODY, MANIFEST, REPORT
from forensics.outputs.results import Outputs
from forensics.protocol import PROFILES
from forensics.schema import canonical, decode, encode
from tests.report import golden

ASSETS = Path(__file__).parent / "assets"
NOT_HERE = Absent("checkpoint", "No checkpoint was examined in this test.")


def small_case(folder: Path) -> Path:
    """A real case folder: a received picture, an exhibit, a protocol, a frozen case and a report."""
    ledger = Ledger(folder)
    protocol = PROFILES["quick"]
    protocol_file = ledger.put_file("protocol.json", protocol.canonical)
    item, picture = ledger.receive(ASSETS / "exif_rotated.jpg", "Q1", "disputed")
    ledger.put(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "A1", "Mirrored copy", "test@1", seed=3)
    case = Case(
        schema=SCHEMA,
        id="test",
        created=ledger.custody[0].utc,
        tool=Fact("forensics", "test"),
        command="analyze",
        protocol=protocol_file,
        matter=Matter(),
        disputed="Q1",
        items=(item,),
        checkpoint=NOT_HERE,
        index=NOT_HERE,
        controls=NOT_HERE,
        exhibits=ledger.exhibits,
        neighbours=(),
        inversions=(),
        metrics=(),
        measurements=(),
        comparisons=(),
        assessments=(),
        findings=(),
        absences=(NOT_HERE,),
        settings=(),
        environment=(),
        custody=ledger.custody,
    )
    ledger.close(case)
    case_folder.save_report(folder, b"%PDF-1.7\nnot a real report, but real bytes\n%%EOF\n")
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_case(tmp_path_factory.mktemp("case") / "pristine")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "case"))


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(bytes(data))


def test_folder_holds_what_is_promised(pristine: Path) -> None:
    listed = names(pristine)
    assert {CASE, CUSTODY, MANIFEST, REPORT, TAGS, "data/protocol.json", "bagit.txt"} < set(listed)
    exhibits = [name for name in listed if name.startswith("data/exhibits/")]
    assert len(exhibits) == 3  # the bytes as received, the working copy, one derived picture
    for name in exhibits:
        assert Path(name).stem == case_folder.file_sha256(pristine / name)


def test_untouched_folder_verifies(pristine: Path) -> None:
    assert case_folder.verify(pristine).count == len(names(pristine))


@pytest.mark.parametrize("manifest", [MANIFEST, TAGS])
def test_sha256sum_accepts_the_manifests(pristine: Path, manifest: str) -> None:
    done = subprocess.run(["sha256sum", "--strict", "-c", manifest], cwd=pristine, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bagit_accepts_the_folder_and_finds_a_change(pristine: Path, folder: Path) -> None:
    bagit = pytest.importorskip("bagit", reason="bagit, which checks the bag independently, is not installed")
    bagit.Bag(str(pristine)).validate()
    for name in (CASE, CUSTODY):
        flip(folder / name, 30)
        with pytest.raises(bagit.BagValidationError):
            bagit.Bag(str(folder)).validate()
        flip(folder / name, 30)
    (folder / "data" / "added.txt").write_text("added later")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()


def test_request_for_a_timestamp_is_read_by_others(pristine: Path, tmp_path: Path) -> None:
    request = tsp.TimeStampReq.load((pristine / case_folder.REQUEST).read_bytes(), strict=True)
    assert request["version"].native == "v1"
    assert request["cert_req"].native is True
    assert request["message_imprint"]["hash_algorithm"]["algorithm"].native == "sha256"
    stamped = hashlib.sha256((pristine / TAGS).read_bytes()).digest()
    assert request["message_imprint"]["hashed_message"].native == stamped


def test_request_for_another_state_is_found(folder: Path) -> None:
    (folder / case_folder.REQUEST).write_bytes(timestamp.request("0" * 64))
    with pytest.raises(VerificationError, match=r"tsq does not belong to tagmanifest"):
        case_folder.verify(folder)


def test_document_exchanged_with_its_line_in_the_manifest_is_found(folder: Path) -> None:
    case_folder.save(folder, {"viewer.html": b"<p>first"}, "viewer written")
    case_folder.verify(folder)
    (folder / "viewer.html").write_bytes(b"<p>other")
    case_folder.write_manifest(folder)
    with pytest.raises(VerificationError, match=r"viewer\.html differs from the digest in the custody log"):
        case_folder.verify(folder)


def test_one_flipped_byte_in_every_file_is_found_and_named(pristine: Path, tmp_path: Path) -> None:
    for number, name in enumerate(names(pristine)):
        size = (pristine / name).stat().st_size
        for position in {0, size // 2, size - 1}:
            copy = Path(shutil.copytree(pristine, tmp_path / f"{number}-{position}"))
            flip(copy / name, position)
            with pytest.raises(VerificationError) as caught:
                case_folder.verify(copy)
            assert name in caught.value.message, (position, caught.value.message)


@pytest.mark.parametrize("manifest", [MANIFEST, TAGS])
def test_bytes_of_the_manifests_count_line_ends_and_separators_too(folder: Path, manifest: str) -> None:
    path, data = folder / manifest, (folder / manifest).read_bytes()
    breaks = {i for i, byte in enumerate(data) if byte in b"\n /"}
    for position in sorted(breaks | set(range(0, len(data), 11))):
        for bit in (0, 5):  # bit 5 turns a digit of a digest into its capital
            flip(path, position, bit)
            with pytest.raises(VerificationError):
                case_folder.verify(folder)
            path.write_bytes(data)


@pytest.mark.parametrize("name", [CASE, CUSTODY, REPORT, TAGS, MANIFEST, "bagit.txt", "data/protocol.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(VerificationError, match=name.replace(".", r"\.")):
        case_folder.verify(folder)


def test_added_file_is_named(folder: Path) -> None:
    (folder / "data" / "exhibits" / "note.txt").write_text("added later")
    with pytest.raises(VerificationError, match=r"exhibits/note\.txt is not in the manifest"):
        case_folder.verify(folder)


@pytest.mark.parametrize("name", ["data/protocol.json", REPORT, CASE])
def test_changing_a_file_and_its_line_in_the_manifest_is_still_found(folder: Path, name: str) -> None:
    flip(folder / name, 20)
    case_folder.write_manifest(folder)
    with pytest.raises((VerificationError, CaseError)):
        case_folder.verify(folder)


def test_changing_an_exhibit_and_its_line_in_the_manifest_is_still_found(folder: Path) -> None:
    exhibit = next((folder / "data" / "exhibits").glob("*.png"))
    flip(exhibit, 40)
    case_folder.write_manifest(folder)
    with pytest.raises(VerificationError, match=exhibit.name):
        case_folder.verify(folder)


def test_removed_custody_entry_breaks_the_chain(folder: Path) -> None:
    path = folder / CUSTODY
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    case_folder.write_manifest(folder)
    with pytest.raises(VerificationError, match="entry 2 breaks the chain"):
        case_folder.verify(folder)


def test_rewritten_custody_entry_breaks_the_chain(folder: Path) -> None:
    path = folder / CUSTODY
    lines = path.read_bytes().splitlines()
    fields = json.loads(lines[1])
    fields["actor"] = "somebody else"
    lines[1] = json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")
    case_folder.write_manifest(folder)
    with pytest.raises(VerificationError, match="breaks the chain"):
        case_folder.verify(folder)


def test_chain_holds_and_names_what_happened(pristine: Path) -> None:
    entries = list(case_folder.read_custody(pristine))
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
    assert entries[0].previous == "0" * 64
    for before, after in itertools.pairwise(entries):
        assert after.previous == case_folder.entry_digest(before)
    actions = [e.action for e in entries]
    assert actions[0] == "case folder opened"
    assert actions[-2:] == ["case frozen", "report rendered"]


def test_new_report_does_not_make_other_changes_look_right(folder: Path) -> None:
    flip(folder / "data/protocol.json", 5)
    with pytest.raises(VerificationError, match=r"protocol\.json"):
        case_folder.save_report(folder, b"%PDF-1.7\nanother\n")
    with pytest.raises(VerificationError):
        case_folder.verify(folder)


def test_lost_or_damaged_report_can_be_rendered_again(folder: Path) -> None:
    report = (folder / REPORT).read_bytes()
    flip(folder / REPORT, 3)
    case_folder.save_report(folder, report)
    case_folder.verify(folder)
    (folder / REPORT).unlink()
    case_folder.save_report(folder, report)
    case_folder.verify(folder)


def test_same_report_again_adds_no_entry(folder: Path) -> None:
    before = (folder / CUSTODY).read_bytes()
    case_folder.save_report(folder, (folder / REPORT).read_bytes())
    assert (folder / CUSTODY).read_bytes() == before


def test_existing_folder_is_refused_and_with_force_kept_aside(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    with pytest.raises(CaseError, match="exists already"):
        Ledger(folder)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    Ledger(folder, force=True)
    kept = folder.with_name("case.kept-1")
    assert {name: (kept / name).read_bytes() for name in names(kept)} == before


def test_force_does_not_move_a_folder_that_is_no_case(tmp_path: Path) -> None:
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "beach.jpg").write_bytes(b"not a case")
    with pytest.raises(CaseError, match="other files than a case"):
        Ledger(holiday, force=True)
    assert (holiday / "beach.jpg").read_bytes() == b"not a case"


def test_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "case").write_text("a file")
    for force in (False, True):
        with pytest.raises(CaseError):
            Ledger(tmp_path / "case", force=force)
    assert (tmp_path / "case").read_text() == "a file"


def test_refused_image_is_logged_with_its_digest(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "case")
    path = ASSETS / "broken_truncated.png"
    with pytest.raises(ImageError):
        ledger.receive(path, "Q1", "disputed")
    assert ledger.custody[-1].sha256 == case_folder.file_sha256(path)


def test_bytes_as_received_are_kept(pristine: Path) -> None:
    item = case_folder.load(pristine).item("Q1")
    assert case_folder.stored(pristine, item.stored).read_bytes() == (ASSETS / "exif_rotated.jpg").read_bytes()
    assert item.sha256 == case_folder.file_sha256(ASSETS / "exif_rotated.jpg")


def test_case_on_disk_is_canonical(pristine: Path) -> None:
    assert canonical(case_folder.load(pristine)) == (pristine / CASE).read_bytes()


def test_source_date_epoch_fixes_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first, second = small_case(tmp_path / "a" / "case"), small_case(tmp_path / "b" / "case")
    assert (first / TAGS).read_bytes() == (second / TAGS).read_bytes()
    assert case_folder.load(first).created == "1970-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "cannot be read"),
        (b"[]", "schema version None"),
        (b'{"schema": 999}', "schema version 999"),
        (b'{"schema": %d, "type": "Case"}' % SCHEMA, "missing field"),
        (b'{"schema": %d, "type": "Letter"}' % SCHEMA, "expected type 'Case'"),
    ],
)
def test_foreign_case_is_refused_with_a_reason(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / CASE).parent.mkdir()
    (tmp_path / CASE).write_bytes(content)
    with pytest.raises(CaseError) as caught:
        case_folder.load(tmp_path)
    assert said in caught.value.message


def test_folder_without_a_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"holds no data/case\.json"):
        case_folder.load(tmp_path)
    with pytest.raises(VerificationError, match="holds no case"):
        case_folder.verify(tmp_path)


def older(folder: Path) -> Path:
    """A case folder as it was written while the strongest outcomes had names that name a right."""
    ledger = Ledger(folder)
    protocol = ledger.put_file("protocol.json", PROFILES["quick"].canonical)
    item, picture = ledger.receive(ASSETS / "exif_rotated.jpg", "Q1", "disputed")
    ledger.put(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "R1", "A work", "test@1", seed=3)
    template, _ = golden.stored("compare")
    laid = replace(template.correspondences[0], work="R1", figures=(), laid="")
    case = replace(
        case_folder.load(small_case(folder.parent / "template")),
        schema=2,
        created=ledger.custody[0].utc,
        protocol=protocol,
        items=(item,),
        exhibits=ledger.exhibits,
        correspondences=tuple(replace(laid, id=f"K{word.name}", outcome=word) for word in Outcome),
        control_correspondence=replace(laid, outcome=Outcome.PARTLY),
        custody=ledger.custody,
    )
    ledger.close(case)
    case_folder.save_report(folder, b"%PDF-1.7\nnot a real report, but real bytes\n%%EOF\n")
    return folder


def test_an_older_case_is_read_verified_and_written_as_it_was(tmp_path: Path) -> None:
    folder = older(tmp_path / "older")
    data = (folder / CASE).read_bytes()
    plain = json.loads(data)
    assert plain["schema"] == 2
    names = [row["outcome"] for row in plain["correspondences"]]
    assert names == ["reproduces", "partly reproduces", *[word.value for word in Outcome][2:]]
    assert plain["control_correspondence"]["outcome"] == "partly reproduces"
    case_folder.verify(folder)
    case = case_folder.load(folder)
    assert [c.outcome for c in case.correspondences] == list(Outcome)
    assert "announced" not in plain
    assert canonical(case) == data  # documents and signatures state the digest of these bytes
    assert [row["outcome"] for row in encode(replace(case, schema=SCHEMA))["correspondences"]] == list(Outcome)


def test_what_no_version_had_is_a_fault_of_the_file(tmp_path: Path) -> None:
    """Every reader of versioned files is told so by the error for files: results of outputs as well as cases."""
    for kind, wire in (
        (Outputs, {"type": "Outputs", "schema": "outputs 1", "tries": [{"outcome": "copied"}]}),
        (Case, {"type": "Case", "schema": 2, "announced": None}),
    ):
        with pytest.raises(CaseError, match=r"file: .*(is not one of|unknown field)"):
            decode(kind, wire, "file")


@pytest.mark.parametrize(("schema", "word"), [(2, "corresponds throughout"), (SCHEMA, "reproduces"), (2, "copied")])
def test_an_outcome_by_the_name_of_another_version_is_refused(tmp_path: Path, schema: int, word: str) -> None:
    folder = older(tmp_path / "older")
    plain = json.loads((folder / CASE).read_bytes()) | {"schema": schema}
    if schema == SCHEMA:
        plain["announced"] = None
    for row in (*plain["correspondences"], plain["control_correspondence"]):
        row["outcome"] = word
    (folder / CASE).write_text(json.dumps(plain))
    with pytest.raises(CaseError, match=f"{word}.*is not one of"):
        case_folder.load(folder)
