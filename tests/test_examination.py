"""The whole examination on the embedded checkpoint: real weights, real search, real pages."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forensics import examination
from forensics import folder as case_folder
from forensics.case import Absent, Case, CommonElements, Grade, Measurement, Outcome, Pair, Statistic, Style
from forensics.case.statistic import TITLES
from forensics.errors import CaseError, ImageError, SettingsError, VerificationError
from forensics.events import Event
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.settings import resolve
from tests.report.pages import page_texts
from tests.report.wording import quotations, violations

pytestmark = pytest.mark.slow

DISPUTED = samples() / "disputed"
TRUTH = {row["file"]: row for row in csv.DictReader((DISPUTED / "truth.csv").read_text("utf-8").splitlines())}


@pytest.fixture(scope="module")
def folders(quick_case: Callable[[str], Path]) -> dict[str, Path]:
    """One quick examination of every disputed sample."""
    return {name: quick_case(name) for name in TRUTH}


@pytest.fixture(scope="module")
def cases(folders: dict[str, Path]) -> dict[str, Case]:
    return {name: case_folder.load(folder) for name, folder in folders.items()}


def test_every_folder_verifies(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert case_folder.verify(folder).count > 10


@pytest.mark.parametrize("name", ["memorised.png", "edited.jpg"])
def test_the_nearest_neighbour_of_a_training_work_is_that_work(cases: dict[str, Case], name: str) -> None:
    assert cases[name].neighbours[0].training_id == TRUTH[name]["work"]


def test_the_grade_of_a_training_work_follows_its_rank(cases: dict[str, Case]) -> None:
    assert cases["memorised.png"].assessments[0].grade is Grade.THROUGHOUT
    # Aligned, the crop of three per cent, the turned hues and the JPEG of the edited copy no longer hide it.
    assert cases["edited.jpg"].assessments[0].grade is Grade.THROUGHOUT
    assert cases["edited.jpg"].correspondences[0].outcome is Outcome.THROUGHOUT


@pytest.mark.parametrize("name", ["control.png", "manner.png"])
def test_a_work_outside_the_index_corresponds_to_nothing_in_it(cases: dict[str, Case], name: str) -> None:
    grades = {a.grade for a in cases[name].assessments}
    assert grades <= {Grade.SUBJECT, Grade.NONE}


def test_only_the_repeated_work_needs_few_bits_and_comes_back_from_its_prompt(cases: dict[str, Case]) -> None:
    ranks = {n: next(c for c in case.comparisons if c.primary_for is Pair.RETENTION) for n, case in cases.items()}
    assert {r.statistic for r in ranks.values()} == {PROFILES["quick"].retention(controlled=True)}
    assert ranks["memorised.png"].k == 0
    never = ranks.keys() - {"memorised.png", "generated.png"}  # the second shows the same work, drawn by the checkpoint
    assert ranks["memorised.png"].value > max(ranks[n].value for n in never)
    drawn = {
        n: next(c for c in case.comparisons if c.statistic is Statistic.PROMPT_MEDIAN_LPIPS)
        for n, case in cases.items()
    }
    assert drawn["memorised.png"].k == 0
    assert drawn["memorised.png"].value < min(drawn[n].value for n in never)


def test_the_four_samples_give_four_different_summaries(cases: dict[str, Case]) -> None:
    others = [case for name, case in cases.items() if name != "generated.png"]  # it shows the work of memorised.png
    assert len(others) == 4
    assert len({tuple(f.answer for f in case.findings) for case in others}) == 4


def test_controls_had_the_same_budget_and_are_never_the_disputed_image(cases: dict[str, Case]) -> None:
    for case in cases.values():
        assert not isinstance(case.controls, Absent)
        assert case.controls.used == PROFILES["quick"].controls
        assert all(c.n == case.controls.used for c in case.comparisons)
        assert case.items[0].sha256 not in {w.sha256 for w in case.controls.works}


def test_every_page_of_a_demonstration_says_so(cases: dict[str, Case]) -> None:
    assert all(case.demonstration for case in cases.values())


def test_the_words_of_every_sample_report_keep_to_the_rules(folders: dict[str, Path], cases: dict[str, Case]) -> None:
    for name, folder in folders.items():
        pages = page_texts((folder / case_folder.REPORT).read_bytes())
        assert violations("\n".join(pages), quotations(cases[name])) == []
        # The answers stand on the first pages after the cover, and say once what was not tested.
        assert sum("What was not tested" in p or "WHAT WAS NOT TESTED" in p for p in pages[1:4]) == 1
        assert all("Demonstration checkpoint" in page and "DRAFT" in page for page in pages)


def test_the_same_command_gives_the_same_numbers(folders: dict[str, Path], tmp_path: Path) -> None:
    examination.analyze(DISPUTED / "memorised.png", tmp_path / "again", resolve({"profile": "quick"}))
    one, two = case_folder.load(folders["memorised.png"]), case_folder.load(tmp_path / "again")
    assert one.id == two.id
    assert one.measurements == two.measurements
    assert one.comparisons == two.comparisons
    assert [e.sha256 for e in one.exhibits] == [e.sha256 for e in two.exhibits]


def test_titles_decide_nothing(
    quick_case: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every title replaced by a word that means nothing: the same statistics, grades, ratios and cited numbers."""
    draw = random.Random(7)
    words = {s: "".join(draw.choices("bdfgklmnprstvz", k=9)) for s in Statistic}
    before = case_folder.load(quick_case("memorised.png"))
    for statistic, word in words.items():
        monkeypatch.setitem(TITLES, statistic, word)
    examination.analyze(DISPUTED / "memorised.png", tmp_path / "case", resolve({"profile": "quick"}))
    after = case_folder.load(tmp_path / "case")
    assert {c.title for c in after.comparisons} <= set(words.values())
    assert [dataclasses.replace(c, title="") for c in before.comparisons] == [
        dataclasses.replace(c, title="") for c in after.comparisons
    ]
    assert before.protocol == after.protocol
    assert before.measurements == after.measurements
    assert before.ledger == after.ledger
    assert [(a.work, a.grade) for a in before.assessments] == [(a.work, a.grade) for a in after.assessments]
    assert [a.what for a in before.absences] == [a.what for a in after.absences]
    of_title = {c.title: words[c.statistic] for c in before.comparisons}

    def retitled(text: str) -> str:
        for title in sorted(of_title, key=len, reverse=True):
            text = text.replace(title, of_title[title])
        return text

    for one, other in zip(before.findings, after.findings, strict=True):
        assert (one.pair, one.cites, one.likelihood_ratio) == (other.pair, other.cites, other.likelihood_ratio)
        assert retitled(one.answer) == other.answer
        assert [*map(retitled, one.contrary)] == list(other.contrary)
        assert [*map(retitled, one.limits)] == list(other.limits)


def test_the_report_renders_again_to_the_same_bytes(folders: dict[str, Path]) -> None:
    from forensics.documents import render

    folder = folders["manner.png"]
    before = (folder / case_folder.REPORT).read_bytes()
    assert render(folder).read_bytes() == before
    case_folder.verify(folder)


def test_one_flipped_byte_in_any_file_is_found_and_named(folders: dict[str, Path], tmp_path: Path) -> None:
    intact = folders["control.png"]
    for name in sorted(p.relative_to(intact).as_posix() for p in intact.rglob("*") if p.is_file()):
        folder = tmp_path / "tampered"
        shutil.copytree(intact, folder)
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
        with pytest.raises(VerificationError) as caught:
            case_folder.verify(folder)
        assert Path(name).name in caught.value.message
        shutil.rmtree(folder)


def test_nothing_embedded_stands_in_for_another_checkpoint(tmp_path: Path) -> None:
    own = tmp_path / "my-model"
    shutil.copytree(samples() / "reference" / "twin-a", own, symlinks=False)
    resolved = resolve({"profile": "quick", "checkpoint": str(own), "captions": ("bull, animal, mammal",)})
    examination.analyze(DISPUTED / "memorised.png", tmp_path / "case", resolved)
    case = case_folder.load(tmp_path / "case")
    assert not case.demonstration
    assert isinstance(case.index, Absent)
    assert isinstance(case.controls, Absent)
    assert case.comparisons == ()
    assert any("embedding model" in m.reason for m in case.measurements if not isinstance(m, Measurement))
    assert "Not evaluated" in case.findings[1].answer


def test_the_nearest_control_is_laid_over_its_work_too(cases: dict[str, Case]) -> None:
    for case in cases.values():
        rank = next(c for c in case.comparisons if c.primary_for is Pair.DERIVATION)
        nearest = min(rank.controls, key=lambda c: c.value)
        beside = case.control_correspondence
        assert beside is not None
        assert beside.laid == "C1"
        assert nearest.control in case.exhibit("C1").title
        if beside.outcome not in (Outcome.NONE, Outcome.INSUFFICIENT):
            # A control of a series can share a frame with its closest item: that is what a reader is to see.
            assert beside.figures
            assert "the disputed image" not in beside.basis


def test_what_bounds_the_comparison_is_stated(cases: dict[str, Case]) -> None:
    """The ceiling of the autoencoder is a number, unrelated works stand beside, common elements were sought."""
    case = cases["edited.jpg"]
    found = case.correspondences[0]
    assert not [c for c in found.ceilings if isinstance(c, Absent)]
    assert any("19 control works" in v.value for v in found.values)
    assert isinstance(found.common, CommonElements)
    assert found.common.examined
    assert not found.common.left_out  # a work of its own: no two others have parts of it
    assert {m.metric for m in case.measurements if isinstance(m, Measurement)} >= {"descriptor", "clip"}


def test_style_moves_no_finding(cases: dict[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examination again with every likeness in style turned round: the ranks change, and nothing but they."""
    from forensics.similarity import style

    by_manner, by_palette = style.by_manner, style.by_palette
    monkeypatch.setattr(style, "by_manner", lambda works: lambda a, b: -by_manner(works)(a, b))
    monkeypatch.setattr(style, "by_palette", lambda works: lambda a, b: -by_palette(works)(a, b))
    examination.analyze(DISPUTED / "manner.png", tmp_path / "case", resolve({"profile": "quick"}))
    before, after = cases["manner.png"], case_folder.load(tmp_path / "case")
    assert isinstance(before.style, Style)
    assert isinstance(after.style, Style)
    firsts = [[m.creators[0].creator for m in case.style.measures] for case in (before, after)]
    assert firsts[0][0] != firsts[1][0]
    assert firsts[0][1] != firsts[1][1]
    for name in ("findings", "assessments", "comparisons", "measurements", "correspondences", "ledger", "absences"):
        assert getattr(before, name) == getattr(after, name), name


def test_each_work_is_ranked_by_its_own_comparison(tmp_path: Path) -> None:
    originals = tuple(str(samples() / "originals" / "edited-original.png") for _ in range(2))
    resolved = resolve({"profile": "quick", "originals": originals})
    examination.analyze(DISPUTED / "edited.jpg", tmp_path / "case", resolved)
    case = case_folder.load(tmp_path / "case")
    aligned = (Statistic.ALIGNED_TO_WORK, Statistic.ALIGNED_TO_NEAREST)
    ranked = {(c.statistic, c.of): c.primary_for for c in case.comparisons if c.statistic in aligned}
    assert ranked == {
        (Statistic.ALIGNED_TO_WORK, "R1"): Pair.DERIVATION,
        (Statistic.ALIGNED_TO_WORK, "R2"): None,
        (Statistic.ALIGNED_TO_NEAREST, ""): None,
    }
    # Against the work put forward, no control comes near; the neighbour is ranked among the controls' own neighbours.
    assert [a.grade for a in case.assessments[:3]] == [Grade.THROUGHOUT] * 3
    assert [c.work for c in case.correspondences[:2]] == ["R1", "R2"]


def test_comparison_needs_no_checkpoint(tmp_path: Path) -> None:
    original = samples() / "originals" / "edited-original.png"
    examination.compare(DISPUTED / "edited.jpg", (original,), tmp_path / "case", resolve({}))
    case = case_folder.load(tmp_path / "case")
    assert isinstance(case.checkpoint, Absent)
    assert {m.metric for m in case.measurements if isinstance(m, Measurement)} >= {"ssim", "lpips", "tiled"}
    found = case.correspondences[0]
    assert found.outcome is Outcome.THROUGHOUT
    assert found.regions[0].residual_px < 1
    assert len(found.figures) == 4
    assert len(found.elements) > 3
    case_folder.verify(tmp_path / "case")


def test_the_file_is_never_modified_and_a_folder_never_overwritten(tmp_path: Path) -> None:
    image = tmp_path / "work.png"
    shutil.copyfile(DISPUTED / "manner.png", image)
    before = image.read_bytes()
    original = (samples() / "originals" / "edited-original.png",)
    examination.compare(image, original, tmp_path / "case", resolve({}))
    assert image.read_bytes() == before
    with pytest.raises(CaseError, match="exists already"):
        examination.compare(image, original, tmp_path / "case", resolve({}))
    examination.compare(image, original, tmp_path / "case", resolve({}), force=True)
    case_folder.verify(tmp_path / "case.kept-1")


def test_what_was_gathered_before_a_failure_is_kept_and_logged(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((DISPUTED / "manner.png").read_bytes()[:2000])
    with pytest.raises(ImageError, match="does not decode completely"):
        examination.compare(DISPUTED / "manner.png", (broken,), tmp_path / "case", resolve({}))
    actions = [e.action for e in case_folder.read_custody(tmp_path / "case")]
    assert actions[-1] == "examination stopped: ImageError"
    assert "exhibit stored" in actions


def test_progress_reaches_its_total_in_every_stage(tmp_path: Path) -> None:
    events: list[Event] = []
    examination.analyze(
        DISPUTED / "manner.png", tmp_path / "case", resolve({"profile": "quick", "seed": 3}), emit=events.append
    )
    last = {event.stage: event for event in events}
    assert {"identify", "intake", "search", "invert", "compare", "report"} <= set(last)
    assert all(event.done == event.total for event in last.values())


def test_case_json_is_valid_under_its_published_schema(folders: dict[str, Path]) -> None:
    import jsonschema

    from forensics.schema import json_schema

    schema = json_schema(Case, "case")
    for folder in folders.values():
        jsonschema.validate(json.loads((folder / case_folder.CASE).read_bytes()), schema)


def test_a_dangling_citation_cannot_be_built(cases: dict[str, Case]) -> None:
    with pytest.raises(ValueError, match="no such id"):
        dataclasses.replace(cases["manner.png"], measurements=())


def test_a_record_that_cannot_be_read_ends_the_run_before_anything_is_received(tmp_path: Path) -> None:
    record, seen = tmp_path / "record.json", []
    record.write_text("{", encoding="utf-8")
    resolved = resolve({"profile": "quick", "validation": str(record)})
    with pytest.raises(SettingsError, match="no readable validation record"):
        examination.analyze(DISPUTED / "memorised.png", tmp_path / "case", resolved, emit=seen.append)
    assert not seen
    assert not list((tmp_path / "case").rglob("*.png"))
