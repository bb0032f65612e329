"""From measurements of a pair to one of seven words, by fixed bounds; nothing about style or subject can raise it.

The bounds are those that `python -m tests.studies.overlay_study` finds on the calibration half of its pictures, by the
rules stated there; the words are tested on the other half, which shares no picture with it. What could agree is the
measure: shares are of what the two pictures show, and how large a share means something is told by the same two
pictures laid over each other wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensics.case import Outcome
from forensics.overlay import thumbnail_level
from forensics.overlay.correspondence import LEVEL_AGREES, Pairing, Part

VERSION = "outcome/5"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The thresholds, part of the protocol."""

    agreement: float = 0.17
    """Share of what could agree in the overlap that has to agree before anything corresponds."""
    beyond: float = 2.0
    """Times the share that the pair laid wrongly reaches, which it has to exceed as well."""
    extent: float = 0.10
    """Share of what one of the two pictures shows that has to agree, so that no sliver is a part."""
    evidence: float = 2.0
    """Agreeing area with more than straight edges, in squares of a sixteenth of the long side of the overlap."""
    level: int = thumbnail_level.FIRST
    """Smallest level of detail, in pixels, of what agrees: lines of different texts are stripes at a coarser one."""
    fine: int = 96
    """Level of detail from which agreement counts although the pair laid wrongly gives as much; 0 for never."""
    same: float = 0.70
    """Share that agrees by chance beyond which only that level, or corners, count: pages of text, stripes, weaves."""
    corners: float = 0.85
    """Share of the corners of the poorer picture that agree, from which it counts as well: stripes go on, what stands
    on them does not."""
    repeats: float = 0.50
    """Share that agrees by chance up to which learned features count: pages and patterns match themselves anywhere."""
    places: int = 16
    """Places of keypoints that have to agree with the alignment as well: a search over positions and sizes finds an
    overlap of little extent that agrees by chance, but its keypoints do not follow."""
    alone: float = 0.75
    """Share that agrees from which none are needed: pictures without corners have none."""
    whole: float = 0.90
    """Share of what one of the two shows that has to agree before the word is "corresponds throughout": of both where
    they cover the same ground, else of that one which lies whole within the other."""
    gap: float = 0.03
    """Largest part that differs in one piece, of what could agree, up to which it is."""
    spread: int = 12
    """Cells with learned features in one plane, of that picture with fewer, that show a part although its tones
    differ."""
    moved: float = 0.14
    """Share that agrees once small smooth displacements are followed, from which the arrangement is the same."""
    arrangement: float = 0.45
    """Mean correlation in the bands of 16, 24 and 32 pixels at or above which the arrangement is the same."""
    arrangement_share: float = 0.60
    """Share of both contents that has to lie in the overlap for that."""
    related: int = 24
    """Places of keypoints in one relation, over that share of both, from which the arrangement is the same whatever
    the tones: lines of text that were moved a little agree with one another anywhere, but their letters keep their
    order."""
    layout: float = 0.70
    """Correlation of the strength of edges over cells at or above which the arrangement is the same as well."""
    layout_structure: int = 100
    """Keypoints that both pictures need for that: edges of one simple shape lie where those of its like lie. Set by
    judgement: drawn discs, rings, squares, triangles, crosses and stripes have at most 84."""
    shown: float = 5.5
    """Area with more than plain ground and straight edges, in squares of a sixteenth of the long side, below which a
    picture is too plain to compare: one simple shape lies over another of its kind."""


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the word needs to know of one part."""

    agreement: float
    """Share of what could agree in the overlap that does."""
    chance: float
    """The same for the pair laid wrongly, at most."""
    evidence: float
    level: int
    """Pixels of the largest thumbnail up to which what agrees agrees; 0 where 32 pixels do not. Where nothing from 32
    pixels on holds anything to compare, 32: it is not asked for what neither picture has."""
    corners: float
    """Evidence as a share of all that the picture with less of it shows; near 1 in a copy."""
    places: int
    """Distinct places of keypoints that agree with the alignment, whoever proposed it."""
    share_a: float
    """Share of what the first picture shows that agrees."""
    share_b: float
    whole_a: float
    """Share of what the first picture shows, and the other's rim does not hide, that agrees."""
    whole_b: float
    gap: float
    """Largest part in one piece that could agree and does not, among what could."""
    spread: int
    moved: float
    """Share that agrees once displacements are followed."""
    covered: float
    """Share of the content that lies in the overlap, of that picture which has less in it."""
    coarse: float
    """Mean correlation in the bands of 16, 24 and 32 pixels."""


def seen(part: Part) -> Seen:
    """The part as the word sees it."""
    judged = part.judged
    level = part.detail.level or (thumbnail_level.FIRST if part.detail.exhausted(LEVEL_AGREES) else 0)
    return Seen(
        judged.share,
        part.chance,
        judged.evidence,
        level,
        part.corners,
        part.inliers,
        part.share_a,
        part.share_b,
        part.whole_a,
        part.whole_b,
        judged.gap,
        part.spread,
        part.moved.judged.share,
        min(part.over.area_a, part.over.area_b),
        part.coarse,
    )


def plain(shown: tuple[float, float], bounds: Bounds = BOUNDS) -> bool:
    """Whether either picture shows too little to be compared.

    Args:
        shown: area with more than plain ground and straight edges, of the two.
    """
    return min(shown) < bounds.shown


def in_detail(part: Part, bounds: Bounds = BOUNDS) -> bool:
    """Whether a part corresponds: place by place, or by learned features that lie in one plane over many cells."""
    return detailed(seen(part), bounds)


def detailed(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """`in_detail`, of what was seen."""
    return by_places(part, bounds) or by_features(part, bounds)


def by_features(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether learned features lie in one plane over many cells, and the pictures do not repeat themselves anyway."""
    return part.spread >= bounds.spread and part.chance <= bounds.repeats


def by_places(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether it corresponds place by place, beyond what the pair laid wrongly gives."""
    return (
        part.agreement >= max(bounds.agreement, _needed(part, bounds))
        and max(part.share_a, part.share_b) >= bounds.extent
        and part.evidence >= bounds.evidence
        and (part.places >= bounds.places or part.agreement >= bounds.alone)
        and part.level >= bounds.level
        and (part.chance <= bounds.same or part.level >= bounds.fine or part.corners >= bounds.corners)
    )


def _needed(part: Seen, bounds: Bounds) -> float:
    """The share that has to agree for the pair's own chance."""
    # What repeats itself coarsely does not do so in fine detail, nor in its corners.
    if 0 < bounds.fine <= part.level or part.corners >= bounds.corners:
        return part.chance
    # Where chance gives much, it is what differs that has to be as much rarer.
    return min(bounds.beyond * part.chance, 1 - (1 - part.chance) / bounds.beyond)


def decide(pairing: Pairing, *, subject: bool = False, style: bool = False, bounds: Bounds = BOUNDS) -> Outcome:
    """The word for a pair.

    Args:
        subject: whether an embedding places the two nearer than unrelated works; names what is left, never more.
        style: whether the style measure does so; likewise.
    """
    if plain(pairing.shown, bounds):
        return Outcome.INSUFFICIENT
    if pairing.throughout and any(in_detail(part, bounds) for part in pairing.parts):
        return Outcome.THROUGHOUT
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
        # A work that stands whole on a page is there whole, whatever else the page shows; exchanged, likewise.
        whole = max(sum(p.whole_a for p in found), sum(p.whole_b for p in found))
        closed = all(p.gap <= bounds.gap for p in found)
        return Outcome.THROUGHOUT if whole >= bounds.whole and closed else Outcome.PARTLY
    if arranged or (parts and same_arrangement(parts[0], bounds)):
        return Outcome.ARRANGEMENT
    if subject:
        return Outcome.SUBJECT
    return Outcome.STYLE if style else Outcome.NONE


def same_arrangement(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether most of both lies in the overlap and coarse tones agree, keypoints do, or detail once it is moved."""
    if part.covered < bounds.arrangement_share:
        return False
    return part.coarse >= bounds.arrangement or related(part, bounds) or displaced(part, bounds)


def related(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether many keypoints lie in one relation."""
    return part.places >= bounds.related


def displaced(part: Seen, bounds: Bounds = BOUNDS) -> bool:
    """Whether detail agrees once small smooth displacements are followed."""
    return part.moved >= max(bounds.moved, bounds.beyond * min(part.chance, 0.5)) and part.evidence > 0


def arranged(layout: float, structure: tuple[int, int], bounds: Bounds = BOUNDS) -> bool:
    """Whether edges lie in the same places of both pictures, and both have more of them than a simple shape.

    Args:
        layout: correlation over cells, `layout.Layout.value`.
        structure: keypoints of the two.
    """
    return layout >= bounds.layout and min(structure) >= bounds.layout_structure
