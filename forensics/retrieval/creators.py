"""Who made the rows of a collection, where it records it: the groups that resemblance in style is ranked among."""

from __future__ import annotations

from collections import defaultdict

from forensics.case import Absent
from forensics.retrieval.base import TrainingIndex
from forensics.retrieval.readers.native import LanceIndex

LARGEST = 5_000_000
"""Rows up to which the creators are listed: names are read for the whole collection."""


def holdings(index: TrainingIndex) -> dict[str, tuple[tuple[str, int], ...]] | Absent:
    """Creator -> (training id, row number) of the rows that record this creator, in the order of the table.

    Names are taken as they are written: two spellings of a name are two creators.
    """
    what = "creators of the index"
    if not isinstance(index, LanceIndex):
        return Absent(
            what,
            "A collection in this layout does not list its creators.",
            "Make a native index of it with `forensics index import`.",
        )
    if index.facts.count > LARGEST:
        return Absent(what, f"The creators of more than {LARGEST} rows are not listed.")
    rows = index.table(["row_id", "training_id", "creator"])
    found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    columns = (rows.column(name).to_pylist() for name in ("creator", "training_id", "row_id"))
    for creator, training_id, number in zip(*columns, strict=True):
        if creator and creator.strip():
            found[creator.strip()].append((training_id or "", int(number)))
    if not found:
        return Absent(what, "No row of the index records a creator.", "Record them in the source of the index.")
    return {name: tuple(held) for name, held in found.items()}
