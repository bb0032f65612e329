"""From measurements of a pair to one of seven words, by fixed bounds; nothing about style or subject can raise it.

The bounds were set on a handful of works of the calibration half; their error rates have not been measured yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Outcome
from forensics.similarity.correspondence import Pairing, Part

VERSION = "outcome/1"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The thresholds, part of the protocol."""

    level: int = 32
    """Smallest level of detail, in pixels, that counts as agreement in detail."""
    whole: float = 0.75
    """Share of both pictures' contents that has to correspond before the word is "reproduces"."""
    cells: int = 6
    """Agreeing cells, at least, without which agreement could be that of one simple shape."""
    places: int = 12
    """Keypoints in one geometric relation that, with agreeing cells, show a part although the whole overlap differs."""
    arrangement: float = 0.55
    """Mean correlation in the bands of 16, 24 and 32 pixels at or above which the arrangement is the same."""
    arrangement_share: float = 0.40
    """Share of both contents that has to lie in the overlap for that."""
    quality: int = 20
    """PDQ quality below which a picture is too plain to compare."""
    structure: int = 12
    """Keypoints below which it is too plain, if its quality is low as well."""


BOUNDS = Bounds()


def plain(pairing: Pairing, bounds: Bounds = BOUNDS) -> bool:
    """Whether either picture shows too little to be compared."""
    rows = zip(pairing.quality, pairing.structure, strict=True)
    return any(quality < bounds.quality and places < bounds.structure for quality, places in rows)


def in_detail(part: Part, bounds: Bounds = BOUNDS) -> bool:
    """Whether a part agrees in detail: over its whole overlap, or in many cells tied together by keypoints."""
    if part.cells.agreeing < bounds.cells:
        return False
    return part.detail.level >= bounds.level or part.inliers >= bounds.places


def decide(pairing: Pairing, *, subject: bool = False, style: bool = False, bounds: Bounds = BOUNDS) -> Outcome:
    """The word for a pair.

    Args:
        subject: whether an embedding places the two nearer than unrelated works; names what is left, never more.
        style: whether the style measure does so; likewise.
    """
    if plain(pairing, bounds):
        return Outcome.INSUFFICIENT
    detailed = [p for p in pairing.parts if in_detail(p, bounds)]
    if detailed:
        whole = min(sum(p.share_a for p in detailed), sum(p.share_b for p in detailed))
        return Outcome.REPRODUCES if whole >= bounds.whole else Outcome.PARTLY
    if pairing.parts and same_arrangement(pairing.parts[0], bounds):
        return Outcome.ARRANGEMENT
    if subject:
        return Outcome.SUBJECT
    return Outcome.STYLE if style else Outcome.NONE


def same_arrangement(part: Part, bounds: Bounds = BOUNDS) -> bool:
    """Whether the coarse layout agrees although the detail does not."""
    share = min(part.over.area_a, part.over.area_b)
    return part.detail.mean(16, 24, 32) >= bounds.arrangement and share >= bounds.arrangement_share
