"""Which words a checkpoint is asked with: classes, order, what is ranked, and what a file says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from forensics import examination, folder, planning
from forensics.case import Absent, Case, Checkpoint, Pair, PromptKind
from forensics.diffusion import identify
from forensics.report.sections.tries import by_class
from forensics.settings import Settings, resolve
from forensics.stages.prompts import Prompt, control_prompts, in_order, of_neighbour
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup
from tests.diffusion import tiny
from tests.metadata import files
from tests.metadata.test_generators import WEBUI

STATED = "a hare, ink (wash:1.2)\nsecond line"
NO_CONTROLS = ControlGroup(Absent("controls", "There are none."), (), (), ())


def test_a_stated_prompt_comes_after_every_other_whatever_else_is_at_hand() -> None:
    everything = Settings(captions=("own",), reworded=("other words",), generic=("an animal",))
    kinds = [p.kind for p in in_order(everything, STATED, of_neighbour("near"))]
    assert kinds == [PromptKind.CLAIMED, PromptKind.REWORDED, PromptKind.GENERIC, PromptKind.FILE]
    kinds = [p.kind for p in in_order(Settings(), STATED, of_neighbour("near"))]
    assert kinds == [PromptKind.NEIGHBOUR, PromptKind.FILE]
    assert [p.kind for p in in_order(Settings(), STATED, None)] == [PromptKind.FILE]
    assert in_order(Settings(), "", None) == ()


def test_words_that_were_stated_twice_are_tried_once_in_the_class_that_comes_first() -> None:
    found = in_order(Settings(captions=("a hare", "a hare"), generic=("a hare",)), "a hare", of_neighbour("a hare"))
    assert [(p.text, p.kind) for p in found] == [("a hare", PromptKind.CLAIMED)]


@pytest.mark.parametrize("kind", [PromptKind.FILE, PromptKind.REWORDED, PromptKind.GENERIC])
def test_words_without_a_counterpart_among_controls_are_ranked_among_none(kind: PromptKind) -> None:
    prompt = Prompt("a hare", "", kind)
    found = control_prompts(prompt, NO_CONTROLS, Found(Absent("index", "There is none.")))
    assert isinstance(found, Absent)
    assert "counted and not ranked" in found.reason
    assert not kind.ranked


def test_the_plan_asks_with_the_words_that_the_examination_will_ask_with(tmp_path: Path) -> None:
    image = tmp_path / "stated.png"
    image.write_bytes(files.png(parameters=WEBUI))
    checkpoint: Checkpoint = identify(str(tiny.write_checkpoint(tmp_path / "checkpoint")))
    plain = planning.expected_prompts(image, Settings(), checkpoint)
    assert [p.kind for p in plain] == [PromptKind.FILE]
    assert plain[0].text == STATED
    indexed = planning.expected_prompts(image, Settings(index="somewhere"), checkpoint)
    assert [p.kind for p in indexed] == [PromptKind.NEIGHBOUR, PromptKind.FILE]


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An examination where nobody claims a caption and the file says what it was made with."""
    root = tmp_path_factory.mktemp("stated")
    (root / "stated.png").write_bytes(files.png(parameters=WEBUI))
    resolved = resolve(
        {
            "profile": "quick",
            "checkpoint": str(tiny.write_checkpoint(root / "checkpoint")),
            "generic": ("an animal",),
        }
    )
    examination.analyze(root / "stated.png", root / "case", resolved)
    return folder.load(root / "case")


def test_a_prompt_stated_in_the_file_is_tried_counted_and_said_to_be_nobodys_caption(stated: Case) -> None:
    asked = [v for v in stated.inversions if v.method == "regeneration"]
    assert [v.prompt_kind for v in asked] == [PromptKind.GENERIC, PromptKind.FILE]
    assert asked[1].prompt == STATED
    finding = next(f for f in stated.findings if f.pair is Pair.RETENTION)
    first = finding.answer.partition(". ")[0]
    assert first.startswith("Not evaluated: nobody stated a caption of the work")
    drawn = asked[1].hits
    assert drawn is not None
    assert f"the words that the disputed file says it was made with (“{STATED}”)" in finding.answer
    assert f"came back in {drawn.hits} of {drawn.draws} tries" in finding.answer
    assert not any(c.primary_for is Pair.RETENTION for c in stated.comparisons)
    assert any("the recipe of the disputed image" in limit for limit in finding.limits)


def test_tries_are_added_up_by_version_class_and_work(stated: Case) -> None:
    rows = by_class(stated)
    assert [row.kind for row in rows[:2]] == [
        "words for many such pictures, as declared",
        "the words that the disputed file says it was made with",
    ]
    assert {row.work for row in rows} == {stated.asked}
    # The same class once more, with other words: one row, both prompts, all tries.
    asked = [v for v in stated.inversions if v.prompt_kind is PromptKind.FILE]
    again = dataclasses.replace(asked[0], id="L99", prompt="a hare in other words")
    more = by_class(dataclasses.replace(stated, inversions=(*stated.inversions, again)))
    before, after = (next(r for r in found if r.kind == rows[1].kind) for found in (rows, more))
    assert (before.prompts, after.prompts) == (1, 2)
    tries = [int(row.back.split()[-1]) for row in (before, after)]
    assert tries[1] == 2 * tries[0]
