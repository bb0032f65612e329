"""Records written by the rules of each generator are read back whole; 10,000 of each by `tests.studies.round_trip`."""

from __future__ import annotations

import pytest

from tests.metadata.round_trip import property_of
from tests.metadata.writers import GRAMMARS


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_what_a_generator_writes_is_read_back(grammar: str) -> None:
    property_of(grammar, 60)()
