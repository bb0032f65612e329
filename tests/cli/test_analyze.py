"""`forensics analyze` as a process of its own, on an embedded sample."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forensics import folder as case_folder
from forensics import report
from forensics.case import Absent, Origin, Pair
from forensics.errors import ExitCode
from tests.cli.support import ROOT, spawn
from tests.diffusion.test_autoencoder import altered
from tests.report.wording import quotations, violations

IMAGE = ROOT / "samples" / "disputed" / "memorised.png"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One run in an empty folder, with the default name of the case folder and a second autoencoder."""
    folder = tmp_path_factory.mktemp("run")
    other = altered(ROOT / "samples" / "reference" / "twin-a" / "vae", tmp_path_factory.mktemp("other") / "moved")
    finished = spawn(
        "analyze",
        IMAGE,
        "--profile",
        "quick",
        "--device",
        "cpu",
        "--progress",
        "json",
        "--autoencoder",
        other,
        cwd=folder,
    )
    assert finished.returncode == ExitCode.OK, finished.stderr
    return finished


@pytest.fixture(scope="module")
def folder(done: subprocess.CompletedProcess[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(tmp_path_factory.getbasetemp().glob("run*/memorised-case"))


def test_standard_output_is_the_path_of_the_report(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.stdout == "memorised-case/report.pdf\n"
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_standard_error_is_one_event_a_line(done: subprocess.CompletedProcess[str]) -> None:
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[0]["event"] == "note"
    assert "Demonstration checkpoint" in events[0]["message"]
    assert events[-1] == {"event": "report", "path": "memorised-case/report.pdf"}
    assert {e["event"] for e in events[1:-1]} == {"progress"}
    assert all(0 <= e["done"] <= e["total"] or e["total"] == 0 for e in events[1:-1])


def test_the_other_autoencoder_reaches_the_case_and_the_report(folder: Path) -> None:
    case = case_folder.load(folder)
    assert isinstance(case.origin, Origin)
    assert not isinstance(case.origin.reconstructions, Absent)
    own, other = case.origin.reconstructions
    primary = next(c for c in case.comparisons if c.primary_for is Pair.ORIGIN)
    assert (own.autoencoder, own.k, own.n) == ("twin-a", primary.k, primary.n)
    assert (other.autoencoder, other.n) == ("moved", primary.n)
    (row,) = (row for row in case.settings if row.name == "autoencoders")
    assert row.value.endswith("moved")
    assert row.source == "command line"
    said = " ".join(re.sub("<[^>]+>", " ", report.render_html(case, folder)).split())
    assert f"Autoencoder of moved mean squared loss {other.first:.3g} the first time" in said
    assert f"{other.k} of {other.n} control works have a ratio as low" in said
    assert "Of the 2 autoencoders tried, " in said
    assert violations(said, quotations(case)) == []  # the text of the pages, drawn from this


def test_existing_folder_is_refused_and_the_input_untouched(folder: Path) -> None:
    digest = case_folder.file_sha256(IMAGE)
    again = spawn("analyze", IMAGE, "--profile", "quick", "--device", "cpu", cwd=folder.parent)
    assert again.returncode == ExitCode.CASE
    assert "exists already" in again.stderr
    assert again.stdout == ""
    assert case_folder.verify(folder)
    assert case_folder.file_sha256(IMAGE) == digest


def test_verify_and_report_work_on_the_folder(folder: Path) -> None:
    before = (folder / "report.pdf").read_bytes()
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spawn("report", folder).returncode == ExitCode.OK
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime  # of processors: others may be busy
    assert (folder / "report.pdf").read_bytes() == before
    assert spawn("verify", folder).returncode == ExitCode.OK
    assert seconds <= 30, "at most 5 s on a quick machine; this bound leaves room for a slow one"


def test_interruption_keeps_what_was_gathered(tmp_path: Path) -> None:
    out = tmp_path / "case"
    command = [sys.executable, "-m", "forensics", "analyze", str(IMAGE), "--device", "cpu", "-o", str(out)]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 240
    while not (out / case_folder.CUSTODY).exists() or len((out / case_folder.CUSTODY).read_bytes().splitlines()) < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == ""
    assert f"{out} keeps what was gathered" in stderr
    assert list(case_folder.read_custody(out))
