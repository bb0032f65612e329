"""The numbers of a case as CSV (RFC 4180, UTF-8), for those who check them in a spreadsheet.

Free text from the material (captions, metadata, file names) is left to case.json: a spreadsheet may take a text that
begins with "=" for a formula. Numbers are unrounded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from forensics.case import Case, Measurement, Place

CONTROL_WORKS = "control-works.csv"
"""The table of the control works used, which the pages name."""
ELEMENTS = "elements.csv"
"""The table of the numbered elements of every overlay, which the pages name."""


def tables(case: Case) -> dict[str, bytes]:
    """File name -> CSV, for every table; one without rows has its header."""
    return {
        "exhibits.csv": as_csv(
            ("id", "sha256", "pixel_sha256", "path", "media_type", "width", "height", "made_by", "seed"),
            (
                (e.id, e.sha256, e.pixel_sha256, e.path, e.media_type, e.width, e.height, e.made_by, e.seed)
                for e in case.exhibits
            ),
        ),
        "measurements.csv": as_csv(
            ("id", "metric", "a", "b", "value", "not_measured_because"),
            (
                (m.id, m.metric, m.a, m.b, m.value, "")
                if isinstance(m, Measurement)
                else (m.id, m.metric, m.a, m.b, None, m.reason)
                for m in case.measurements
            ),
        ),
        "comparisons.csv": as_csv(
            ("id", "primary_for", "better", "value", "k", "n", "p", "p_holm", "interval_low", "interval_high"),
            (
                (
                    c.id,
                    c.primary_for.value if c.primary_for else "",
                    c.better.value,
                    c.value,
                    c.k,
                    c.n,
                    c.p,
                    c.p_holm,
                    *c.k_interval,
                )
                for c in case.comparisons
            ),
        ),
        "controls.csv": as_csv(
            ("comparison", "control_sha256", "position", "value"),
            (
                (c.id, _digest(case, s.control), i, s.value)
                for c in case.comparisons
                for i, s in enumerate(c.controls, start=1)
            ),
        ),
        CONTROL_WORKS: as_csv(
            ("file", "bytes", "sha256"),
            ((w.path, w.size_bytes, w.sha256) for w in getattr(case.controls, "works", ())),
        ),
        ELEMENTS: as_csv(
            ("overlay", "work", "element", "state", "correlation", *(f"{of}_{side}" for of in _OF for side in _SIDES)),
            (
                (c.id, c.work, e.number, e.state, e.correlation, *_place(e.disputed), *_place(e.work))
                for c in case.correspondences
                for e in (*c.elements, *c.differences)
            ),
        ),
    }


_OF, _SIDES = ("disputed", "work"), ("left", "top", "right", "bottom")


def _place(place: Place) -> tuple[float, ...]:
    return (place.left, place.top, place.right, place.bottom)


def _digest(case: Case, control: str) -> str:
    works = getattr(case.controls, "works", ())
    return next((w.sha256 for w in works if w.path == control), "")


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table with its header, RFC 4180 in UTF-8; None is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return stream.getvalue().encode()


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """Text that others wrote, as a cell: what a spreadsheet would take for a formula stands behind an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text
