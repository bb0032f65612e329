"""`verify`, `report` and `schema` as commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from forensics import documents
from forensics.documents import SUMMARY, VIEWER
from forensics.errors import ExitCode
from forensics.folder.layout import CASE, REPORT
from tests.cli.support import run, spawn
from tests.test_casefile import flip, small_case


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_case(tmp_path_factory.mktemp("case") / "pristine")
    documents.render(folder)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "case"))


def test_verify_accepts_an_untouched_folder(pristine: Path) -> None:
    done = run("verify", pristine)
    assert done.exit_code == 0
    assert "files agree" in done.stdout


def test_verify_names_what_differs(folder: Path) -> None:
    flip(folder / REPORT, 9)
    done = spawn("verify", folder)
    assert done.returncode == ExitCode.VERIFICATION
    assert REPORT in done.stderr
    assert done.stdout == ""


def test_report_renders_again_and_the_folder_still_verifies(folder: Path) -> None:
    done = run("report", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder / REPORT}\n{folder / VIEWER}\n"
    assert (folder / REPORT).read_bytes().startswith(b"%PDF-")
    assert run("verify", folder).exit_code == 0


def test_every_format_is_made_and_the_folder_still_verifies(folder: Path) -> None:
    done = run("report", folder, "--format", "csv,json", "--summary")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [str(folder / "tables"), str(folder / CASE), str(folder / SUMMARY)]
    assert (folder / "tables" / "measurements.csv").read_text(encoding="utf-8").startswith("id,metric,a,b,value")
    assert "9 of 9 documents are, byte for byte, what data/case.json gives" in run("verify", folder).stdout
    flip(folder / "tables" / "exhibits.csv", 4)
    assert "tables/exhibits.csv" in run("verify", folder).stderr


def test_unknown_format_is_refused(folder: Path) -> None:
    done = run("report", folder, "--format", "pdf,odt")
    assert done.exit_code == ExitCode.USAGE
    assert "'odt'" in done.stderr


def test_report_refuses_a_changed_case(folder: Path) -> None:
    text = (folder / CASE).read_text(encoding="utf-8")
    (folder / CASE).write_text(text.replace("Mirrored copy", "Mirrored cope"), encoding="utf-8")
    assert run("report", folder).exit_code == ExitCode.VERIFICATION


def test_schema_describes_a_case_file(pristine: Path) -> None:
    published = json.loads(run("schema").stdout)
    jsonschema.validate(json.loads((pristine / CASE).read_bytes()), published)


def test_the_report_named_in_place_of_its_folder_is_told_apart(tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7\n")
    for command in ("verify", "report"):
        done = run(command, report)
        assert done.exit_code == 2
        assert "is a file, and a folder is asked for" in done.stderr
        assert "its whole folder" in done.stderr
