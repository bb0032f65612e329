"""The trial of a further source: what its rule makes of rows, and that the shipped tables are what the program says."""

from __future__ import annotations

import json

import pytest

from forensics.resources import samples
from tests.studies import further_source as trial
from tests.validation.test_overlay_study import WHOLE
from tests.validation.test_overlay_study import row as measured

NOTHING: dict[str, float] = {}
COPY, ARRANGED = WHOLE, {"coarse": 0.9}


def row(number: int, group: str = trial.REDRAWN, **ways: dict[str, float]) -> trial.Row:
    """A row whose words follow from what was seen in each way; what is not given is as without the source."""
    seen = {way: ways.get(way, ways["without"]) for way in trial.WAYS}
    made = {way: measured("calibration", group, **changed) for way, changed in seen.items()}
    for some in made.values():
        some["parts"][0]["proposed"] = "frame"
    seconds = {"seconds without": 0.5, "seconds": 2.0}
    return {"key": f"{group}/{number}", "group": group, "pair": ["a", "b"], **made, **seconds}


def risen(copies: int, fallen: int = 0) -> list[trial.Row]:
    return [
        *(row(n, without=NOTHING, proposing=ARRANGED) for n in range(copies)),
        *(row(100 + n, without=COPY, proposing=ARRANGED) for n in range(fallen)),
        *(row(200 + n, without=COPY) for n in range(20)),
    ]


STRANGERS = [row(n, "unrelated", without=NOTHING) for n in range(30)]


def test_a_way_is_adopted_where_words_rise_beyond_chance_and_no_stranger_gets_one() -> None:
    # Six of six are .0156 by a sign test of one side; five of five are .031.
    found = trial.tables([*risen(6), *STRANGERS])
    assert found["adopted"] == "proposing"
    assert found["rule"]["proposing"]["net"] == 6
    assert found["rule"]["counted"]["net"] == 0
    assert trial.tables([*risen(5), *STRANGERS])["adopted"] == "neither way"
    assert trial.tables([*risen(6, fallen=3), *STRANGERS])["adopted"] == "neither way"


@pytest.mark.parametrize("word", [ARRANGED, COPY])
def test_one_stranger_with_a_higher_word_forbids_it(word: dict[str, float]) -> None:
    one = row(99, "unrelated", without=NOTHING, proposing=word)
    assert trial.tables([*risen(12), *STRANGERS, one])["adopted"] == "neither way"


def test_the_way_that_lets_more_rise_is_taken_and_of_equals_the_one_that_only_proposes() -> None:
    both = [row(n, without=NOTHING, proposing=ARRANGED, counted=COPY) for n in range(8)]
    assert trial.tables([*both, *STRANGERS])["adopted"] == "proposing"
    more = [row(50 + n, without=NOTHING, counted=ARRANGED) for n in range(3)]
    assert trial.tables([*both, *more, *STRANGERS])["adopted"] == "counted"


def test_the_program_takes_what_rises_and_nothing_that_falls() -> None:
    fallen = [row(n, without=COPY, counted=ARRANGED) for n in range(2)]
    found = trial.tables([*(row(50 + n, without=NOTHING, counted=ARRANGED) for n in range(7)), *fallen, *STRANGERS])
    assert found["rule"]["counted"]["net"] == 5
    none = {"unrelated pairs that rise": 0, "pages of one layout that rise": 0}
    assert found["in the program"] == {"copies that rise": 7, **none}
    page = row(99, trial.LAID_OUT, without=NOTHING, counted=ARRANGED)
    assert trial.tables([page])["in the program"] == {**none, "copies that rise": 0, "pages of one layout that rise": 1}


def test_the_shipped_tables_are_of_the_weights_in_the_registry() -> None:
    made = json.loads((samples() / "reference" / "further-source.json").read_text(encoding="utf-8"))
    assert made["weights"] == trial.members()
    assert made["adopted"] == "counted"
