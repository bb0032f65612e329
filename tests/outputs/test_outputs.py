"""A small collection from log to PDF, stopped and gone on with; what is said of it, and that nothing more is."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from forensics.case import Absent, Outcome
from forensics.errors import CaseError, SettingsError
from forensics.events import Event
from forensics.outputs import document, plan, said
from forensics.outputs import outputs as runs
from forensics.outputs.check import Kind
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import Outputs
from forensics.report.sections.explanations import MEASURED_NOTHING, Explanation
from forensics.schema import canonical, json_schema
from tests.cli.support import run
from tests.outputs import collections
from tests.report.wording import violations
from tests.test_wacz import URL, package

A, B = (row["id"] for row in collections.WORKS)
C = f"{collections.CONTROLS[0]['id']}.webp"
RETENTION = re.compile(r"\b(train|learn|retain|retention|remember|memor|weight)\w*", re.IGNORECASE)
"""What nothing may be claimed of: these words stand in sentences alone that say so."""
COLUMNS = ("number", "time", "service", "version", "account", "prompt", "result", "file", "class", "works", "url")


def save(folder: Path, name: str, row: dict[str, Any], change: str = "") -> str:
    """A picture of a collection: a work as a service might give it, saved anew or on a page."""
    with Image.open(collections.REFERENCE / row["path"]) as image:
        picture = image.convert("RGB")
    if change == "screenshot":
        page = Image.new("RGB", (300, 220), "white")
        page.paste(picture, (90, 50))
        picture = page
    if name.endswith(".wacz"):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        (folder / name).write_bytes(package({URL: buffer.getvalue()}))
    else:
        picture.save(folder / name)
    return name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Works, controls and a folder of seven tries."""
    pytest.importorskip("warcio")
    root = tmp_path_factory.mktemp("collection")
    collections.described(root)
    place = root / "got"
    place.mkdir()
    first, second = collections.WORKS
    files = [
        (save(place, "1.png", first), "verbatim", A, ""),
        (save(place, "2.png", second, "screenshot"), "generic", B, ""),
        (save(place, "3.wacz", second), "verbatim", B, URL),
        (save(place, "4.png", collections.CONTROLS[1]), "verbatim", A, ""),
        (save(place, "5.png", collections.CONTROLS[0]), "verbatim", C, ""),
        ("", "verbatim", A, ""),
        ("", "image", A, ""),
    ]
    with (place / "log.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for number, (name, kind, works, url) in enumerate(files, 1):
            time = f"2026-01-02T03:0{number}:00Z"
            result = "picture" if name else "refused"
            writer.writerow([number, time, "Alpha", "1", "me", f"prompt {number}", result, name, kind, works, url])
    return root


def request(root: Path, **fields: Any) -> runs.Request:
    return runs.Request(
        root / "got",
        str(root / "works.csv"),
        "forensics outputs got",
        root / "controls",
        device="cpu",
        **{"candidates": 0, **fields},
    )


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def found(folder: Path) -> tuple[Outputs, Path]:
    """What the collection came to, by a run that was stopped after two comparisons and gone on with."""
    out = folder / "out"

    def stop(event: Event) -> None:
        if event.note.startswith("comparing 3"):
            raise Stopped

    with pytest.raises(Stopped):
        runs.outputs(request(folder), out, emit=stop)
    before = (out / runs.JOURNAL).read_text()
    with pytest.raises(CaseError, match="exists already"):
        runs.outputs(request(folder), out)
    made = runs.outputs(request(folder), out, resume=True)
    after = (out / runs.JOURNAL).read_text()
    assert after.startswith(before)
    keys = [json.loads(line)["key"] for line in after.splitlines()[1:]]
    assert len(keys) == len(set(keys)) == 6
    document.write(out)
    runs.seal(out)
    return made, out


def test_pictures_screenshots_and_captures_are_compared_and_counted(found: tuple[Outputs, Path]) -> None:
    made, out = found
    hits = [one.hits for one in made.tries]
    assert hits == [(A,), (B,), (B,), (), (C,), (), ()]
    assert made.tries[0].judged[0].outcome is Outcome.THROUGHOUT
    cells = {(c.prompt_class, c.work): c for c in made.cells}
    own = cells[PromptClass.VERBATIM, A]
    assert (own.rate.k, own.rate.n, own.of_pictures.n, own.refused) == (1, 3, 2, 1)
    assert cells[PromptClass.VERBATIM, C].control
    assert (made.pooled[0].controls.k, made.pooled[0].controls.n) == (1, 1)
    # The file system's times are later by months, which says nothing.
    assert made.deviations == ()
    assert document.load(out)[0] == made
    assert all((out / one.picture).is_file() for one in made.tries if one.hits)
    assert json_schema(Outputs, "outputs")["$defs"]["Cell"]["required"]


def test_the_documents_say_what_was_found_and_seal_it(found: tuple[Outputs, Path]) -> None:
    made, out = found
    pages = pypdfium2.PdfDocument(out / document.PDF)
    assert len(pages) <= document.PAGES
    first = " ".join(pages[0].get_textpage().get_text_bounded().split())
    given = (
        "the service gave a picture that corresponds, throughout or in part, to a work asked for with words alone in "
    )
    assert f"{given}3 of 5 tries" in first
    assert "No plan made before the first try was shown" in first
    text = " ".join(page.get_textpage().get_text_bounded() for page in pages)
    quoted = [*(t.prompt for t in made.tries), *(w.caption for w in made.works), A, B, C]
    assert not violations(text, quoted)
    table = (out / document.TABLE).read_text()
    assert table.count("<tr") > len(made.tries)
    rows = list(csv.DictReader((out / document.RATES).read_text().splitlines()))
    assert [(r["class"], r["work"], int(r["hits"]), int(r["tries"])) for r in rows] == [
        (c.prompt_class.value, c.work, c.rate.k, c.rate.n) for c in made.cells
    ]
    listed = (out / runs.DIGESTS).read_text().splitlines()
    assert len(listed) == sum(p.is_file() for p in out.rglob("*")) - 1
    for line in listed:
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_nothing_is_claimed_of_what_a_model_holds(found: tuple[Outputs, Path]) -> None:
    made, _ = found
    claims = [*document.answer(made)[:-1], *(said.of_cell(c) for c in made.cells)]
    assert [text for text in claims if RETENTION.search(text)] == []
    assert all(": the service gave " in said.of_cell(c) for c in made.cells)
    # The words stand where it is said that nothing is said of them, and in the explanations that remain open.
    assert document.answer(made)[-1] == "Nothing is said about weights, which nobody had."
    texts = [(e, f"{e.name} {e.measured} {e.speaks_for} {e.speaks_against}") for e in made.explanations]
    named = [e for e, text in texts if RETENTION.search(text)]
    assert [e.name.partition(":")[0] for e in named] == ["The weights"]
    assert (named[0].speaks_for, named[0].speaks_against) == (MEASURED_NOTHING, MEASURED_NOTHING)


def test_a_picture_supplied_as_input_is_the_first_explanation(found: tuple[Outputs, Path]) -> None:
    rows = found[0].explanations
    assert rows[0].name.startswith("A picture as input")
    assert all(getattr(row, f.name) for row in rows for f in dataclasses.fields(Explanation))


def test_texts_that_a_spreadsheet_takes_for_formulas_are_made_harmless(found: tuple[Outputs, Path]) -> None:
    made, _ = found
    bad = dataclasses.replace(made.tries[0], service="=HYPERLINK(1)", file="-1+1")
    rows = list(csv.DictReader(document.tries_csv(dataclasses.replace(made, tries=(bad,))).decode().splitlines()))
    assert (rows[0]["service"], rows[0]["file"]) == ("'=HYPERLINK(1)", "'-1+1")


def test_a_folder_of_results_is_of_one_set_of_works(found: tuple[Outputs, Path], folder: Path) -> None:
    other = dataclasses.replace(request(folder), controls=None, candidates=5)
    with pytest.raises(SettingsError, match=r"neither a work nor a control work"):
        runs.outputs(other, found[1], resume=True)
    with pytest.raises(SettingsError, match="another candidates"):
        runs.outputs(dataclasses.replace(request(folder), candidates=5), found[1], resume=True)
    with pytest.raises(CaseError, match="lies in the folder examined"):
        runs.outputs(request(folder), folder / "got" / "out")


def test_what_was_written_before_the_outcomes_were_renamed_is_read(
    found: tuple[Outputs, Path], folder: Path, tmp_path: Path
) -> None:
    made, out = found
    older = Path(shutil.copytree(out, tmp_path / "out"))
    journal = older / runs.JOURNAL
    text = journal.read_text(encoding="utf-8")
    assert "corresponds throughout" in text
    journal.write_text(text.replace("corresponds throughout", "reproduces"), encoding="utf-8")
    assert runs.outputs(request(folder), older, resume=True).tries == made.tries
    before = canonical(dataclasses.replace(made, schema="outputs 1"))
    assert b'"outcome": "reproduces"' in before
    assert b'"outcome": "corresponds' not in before
    (older / "outputs.json").write_bytes(before)
    read, data = document.load(older)
    assert read.tries == made.tries
    assert canonical(read) == data == before


def test_the_commands_write_a_plan_and_refuse_a_changed_one(tmp_path: Path) -> None:
    path = collections.described(tmp_path)
    done = run("outputs", "plan", path, "-o", tmp_path / "plan.json")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "plan.json")
    made = plan.load(tmp_path / "plan.json")
    assert made.sha256 in done.stderr
    again = run("outputs", "plan", path, "-o", tmp_path / "plan.json")
    assert again.exit_code == 9
    got = tmp_path / "got"
    collections.collected(got, collections.tries(made.plan)[:1]).write()
    (tmp_path / "plan.json").write_text((tmp_path / "plan.json").read_text().replace("A small plan", "Another"))
    words: list[str | Path] = ["outputs", got, "--originals", tmp_path / "works.csv", "-o", tmp_path / "out"]
    refused = run(*words, "--plan", tmp_path / "plan.json")
    assert refused.exit_code == 8
    assert "changed after it was written" in refused.stderr
    (got / "log.csv").write_text("number,time\n1,2026-11-28T12:00:00Z\n")
    bare = run(*words)
    assert bare.exit_code == 2
    assert "has no column 'service'" in bare.stderr
    assert "Write the columns number, time, service" in bare.stderr
    assert not (tmp_path / "out").exists()


def test_a_collection_held_against_its_plan_says_whose_and_when(tmp_path: Path) -> None:
    made = collections.drawn(tmp_path)
    plan.write(made, tmp_path / "plan.json")
    rows = [{**row, "result": "refused", "file": ""} for row in collections.tries(made)[:3]]
    collections.collected(tmp_path / "got", rows).write()
    asked = request(tmp_path, plan=tmp_path / "plan.json", candidates=None)
    with pytest.raises(SettingsError, match="states 1 candidates, not 0"):
        runs.outputs(dataclasses.replace(asked, candidates=0), tmp_path / "out")
    with pytest.raises(SettingsError, match="which is not among the works and controls named") as caught:
        runs.outputs(dataclasses.replace(asked, controls=None), tmp_path / "out")
    assert "--controls" in caught.value.hint
    found = runs.outputs(asked, tmp_path / "out")
    assert not isinstance(found.plan, Absent)
    assert found.plan.digest == made.digest
    assert {d.kind for d in found.deviations} == {Kind.NOT_TRIED}
    answer = " ".join(document.answer(found))
    assert "Held against the plan of" in answer
    assert "3 of 3 tries" in answer
    pages = pypdfium2.PdfDocument(document.write(tmp_path / "out"))
    assert len(pages) <= document.PAGES
