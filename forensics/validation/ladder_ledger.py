"""Ledgers side by side: `python -m forensics.validation.ladder_ledger CASE...` prints those of case folders.

What was supplied, what came back, and what an ordinary codec needs for the same nearness: the objection that a
checkpoint is only a codec, answered case by case.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from forensics import casefile
from forensics.case import Absent, Case, CurveKind, LedgerRow, RateCurve
from forensics.codecs import bits_at


def table(cases: Sequence[tuple[str, Case]]) -> str:
    """One row a rung of each case, in Markdown."""
    heads = ("case", "rung", "bits supplied", "codec at the same LPIPS", "median LPIPS", "controls: median, least",
             "come back", "controls come back", "p")  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, case in cases:
        for row in case.ledger:
            lines.append("| " + " | ".join((name, *_cells(row))) + " |")
    return "\n".join(lines)


def _cells(row: LedgerRow) -> tuple[str, ...]:
    return (
        row.rung,
        "not counted" if isinstance(row.bits, Absent) else f"{row.bits:,.0f}",
        "not reached" if isinstance(row.codec_bits, Absent) else f"{row.codec_bits:,.0f}",
        f"{row.median:.3f}",
        f"{row.control_median:.3f}, {row.control_extreme:.3f}",
        "yes" if row.reached else "no",
        f"{row.controls_reached} of {row.n}",
        f"{row.p:.3f}",
    )


def curves(cases: Sequence[tuple[str, Case]], distances: Sequence[float]) -> str:
    """Bits at stated LPIPS by curve, in Markdown."""
    heads = ("case", "curve", *(f"LPIPS {d:g}" for d in distances))
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, case in cases:
        for curve in case.curves:
            lines.append("| " + " | ".join((name, curve.name, *(_at(curve, d) for d in distances))) + " |")
    return "\n".join(lines)


def _at(curve: RateCurve, distance: float) -> str:
    found = bits_at([(point.bits, point.distance) for point in curve.points], distance)
    if found is None:
        return "not reached"
    first = curve.points[0]
    least = curve.kind is not CurveKind.CODEC and found <= first.bits
    return f"at most {found:,.0f}" if least else f"{found:,.0f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+", type=Path, metavar="CASE")
    parser.add_argument("--lpips", type=float, nargs="+", default=[0.3, 0.2])
    args = parser.parse_args()
    loaded = [(folder.name, casefile.load(folder)) for folder in args.cases]
    print(table(loaded), curves(loaded, args.lpips), sep="\n\n")


if __name__ == "__main__":
    main()
