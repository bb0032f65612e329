"""Charts drawn from the numbers of a case: labelled where they are, readable in grey, the same bytes every time.

In every chart "more alike", or the extreme end of a statistic, lies to the right, whichever way the measure points.
"""

from __future__ import annotations

from collections import defaultdict

from markupsafe import Markup

from forensics.case import Better, Comparison, Inversion
from forensics.report import words
from forensics.report.charts import svg

WIDTH = 425.0
"""Points: the width of the text, 150 mm."""
THIRD = 153.0
"""Points: a third of the width of the record, 54 mm."""


def strip(comparison: Comparison, width: float = WIDTH) -> Markup:
    """One dot a control, a diamond for the disputed image, on the axis of the statistic."""
    axis_of = _Axis(comparison, 6.0, width - 6, margin=0.06)
    dense = width < WIDTH  # several abreast: smaller dots and fewer figures on the axis
    pitch, radius, wanted = (3.2, 1.5, 3) if dense else (5.4, 2.4, 5)
    places, tallest = axis_of.places(pitch)
    rise = min(pitch, 44 / tallest)  # many controls in one place: lower the steps, not the count
    axis = 34 + rise * tallest
    parts = [svg.line(axis_of.left, axis, axis_of.right, axis)]
    parts += [svg.dot(cx, axis - radius - 1.6 - rise * level, radius, fill=fill) for cx, level, fill in places]
    for tick in svg.ticks(axis_of.low, axis_of.high, wanted):
        parts += [
            svg.line(axis_of.x(tick), axis, axis_of.x(tick), axis + 3),
            svg.text(axis_of.x(tick), axis + 11, words.plain(round(tick, 6)), anchor="middle"),
        ]
    at = axis_of.x(comparison.value)
    anchor, nudge = ("end", -5.0) if at > width * 0.62 else ("start", 5.0)
    label = f"disputed image {words.number(comparison.value)}"
    parts += [
        svg.line(at, 14, at, axis, stroke=svg.BLUE, width=1),
        svg.diamond(at, 14, 3.6),
        svg.text(at + nudge, 12, label, anchor=anchor, size=8, fill=svg.BLUE_TEXT, weight=600),
    ]
    if dense:
        parts.append(svg.text(axis_of.right, axis + 22, f"{comparison.toward} →", anchor="end"))
    else:
        parts += [
            svg.text(at + nudge, 21.5, _tally(comparison), anchor=anchor, fill=svg.INK),
            svg.text(axis_of.right, axis + 22, f"{comparison.toward} →", anchor="end"),
            svg.text(axis_of.left, axis + 22, f"each dot is one of {comparison.n} controls"),
        ]
    return svg.drawing(width, axis + 27, _said(comparison), parts)


def small_strip(comparison: Comparison, width: float = 112.0) -> Markup:
    """The same for a column of a table: dots, diamond, and the ends of the axis in figures."""
    axis_of = _Axis(comparison, 4.0, width - 4)
    axis, pitch = 20.0, 2.6
    places, tallest = axis_of.places(pitch)
    rise = min(pitch, 14 / tallest)
    parts = [svg.line(axis_of.left, axis, axis_of.right, axis)]
    parts += [svg.dot(cx, axis - 2 - rise * level, 1.25, fill=fill) for cx, level, fill in places]
    at = axis_of.x(comparison.value)
    first, last = (axis_of.low, axis_of.high) if comparison.better is Better.HIGHER else (axis_of.high, axis_of.low)
    parts += [
        svg.line(at, 4, at, axis, stroke=svg.BLUE, width=0.8),
        svg.diamond(at, 4, 2.6),
        svg.text(axis_of.left, axis + 7.5, words.number(first), size=6.2),
        svg.text(axis_of.right, axis + 7.5, words.number(last), anchor="end", size=6.2),
    ]
    return svg.drawing(width, axis + 10, _said(comparison), parts)


class _Axis:
    """Values of a comparison on paper, the extreme end to the right."""

    def __init__(self, comparison: Comparison, left: float, right: float, *, margin: float = 0.0) -> None:
        values = [comparison.value, *(c.value for c in comparison.controls)]
        spare = (max(values) - min(values)) * margin or (0.05 if margin or max(values) == min(values) else 0.0)
        self.low, self.high = min(values) - spare, max(values) + spare
        self.left, self.right = left, right
        self._comparison = comparison

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.left + (self.right - self.left) * (share if self._comparison.better is Better.HIGHER else 1 - share)

    def places(self, pitch: float) -> tuple[list[tuple[float, int, str]], int]:
        """Where each control stands, at what height of its pile, in which colour; and the tallest pile."""
        c = self._comparison
        piles: defaultdict[int, int] = defaultdict(int)
        placed = []
        for score in sorted(s.value for s in c.controls):
            column = round(self.x(score) / pitch)
            extreme = score >= c.value if c.better is Better.HIGHER else score <= c.value
            placed.append((column * pitch, piles[column], svg.INK if extreme else svg.PALE))
            piles[column] += 1
        return placed, max(piles.values(), default=1)


def _said(c: Comparison) -> str:
    scores = [s.value for s in c.controls]
    if not scores:
        return f"{c.title}: {words.number(c.value)}, without controls."
    low, high = words.number(min(scores)), words.number(max(scores))
    spread = f"have {low}" if low == high else f"run from {low} to {high}"
    return f"{c.title}: the disputed image has {words.number(c.value)}; the controls {spread}. {_tally(c)}."


def _tally(c: Comparison) -> str:
    return f"{words.tally(c)}, p = {words.significant(c.p)}"


def trajectory(inversion: Inversion) -> Markup:
    """Size of the state, and of the last fixed-point correction, along the path from picture to noise."""
    half, height, top, left = (WIDTH - 34) / 2, 70.0, 20.0, 26.0
    foot = top + height
    times = [s.time for s in inversion.trace]
    parts = []
    series = (
        ("root mean square of the state (1 = unit noise)", [s.norm for s in inversion.trace], 1.0),
        ("root mean square of the last fixed-point correction", [s.residual for s in inversion.trace], None),
    )
    for column, (title, values, reference) in enumerate(series):
        x0 = left + column * (half + 34 - left / 2)
        w = half - left
        high = max([*values, reference or 0.0]) * 1.05 or 1.0
        span = (times[-1] - times[0]) or 1.0
        points = [
            (x0 + w * (t - times[0]) / span, foot - height * v / high) for t, v in zip(times, values, strict=True)
        ]
        parts.append(svg.text(x0, 9, title, fill=svg.INK))
        for tick in svg.ticks(0, high, 3):
            y = foot - height * tick / high
            parts += [
                svg.line(x0, y, x0 + w, y, stroke="#e6e9ee", width=0.35),
                svg.text(x0 - 3, y + 2.4, words.plain(round(tick, 6)), anchor="end", size=7),
            ]
        if reference is not None:
            y = foot - height * reference / high
            parts.append(svg.line(x0, y, x0 + w, y, stroke=svg.GREY, width=0.6, dash="2 2"))
        parts += [
            svg.line(x0, foot, x0 + w, foot),
            svg.curve(points, stroke=svg.BLUE),
            svg.text(x0, foot + 9, "picture"),
            svg.text(x0 + w, foot + 9, "noise", anchor="end"),
            svg.dot(*points[-1], 2.2, fill=svg.BLUE),
            svg.text(
                x0 + w - 4,
                points[-1][1] - 5,
                words.significant(values[-1]),
                anchor="end",
                fill=svg.BLUE_TEXT,
                weight=600,
            ),
        ]
    last = inversion.trace[-1]
    alt = (
        f"{inversion.title}: over {len(times) - 1} steps the root mean square of the state ends at "
        f"{words.significant(last.norm)}, the last fixed-point correction at {words.significant(last.residual)}."
    )
    return svg.drawing(WIDTH, foot + 14, alt, parts)
