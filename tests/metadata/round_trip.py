"""What a generator writes is read back: one property for every grammar, for the suite and for the study of 10,000."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from PIL import Image

from forensics.pictures.metadata import generators
from tests.metadata.writers import GRAMMARS, Written

_NO_PICTURE = Image.new("L", (16, 16))  # nothing is hidden in a mode without colours


def read_back(written: Written) -> None:
    """Raises AssertionError where a value differs from what was written."""
    records = [r for r in generators(written.entries, _NO_PICTURE) if written.software in r.software]
    assert len(records) == 1, (records, written)
    record = records[0]
    for name, value in written.expected.items():
        assert getattr(record, name) == value, (name, getattr(record, name), value, written)
    have = {lora.name: lora.strength for lora in record.loras}
    for name, strength in written.loras:
        assert name in have, (have, written)
        assert have[name] == strength, (have, written)
    stated = {fact.name: fact.value for fact in record.further}
    for name, text in written.further.items():
        assert stated.get(name) == text, (name, stated.get(name), text)
    assert record.offers_prompt, record.marks


def property_of(grammar: str, examples: int) -> Callable[[], None]:
    """The property as a function to call.

    Args:
        grammar: a key of `GRAMMARS`.
        examples: records to write and read back.
    """
    checks = list(HealthCheck)
    wrapped = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks)
    test: Callable[[], None] = wrapped(given(written=GRAMMARS[grammar])(lambda written: read_back(written)))
    return test
