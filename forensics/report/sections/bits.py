"""What was supplied and what came back: the ledger, and the curves of bits against nearness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from forensics.case import Absent, Case, LedgerRow, RateCurve, RatePoint, stops_at
from forensics.report import words
from forensics.report.charts import curves as figures

THUMBNAILS = (32, 64, 128)
COSINES = (0.5, 0.75, 0.9)
"""Steps of agreement at which the curves are read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rung of the ladder in the ledger."""

    rung: str
    supplied: str
    bits: str
    distances: str
    """Nearest and median output; the autoencoder and the controls beside them."""
    controls: str
    back: str
    codec: str


@dataclass(frozen=True, slots=True)
class Reached:
    """One curve: the fewest bits at which each step of agreement is reached."""

    name: str
    cells: tuple[str, ...]
    """In the order of the heads."""


@dataclass(frozen=True, slots=True)
class Bits:
    """The section on supplied information; empty where no rung was run."""

    rows: tuple[Row, ...]
    stops: str
    """At which rung the claim stops, as a sentence."""
    chart: Markup | None
    overheads: tuple[str, ...]
    """What the curves leave out, a sentence each."""
    heads: tuple[str, ...] = ()
    """Steps of agreement besides LPIPS."""
    reached: tuple[Reached, ...] = ()


def bits(case: Case) -> Bits:
    """The ledger in the order of the case, by rising bits."""
    drawn = [c for c in case.curves if any(p.bits > 0 for p in c.points)]
    by_sentence: dict[str, list[str]] = {}
    for c in case.curves:
        if c.overhead:
            by_sentence.setdefault(words.tidy(words.sentence(c.overhead)), []).append(c.name)
    overheads = tuple(f"{', '.join(names)}: {said}" for said, names in by_sentence.items())
    chart = figures.rate_distortion(drawn) if drawn else None
    heads, reached = _steps(drawn)
    return Bits(tuple(map(_row, case.ledger)), _stops(case.ledger), chart, overheads, heads, reached)


def _steps(curves: Sequence[RateCurve]) -> tuple[tuple[str, ...], tuple[Reached, ...]]:
    """What each curve pays for agreement as a thumbnail and by the copy descriptor; steps that none reaches left out.

    No step is a bound for anything: they are fixed places at which curves are read.
    """
    steps: list[tuple[str, Callable[[RatePoint], bool]]] = []
    steps += [(f"agrees at {side} px", partial(_agrees, side)) for side in THUMBNAILS]
    steps += [(f"cosine {cosine:g}", partial(_alike, cosine)) for cosine in COSINES]
    kept = [(head, of) for head, of in steps if any(of(p) for c in curves for p in c.points)]
    rows = []
    for curve in curves:
        fewest = [min((p.bits for p in curve.points if of(p)), default=None) for _, of in kept]
        rows.append(Reached(curve.name, tuple("not reached" if b is None else words.count(round(b)) for b in fewest)))
    return tuple(head for head, _ in kept), tuple(rows) if kept else ()


def _agrees(side: int, point: RatePoint) -> bool:
    return point.thumbnail is not None and point.thumbnail >= side


def _alike(cosine: float, point: RatePoint) -> bool:
    return point.cosine is not None and point.cosine >= cosine


def _row(r: LedgerRow) -> Row:
    back = "came back" if r.reached else "did not come back"
    return Row(
        r.rung,
        words.tidy(words.sentence(r.supplied)),
        _bits(r.bits),
        f"{words.number(r.best)} nearest, {words.number(r.median)} median",
        f"{words.number(r.control_extreme)} nearest, {words.number(r.control_median)} median",
        f"{back}; of the controls {r.controls_reached} of {r.n}. {r.k} of {r.n} controls as near or nearer: "
        f"p = {words.significant(r.p)}",
        _bits(r.codec_bits),
    )


def _bits(value: float | Absent) -> str:
    return "not evaluated" if isinstance(value, Absent) else words.count(round(value))


def _stops(ledger: tuple[LedgerRow, ...]) -> str:
    if not ledger:
        return ""
    stop = stops_at(ledger)
    if stop is None:
        return (
            "At no rung that was run did control works come back, or come as near as the disputed image. What was "
            "found holds for these rungs and these controls."
        )
    return (
        f"From the rung “{stop.rung}” on, control works come back too, or come as near as the disputed image. There "
        "and beyond, what comes back says nothing about what the checkpoint learned: the information supplied is "
        "enough for any picture of the kind."
    )
