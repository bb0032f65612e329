"""Every measure on every pair worth comparing, and the same statistics on every control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forensics import similarity
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
from forensics.stages.context import Context, Received
from forensics.stages.instruments import ALIGNED, PERCEPTUAL
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
    rows: list[Measurement | NotMeasured] = []
    pairs = {name: compared if name == ALIGNED else others for name in similarity.METRICS}
    total = sum(map(len, pairs.values()))
    for name, with_ in pairs.items():
        for one, other, pixels in with_:
            context.emit(Event("compare", len(rows), total, f"{name}: {one.id} and {other}"))
            row_id = f"M{len(rows) + 1}"
            if name in instruments.at_hand:
                value = instruments.value(name, one.pixels, pixels)
                rows.append(Measurement(row_id, name, one.id, other, value))
            else:
                reason = instruments.absent[name]
                rows.append(NotMeasured(row_id, name, one.id, other, reason.reason, reason.remedy))
    context.emit(Event("compare", total, total, f"{total} measurements"))
    inversions = tuple(_ordered(rung.inversion, rows) for rung in ladder.rungs)
    comparisons, absences = compare(received, found, ladder, rows, primary, context)
    absences = [*instruments.absent.values(), *absences]
    measured_names = {m.metric for m in rows}
    metrics = tuple(m.facts for n, m in instruments.at_hand.items() if n in measured_names)
    metrics += tuple(_not_loaded(n, why) for n, why in instruments.absent.items() if n in measured_names)
    return Measured(metrics, tuple(rows), comparisons, inversions, tuple(absences), asked)


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
