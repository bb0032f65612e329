"""Figures that settle a quarrel: bits against nearness, and the Tippett plot.

Vector, readable in grey, labelled where the lines end; the alternative text states the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from forensics.case import CurveKind, LikelihoodRatio, RateCurve, RatePoint, ValidatedPair
from forensics.report import words
from forensics.report.charts import svg
from forensics.report.charts.strips import WIDTH

HALF, THIRD = WIDTH / 2 - 6, WIDTH / 3 - 6
"""Widths of two and of three figures abreast."""
ORANGE, ORANGE_TEXT, BAND = "#D55E00", "#A84300", "#e3e7ec"
_STYLE: dict[CurveKind, tuple[str, str, float, str]] = {
    CurveKind.PROMPTED: (svg.BLUE, svg.BLUE_TEXT, 1.6, ""),
    CurveKind.PLAIN: (svg.BLUE, svg.BLUE_TEXT, 1.1, "4 2"),
    CurveKind.CONTROL_CHECKPOINT: (ORANGE, ORANGE_TEXT, 1.3, "6 2 1.5 2"),
    CurveKind.CONTROLS: (svg.GREY, svg.GREY, 1.0, ""),
    CurveKind.CODEC: (svg.INK, svg.INK, 0.7, "1.2 1.8"),
}
"""Colour of the line, of its words, width and dashes: told apart without colour."""


def rate_distortion(curves: Sequence[RateCurve]) -> Markup:
    """Bits (logarithmic) to the right, distance from the disputed image upwards: low and left means few bits, near."""
    points = [p for c in curves for p in c.points if p.bits > 0]
    low = math.floor(math.log10(min(p.bits for p in points)))
    high = math.ceil(math.log10(max(p.bits for p in points)) + 1e-9)
    tallest = max(p.distance_high for p in points) * 1.06 or 1.0
    left, right, top, foot = 30.0, WIDTH - 132, 10.0, 160.0

    def x(bits: float) -> float:
        return left + (right - left) * (math.log10(max(bits, 10.0**low)) - low) / (high - low)

    def y(distance: float) -> float:
        return foot - (foot - top) * distance / tallest

    parts = []
    for tick in svg.ticks(0, tallest, 4):
        parts += [
            svg.line(left, y(tick), right, y(tick), stroke="#e6e9ee", width=0.35),
            svg.text(left - 4, y(tick) + 2.5, words.plain(round(tick, 3)), anchor="end"),
        ]
    for curve in (c for c in curves if c.kind is CurveKind.CONTROLS):
        parts.append(_band([(x(p.bits), y(p.distance_low), y(p.distance_high)) for p in _drawn(curve)]))
    parts.append(svg.line(left, foot, right, foot))
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts += [
            svg.line(at, foot, at, foot + 3),
            svg.text(
                at, foot + 11, words.count(10**power) if power >= 0 else words.plain(10.0**power), anchor="middle"
            ),
        ]
    ends: list[tuple[float, float, RateCurve]] = []
    for curve in curves:
        line = [(x(p.bits), y(p.distance)) for p in _drawn(curve)]
        stroke, _, width, dash = _STYLE[curve.kind]
        parts.append(svg.path(line, stroke=stroke, width=width, dash=dash))
        if len(line) == 1:
            parts.append(svg.dot(*line[0], 2.2, fill=stroke))
        ends.append((line[-1][1], line[-1][0], curve))
    ends.sort(key=lambda e: (e[0], e[2].name))
    free = foot + 4 - 9.0 * (len(ends) - 1)
    placed = top - 9.0
    for number, (at, from_x, curve) in enumerate(ends):
        placed = min(max(at + 2.5, placed + 9.0), max(free + 9.0 * number, placed + 9.0))
        stroke, ink, _, dash = _STYLE[curve.kind]
        parts += [
            svg.line(from_x + 2, at, right + 7, placed - 2.5, stroke=svg.RULE, width=0.4),
            svg.line(right + 8, placed - 2.5, right + 20, placed - 2.5, stroke=stroke, width=1.1, dash=dash),
            svg.text(right + 23, placed, words.cut(curve.name, 34), fill=ink, size=7.2),
        ]
    bottom = max(foot + 24, placed + 4)
    parts += [
        svg.text(left, foot + 22, "bits supplied, or in the file of a codec"),
        svg.text(left + 2, top - 2, "LPIPS from the disputed image; lower means nearer", fill=svg.INK),
    ]
    said = "; ".join(f"{c.name}: {_two_ends(c)}" for c in curves)
    return svg.drawing(WIDTH, bottom, f"Bits against nearness. {said}.", parts)


def _drawn(curve: RateCurve) -> list[RatePoint]:
    return [p for p in curve.points if p.bits > 0] or [curve.points[0]]


def _two_ends(curve: RateCurve) -> str:
    first, last = _drawn(curve)[0], _drawn(curve)[-1]
    return (
        f"LPIPS {words.number(first.distance)} at {words.significant(first.bits)} bits, "
        f"{words.number(last.distance)} at {words.significant(last.bits)} bits"
    )


def _band(edges: list[tuple[float, float, float]]) -> str:
    there = [(x, low) for x, low, _ in edges]
    back = [(x, high) for x, _, high in reversed(edges)]
    joined = " ".join(f"{svg.n(x)},{svg.n(y)}" for x, y in (*there, *back))
    return f'<polygon points="{joined}" fill="{BAND}"/>'


def tippett(validated: ValidatedPair, ratio: LikelihoodRatio | None, *, width: float = WIDTH) -> Markup:
    """Share of works of known status whose ratio is larger than the value on the axis, for both kinds of works."""
    left, right, top, foot = 26.0, width - 8, 36.0, 136.0
    key = left if width > THIRD else 2.0  # its words are wider than the ground of a narrow plot
    known = [*validated.ratios_first, *validated.ratios_second, *([ratio.log10] if ratio else [])]
    low, high = math.floor(min([*known, -1.0]) - 0.2), math.ceil(max([*known, 1.0]) + 0.2)

    def x(log10: float) -> float:
        return left + (right - left) * (log10 - low) / (high - low)

    def y(share: float) -> float:
        return foot - (foot - top) * share

    parts = [svg.text(key, 7.5, words.PAIRS[validated.pair][0], fill=svg.INK, weight=600, size=8)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            svg.line(left, y(share), right, y(share), stroke="#e6e9ee", width=0.35),
            svg.text(left - 4, y(share) + 2.5, words.plain(share), anchor="end"),
        ]
    parts += [
        svg.line(left, foot, right, foot),
        svg.line(x(0), top, x(0), foot, stroke=svg.GREY, width=0.5, dash="2 2"),
    ]
    for power in range(low, high + 1):
        parts += [
            svg.line(x(power), foot, x(power), foot + 3),
            svg.text(x(power), foot + 11, words.plain(power), anchor="middle"),
        ]
    rows = (
        (validated.ratios_second, ORANGE, ORANGE_TEXT, "5 2", f"second proposition true ({validated.n_second})"),
        (validated.ratios_first, svg.BLUE, svg.BLUE_TEXT, "", f"first proposition true ({validated.n_first})"),
    )
    for number, (ratios, stroke, ink, dash, label) in enumerate(rows):
        if not ratios:
            continue
        line = [(x(low), y(1.0))]
        for index, value in enumerate(sorted(ratios)):
            line += [(x(value), line[-1][1]), (x(value), y(1 - (index + 1) / len(ratios)))]
        line.append((x(high), y(0.0)))
        parts += [
            svg.path(line, stroke=stroke, width=1.2, dash=dash),
            svg.line(key, 17 + 10 * number, key + 14, 17 + 10 * number, stroke=stroke, width=1.2, dash=dash),
            svg.text(key + 18, 19.6 + 10 * number, label, fill=ink),
        ]
    if ratio is not None:
        at = x(ratio.log10)
        # The words stand at a height that the curves pass steeply if at all.
        parts += [
            svg.line(at, top, at, foot, stroke=svg.INK, width=1.1),
            svg.diamond(at, top, 3.2, fill=svg.INK),
            svg.text(at - 5, y(0.4), "this case", anchor="end", fill=svg.INK, weight=600),
        ]
    parts.append(svg.text(right, foot + 21, "log10 of the likelihood ratio, larger than", anchor="end"))
    wrong_first = sum(v < 0 for v in validated.ratios_first)
    wrong_second = sum(v > 0 for v in validated.ratios_second)
    second, first = len(validated.ratios_second), len(validated.ratios_first)
    alt = (
        f"Tippett plot, {words.PAIRS[validated.pair][0].lower()}: {wrong_second} of {second} works of the second kind "
        f"have a ratio above 1, {wrong_first} of {first} of the first kind a ratio below 1."
    )
    return svg.drawing(width, foot + 25, alt, parts)
