"""Files of our own of the kinds that the world makes: the study's judgement of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.studies import wild_more, wild_own, wild_rest, wild_sources


@pytest.mark.parametrize("own", [*wild_more.CASES, *wild_sources.CASES], ids=lambda own: f"{own.kind}: {own.name}")
def test_the_right_values_are_found(own: wild_own.Own | wild_sources.OwnSource) -> None:
    got = wild_more.judge(own)
    assert not got.wrong, got.said


@pytest.mark.parametrize("rest", [r for r in wild_rest.CASES if not r.slow], ids=lambda r: f"{r.kind}: {r.name}")
def test_inputs_that_are_no_single_file(rest: wild_rest.Rest, tmp_path: Path) -> None:
    said, right = rest.run(tmp_path)
    assert right, said


def test_every_kind_has_three_inputs_of_our_own() -> None:
    kinds = Counter(own.kind.split()[0] for own in (*wild_more.CASES, *wild_sources.CASES, *wild_rest.CASES))
    assert all(kinds[str(number)] >= 3 for number in range(1, 15)), kinds
