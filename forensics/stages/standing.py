"""Where the disputed picture stands among its control works: size, complexity, white, kind and dates.

A rank compares like with like or it says nothing. Whoever reads a p is told beside it what the picture has that its
controls have not: the spread of every property among the controls, the picture's own value, and a warning where fewer
than one control in twenty lies as far out. None of it enters a number.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forensics import hands
from forensics.case import Absent, Item, Standing
from forensics.embedders.open_clip import Embedder
from forensics.stages import domain
from forensics.stages.works import ControlGroup, Work

FEWEST = 0.05
"""Share of the controls that must lie as far out as the picture, on its side; below it the picture is unlike them."""
KIND = "cosine of the embedding to the mean of the other pictures"
_DATES = ("EXIF DateTimeOriginal", "EXIF DateTime")


def stand(disputed: Work, item: Item, group: ControlGroup, embedder: Embedder | None) -> ControlGroup:
    """The group, its facts with where the disputed picture stands; as it is where there are no controls.

    Args:
        disputed: the picture as received, before it is brought to the size of the examination.
        embedder: tells of what kind pictures are; without one that row is missing.
    """
    facts = group.facts
    if isinstance(facts, Absent) or not group.works:
        return group
    looks = [domain.properties(work.pixels) for work in (disputed, *group.works)]
    rows = [_row(name, [look[name] for look in looks]) for name in looks[0]]
    if embedder is not None and len(group.works) > 1:
        # One at a time: how many share a batch depends on the memory that is free, and moves the last digits.
        vectors = hands.each(lambda work: embedder.images(work.pixels), (disputed, *group.works))
        rows.append(_row(KIND, _kinds(np.concatenate(vectors))))
    return replace(group, facts=replace(facts, standing=tuple(rows), dates=dates(item, group.dates)))


def _row(name: str, values: Sequence[float]) -> Standing:
    own, theirs = values[0], sorted(values[1:])
    farther = min(sum(v <= own for v in theirs), sum(v >= own for v in theirs))
    return Standing(
        name,
        own,
        theirs[0],
        statistics.median(theirs),
        theirs[-1],
        len(theirs),
        farther,
        farther < FEWEST * len(theirs),
    )


def _kinds(vectors: np.ndarray) -> list[float]:
    """Cosine of each picture to the mean of the controls, for a control without itself."""
    x = np.asarray(vectors, dtype=np.float64)
    total = x[1:].sum(0)
    means = [total, *(total - own for own in x[1:])]
    return [float(own @ mean / np.linalg.norm(mean)) for own, mean in zip(x, means, strict=True)]


def dates(item: Item, theirs: Sequence[dt.date | None]) -> str:
    """What is stated of when the picture and the controls were made, as sentences; a date can be wrong or forged."""
    own = stated_date(item)
    known = sorted(date for date in theirs if date is not None)
    first = f"The file of the disputed image states {own}." if own else "The file of the disputed image states no date."
    if not known:
        return f"{first} No date is stated for any of the {len(theirs)} controls."
    said = (
        f"{first} Of the {len(theirs)} controls {len(known)} are dated, from {known[0]} to {known[-1]}, half of them "
        f"by {known[(len(known) - 1) // 2]}."
    )
    if own is not None and not known[0] <= own <= known[-1]:
        return (
            f"{said} The disputed image is dated outside the range of the controls, so manner and technique may differ."
        )
    return said


def stated_date(item: Item) -> dt.date | None:
    """The day that the file states in EXIF; None where it states none that can be read."""
    found = {fact.name: fact.value for fact in item.metadata}
    for name in _DATES:
        try:
            return dt.datetime.strptime(found.get(name, "")[:10], "%Y:%m:%d").date()
        except ValueError:
            continue
    return None
