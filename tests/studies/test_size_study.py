"""The study of sizes: what it trains, and that figure, pages and file say one thing."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tests.studies import size_study

ROOT = Path(__file__).resolve().parents[2]
STUDY = json.loads(size_study.OUT.read_bytes())


def test_equal_passes_come_first_and_then_as_many_steps_as_the_middle_one() -> None:
    planned = size_study.runs()
    assert [run.equal for run in planned] == ["passes"] * 3 + ["steps"] * 2
    assert len({run.steps for run in planned if run.equal == "steps"} | {planned[1].steps}) == 1
    for run in planned[:3]:
        assert abs(run.steps * size_study.BATCH / size_study.slots(run.size) - size_study.PASSES) < 0.1


def test_the_smaller_sets_are_part_of_the_larger_ones() -> None:
    reference = size_study.OUT.parent
    sets = [{work.id for work in size_study.chosen(reference, size)} for size in size_study.SIZES]
    assert sets[0] < sets[1] < sets[2]


def test_what_is_stored_is_of_models_that_were_planned() -> None:
    planned = [(run.size, run.equal, run.steps) for run in size_study.runs()]
    stored = [(row["size"], row["equal"], row["steps"]) for row in STUDY["models"]]
    assert stored == planned


def test_the_figure_is_drawn_from_the_file_and_well_formed() -> None:
    drawn = size_study.figure(STUDY)
    assert (ROOT / "docs" / "size-study.svg").read_text(encoding="utf-8") == drawn
    root = ElementTree.fromstring(drawn)
    assert len(root.findall(".//{*}circle")) == 2 * 4 * 3
    assert len(root.findall(".//{*}path[@stroke-dasharray]")) == 2  # by bits at 1 a pass, as pictures at 4


def test_the_pages_say_what_was_measured() -> None:
    page = " ".join((ROOT / "docs" / "science.md").read_text(encoding="utf-8").split())
    for row in STUDY["models"]:
        once = row["saved_against_twin_b"]["1"]
        above, works = once["above_every_control"][0], once["works"]
        form = "{} of {} with {:,} others" if row["equal"] == "passes" else "{} of {} with {:,}, "
        assert form.format(above, works, row["size"]) in page
