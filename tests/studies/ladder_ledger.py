"""Ledgers side by side: `python -m tests.studies.ladder_ledger LABEL=CASE... [--out FILE] [--figure FILE]`.

What was supplied, what came back, and what an ordinary codec needs for the same nearness: the objection that a
checkpoint is only a codec, answered case by case. The labels say what is known of each work.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forensics import folder as case_folder
from forensics.case import Absent, Case, CurveKind, LedgerRow
from forensics.pictures.codecs import bits_at
from forensics.report.charts import svg

Ledgers = Mapping[str, Any]
"""What `study` gives: the checkpoint, and by label the rungs and curves of a case."""
DISTANCES = (0.3, 0.2)


def study(cases: Sequence[tuple[str, Case]]) -> dict[str, Any]:
    """Rungs and rate–distortion curves of cases of one checkpoint, as plain numbers; null where there is none.

    Raises:
        ValueError: a case has no checkpoint, or the cases are of different ones.
    """
    digests = {case.checkpoint.digest for _, case in cases if not isinstance(case.checkpoint, Absent)}
    if len(digests) != 1 or any(isinstance(case.checkpoint, Absent) for _, case in cases):
        raise ValueError("ledgers are put side by side for cases of one and the same checkpoint")
    return {
        "checkpoint": digests.pop(),
        "cases": {
            label: {
                "ledger": [_rung(row) for row in case.ledger],
                "curves": [
                    {
                        "name": curve.name,
                        "kind": curve.kind.value,
                        "points": [[_short(p.bits), _short(p.distance)] for p in curve.points],
                    }
                    for curve in case.curves
                ],
            }
            for label, case in cases
        },
    }


def _rung(row: LedgerRow) -> dict[str, Any]:
    return {
        "rung": row.rung,
        "bits": None if isinstance(row.bits, Absent) else _short(row.bits),
        "codec_bits": None if isinstance(row.codec_bits, Absent) else _short(row.codec_bits),
        "median": _short(row.median),
        "control_median": _short(row.control_median),
        "control_least": _short(row.control_extreme),
        "reached": row.reached,
        "controls_reached": row.controls_reached,
        "n": row.n,
        "p": _short(row.p),
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def table(found: Ledgers) -> str:
    """One row a rung of each case, in Markdown."""
    heads = (
        "work",
        "rung",
        "bits supplied",
        "codec at the same LPIPS",
        "median LPIPS",
        "controls: median, least",
        "comes back",
        "controls come back",
        "p",
    )
    return markdown(heads, [(label, *_cells(r)) for label, case in found["cases"].items() for r in case["ledger"]])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["rung"],
        "not counted" if row["bits"] is None else f"{row['bits']:,.0f}",
        "not reached" if row["codec_bits"] is None else f"{row['codec_bits']:,.0f}",
        f"{row['median']:.3f}",
        f"{row['control_median']:.3f}, {row['control_least']:.3f}",
        "yes" if row["reached"] else "no",
        f"{row['controls_reached']} of {row['n']}",
        f"{row['p']:.3f}",
    )


def curves(found: Ledgers, distances: Sequence[float] = DISTANCES) -> str:
    """Bits at stated LPIPS by curve, in Markdown."""
    heads = ("work", "curve", *(f"LPIPS {d:g}" for d in distances))
    rows = [
        (label, curve["name"], *(_at(curve, d) for d in distances))
        for label, case in found["cases"].items()
        for curve in case["curves"]
    ]
    return markdown(heads, rows)


def _at(curve: Mapping[str, Any], distance: float) -> str:
    bits = bits_at([(b, d) for b, d in curve["points"]], distance)
    if bits is None:
        return "not reached"
    least = curve["kind"] != CurveKind.CODEC.value and bits <= curve["points"][0][0]
    return f"at most {bits:,.0f}" if least else f"{bits:,.0f}"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


WIDTH, GAP, LEFT, TOP, FOOT = 232.0, 22.0, 26.0, 54.0, 214.0
"""Of a panel, between panels, and the edges of the ground it is drawn on, in points."""
LEAST, MOST, FARTHEST = 0.5, 5.0, 0.8
"""log10 of the bits at both ends, and the LPIPS at the top; what lies farther is not drawn."""
LINES: dict[str, tuple[str, str, float, str]] = {
    CurveKind.PROMPTED.value: ("checkpoint, given the prompt", svg.BLUE, 1.8, ""),
    CurveKind.CONTROL_CHECKPOINT.value: ("control checkpoint, given the same", "#B35900", 1.3, "6 2 1.5 2"),
    CurveKind.CONTROLS.value: ("control works, in the median", svg.PALE, 1.3, ""),
    CurveKind.CODEC.value: ("JPEG, WebP, AVIF", svg.INK, 0.8, "1.2 1.8"),
}
"""Kind of curve -> words, colour, width and dashes: told apart without colour."""


def figure(found: Ledgers) -> str:
    """A panel a case, as SVG: bits (logarithmic) to the right, LPIPS upwards, so that low and left is few bits, near.

    A dot marks the median picture drawn from the prompt alone, at the bits of the prompt and the choice of a seed.
    """
    panels = [
        part
        for i, (label, case) in enumerate(found["cases"].items())
        for part in _panel(i * (WIDTH + GAP), label, case)
    ]
    legend, at = [], LEFT
    for words, colour, width, dash in LINES.values():
        legend += [svg.line(at, 12, at + 20, 12, stroke=colour, width=width, dash=dash), svg.text(at + 24, 14.6, words)]
        at += 44 + 3.5 * len(words)
    legend += [svg.dot(at + 6, 12, 3, fill=svg.BLUE), svg.text(at + 14, 14.6, "drawn from the prompt")]
    said = "; ".join(f"{label}: {_said(case)}" for label, case in found["cases"].items())
    whole = len(found["cases"]) * (WIDTH + GAP) - GAP / 2
    ground = f'<rect width="{svg.n(whole)}" height="{svg.n(FOOT + 28)}" fill="#ffffff"/>'
    return str(svg.drawing(whole, FOOT + 28, f"Bits against nearness. {said}.", [ground, *legend, *panels])) + "\n"


def _panel(offset: float, label: str, case: Mapping[str, Any]) -> list[str]:
    left, right = offset + LEFT, offset + WIDTH - 6

    def x(bits: float) -> float:
        return left + (right - left) * (max(math.log10(max(bits, 1e-9)), LEAST) - LEAST) / (MOST - LEAST)

    def y(distance: float) -> float:
        return FOOT - (FOOT - TOP) * distance / FARTHEST

    parts = [svg.text(left, TOP - 22, label, size=9.5, fill=svg.INK, weight=600)]
    parts.append(svg.text(left, TOP - 10, "LPIPS; lower means nearer"))
    for tick in svg.ticks(0, FARTHEST, 4):
        parts.append(svg.line(left, y(tick), right, y(tick), stroke="#e6e9ee", width=0.4))
        parts.append(svg.text(left - 4, y(tick) + 2.5, f"{tick:g}", anchor="end"))
    parts.append(svg.line(left, FOOT, right, FOOT))
    for power in range(1, int(MOST) + 1):
        at = x(10.0**power)
        parts += [svg.line(at, FOOT, at, FOOT + 3), svg.text(at, FOOT + 12, f"{10**power:,}", anchor="middle")]
    parts.append(svg.text((left + right) / 2, FOOT + 24, "bits supplied, or in the file of a codec", anchor="middle"))
    for kind, (_, colour, width, dash) in reversed(LINES.items()):
        for curve in (c for c in case["curves"] if c["kind"] == kind):
            line = [(x(bits), y(distance)) for bits, distance in curve["points"] if bits > 0 and distance <= FARTHEST]
            parts.append(svg.path(line, stroke=colour, width=width, dash=dash))
    if (given := _from_prompt(case)) is not None and given["bits"] is not None and given["median"] <= FARTHEST:
        parts.append(svg.dot(x(given["bits"]), y(given["median"]), 3, fill=svg.BLUE))
    return parts


FROM_PROMPT = "Regeneration from the prompt"


def _from_prompt(case: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((row for row in case["ledger"] if row["rung"] == FROM_PROMPT), None)


def _said(case: Mapping[str, Any]) -> str:
    given = _from_prompt(case)
    if given is None or given["bits"] is None:
        return "nothing drawn from the prompt"
    return f"pictures drawn from the prompt, {given['bits']:.0f} bits, have a median LPIPS of {given['median']:.2f}"


def _labelled(argument: str) -> tuple[str, Path]:
    label, equals, folder = argument.rpartition("=")
    return (label, Path(folder)) if equals else (Path(argument).name, Path(argument))


def main() -> None:
    """Print both tables; write the numbers and the figure where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+", type=_labelled, metavar="[LABEL=]CASE")
    parser.add_argument("--out", type=Path, help="the numbers, as JSON")
    parser.add_argument("--figure", type=Path, help="the curves side by side, as SVG")
    args = parser.parse_args()
    try:
        found = study([(label, case_folder.load(folder)) for label, folder in args.cases])
    except ValueError as exc:
        parser.error(str(exc))
    writers: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (args.out, lambda: json.dumps(found, separators=(",", ":")) + "\n"),
        (args.figure, lambda: figure(found)),
    )
    for path, write in writers:
        if path is not None:
            path.write_text(write(), encoding="utf-8")
    print(table(found), curves(found), sep="\n\n")


if __name__ == "__main__":
    main()
