"""The order in which the twins see the works.

One pass is a list of slots: every training work once, every planted work `repetitions` times, shuffled by seed and
pass. Twin A takes the list as it is. Twin B takes the same list with every planted slot replaced by a training work
drawn by a generator seeded in the same way. So both see the same number of slots, and the same work at every other
position.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from samples.recipe.data import Work


def pass_slots(works: Sequence[Work], twin: str, seed: int, number: int) -> list[int]:
    """Indices into `works` of pass `number` for twin "a" or "b"."""
    training = [i for i, work in enumerate(works) if work.role == "training"]
    slots = list(training)
    for i, work in enumerate(works):
        if work.role == "planted":
            slots.extend([i] * work.repetitions)
    random.Random(f"{seed}:order:{number}").shuffle(slots)
    if twin == "a":
        return slots
    if twin != "b":
        raise ValueError(f"twin {twin!r} is neither 'a' nor 'b'")
    substitute = random.Random(f"{seed}:substitute:{number}")
    return [substitute.choice(training) if works[i].role == "planted" else i for i in slots]


def batches(works: Sequence[Work], twin: str, seed: int, size: int, first: int = 0) -> Iterator[list[int]]:
    """Batches of the endless sequence of passes, from step `first` on."""
    length = len(pass_slots(works, "a", seed, 0))
    number, offset = divmod(first * size, length)
    pending = pass_slots(works, twin, seed, number)[offset:]
    while True:
        while len(pending) < size:
            number += 1
            pending.extend(pass_slots(works, twin, seed, number))
        yield pending[:size]
        del pending[:size]
