"""What one picture laid over another shows: outcome, places, regions, elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from forensics.case.received import Absent, Fact


class Outcome(StrEnum):
    """What the comparison of two pictures came to. The words describe measurements; they decide nothing, and name no
    right."""

    THROUGHOUT = "corresponds throughout"
    """Aligned, the two agree in detail over most of both, or over all of that one which lies whole within the other."""
    PARTLY = "corresponds in part"
    """Aligned, a part of one agrees in detail with a part of the other."""
    ARRANGEMENT = "same arrangement only"
    """The coarse layout agrees; detail does not."""
    SUBJECT = "same subject only"
    """Nothing can be laid over anything; an embedding places the two near each other."""
    STYLE = "style only"
    NONE = "no correspondence"
    INSUFFICIENT = "insufficient"
    """One of the two shows too little to be compared."""

    @property
    def said(self) -> str:
        """The word that people read; it is its name in files too."""
        return self.value

    @classmethod
    def named(cls, word: str) -> Outcome:
        """The outcome of this name, or of the one that it had before. Raises ValueError for a word that is neither."""
        return cls(_TODAY.get(word, word))


_BEFORE = {Outcome.THROUGHOUT: "reproduces", Outcome.PARTLY: "partly reproduces"}
"""Outcome -> its name in files before version 3 of the case, where that was another: it named a right."""
_TODAY = {_BEFORE.get(outcome, outcome.value): outcome.value for outcome in Outcome}
_AS_BEFORE = {today: before for before, today in _TODAY.items()}


def outcomes_today(wire: Any) -> Any:
    """Plain JSON values written before version 3 of the case, with the names that outcomes have today.

    Raises:
        ValueError: an outcome has a name that it did not have then.
    """
    return _renamed(wire, _TODAY)


def outcomes_before(wire: Any) -> Any:
    """The other way: plain JSON values of today as they were written before version 3 of the case."""
    return _renamed(wire, _AS_BEFORE)


def _renamed(wire: Any, names: Mapping[str, str]) -> Any:
    """A copy, with every field `outcome` that holds a word under its other name."""
    if isinstance(wire, list):
        return [_renamed(one, names) for one in wire]
    if not isinstance(wire, dict):
        return wire
    made = {key: _renamed(value, names) for key, value in wire.items()}
    if isinstance(word := made.get("outcome"), str):
        if word not in names:
            raise ValueError(f"{word!r} is not one of {list(names)}")
        made["outcome"] = names[word]
    return made


def share(value: float) -> str:
    """A share of an area in words: "all", or whole per cent."""
    return "all" if value >= 0.995 else f"{value:.0%}"


MOST_OF_IT = 0.85
"""Share of its area from which a picture is all there; one of two below it then holds the other within it."""


def within(disputed: float, work: float) -> str:
    """Which of two pictures that correspond throughout lies whole within the other, as a clause; empty where neither.

    Args:
        disputed: share of the disputed image's area that corresponds.
        work: the same of the work.
    """
    if disputed < MOST_OF_IT <= work:
        return f"all of the work lies within the disputed image, being {share(disputed)} of it by area"
    if work < MOST_OF_IT <= disputed:
        return f"all of the disputed image lies within the work, being {share(work)} of it by area"
    return ""


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle in a picture, as shares of its width and height from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Region:
    """One part of the disputed image laid over one part of a work."""

    number: int
    model: str
    """`identity`, `similarity`, `affine` or `homography`: the simplest adequate one."""
    matrix: tuple[float, ...]
    """Nine numbers, row by row: pixels of the work -> pixels of the disputed image, both as received."""
    mirrored: bool
    inverted: bool
    places: int
    """Keypoints in this relation; 0 where frames, contents or a search proposed it."""
    residual_px: float
    """Median shift left after alignment, in pixels of the disputed image."""
    disputed: Place
    work: Place
    share_disputed: float
    """Share of the disputed image's content, plain margins aside, that agrees."""
    share_work: float
    level: int
    """Pixels of the largest thumbnail of the overlap up to which both agree; 0 where 32 pixels do not."""
    level_low: int
    level_high: int
    """Central 90 % of the level when sixteenths of the overlap are drawn anew."""


@dataclass(frozen=True, slots=True)
class Element:
    """One numbered part of the overlap, where it lies in both pictures and how far it agrees."""

    number: int
    disputed: Place
    work: Place
    correlation: float
    """Local correlation of the detail between 8 and 64 pixels of the overlap, in [-1, 1]."""
    state: str
    """`agrees`, `undecided` or `differs`."""


@dataclass(frozen=True, slots=True)
class CommonElements:
    """Parts of a work that several items of the index have as well, and that are therefore left out."""

    examined: tuple[str, ...]
    """Training ids of the items compared with the work for it."""
    shared_by: tuple[str, ...]
    """Those that have such parts; empty where fewer than two have."""
    duplicates: tuple[str, ...]
    """Items that reproduce the work itself: renderings of it, not evidence of a template, and not counted."""
    work: Place | None
    """Rectangle around the parts."""
    share: float
    """Of the work's area; 0 where there is no such part."""
    left_out: bool
    """False where no such part was found, or too little of the work would remain without it."""


NO_COMPANIONS = Absent(
    "common elements",
    "No training index was searched, so parts that several of its items share were not sought.",
    "Use `forensics analyze` with an index that ships its pictures.",
)
NOTHING_TO_EXCLUDE = Absent("common elements", "Nothing of this work corresponds, so there is nothing to leave out.")


@dataclass(frozen=True, slots=True)
class WordRate:
    """Which words pairs of works that have nothing in common received in the study of the words: its test half."""

    pairs_of: str
    """Of what the pairs were."""
    pairs: int
    throughout: int
    """Pairs said to correspond throughout."""
    at_most: float
    """Upper limit of the exact 95 % interval of that share."""
    in_part: int
    arrangement: int


@dataclass(frozen=True, slots=True)
class Correspondence:
    """The disputed image laid over one work: what corresponds, where, at what level of detail, what changed."""

    id: str
    work: str
    """Exhibit id."""
    outcome: Outcome
    basis: str
    """Why this word, with the numbers, from fixed sentences."""
    regions: tuple[Region, ...]
    containment: str
    """Which picture lies within which, as a sentence; empty where nothing was laid over anything."""
    tones: tuple[str, ...]
    """What happened to tones and colours, from the work to the disputed image."""
    ceilings: tuple[Fact | Absent, ...]
    """What bounds the level of detail: the work's own detail, the alignment, the checkpoint's autoencoder."""
    elements: tuple[Element, ...]
    """Cells that agree or are undecided, strongest first."""
    differences: tuple[Element, ...]
    """Cells that differ, weakest first."""
    values: tuple[Fact, ...]
    """Measurements on the overlap, named with protocol and version."""
    figures: tuple[str, ...]
    """Exhibit ids: numbered pair, overlay, checkerboard, map in three words; then, where some were found, the work
    with its common elements."""
    protocol: str
    common: CommonElements | Absent = NO_COMPANIONS
    """Parts that several items of the index share: left out of shares, levels and elements."""
    laid: str = ""
    """Exhibit that was laid over the work in place of the disputed image: the nearest control; else empty."""
    word_rates: str = ""
    """How often the outcome was wrong on pictures of known status, or that this is not known."""
    word_errors: tuple[WordRate, ...] = ()
    """The same for pairs that have nothing in common, by kind of pair; empty where it is not known."""
