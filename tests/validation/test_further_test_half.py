"""The test half with the further source: which rows are laid again, and what the tables make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forensics.case import Outcome
from forensics.overlay.glued import Glued
from forensics.resources import samples
from forensics.stages import word_rates
from tests.studies import further_source
from tests.studies import further_test_half as again
from tests.studies import overlay_pictures as made

NONE, ARRANGED, PARTLY, THROUGHOUT, PLAIN = (
    outcome.value
    for outcome in (Outcome.NONE, Outcome.ARRANGEMENT, Outcome.PARTLY, Outcome.THROUGHOUT, Outcome.INSUFFICIENT)
)
REDRAWN = again.REDRAWN[0]
CELLS: dict[again.Cell, dict[str, int]] = {
    ("collage", made.STAMP): {THROUGHOUT: 3, PLAIN: 1},
    ("collage", made.PHOTOGRAPH): {THROUGHOUT: 1, NONE: 2},
    (made.CHANGED, made.STAMP): {PARTLY: 4},
    (REDRAWN, None): {PARTLY: 1, ARRANGED: 1, NONE: 1, PLAIN: 1},
}


def row(group: str, kind: str, number: int, without: str, risen: str = "", *, moved: bool = True) -> again.Row:
    return {
        "key": f"test/{group}/{kind}/{number}",
        "group": group,
        "kind": kind,
        "asked": without in (NONE, ARRANGED),
        "without": without,
        "with": risen or without,
        "displacement": [0.01, 0.02] if moved else None,
        "seconds without": 0.5,
        "seconds": 2.0,
    }


ROWS = [
    row("collage", made.PHOTOGRAPH, 0, THROUGHOUT),
    row("collage", made.PHOTOGRAPH, 1, NONE, PARTLY),
    row("collage", made.PHOTOGRAPH, 2, NONE, ARRANGED),
    row(REDRAWN, made.STAMP, 0, PARTLY),
    row(REDRAWN, made.STAMP, 1, ARRANGED, moved=False),
    row(REDRAWN, made.STAMP, 2, NONE, ARRANGED),
    row(REDRAWN, made.STAMP, 3, PLAIN),
]


def test_groups_and_kinds_are_laid_again_that_hold_a_word_of_which_the_source_is_asked() -> None:
    assert again.to_lay(CELLS) == [("collage", made.PHOTOGRAPH), (REDRAWN, None)]


def test_what_was_not_laid_again_keeps_the_word_published() -> None:
    found = again.tables(ROWS, CELLS)
    redrawn, collage = found["groups"]
    assert (redrawn["group"], collage["group"]) == (REDRAWN, "collage")
    assert found["groups whose words stay"] == [made.CHANGED]
    assert found["not as published"] == []
    assert collage["with"] == {THROUGHOUT: 4, PARTLY: 1, ARRANGED: 1, PLAIN: 1}
    assert (collage["pairs"], collage["laid again"], collage["asked"]) == (7, 3, 2)
    assert collage["copy word"]["pairs"] == 5
    assert [row[1:] for row in collage["rise"]] == [[NONE, PARTLY], [NONE, ARRANGED]]
    assert redrawn["at least the same arrangement without"] == 2
    assert redrawn["at least the same arrangement"]["pairs"] == 3
    assert redrawn["of these with a displacement"] == 2
    copies = found["copies"]
    assert (copies["pairs"], copies["copy word without"], copies["copy word"]) == (7, 4, 5)


def test_rows_that_have_another_word_without_the_source_are_told() -> None:
    changed = [*ROWS[:2], row("collage", made.PHOTOGRAPH, 2, ARRANGED), *ROWS[3:]]
    (told,) = again.tables(changed, CELLS)["not as published"]
    assert told["published"] == CELLS["collage", made.PHOTOGRAPH]
    assert told["without"] == {THROUGHOUT: 1, NONE: 1, ARRANGED: 1}


def test_a_group_that_lacks_a_row_has_no_figures() -> None:
    found = again.tables(ROWS[:-1], CELLS)
    assert found["groups that time did not allow"] == [REDRAWN]
    assert REDRAWN not in [g["group"] for g in found["groups"]]
    assert found["not as published"] == []


def test_a_pair_that_is_no_copy_and_rises_is_named() -> None:
    group = next(iter(again.APART))
    apart = [row(group, group, 0, NONE, PARTLY), row(group, group, 1, NONE), row(group, group, 2, PLAIN)]
    found = again.tables([*ROWS, *apart], CELLS)
    assert found["pairs that are no copies and rise"] == [apart[0]["key"]]
    (first, *others) = found["no copies"]
    assert (first["pairs"], first["asked"], first["rise"]) == (3, 2, 1)
    assert first["interval of those asked about"][1] > 0.9
    assert all(table["pairs"] == 0 for table in others)


def test_the_shipped_tables_are_of_the_weights_in_the_registry_and_of_the_rows_published() -> None:
    shipped = json.loads((samples() / "reference" / "further-test-half.json").read_text(encoding="utf-8"))
    assert shipped["weights"] == further_source.members()
    known = again.published()
    for table in shipped["groups"]:
        cells = {cell: words for cell, words in known.items() if cell[0] == table["group"]}
        assert table["laid again"] == sum(sum(cells[c].values()) for c in cells if c in again.to_lay(known))
        assert table["asked"] == sum(table["without"].get(word, 0) for word in again.ASKED)
        assert sum(table["with"].values()) == table["pairs"]


def test_the_figures_stand_in_the_sentence() -> None:
    made = json.loads((samples() / "reference" / "further-test-half.json").read_text(encoding="utf-8"))
    copies, apart = made["copies"], made["no copies together"]
    rates = word_rates.rates()
    said = word_rates.with_source(rates, Glued.title)
    assert said.errors == rates.errors
    assert said.said.startswith(rates.said)
    assert f"said of {copies['copy word']} of the {copies['pairs']} copies" in said.said
    assert f"{apart['rise']} of {apart['asked']} other pairs" in said.said
    assert f"of {copies['copy word without']} of {copies['pairs']};" in rates.said


@pytest.mark.parametrize("other", [{"weights": {"aliked": "0" * 64}}, {"versions": ["outcome/0"]}])
def test_tables_of_other_weights_or_versions_lend_no_figure(other: again.Row, tmp_path: Path) -> None:
    made = json.loads((samples() / "reference" / "further-test-half.json").read_text(encoding="utf-8"))
    path, rates = tmp_path / "study.json", word_rates.rates()
    path.write_text(json.dumps(made | other), "utf-8")
    for study in (path, tmp_path / "absent.json"):
        said = word_rates.with_source(rates, "X", study).said.removeprefix(rates.said)
        assert said.startswith(" These rates are of the comparison without X")
        assert said.endswith(" With it none has been measured.")
