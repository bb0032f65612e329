"""The copy to edit: the sentences of the report, all of them, marked as not the record and outside the folder."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pytest

from forensics import documents, report
from forensics.report import editable
from tests.cli.support import run
from tests.report.cases import CASES
from tests.test_casefile import small_case

docx = pytest.importorskip("docx")
PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc"
    b"\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)


def _texts(data: bytes) -> list[str]:
    document = docx.Document(io.BytesIO(data))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [*(paragraph.text for paragraph in document.paragraphs), *cells]


def test_blocks_become_paragraphs_and_tables_in_their_order() -> None:
    page = (
        "<html><head><title>no</title></head><body><nav><p>contents</p></nav><h1 id='a'>One &amp; <i>all</i></h1>"
        "<div>loose <p>First <b>bold</b>.</p> tail</div><p>See <a href='#a'></a>.</p><svg><text>chart</text></svg>"
        "<table><caption>Said</caption><tr><th>k</th><td><p>v</p><p>w</p></td></tr><tr><td>only</td></tr></table>"
        "<p><img src='x.png' alt='there'><img src='y.png' alt='missing'></p></body></html>"
    )
    data = editable.write(page, {"x.png": PIXEL}, created="2026-01-02T03:04:05Z")
    document = docx.Document(io.BytesIO(data))
    said = [p.text for p in document.paragraphs if p.text]
    paragraphs = ["One & all", "loose", "First bold.", "tail", "See see “One & all”.", "Said", "[picture: missing]"]
    assert said == [editable.NOTICE, *paragraphs]
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows] == [["k", "v w"], ["only", ""]]
    assert document.sections[0].header.paragraphs[0].text == editable.NOTICE
    assert len(document.inline_shapes) == 1
    assert "contents" not in "".join(said)


@pytest.mark.parametrize("name", list(CASES))
def test_no_sentence_of_the_report_is_missing(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    page = report.render_html(case, tmp_path).split("<body", 1)[1].split(">", 1)[1]
    page = re.sub(r"<(nav|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    found = _letters("\n".join(_texts(report.draft(case, tmp_path))))
    sentences = [s for s in re.findall(r">([^<>]+)<", page) if len(_letters(s)) > 12]
    assert len(sentences) > 50
    assert [s for s in sentences if _letters(s) not in found] == []


def _letters(text: str) -> str:
    return re.sub(r"\W", "", html.unescape(text))


def test_it_stands_beside_the_folder_and_never_over_an_edited_one(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "matter")
    documents.render(folder)
    record = {name: (folder / name).read_bytes() for name in ("report.pdf", "viewer.html", "data/case.json")}
    names = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    first = run("report", folder, "--format", "docx")
    assert first.exit_code == 0, first.stderr
    second = run("report", folder, "--format", "docx")
    assert first.stdout.strip() == str(tmp_path / "matter-draft.docx")
    assert second.stdout.strip() == str(tmp_path / "matter-draft-2.docx")
    assert (tmp_path / "matter-draft.docx").read_bytes()[:2] == b"PK"
    assert {name: (folder / name).read_bytes() for name in record} == record
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == names
    assert run("verify", folder).exit_code == 0
