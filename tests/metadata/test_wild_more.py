"""Files of our own of the kinds that the world makes: the study's judgement of each."""

from __future__ import annotations

import pytest

from tests.studies import wild_more, wild_sources


@pytest.mark.parametrize("own", [*wild_more.CASES, *wild_sources.CASES], ids=lambda own: f"{own.kind}: {own.name}")
def test_the_right_values_are_found(own: wild_more.Own | wild_sources.OwnSource) -> None:
    got = wild_more.judge(own)
    assert not got.wrong, got.said
