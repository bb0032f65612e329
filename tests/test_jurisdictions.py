"""Jurisdiction packs: complete, dated, within the wording rules, and printed where they belong."""

from __future__ import annotations

import dataclasses
import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics import jurisdictions, report, resources
from forensics.errors import SettingsError
from forensics.report import glyphs
from forensics.settings import resolve, template
from tests.cli.support import run
from tests.report import pages
from tests.report.cases import CASES
from tests.report.wording import quotations, violations


def test_the_packs_asked_for_are_there() -> None:
    assert {"us", "us-observer", "uk", "eu"} <= set(jurisdictions.names())


@pytest.mark.parametrize("name", jurisdictions.names())
def test_pack_is_dated_and_complete(name: str) -> None:
    pack = jurisdictions.load(name)
    assert date.fromisoformat(pack.edition)
    assert pack.questions
    assert all(form.fields and form.source for form in pack.forms)
    text = " ".join([pack.title, pack.note, *(f"{q.heading} {q.speaks} {q.leaves}" for q in pack.questions)])
    text += " ".join(f"{f.title} {f.source} {' '.join(f.text)} {' '.join(f.fields)}" for f in pack.forms)
    assert violations(text) == []
    assert glyphs.escape(text, resources.templates() / "fonts") == text


@pytest.mark.parametrize("name", jurisdictions.names())
def test_report_prints_forms_questions_and_only_the_elements_allowed(name: str, tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    case = dataclasses.replace(case, matter=dataclasses.replace(case.matter, jurisdiction=name))
    html = report.render_html(case, tmp_path)
    text = " ".join(pages.words(html).split())
    pack = jurisdictions.load(name)
    for form in pack.forms:
        assert form.title in text
        assert all(label in text for label in form.fields)
        assert all(paragraph in text for paragraph in form.text)
    for question in pack.questions:
        assert question.leaves in text
    assert ("Fine grain is present in Q1 and absent in R1." in text) == pack.element_comparison
    assert violations(text, quotations(case)) == []


def test_exact_words_of_the_declaration_of_the_statute() -> None:
    text = " ".join(p for form in jurisdictions.load("us").forms if form.id == "section-1746" for p in form.text)
    assert "under penalty of perjury that the foregoing is true and correct. Executed on (date). (Signature)" in text
    assert "under penalty of perjury under the laws of the United States of America that the foregoing" in text


def test_case_file_of_init_is_accepted_and_names_every_field(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    done = run("init", path)
    assert done.exit_code == 0
    assert done.stdout == f"{path}\n"
    resolved = resolve({}, path)
    assert resolved.matter.jurisdiction == ""
    for field in (*dataclasses.fields(resolved.matter), *dataclasses.fields(resolved.matter.person)):
        assert field.name in template() or field.name in ("examiner", "person")
    assert run("init", path).exit_code == SettingsError.exit_code


def test_what_a_person_says_reaches_the_case(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text('[matter]\njurisdiction = "uk"\n[examiner]\nname = "A. N."\noperator = "B."\n', encoding="utf-8")
    matter = resolve({}, path).matter
    assert (matter.jurisdiction, matter.examiner, matter.person.operator) == ("uk", "A. N.", "B.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[matter]\njurisdiction = "mars"\n', "no jurisdiction pack 'mars'"),
        ('[examiner]\nqualification = "x"\n', "unknown key 'qualification'"),
        ("examiner = 3\n", "'examiner' is not a table"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        resolve({}, path)
