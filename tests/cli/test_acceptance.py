"""The whole tool as its users start it, on the embedded samples whose truth is known."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from forensics import casefile
from forensics.case import Case, IndexFacts
from tests.cli.support import ROOT, spawn

SAMPLES = ROOT / "samples"
TRUTH = {
    row["file"]: row
    for row in csv.DictReader((SAMPLES / "disputed" / "truth.csv").read_text(encoding="utf-8").splitlines())
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def analyze(name: str, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return spawn(
        "analyze", SAMPLES / "disputed" / name, "--case", SAMPLES / "case.toml", "--profile", "quick",
        "--device", "cpu", "-o", out, *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A case folder for every sample, and a second one for the memorised work."""
    folder, made = tmp_path_factory.mktemp("examined"), {}
    for label, name in [*((name, name) for name in sorted(TRUTH)), ("again", "memorised.png")]:
        done = analyze(name, folder / label)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{folder / label / 'report.pdf'}\n"
        assert "Demonstration checkpoint" in done.stderr
        made[label] = folder / label
    return made


def case(folder: Path) -> Case:
    return casefile.load(folder)


def timeless(folder: Path) -> dict[str, Any]:
    """The case without what a clock wrote."""
    data: dict[str, Any] = json.loads((folder / casefile.CASE).read_bytes())
    for name in ("created", "custody"):
        del data[name]
    for inversion in data["inversions"]:
        del inversion["seconds"]
    return data


def test_same_command_gives_the_same_case(examined: dict[str, Path]) -> None:
    assert timeless(examined["memorised.png"]) == timeless(examined["again"])


def test_every_folder_verifies(examined: dict[str, Path]) -> None:
    for folder in examined.values():
        done = spawn("verify", folder)
        assert done.returncode == 0, done.stderr


def test_every_report_is_a_pdf_of_a_demonstration(examined: dict[str, Path]) -> None:
    pypdf = pytest.importorskip("pypdf")
    for folder in examined.values():
        assert case(folder).demonstration
        for page in pypdf.PdfReader(folder / "report.pdf").pages:
            assert "demonstration checkpoint" in page.extract_text().lower()


def test_memorised_sample_finds_its_training_work(examined: dict[str, Path]) -> None:
    found = case(examined["memorised.png"])
    assert isinstance(found.index, IndexFacts)
    assert found.neighbours[0].training_id == TRUTH["memorised.png"]["work"]


def test_edited_sample_finds_its_training_work(examined: dict[str, Path]) -> None:
    assert case(examined["edited.jpg"]).neighbours[0].training_id == TRUTH["edited.jpg"]["work"]


def test_control_is_not_among_its_own_controls(examined: dict[str, Path]) -> None:
    found = case(examined["control.png"])
    assert all(score.value != 0 for c in found.comparisons for score in c.controls if "nearest" not in c.title)


def test_four_samples_give_four_different_answers(examined: dict[str, Path]) -> None:
    answers = {tuple(f.answer for f in case(examined[name]).findings) for name in TRUTH}
    assert len(answers) == len(TRUTH) >= 4


def test_report_again_is_quick_and_the_same(examined: dict[str, Path]) -> None:
    folder = examined["memorised.png"]
    before = (folder / "report.pdf").read_bytes()
    began = time.perf_counter()
    done = spawn("report", folder)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    assert (folder / "report.pdf").read_bytes() == before
    assert seconds <= 30, "stated as at most 5 s on a free machine; the bound leaves room for a busy one"


def test_existing_folder_is_refused_and_the_input_untouched(examined: dict[str, Path]) -> None:
    digest = casefile.file_sha256(SAMPLES / "disputed" / "memorised.png")
    done = analyze("memorised.png", examined["memorised.png"])
    assert done.returncode == 9
    assert "exists already" in done.stderr
    assert casefile.file_sha256(SAMPLES / "disputed" / "memorised.png") == digest
