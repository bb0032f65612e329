"""How numbers, digests and moments are written in the report: the only place that rounds and adds units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from forensics.case import (
    Absent,
    Better,
    Comparison,
    Grade,
    LikelihoodRatio,
    Metric,
    Pair,
)

NARROW = "\u202f"
"""Narrow no-break space, between groups of three digits and before units."""

FOOT = (
    "This document reports measurements. Whether works are substantially similar, or a right is infringed, is for the "
    "court."
)
"""What stands at the foot of every page of a document that is no report of a case."""

PAIRS: dict[Pair, tuple[str, str, str]] = {
    Pair.DERIVATION: (
        "Derivation",
        "the disputed image derives from the work compared",
        "the disputed image was made independently of it, with the same subject and in the same manner",
    ),
    Pair.RETENTION: (
        "Retention",
        "the checkpoint reconstructs the work because it learned that work or a near-duplicate of it",
        "the checkpoint reconstructs the work as it does any comparable image it has not seen",
    ),
    Pair.ORIGIN: (
        "Origin",
        "the disputed image was made by this checkpoint or its family",
        "the disputed image was made in another way",
    ),
}
"""Name, first and second proposition of each pair. They are never merged."""

GRADES: dict[Grade, str] = {
    Grade.SAME_PIXELS: "The decoded pixels of both pictures are equal, byte for byte.",
    Grade.THROUGHOUT: "Laid over each other, the pictures agree in detail over at least the share of the content of "
    "both that the method states, or of that one which lies whole within the other, as on a page.",
    Grade.IN_PART: "A part of the one agrees in detail with a part of the other, over less than that share.",
    Grade.SUBJECT: "No part agrees in detail; the coarse arrangement, the subject or the manner is near.",
    Grade.NONE: "No part agrees in detail, and neither arrangement, subject nor manner is near. Single measures can "
    "still lie nearer than those of control works; they are given as they are.",
    Grade.INSUFFICIENT: "The pictures are too plain to compare, or what a grade needs is not at hand.",
}
"""What each graded word says, and no more, where the pictures were laid over each other."""
GRADES_UNALIGNED: dict[Grade, str] = GRADES | {
    Grade.THROUGHOUT: "The measures of place and detail lie within the bounds the protocol sets for near agreement.",
    Grade.IN_PART: "They lie outside these bounds, but nearer than the protocol's share of the control works reaches.",
    Grade.SUBJECT: "The measure of subject and manner is near; the measures of place and detail are not.",
    Grade.NONE: "No measure of place and detail is nearer than what control works show.",
}
"""The same where none was: the graded words then rest on measures of the pictures as they lie."""


def count(n: int) -> str:
    """12345 -> "12 345"."""
    return f"{n:,}".replace(",", NARROW)


def number(value: float, decimals: int = 3) -> str:
    """Fixed decimals, true minus sign, no negative zero."""
    text = f"{value:.{decimals}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")
    return text.replace("-", "−")


def measured(value: float, metric: Metric) -> str:
    """A measurement: three decimals on a unit range, fewer where the range is wider."""
    span = abs(metric.high - metric.low)
    return number(value, max(0, 3 - max(0, math.ceil(math.log10(span / 2)))) if span > 2 else 3)


def plain(value: float) -> str:
    """A bound or parameter as short as it is exact: "−1", "7.5"."""
    return f"{value:g}".replace("-", "−")


def direction(better: Better) -> str:
    """The words beside every number of a measure."""
    return f"{better.value} means more alike"


def pointing(comparison: Comparison) -> str:
    """The words beside the value of a statistic, whose extreme end need not be likeness."""
    return f"{comparison.better.value} means {comparison.toward}"


def as_extreme(better: Better) -> str:
    """How a control is counted against the disputed image."""
    return "as high or higher" if better is Better.HIGHER else "as low or lower"


def tally(comparison: Comparison) -> str:
    """k of n: printed beside every p."""
    return f"{comparison.k} of {comparison.n} controls scored {as_extreme(comparison.better)}"


def p_value(comparison: Comparison) -> str:
    """p with the digits n supports, and the fraction it is."""
    return f"{significant(comparison.p)} (that is, {comparison.k + 1}/{comparison.n + 1})"


def significant(value: float, digits: int = 2) -> str:
    """Two significant digits, never in scientific notation: 0.04, 0.28, 113 -> "110"."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return number(value, decimals) if decimals >= 0 else count(round(value, decimals).__trunc__())


def bits(value: float | Absent) -> str:
    """Supplied information."""
    if isinstance(value, Absent):
        return f"not evaluated: {value.reason}"
    return f"{count(round(value))} bits" if value >= 10 else f"{value:.1f} bits"


def file_size(size: int) -> str:
    """Bytes exactly, with a rounded figure where that helps the reader."""
    exact = f"{count(size)} bytes"
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f}{NARROW}{unit} ({exact})"
    return exact


def pixels(width: int, height: int) -> str:
    """Width before height."""
    return f"{width} × {height} px"


def groups(digest: str) -> str:
    """A digest in groups of eight, so that it can be read aloud and breaks only between groups."""
    return " ".join(digest[i : i + 8] for i in range(0, len(digest), 8))


def short(digest: str) -> str:
    """The first group, for captions; the full digest is in the table of items."""
    return f"{digest[:8]}…" if digest else "none recorded"


def moment(utc: str) -> str:
    """ISO 8601 -> "22 November 2026, 09:12:44 UTC"; anything else is printed as it stands."""
    try:
        t = datetime.fromisoformat(utc)
    except ValueError:
        return utc
    month = (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )[t.month - 1]
    return f"{t.day} {month} {t.year}, {t:%H:%M:%S} UTC"


def ratio(value: LikelihoodRatio | Absent, pair: Pair) -> str:
    """The likelihood ratio with its propositions, interval, bound and band, or why there is none."""
    if isinstance(value, Absent):
        return f"not evaluated: {lowered(tidy(value.reason))}"
    _, first, second = PAIRS[pair]
    if value.log10 < 0:
        first, second = second, first
    shown = f"about {significant(value.value)}"
    if value.bounded:
        shown = f"{significant(value.value)}, the bound that the validation data allow"
    else:
        low, high = (significant(10.0**v) for v in (value.low, value.high))
        shown += f" (95{NARROW}% interval {low} to {high})"
    sources = f"{value.n_first} and {value.n_second} works of known status"
    if value.n_first == value.n_second:
        sources = f"{value.n_first} works of known status for each proposition"
    if value.band == "no":
        return f"{shown}: no support either way; calibrated on {sources}"
    return (
        f"{shown}: {value.band} support for the proposition that {first}, rather than that {second}; calibrated on "
        f"{sources}"
    )


def counted(n: int, one: str, many: str) -> str:
    """A number with its noun: "1 work", "5 works"."""
    return f"{count(n)} {one if n == 1 else many}"


def times(n: int) -> str:
    """ "once", "twice", "256 times"."""
    return {1: "once", 2: "twice"}.get(n, f"{count(n)} times")


def percent(value: float) -> str:
    """0.631 -> "63 %"; for bounds of rates, which need no more digits."""
    return f"{100 * value:.0f}{NARROW}%"


def share(value: float) -> str:
    """A share of an area: "all", "99 %"."""
    if value >= 0.995:
        return "all"
    return f"{max(1, round(100 * value))}{NARROW}%" if value > 0 else "nothing"


_SINGULAR = "token|bit|vector|draw|seed|control|work|picture|pixel|output|cell|item|step"
_ONE = re.compile(rf"(?<![\d.,/\u202f−-])1 ({_SINGULAR})s\b")


def tidy(text: str) -> str:
    """A sentence of a stage as a person would write it: "1 token", "once a pass", no interval from 1 to 1."""
    text = _ONE.sub(r"1 \1", text).replace("on 1 times a pass", "on once a pass")
    text = re.sub(r"lies between ([\d.,\u202f]*\d) and \1(?!\d)", r"is \1", text)
    return re.sub(r" \((?:95 % interval )?([\d.,\u202f]+) to \1\)", "", text)


LEFT_OUT = "[address left out]"
"""Stands in place of an address."""
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def public(text: str) -> str:
    """Text of the material without private addresses for e-mail, which no reader needs; the case holds them."""
    return _ADDRESS.sub(LEFT_OUT, text)


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


def lowered(text: str) -> str:
    """The text as the continuation of a sentence: its first letter small, unless it begins with an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def sentence(text: str) -> str:
    """The text closed by a full stop, so that sentences from a case can stand in a paragraph."""
    return text if not text or text[-1] in ".?!…”" else f"{text}."


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence, and the rest of the text; a decimal point ends no sentence."""
    head, stop, rest = text.partition(". ")
    return (f"{head}.", rest) if stop else (text, "")


def cut(text: str, length: int) -> str:
    """For running headers and labels: the text in full stands on the cover or in the table of exhibits."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


CORRESPONDING = (Grade.SAME_PIXELS, Grade.THROUGHOUT, Grade.IN_PART)
