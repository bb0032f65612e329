"""Surveys and the table of a batch in another language: no sentence of theirs is left in English, names stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from forensics import files, languages
from forensics.batch import batch as batches
from forensics.batch import document as batch_pages
from forensics.batch.asked import Asked
from forensics.batch.results import Answer, Batch, Done, Failure, Row, State
from forensics.case import Absent, Fact, Pair
from forensics.report import html
from forensics.report.translation import catalogue, page
from forensics.schema import canonical
from forensics.settings import resolve
from forensics.statistics.blind import Told
from forensics.statistics.discrimination import share
from forensics.survey import assess
from forensics.survey import document as surveys
from forensics.survey import survey as run
from forensics.survey.results import ByRepeats, NotAsked, SetTest, Survey
from tests.batch.test_table import made
from tests.report.test_sorting import PICTURE, survey

OTHERS = [name for name in languages.names() if name != languages.ENGLISH]
PICTURES = Told("their pictures alone (size, complexity, white, copy descriptor)", share(9, 10), 0.6)
CAPTIONS = Told("their captions alone (letters, length)", share(5, 10), 0.6)
REVERSED = Told("their captions alone (letters, length), likes held out together", share(1, 100), 0.6)


def every() -> Iterator[Survey]:
    """Surveys that between them say everything that one can say."""
    base = survey()
    groups = tuple(ByRepeats(n, "stated", 4, share(1, 4), 0.2) for n in (0, 4))
    none = tuple(replace(w, flagged=False) for w in base.works)
    many = tuple(replace(base.works[1], id=f"w{n}", caption=f"the work of number {n}") for n in range(100))
    first = base.works[1:2]
    small, refused = assess.set_test([{}] * 3, [{}] * 3, (), 0), assess.set_test([{}] * 40, [{}] * 40, [PICTURES], 0)
    tested = SetTest(30, 15, (base.works[0].primary.statistic,), share(20, 30), 0.003)
    left = tuple(
        NotAsked("x", reason)
        for reason in (
            "It has no caption, and the checkpoint is asked with the caption.",
            "It shows what a work before it shows, and counts once.",
            "It has no caption.",
            "It shows what a work surveyed, or a control before it, shows.",
        )
    )
    yield base
    yield replace(base, limits=run.LIMITS, announced=False, demonstration=False, control_checkpoint="twin-b",
                  index=run._index(""), by_repeats=groups, not_asked=left * 4,
                  parameters=run._parameters(run.PROFILES["standard"], 3),
                  cost=(Fact("evaluations of the denoising network", "1234"),
                        Fact("works and controls measured", "6 and 99")))  # fmt: skip
    yield replace(base, blind=(PICTURES, REVERSED), blind_matched=(CAPTIONS, PICTURES), least_together=3,
                  by_repeats=tuple(replace(g, by="near") for g in groups), set_test=tested)  # fmt: skip
    yield replace(base, works=none, set_test=small, blind=(REVERSED,))
    yield replace(base, works=none[:1], blind=(REVERSED, PICTURES))
    yield replace(base, works=first, announced=False, blind=(PICTURES, CAPTIONS))
    kept = "Repeats were not counted: the index of it keeps no pictures that works could be laid beside."
    yield replace(base, works=first, index=Absent("training index", kept))
    yield replace(base, works=many, set_test=refused, not_asked=left * 9)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("template", ["survey.html.j2", "survey-table.html.j2"])
def test_every_sentence_of_a_survey_has_an_entry(language: str, template: str) -> None:
    for found in every():
        english = html.render(surveys.view(found, b"{}"), template)
        made_ = page.translated(english, catalogue.load(language), surveys.verbatim(found))
        assert made_.left == ()
        assert f'<html lang="{language}">' in made_.html
        assert all(w.caption[:60] in made_.html for w in found.works[:20])


def batch() -> Batch:
    """A row of every state, with answers as they stand in reports."""
    answers = (
        Answer(Pair.DERIVATION, "N1: corresponds throughout.", "aligned_to_nearest", 0.25, 1, 99, 0.02, 0.06),
        Answer(Pair.RETENTION, "N1: corresponds in part.", "saved_by_prompt", 0.1, 1, 19, 0.1),
        Answer(Pair.ORIGIN, "Undecided."),
    )
    done = Done("an-id", "0" * 64, "a/report.pdf", "quick", answers)
    rows = [Row(n, f"the {s}", "the.png", s, "a", 1.2, done) for n, s in enumerate(State, 1)]
    failed = [Row(9, "of it", "c", State.FAILED, "c", 0.1, None, Failure("It failed.", "Try the other.", 3))]
    return made(*rows, *failed, *(replace(failed[0], number=n) for n in range(10, 16)))


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_of_a_batch_has_an_entry_but_the_messages_of_errors(language: str) -> None:
    found = batch()
    english = html.render(batch_pages.view(found), "batch.html.j2")
    made_ = page.translated(english, catalogue.load(language), batch_pages.verbatim(found))
    assert set(made_.left) <= {"It failed.", "Try the other."}
    assert '<span lang="en">It failed.</span>' in made_.html
    for row in found.rows:
        assert f"<bdi>{row.name}</bdi>" in made_.html


def test_the_table_of_a_batch_speaks_the_language_of_its_cases(tmp_path: Path) -> None:
    def asked(language: str) -> Asked:
        return Asked(1, "a", tmp_path / "a.png", tmp_path / "a", resolve({"language": language}), "key")

    assert batches.spoken([asked("de"), asked("de")]) == "de"
    assert batches.spoken([asked("de"), asked("en")]) == "en"
    batch_pages.write(tmp_path, batch(), language="de")
    text = (tmp_path / "batch.html").read_text(encoding="utf-8")
    assert '<html lang="de">' in text
    assert 'new Intl.Collator("de"' in text
    batch_pages.write(tmp_path, batch())
    assert 'new Intl.Collator("en"' in (tmp_path / "batch.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", OTHERS)
def test_a_survey_is_drawn_in_the_language_asked_for(language: str, tmp_path: Path) -> None:
    (tmp_path / PICTURE).parent.mkdir()
    Image.new("RGB", (64, 64), "teal").save(tmp_path / PICTURE)
    files.write(tmp_path / "survey.json", canonical(survey()))
    path = surveys.write(tmp_path, language=language)
    with pikepdf.open(path) as document:
        assert str(document.Root.Lang) == language
        assert document.attachments["survey.json"].get_file().read_bytes() == canonical(survey())
    text = (tmp_path / "survey.html").read_text(encoding="utf-8")
    assert re.search(rf'<html lang="{language}">', text)
    assert ">set apart<" not in text
