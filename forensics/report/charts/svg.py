"""The few SVG elements the charts are made of: deterministic text, one decimal, points as the unit."""

from __future__ import annotations

import math
from html import escape

from markupsafe import Markup

INK, GREY, RULE, PALE = "#1b1d21", "#5b6470", "#c9ced6", "#8b93a0"
BLUE, BLUE_TEXT = "#0072B2", "#005A8E"
"""Okabe-Ito blue for marks, a darker twin for words."""


def n(value: float) -> str:
    """A coordinate."""
    return f"{value:.1f}".replace("-0.0", "0.0")


def text(
    x: float, y: float, words: str, *, anchor: str = "start", size: float = 7.4, fill: str = GREY, weight: int = 400
) -> str:
    """A line of words in the sans face of the tables."""
    return (
        f'<text x="{n(x)}" y="{n(y)}" font-family="Source Sans 3, sans-serif" font-size="{size:g}" '
        f'font-weight="{weight}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK, width: float = 0.5, dash: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'


def dot(x: float, y: float, radius: float, *, fill: str = PALE) -> str:
    """A filled circle with a thin white edge, so that neighbours stay countable in print."""
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="{fill}" stroke="#ffffff" stroke-width="0.4"/>'


def rect(x: float, y: float, width: float, height: float, *, fill: str) -> str:
    """A filled rectangle with a thin edge, so that white on white is seen."""
    sides = f'x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}"'
    return f'<rect {sides} fill="{fill}" stroke="{RULE}" stroke-width="0.4"/>'


def diamond(x: float, y: float, radius: float, *, fill: str = BLUE) -> str:
    """The mark of the disputed image: told from a control by its shape, not only by its colour."""
    points = " ".join(f"{n(x + dx * radius)},{n(y + dy * radius)}" for dx, dy in ((0, -1), (1, 0), (0, 1), (-1, 0)))
    return f'<polygon points="{points}" fill="{fill}"/>'


def curve(points: list[tuple[float, float]], *, stroke: str = INK) -> str:
    """A polyline."""
    joined = " ".join(f"{n(x)},{n(y)}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{stroke}" stroke-width="1"/>'


def path(points: list[tuple[float, float]], *, stroke: str = INK, width: float = 1.0, dash: str = "") -> str:
    """A polyline of stated width and dashes."""
    joined = " ".join(f"{n(x)},{n(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{joined}" fill="none" stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'


def drawing(width: float, height: float, alt: str, parts: list[str]) -> Markup:
    """The picture; `alt` states the numbers, for readers who cannot see it."""
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{n(width)}pt" height="{n(height)}pt" '
        f'viewBox="0 0 {n(width)} {n(height)}"><title>{escape(alt)}</title>\n' + "\n".join(parts) + "\n</svg>"
    )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values inside [low, high]."""
    if high <= low:
        return [low]
    raw = (high - low) / wanted
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
