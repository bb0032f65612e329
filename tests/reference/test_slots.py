"""Twin A and twin B see the same works in the same order, but for the planted slots."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from samples.recipe import slots
from samples.recipe.data import Work


def work(number: int, role: str, repetitions: int) -> Work:
    return Work(str(number), "", f"work {number}", "", "", "", str(number), role, repetitions, "none")


WORKS = [
    *(work(n, "training", 1) for n in range(30)),
    work(30, "planted", 1),
    work(31, "planted", 16),
    work(32, "control", 0),
    work(33, "finetune", 0),
]


def test_a_pass_holds_every_work_as_often_as_stated() -> None:
    assert Counter(slots.pass_slots(WORKS, "a", 1, 0)) == Counter({**dict.fromkeys(range(31), 1), 31: 16})


def test_twins_differ_at_planted_slots_only() -> None:
    for number in range(3):
        a, b = (slots.pass_slots(WORKS, twin, 1, number) for twin in "ab")
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert y < 30
            assert x == y or x in (30, 31)


def test_order_is_seeded_and_changes_with_the_pass() -> None:
    assert slots.pass_slots(WORKS, "b", 1, 4) == slots.pass_slots(WORKS, "b", 1, 4)
    assert slots.pass_slots(WORKS, "a", 1, 4) != slots.pass_slots(WORKS, "a", 1, 5)
    assert slots.pass_slots(WORKS, "a", 1, 4) != slots.pass_slots(WORKS, "a", 2, 4)


def test_a_resumed_run_continues_the_sequence() -> None:
    whole = list(islice(slots.batches(WORKS, "a", 7, 10), 25))
    assert list(islice(slots.batches(WORKS, "a", 7, 10, first=13), 12)) == whole[13:]
    assert all(len(batch) == 10 for batch in whole)


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        slots.pass_slots(WORKS, "c", 1, 0)
