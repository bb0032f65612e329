"""The whole way on a tiny real checkpoint: manifest, measurements, record, document, and what a case makes of it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from forensics import diffusion
from forensics.case import Absent, Checkpoint, LikelihoodRatio, Pair, ValidationFacts
from forensics.cli import main
from forensics.errors import CaseError, CheckpointError, SettingsError
from forensics.folder.layout import stored
from forensics.protocol import PROFILES, Protocol
from forensics.settings import Settings
from forensics.stages import evaluate
from forensics.stages.given_back import STATISTICS
from forensics.stages.measure import Measured
from forensics.stages.rank import compared
from forensics.stages.works import Work
from forensics.statistics import record as records
from forensics.statistics.blind import LIMIT
from forensics.statistics.record import PropositionRecord
from forensics.validation import bench, blind, document, edits, table, validate, works
from forensics.validation.journal import Journal
from tests import support
from tests.diffusion.families import ddpm
from tests.studies.checkpoint_inputs import FLAT

PROTOCOL = PROFILES["standard"]


def manifest(folder: Path, *, families: bool = True) -> Path:
    """Three members and three controls in either half."""
    random = np.random.default_rng(3)
    rows = []
    for half in works.HALVES:
        for i in range(6):
            name = f"{half}-{i}"
            pixels = (random.random((8, 8, 3)) * 255).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
            rows.append(
                {
                    "id": name,
                    "path": f"{name}.png",
                    "caption": f"a picture {i}",
                    "half": half,
                    "role": "planted" if i < 3 else "control",
                    "repetitions": 16,
                    "family": name if families else f"family {i}",
                }
            )
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[validate.Request, Path]:
    folder = tmp_path_factory.mktemp("works")
    model = str(next(iter(folders.values())))
    plan = bench.Plan(manifest(folder), model, "", None, "", "cpu", "fp32", training=2)
    request = validate.Request(plan, PROTOCOL, "tiny", "forensics validate", resamples=5)
    out = folder / "out"
    validate.validate(request, out)
    return request, out


def test_record_document_and_figures(made: tuple[validate.Request, Path]) -> None:
    _request, out = made
    record, data = records.load(out / validate.RECORD)
    retention = record.propositions.retention
    assert isinstance(retention, PropositionRecord)
    assert (retention.n_sources.test_first, retention.n_sources.test_second) == (3, 3)
    assert {shift.name for shift in retention.robustness} == set(edits.ROBUSTNESS)
    assert isinstance(record.propositions.derivation, Absent)
    second = next(r for r in record.repeatability if r.name == "second run")
    assert second.largest == 0  # on the CPU the same run gives the same numbers
    assert {b.name for b in record.baselines} == {"text", "image"}
    assert any("Cllr" in line for line in table.table(record))
    origin = record.propositions.origin
    assert isinstance(origin, PropositionRecord)
    # In each half pictures are made from four captions: of three members and of one control in three.
    assert (origin.n_sources.calibration_first, origin.n_sources.calibration_second) == (4, 2)
    # Pictures of this checkpoint have 32 pixels a side: reduced, they are too small to be measured.
    small = set(edits.ROBUSTNESS) - {shift.name for shift in origin.robustness}
    assert small <= {"half size", "middle 81 % of the area"}
    assert [p.n for p in origin.p_values] == [2, 2]  # two controls, and the same from another autoencoder
    # So few works carry no ratio, but ranks and error rates stand in the record.
    assert "rests on 2 works in one half; below 20" in origin.refused
    assert retention.p_values[0].n == retention.p_values[0].controls == 3
    pdf = document.write(record, data, out / "validation.pdf")
    reader = pypdf.PdfReader(io.BytesIO(pdf.read_bytes()))
    assert reader.attachments["validation.json"][0] == data
    text = "".join(page.extract_text() for page in reader.pages)
    assert "Validation: tiny" in text
    assert "Cllr" in text


def test_a_finished_run_measures_nothing_again_and_gives_the_same_record(made: tuple[validate.Request, Path]) -> None:
    request, out = made
    before = json.loads((out / validate.RECORD).read_bytes())
    size = (out / validate.JOURNAL).stat().st_size
    with pytest.raises(CaseError, match="exists already"):
        validate.validate(request, out)
    validate.validate(request, out, resume=True)
    after = json.loads((out / validate.RECORD).read_bytes())
    assert (out / validate.JOURNAL).stat().st_size == size
    assert before == after


def test_an_examination_uses_the_record_that_fits_and_says_why_another_does_not(
    made: tuple[validate.Request, Path], tmp_path: Path
) -> None:
    request, out = made
    path = out / validate.RECORD
    checkpoint = diffusion.identify(request.plan.checkpoint)
    work = Work.of("Q1", works.read(request.plan.manifest)[0].read())
    measured = Measured((), (), (), (), (), work)

    def examine(protocol: Protocol, to: str) -> evaluate.Evaluated:
        context = support.context(tmp_path / to, protocol=protocol, settings=Settings(validation=str(path)))
        models, traced = support.models(checkpoint), support.traced(work)
        return evaluate.evaluate(work, (), measured, traced, models, None, context)

    used = examine(PROTOCOL, "fits")
    assert isinstance(used.facts, ValidationFacts)
    kept = stored(tmp_path / "fits", used.facts.path).read_bytes()
    assert (kept, used.facts.digest) == (path.read_bytes(), records.digest_of(kept))
    assert set(used.ratios) == set(Pair)
    assert all(isinstance(ratio, Absent) and ratio.reason for ratio in used.ratios.values())  # nothing was measured
    other = examine(replace(PROTOCOL, version="older"), "other")
    assert isinstance(other.facts, Absent)
    assert "version older is in force" in other.facts.reason
    assert not stored(tmp_path / "other", evaluate.FILE).exists()


def test_what_the_autoencoder_did_becomes_the_ratio_of_origin(
    made: tuple[validate.Request, Path], tmp_path: Path
) -> None:
    """The record of the tiny works refuses; with the refusal taken out, the measured value enters the ratio."""
    request, out = made
    record, _ = records.load(out / validate.RECORD)
    form = record.propositions.origin
    assert isinstance(form, PropositionRecord)
    allowed = replace(record, propositions=replace(record.propositions, origin=replace(form, refused="")))
    path = tmp_path / "record.json"
    records.save(allowed, path)
    checkpoint = diffusion.identify(request.plan.checkpoint)
    control = next(w for w in works.read(request.plan.manifest) if not w.member and w.half == "calibration")
    disputed = Work.of("Q1", control.read())
    measured = tuple(
        compared(f"O{i}", statistic, "", value, ())
        for i, ((statistic, _, _), value) in enumerate(zip(STATISTICS, (1.5, 0.01), strict=True))
    )

    def ratio(work: Work, name: str) -> LikelihoodRatio | Absent:
        context = support.context(tmp_path / name, settings=Settings(validation=str(path)))
        models, traced = support.models(checkpoint), support.traced(work, measured)
        found = evaluate.evaluate(work, (), Measured((), (), (), (), (), work), traced, models, None, context)
        return found.ratios[Pair.ORIGIN]

    found = ratio(disputed, "same")
    assert isinstance(found, LikelihoodRatio), found
    assert found.features[0].value == 1.5
    assert form.bounds.lower <= found.log10 <= form.bounds.upper
    # Enlarged, the picture is no longer on the grid on which it was made: the ratio is refused.
    refused = ratio(Work.of("Q1", edits.double(control.read())), "enlarged")
    assert isinstance(refused, Absent)
    assert "shorter side in pixels is 128" in refused.reason


def test_results_of_different_settings_are_never_mixed(made: tuple[validate.Request, Path]) -> None:
    request, out = made
    other = replace(request, plan=replace(request.plan, precision="bf16"))
    with pytest.raises(SettingsError, match="begun with another device"):
        validate.validate(other, out, resume=True)


def test_a_record_fits_one_checkpoint_one_version_and_its_parameters(made: tuple[validate.Request, Path]) -> None:
    record, _ = records.load(made[1] / validate.RECORD)
    parameters = {row.name: row.value for row in PROTOCOL.rows}
    digest = record.checkpoint_digest
    assert records.unfit(record, digest, PROTOCOL.version, parameters) == ""
    assert "another checkpoint" in records.unfit(record, "0" * 64, PROTOCOL.version, parameters)
    assert "version" in records.unfit(record, digest, "none", parameters)
    changed = replace(PROTOCOL, codelength_cut=2.0)
    assert changed.digest != PROTOCOL.digest
    moved = {row.name: row.value for row in changed.rows}
    assert "codelength cut" in records.unfit(record, digest, PROTOCOL.version, moved)


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    for content in ("", "{}", '{"schema": 99}', '{"schema": 1}'):
        path = tmp_path / "record.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError):
            records.load(path)


def test_a_line_cut_short_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path, {"a": "1"}, resume=False)
    journal.add("one", 1)
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"key": "two", "val')
    again = Journal(path, {"a": "1"}, resume=True)
    assert list(again) == ["one"]
    again.add("two", 2)
    assert Journal(path, {"a": "1"}, resume=True)["two"] == 2


def test_manifests_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="in both halves"):
        works.read(manifest(tmp_path, families=False))
    path = manifest(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if '"control"' not in line), encoding="utf-8")
    with pytest.raises(SettingsError, match="no control"):
        works.read(path)
    path.write_text("not json\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 1"):
        works.read(path)


def test_blind_baseline_sees_a_difference_and_no_difference() -> None:
    random = np.random.default_rng(2)
    member, half = [i % 2 == 0 for i in range(400)], ["calibration"] * 200 + ["test"] * 200
    noise = random.normal(size=(400, 6))
    assert not blind.image(noise.tolist(), member, half).auc.low > LIMIT
    told = noise + np.array(member)[:, None]
    found = blind.image(told.tolist(), member, half)
    assert found.exceeded
    assert found.auc.value > 0.9


def test_every_edit_is_a_fixed_function_of_the_picture() -> None:
    picture = Image.fromarray((np.random.default_rng(0).random((40, 60, 3)) * 255).astype(np.uint8))
    for edit in {**edits.ROBUSTNESS, **edits.DERIVED}.values():
        one, other = edit(picture), edit(picture)
        assert one.mode == "RGB"
        assert one.tobytes() == other.tobytes()
        assert (one.size, one.tobytes()) != (picture.size, picture.tobytes())


def test_tasks_in_processes_give_the_same_numbers(made: tuple[validate.Request, Path]) -> None:
    request, _out = made
    keys = [f"{bench.LOOK}|{bench.OWN}|test-{i}" for i in range(2)]
    assert dict(bench.run(request.plan, keys, 2)) == dict(bench.run(request.plan, keys, 1))


def test_the_embedded_checkpoint_is_the_one_its_record_names() -> None:
    from forensics.resources import samples

    for path in sorted((samples() / "reference").glob("validation-*.json")):
        record, _ = records.load(path)
        name = path.stem.removeprefix("validation-")
        folder = samples() / "reference"
        base, lora = (folder / "twin-b", str(folder / "finetune")) if name == "finetune" else (folder / name, None)
        checkpoint: Checkpoint = diffusion.identify(str(base), lora=lora)
        assert record.checkpoint_digest == checkpoint.digest
        assert record.protocol_version == PROTOCOL.version


def test_loras_and_embeddings_belong_to_the_generator_as_in_an_examination(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """The record is then for the very checkpoint that `analyze` identifies with the same words beside it."""
    pair = {f"lora_unet_{FLAT}.lora_down.weight": (2, 8), f"lora_unet_{FLAT}.lora_up.weight": (8, 2)}
    files = [tmp_path / f"{name}.safetensors" for name in ("one", "two", "hare")]
    for file in files[:2]:
        save_file({name: torch.ones(shape) for name, shape in pair.items()}, file)
    save_file({"emb_params": torch.ones(2, 16)}, files[2])
    loras, words = (f"{files[0]}:0.5", str(files[1])), (f"{files[2]}:leveret",)
    model = str(folders["epsilon"])
    plan = bench.Plan(tmp_path, model, "", None, "", "cpu", "fp32", loras, words)
    found = plan.identify()
    assert found == diffusion.identify(model, wishes=diffusion.Wishes(lora=loras, embeddings=words))
    assert found.digest != diffusion.identify(model, wishes=diffusion.Wishes(lora=loras)).digest
    help_ = CliRunner().invoke(main, ["validate", "--help"]).output
    assert "--embedding" in help_


def test_a_checkpoint_without_words_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    model = str(ddpm(tmp_path / "ddpm"))
    plan = bench.Plan(manifest(tmp_path), model, "", None, "", "cpu", "fp32")
    with pytest.raises(CheckpointError, match="takes no prompt"):
        validate.validate(validate.Request(plan, PROTOCOL, "tiny", "forensics validate"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
