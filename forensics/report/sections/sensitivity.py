"""Whether an answer hangs on one choice: the same statistic with other controls, and the same question by others.

Nothing is measured anew. The controls of a primary comparison are split in two by a digest, which nobody chose, and the
nearest of them is left out; the other comparisons that bear on the same propositions are counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Better, Case, Comparison, ControlScore, Pair
from forensics.report import words

LEVEL = 0.05
"""Only for counting; the level of the protocol decides what a finding says."""


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """One primary comparison under other choices."""

    id: str
    pair: str
    every: str
    halves: tuple[str, str]
    without_nearest: str
    others: str


def sensitivity(case: Case) -> tuple[SensitivityRow, ...]:
    """A row a primary comparison that has at least four controls."""
    return tuple(
        _row(case, c, c.primary_for) for c in case.comparisons if c.primary_for is not None and len(c.controls) >= 4
    )


def _row(case: Case, c: Comparison, pair: Pair) -> SensitivityRow:
    # The order of the digests of the names has nothing to do with what was measured, and anyone can repeat it.
    ordered = sorted(c.controls, key=lambda s: hashlib.sha256(s.control.encode()).hexdigest())
    near = sorted(c.controls, key=lambda s: -s.value if c.better is Better.HIGHER else s.value)
    others = [o for o in case.comparisons if o is not c and bears_on(o) is pair]
    outside = [o.id for o in others if o.p <= LEVEL]
    inside = [o.id for o in others if o.p > LEVEL]
    said = "; ".join(
        part
        for part in (
            f"p at or below {LEVEL:g}: {', '.join(outside)}" if outside else "",
            f"above: {', '.join(inside)}" if inside else "",
        )
        if part
    )
    return SensitivityRow(
        c.id,
        words.PAIRS[pair][0],
        _rank(c, c.controls),
        (_rank(c, ordered[::2]), _rank(c, ordered[1::2])),
        _rank(c, near[1:]),
        said or "none was made",
    )


def _rank(c: Comparison, controls: Sequence[ControlScore]) -> str:
    k = sum(s.value >= c.value if c.better is Better.HIGHER else s.value <= c.value for s in controls)
    return f"{k} of {len(controls)}, p = {words.significant((1 + k) / (1 + len(controls)))}"


def bears_on(c: Comparison) -> Pair:
    """The proposition pair that a comparison belongs to, primary or not."""
    return c.statistic.kind.pair
