"""Charts of a validation record: calibration at every prior odds, and where the scores of both groups lie."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from forensics.report import words
from forensics.report.charts import svg
from forensics.report.charts.strips import WIDTH

Line = Sequence[tuple[float, float]]
_HEIGHT, _TOP, _LEFT = 96.0, 12.0, 30.0


def cross_entropy(system: Line, perfect: Line, neutral: Line) -> Markup:
    """Empirical cross-entropy against log10 prior odds: of the ratios, after recalibration, and without any ratio."""
    high = max(y for _, y in neutral) * 1.05
    alt = (
        "Empirical cross-entropy in bits. At prior odds of 1 the ratios cost "
        f"{words.number(_at(system, 0.0))}, after perfect recalibration {words.number(_at(perfect, 0.0))}, without any "
        f"ratio {words.number(_at(neutral, 0.0))}."
    )
    curves = [(neutral, svg.PALE, "without ratios"), (perfect, svg.INK, "recalibrated"), (system, svg.BLUE, "ratios")]
    return _plot(curves, (0.0, high), "log10 of the prior odds", "bits", alt)


def densities(first: Line, second: Line, measurement: str) -> Markup:
    """Smoothed distributions of the measurement for the works of both propositions."""
    high = max(y for _, y in (*first, *second)) * 1.05
    peaks = [max(line, key=lambda point: point[1])[0] for line in (first, second)]
    alt = (
        f"{measurement}: the works of the first proposition lie most densely at {words.number(peaks[0])}, those of the "
        f"second at {words.number(peaks[1])}."
    )
    curves = [(second, svg.INK, "second proposition"), (first, svg.BLUE, "first proposition")]
    return _plot(curves, (0.0, high), measurement, "density", alt)


def _at(line: Line, x: float) -> float:
    return min(line, key=lambda point: abs(point[0] - x))[1]


def _plot(
    curves: Sequence[tuple[Line, str, str]], y_range: tuple[float, float], across: str, up: str, alt: str
) -> Markup:
    xs = [x for line, _, _ in curves for x, _ in line]
    low, high = min(xs), max(xs)
    right, foot = WIDTH - 6, _TOP + _HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (right - _LEFT) * (x - low) / ((high - low) or 1.0),
            foot - _HEIGHT * (y - y_range[0]) / ((y_range[1] - y_range[0]) or 1.0),
        )

    parts = [svg.text(_LEFT, 8, up)]
    for tick in svg.ticks(*y_range, 3):
        _, y = place(low, tick)
        parts += [
            svg.line(_LEFT, y, right, y, stroke="#e6e9ee", width=0.35),
            svg.text(_LEFT - 3, y + 2.4, words.plain(round(tick, 6)), anchor="end", size=7),
        ]
    for tick in svg.ticks(low, high):
        x, _ = place(tick, 0)
        parts += [
            svg.line(x, foot, x, foot + 3),
            svg.text(x, foot + 11, words.plain(round(tick, 6)), anchor="middle"),
        ]
    parts.append(svg.line(_LEFT, foot, right, foot))
    # The names stand in a row at the right, in the order and colour of the curves.
    for number, (line, colour, name) in enumerate(curves):
        parts.append(svg.curve([place(x, min(y, y_range[1])) for x, y in line], stroke=colour))
        y = _TOP + 8 + 10 * number
        parts += [
            svg.line(right - 92, y - 2.4, right - 80, y - 2.4, stroke=colour, width=1.2),
            svg.text(right - 76, y, name, fill=svg.INK),
        ]
    parts.append(svg.text(right, foot + 21, across, anchor="end"))
    return svg.drawing(WIDTH, foot + 26, alt, parts)
