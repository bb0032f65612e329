"""Every measure on every pair worth comparing, and the same statistics on every control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from forensics import hands, similarity
from forensics.case import (
    Absent,
    Better,
    Comparison,
    Inversion,
    Measurement,
    Metric,
    NotMeasured,
    Statistic,
)
from forensics.events import Event
from forensics.similarity.inputs import held
from forensics.stages.context import Context, Received
from forensics.stages.instruments import ALIGNED, PERCEPTUAL, Instruments
from forensics.stages.ladder import Ladder
from forensics.stages.rank import compare
from forensics.stages.search import Found
from forensics.stages.works import Work


@dataclass(frozen=True, slots=True)
class Measured:
    """All numbers of the case."""

    metrics: tuple[Metric, ...]
    measurements: tuple[Measurement | NotMeasured, ...]
    comparisons: tuple[Comparison, ...]
    inversions: tuple[Inversion, ...]
    """The rungs, with best and median output named."""
    absences: tuple[Absent, ...]
    asked: Work
    """The picture that retention was measured on, at the size of the examination."""

    def of(self, a: str, b: str) -> dict[str, Measurement]:
        """The measurements of one pair of exhibits by measure."""
        return {m.metric: m for m in self.measurements if isinstance(m, Measurement) and (m.a, m.b) == (a, b)}


def measure(
    received: Received,
    found: Found,
    ladder: Ladder,
    primary: Statistic | None,
    context: Context,
) -> Measured:
    """Measure the disputed image against originals, neighbours and reconstructions, then rank it among the controls.

    Args:
        primary: the primary statistic of retention, as the protocol names it; None where no checkpoint is examined.
    """
    disputed, instruments, asked = received.disputed, context.instruments, ladder.asked or received.disputed
    compared = [(disputed, work.id, work.pixels) for work in received.put_forward]
    compared += [(disputed, name, pixels) for name, pixels in found.pictures.items()]
    others = list(compared)
    for rung in ladder.rungs:
        others += [(asked, *made) for made in zip(rung.inversion.outputs, rung.outputs, strict=True)]
    pairs = {name: compared if name == ALIGNED else others for name in similarity.METRICS}
    with held(one for pair in compared for one in (pair[0].pixels, pair[2])):
        rows = _rows(pairs, context)
    inversions = tuple(_ordered(rung.inversion, rows) for rung in ladder.rungs)
    comparisons, absences = compare(received, found, ladder, rows, primary, context)
    absences = [*instruments.absences, *absences]
    measured_names = {m.metric for m in rows}
    metrics = tuple(m.facts for n, m in instruments.at_hand.items() if n in measured_names)
    metrics += tuple(_not_loaded(n, why) for n, why in instruments.absent.items() if n in measured_names)
    return Measured(metrics, tuple(rows), comparisons, inversions, tuple(absences), asked)


def _rows(pairs: Mapping[str, Sequence[tuple[Work, str, Tensor]]], context: Context) -> list[Measurement | NotMeasured]:
    """One row a measure and pair, in the order of the measures; the one that lays pictures over each other is taken
    last, for that may be going on meanwhile."""
    instruments, total, done = context.instruments, sum(map(len, pairs.values())), 0
    values: dict[tuple[str, int], float] = {}
    for name in sorted(pairs, key=lambda name: name == ALIGNED):
        context.emit(Event("compare", done, total, f"{name}: {len(pairs[name])} pairs of pictures"))
        if name in instruments.at_hand:
            values |= {(name, number): found for number, found in enumerate(_values(name, pairs[name], instruments))}
        done += len(pairs[name])
    context.emit(Event("compare", total, total, f"{total} measurements"))
    rows: list[Measurement | NotMeasured] = []
    for name, with_ in pairs.items():
        for number, (one, other, _) in enumerate(with_):
            row_id = f"M{len(rows) + 1}"
            if name in instruments.at_hand:
                rows.append(Measurement(row_id, name, one.id, other, values[name, number]))
            else:
                reason = instruments.absent[name]
                rows.append(NotMeasured(row_id, name, one.id, other, reason.reason, reason.remedy))
    return rows


def _values(name: str, pairs: Sequence[tuple[Work, str, Tensor]], instruments: Instruments) -> list[float]:
    return hands.each(lambda pair: instruments.value(name, pair[0].pixels, pair[2]), pairs)


def _not_loaded(name: str, reason: Absent) -> Metric:
    """What is known of a measure that could not be loaded, so that its absence can be named properly."""
    facts = getattr(similarity.METRICS.load(name), "facts", None)
    if isinstance(facts, Metric):
        return facts
    # A measure whose protocol depends on the model it was never given can only be described by what it lacks.
    return Metric(name, name.upper(), "not loaded", Better.HIGHER, -1.0, 1.0, "", "", reason.reason, "")


def _ordered(inversion: Inversion, rows: Sequence[Measurement | NotMeasured]) -> Inversion:
    """Name the best and the median output by the pre-declared measure; ties go to the earlier seed."""
    values = {m.b: m.value for m in rows if isinstance(m, Measurement) and m.metric == PERCEPTUAL}
    order = sorted((i for i in inversion.outputs if i in values), key=lambda i: values[i])
    if not order:
        return inversion
    return replace(inversion, best=order[0], median=order[(len(order) - 1) // 2])
