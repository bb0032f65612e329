"""A survey of embedded works, stopped and gone on with: what is written and said; nothing is done twice."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
from pathlib import Path

import click
import pypdfium2
import pytest

from forensics import portfolio, resources
from forensics.batch import asked as batches
from forensics.errors import CaseError, ControlsError, SettingsError
from forensics.events import Event, ignore
from forensics.survey import document
from forensics.survey import survey as surveys
from tests.report.wording import violations
from tests.tools import axe

REFERENCE = resources.samples() / "reference"
ROWS = [json.loads(line) for line in (REFERENCE / "manifest.jsonl").read_text().splitlines()]
PLANTED = [r for r in ROWS if r["role"] == "planted" and r["repetitions"] == 256][:1]
UNSEEN = [r for r in ROWS if r["role"] == "control"]


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["path", "id", "caption", "repetitions"])
        writer.writeheader()
        writer.writerows(
            {"path": REFERENCE / r["path"], "id": r["id"], "caption": r["caption"], "repetitions": r["repetitions"]}
            for r in rows
        )
    return path


def controls(folder: Path, rows: list[dict[str, str]]) -> Path:
    folder.mkdir()
    with (folder / "controls.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "ground", "caption"])
        for row in rows:
            name = Path(row["path"]).name
            (folder / name).write_bytes((REFERENCE / row["path"]).read_bytes())
            writer.writerow([name, "held out", row["caption"]])
    return folder


class Stopped(Exception):
    pass


def test_a_survey_that_was_stopped_goes_on_and_says_no_more_than_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bare = {**UNSEEN[1], "caption": ""}
    works = table(tmp_path / "works.csv", [*PLANTED, UNSEEN[0], bare, {**PLANTED[0], "id": "again"}])
    request = surveys.Request(
        str(works), str(REFERENCE / "twin-a"), "forensics survey", controls=controls(tmp_path / "c", UNSEEN[2:21])
    )
    out = tmp_path / "out"

    def stop(event: Event) -> None:
        if event.stage == "survey" and event.total and event.done == 30:
            raise Stopped

    with pytest.raises(Stopped):
        surveys.survey(request, out, emit=stop)
    before = (out / surveys.JOURNAL).read_text()
    assert before.count('"key"') >= 30
    with pytest.raises(CaseError, match="exists already"):
        surveys.survey(request, out, emit=ignore)
    with pytest.raises(SettingsError, match="seed"):
        surveys.survey(surveys.Request(**{**_fields(request), "seed": 7}), out, resume=True)
    found = surveys.survey(request, out, resume=True)
    after = (out / surveys.JOURNAL).read_text()
    assert after.startswith(before)
    keys = [json.loads(line)["key"] for line in after.splitlines()[1:]]
    assert len(keys) == len(set(keys))

    assert [w.id for w in found.works] == [PLANTED[0]["id"], UNSEEN[0]["id"]]
    assert {n.id for n in found.not_asked} == {bare["id"], "again"}
    planted, unseen = found.works
    assert planted.primary.value > unseen.primary.value
    assert planted.primary.p == pytest.approx(1 / 20)
    # Nineteen controls reach the level with their first place alone: nothing may be announced.
    assert not found.announced
    assert not found.flagged
    assert "Nothing can be said" in document.answer(found)[0]

    pdf = document.write(out)
    surveys.seal(out)
    pages = pypdfium2.PdfDocument(pdf)
    assert len(pages) <= document.PAGES
    first = " ".join(pages[0].get_textpage().get_text_bounded().split())
    assert "Nothing can be said" in first
    said = " ".join([*document.answer(found), *found.limits])
    assert not violations(said)
    assert document.load(out)[0] == found
    if not axe.reason():
        with axe.browser() as chromium:
            assert axe.violations(chromium, out / document.TABLE) == []
    for line in (out / surveys.DIGESTS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def _fields(request: surveys.Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def test_too_few_controls_and_works_without_captions_are_refused(tmp_path: Path) -> None:
    works = table(tmp_path / "works.csv", PLANTED)
    few = controls(tmp_path / "few", UNSEEN[:5])
    request = surveys.Request(str(works), str(REFERENCE / "twin-a"), "", controls=few)
    with pytest.raises(ControlsError, match="5 distinct controls"):
        surveys.survey(request, tmp_path / "a")
    bare = table(tmp_path / "bare.csv", [{**PLANTED[0], "caption": " "}])
    with pytest.raises(SettingsError, match="caption"):
        surveys.survey(surveys.Request(str(bare), request.checkpoint, "", controls=few), tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_the_file_of_cases_is_one_that_a_batch_takes(tmp_path: Path) -> None:
    """One command for every work set apart, whatever a caption or an identifier holds."""
    said = 'a "fox"\\ in\tthe snow \x7f \U0001f98a # = [case]'
    rows = [{**PLANTED[0], "caption": said}, {**UNSEEN[0], "id": "two\nlines"}]
    found = portfolio.read(table(tmp_path / "works.csv", rows)).works
    out = tmp_path / "survey"
    (out / surveys.BYTES).mkdir(parents=True)
    for work in found:
        (out / surveys._stored(work)).write_bytes(work.data)
    request = surveys.Request("w", str(REFERENCE / "twin-a"), "", str(REFERENCE / "twin-b"), tmp_path)
    (out / surveys.CASES).write_text(surveys.cases(request, found), encoding="utf-8")
    name, folder = document.BATCH.split()[2], document.BATCH.split()[4]
    assert name == surveys.CASES
    asked = batches.read(out / name, out / folder)
    assert [one.resolved.settings.captions for one in asked] == [(said,), (UNSEEN[0]["caption"],)]
    assert [one.image.read_bytes() for one in asked] == [work.data for work in found]
    for one in asked:
        settings = one.resolved.settings
        assert (settings.checkpoint, settings.control_checkpoint) == (request.checkpoint, request.control_checkpoint)
        assert (settings.controls, settings.profile) == (str(tmp_path), "standard")
        assert one.folder.parent == out.absolute() / folder


def test_the_command_of_a_work_set_apart_is_one_that_the_program_has(tmp_path: Path) -> None:
    from forensics.cli import main

    (work,) = portfolio.read(table(tmp_path / "works.csv", PLANTED)).works
    request = surveys.Request("w", "some/model", "", "other/model", tmp_path, "index")
    words = shlex.split(surveys.analyze_command(request, work))
    command = main.get_command(click.Context(main), words[1])
    assert command is not None
    known = {flag for p in command.params for flag in p.opts}
    assert {w for w in words if w.startswith("-")} <= known
    assert words[words.index("--caption") + 1] == work.caption
