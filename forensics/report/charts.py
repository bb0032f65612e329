"""Charts drawn from the numbers of a case: labelled where they are, readable in grey, the same bytes every time.

In every chart "more alike", or the extreme end of a statistic, lies to the right, whichever way the measure points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forensics.case import Better, Comparison, Inversion, Metric
from forensics.report import svg, words

WIDTH = 425.0
"""Points: the width of the text, 150 mm."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the lattice: a work and its value under each metric, none where it was not measured."""

    label: str
    note: str
    values: tuple[float | None, ...]


def strip(comparison: Comparison) -> Markup:
    """One dot a control, a diamond for the disputed image, on the axis of the statistic."""
    scores = [c.value for c in comparison.controls]
    low, high = min([*scores, comparison.value]), max([*scores, comparison.value])
    margin = (high - low) * 0.06 or 0.05
    low, high = low - margin, high + margin
    left, right = 6.0, WIDTH - 6

    def x(value: float) -> float:
        share = (value - low) / (high - low)
        return left + (right - left) * (share if comparison.better is Better.HIGHER else 1 - share)

    bins: defaultdict[int, int] = defaultdict(int)
    pitch, places = 5.4, []
    for score in sorted(scores):
        column = round(x(score) / pitch)
        extreme = score >= comparison.value if comparison.better is Better.HIGHER else score <= comparison.value
        places.append((column * pitch, bins[column], svg.INK if extreme else svg.PALE))
        bins[column] += 1
    tallest = max(bins.values(), default=1)
    rise = min(pitch, 60 / tallest)  # many controls in one place: lower the steps, not the count
    axis = 34 + rise * tallest
    parts = [svg.line(left, axis, right, axis)]
    parts += [svg.dot(cx, axis - 4 - rise * level, 2.4, fill=fill) for cx, level, fill in places]
    for tick in svg.ticks(low, high):
        parts += [
            svg.line(x(tick), axis, x(tick), axis + 3),
            svg.text(x(tick), axis + 11, words.plain(round(tick, 6)), anchor="middle"),
        ]
    at = x(comparison.value)
    anchor, nudge = ("end", -5.0) if at > WIDTH * 0.62 else ("start", 5.0)
    parts += [
        svg.line(at, 14, at, axis, stroke=svg.BLUE, width=1),
        svg.diamond(at, 14, 3.6),
        svg.text(
            at + nudge,
            12,
            f"disputed image {words.number(comparison.value)}",
            anchor=anchor,
            size=8,
            fill=svg.BLUE_TEXT,
            weight=600,
        ),
        svg.text(at + nudge, 21.5, _tally(comparison), anchor=anchor, fill=svg.INK),
        svg.text(right, axis + 22, f"{comparison.toward} →", anchor="end"),
        svg.text(left, axis + 22, f"each dot is one of {comparison.n} controls"),
    ]
    alt = (
        f"{comparison.title}: the disputed image has {words.number(comparison.value)}; the controls run from "
        f"{words.number(min(scores))} to {words.number(max(scores))}. {_tally(comparison)}."
        if scores
        else f"{comparison.title}: {words.number(comparison.value)}, without controls."
    )
    return svg.drawing(WIDTH, axis + 27, alt, parts)


def _tally(c: Comparison) -> str:
    return f"{words.tally(c)}, p = {words.significant(c.p)}"


def lattice(metrics: Sequence[Metric], lanes: Sequence[Lane]) -> Markup:
    """One row a work, one column a measure; a dot with its value beside it."""
    first, gap, pitch, top = 96.0, 12.0, 13.0, 14.0
    width = (WIDTH - first - gap * (len(metrics) - 1)) / len(metrics) - 24
    foot = top + pitch * len(lanes)
    parts = []
    for row, lane in enumerate(lanes):
        y = top + pitch * (row + 0.5)
        parts += [
            svg.line(0, y + pitch / 2, WIDTH, y + pitch / 2, stroke="#e6e9ee", width=0.35),
            svg.text(0, y + 2.6, lane.label, fill=svg.INK, weight=600, size=7.8),
            svg.text(24, y + 2.6, lane.note),
        ]
    for column, metric in enumerate(metrics):
        left = first + column * (width + 24 + gap)
        seen = [lane.values[column] for lane in lanes]
        known = [v for v in seen if v is not None]
        low, high = min([0.0, *known]), max([min(metric.high, 1.0), *known])
        parts.append(svg.text(left, 8, metric.name.upper(), fill=svg.INK, weight=600, size=7.8))
        for end, value, anchor in ((0.0, low, "start"), (1.0, high, "end")):
            shown = value if metric.better is Better.HIGHER else low + high - value
            parts.append(svg.text(left + end * width, foot + 9, words.plain(round(shown, 3)), anchor=anchor))
        parts.append(svg.line(left, foot, left + width, foot))
        for row, score in enumerate(seen):
            y = top + pitch * (row + 0.5)
            if score is None:
                parts.append(svg.text(left, y + 2.6, "not measured", size=6.8))
                continue
            share = (score - low) / (high - low or 1)
            cx = left + width * (share if metric.better is Better.HIGHER else 1 - share)
            parts += [
                svg.line(left, y, cx, y, stroke=svg.RULE, width=0.7),
                svg.dot(cx, y, 2.8, fill=svg.BLUE),
                svg.text(cx + 5, y + 2.6, words.measured(score, metric), fill=svg.INK),
            ]
    alt = "; ".join(
        f"{lane.label}: "
        + ", ".join(
            f"{m.name.upper()} {'not measured' if v is None else words.measured(v, m)}"
            for m, v in zip(metrics, lane.values, strict=True)
        )
        for lane in lanes
    )
    return svg.drawing(WIDTH, foot + 14, f"Measurements against the disputed image. {alt}.", parts)


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
