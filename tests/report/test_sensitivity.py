"""The ranks under other choices are those that anyone would count."""

from __future__ import annotations

from pathlib import Path

from forensics.case import Better, Pair
from forensics.report.sections.sensitivity import bears_on, sensitivity
from tests.report.cases import CASES


def test_halves_add_up_and_the_nearest_is_left_out(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    rows = {row.id: row for row in sensitivity(case)}
    assert rows
    for c in case.comparisons:
        if c.id not in rows:
            continue
        row = rows[c.id]
        found = [tuple(map(int, part.split(",")[0].split(" of "))) for part in (row.every, *row.halves)]
        assert found[0] == (c.k, c.n)
        assert tuple(a + b for a, b in zip(*found[1:], strict=True)) == (c.k, c.n)
        k, n = map(int, row.without_nearest.split(",")[0].split(" of "))
        assert (k, n) == (max(0, c.k - 1), c.n - 1)


def test_every_comparison_belongs_to_one_pair(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    for c in case.comparisons:
        assert bears_on(c) is (c.primary_for or bears_on(c))
        if c.id.startswith("O"):
            assert bears_on(c) is Pair.ORIGIN
    assert {Better.HIGHER, Better.LOWER} >= {c.better for c in case.comparisons}
