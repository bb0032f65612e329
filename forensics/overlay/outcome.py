"""From measurements of a pair to one of seven words, by fixed bounds; nothing about style or subject can raise it.

The bounds are those that `python -m tests.studies.comparison_study` finds on the calibration half of the works,
by the rules stated there; the words are tested on the other half, which shares no family of works with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Outcome
from forensics.overlay import thumbnail_level
from forensics.overlay.correspondence import Pairing, Part

VERSION = "outcome/3"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The thresholds, part of the protocol."""

    level: int = thumbnail_level.FIRST
    """Smallest level of detail, in pixels, that counts as agreement in detail."""
    whole: float = 0.80
    """Share of both pictures' contents that has to correspond before the word is "reproduces"."""
    cells: int = 16
    """Agreeing cells, at least, without which agreement could be that of one simple shape."""
    places: int = 30
    """Keypoints in one geometric relation that, with agreeing cells, show a part although the whole overlap differs."""
    arrangement: float = 0.45
    """Mean correlation in the bands of 16, 24 and 32 pixels at or above which the arrangement is the same."""
    arrangement_share: float = 0.60
    """Share of both contents that has to lie in the overlap for that."""
    layout: float = 0.70
    """Correlation of the strength of edges over cells at or above which the arrangement is the same as well."""
    layout_structure: int = 100
    """Keypoints that both pictures need for that: edges of one simple shape lie where those of its like lie. Set by
    judgement: drawn discs, rings, squares, triangles, crosses and stripes have at most 84."""
    quality: int = 20
    """PDQ quality below which a picture is too plain to compare. Set by judgement, not calibrated: the works are not
    plain."""
    structure: int = 12
    """Keypoints below which it is too plain, if its quality is low as well. Set by judgement likewise."""


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the word needs to know of one part."""

    level: int
    cells: int
    """Agreeing cells."""
    places: int
    """Keypoints in one geometric relation."""
    share_a: float
    """Share of the first picture's content that corresponds."""
    share_b: float
    covered: float
    """Share of the content that lies in the overlap, of that picture which has less in it."""
    coarse: float
    """Mean correlation in the bands of 16, 24 and 32 pixels."""


def seen(part: Part) -> Seen:
    """The part as the word sees it."""
    return Seen(
        part.detail.level,
        part.cells.agreeing,
        part.inliers,
        part.share_a,
        part.share_b,
        min(part.over.area_a, part.over.area_b),
        part.detail.mean(16, 24, 32),
    )


def plain(quality: tuple[int, int], structure: tuple[int, int], bounds: Bounds = BOUNDS) -> bool:
    """Whether either picture shows too little to be compared.

    Args:
        quality: PDQ quality of the two.
        structure: keypoints of the two.
    """
    rows = zip(quality, structure, strict=True)
    return any(q < bounds.quality and places < bounds.structure for q, places in rows)


def in_detail(part: Part, bounds: Bounds = BOUNDS) -> bool:
    """Whether a part agrees in detail: over its whole overlap, or in many cells tied together by keypoints."""
    return detailed(seen(part), bounds)


def detailed(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """`in_detail`, of what was seen."""
    if part.cells < bounds.cells:
        return False
    return part.level >= bounds.level or part.places >= bounds.places


def decide(pairing: Pairing, *, subject: bool = False, style: bool = False, bounds: Bounds = BOUNDS) -> Outcome:
    """The word for a pair.

    Args:
        subject: whether an embedding places the two nearer than unrelated works; names what is left, never more.
        style: whether the style measure does so; likewise.
    """
    if plain(pairing.quality, pairing.structure, bounds):
        return Outcome.INSUFFICIENT
    return word(
        [seen(p) for p in pairing.parts],
        subject=subject,
        style=style,
        bounds=bounds,
        arranged=arranged(pairing.layout.value, pairing.structure, bounds),
    )


def word(
    parts: Sequence[Seen],
    *,
    arranged: bool = False,
    subject: bool = False,
    style: bool = False,
    bounds: Bounds = BOUNDS,
) -> Outcome:
    """The word for two pictures that are not too plain.

    Args:
        parts: best first.
        arranged: whether the layout of edges agrees; it can raise "no correspondence" only.
        subject: as in `decide`.
        style: as in `decide`.
    """
    found = [p for p in parts if detailed(p, bounds)]
    if found:
        whole = min(sum(p.share_a for p in found), sum(p.share_b for p in found))
        return Outcome.REPRODUCES if whole >= bounds.whole else Outcome.PARTLY
    if arranged or (parts and same_arrangement(parts[0], bounds)):
        return Outcome.ARRANGEMENT
    if subject:
        return Outcome.SUBJECT
    return Outcome.STYLE if style else Outcome.NONE


def same_arrangement(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether the coarse tones of what is laid over each other agree although the detail does not."""
    return part.coarse >= bounds.arrangement and part.covered >= bounds.arrangement_share


def arranged(layout: float, structure: tuple[int, int], bounds: Bounds = BOUNDS) -> bool:
    """Whether edges lie in the same places of both pictures, and both have more of them than a simple shape.

    Args:
        layout: correlation over cells, `layout.Layout.value`.
        structure: keypoints of the two.
    """
    return layout >= bounds.layout and min(structure) >= bounds.layout_structure
