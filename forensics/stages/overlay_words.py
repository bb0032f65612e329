"""The word of a comparison in sentences: how the pictures lie, how much of each agrees, where, and what stays open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from forensics.case import Fact, Outcome, Place, share, within
from forensics.overlay import judge, layout, outcome, thumbnail_level
from forensics.overlay.correspondence import Pairing, Part
from forensics.overlay.overlay import project
from forensics.overlay.plates import Bytes, Matrix
from forensics.pictures.tensors import resize, to_tensor
from forensics.similarity.base import Similarity
from forensics.similarity.lpips import Lpips
from forensics.similarity.ssim import ssim_map

PHOTOGRAPHS = (
    "Both pictures have the colours of photographs: what corresponds may be the same object or place, and whether it "
    "was taken again or copied is not decided by this comparison."
)
COPIED_DETAIL = 128
"""Level of detail from which, where all of both agrees, a second photograph is not spoken of. Set by judgement: views
of one place taken twice do not agree in pixels of so fine a thumbnail over all of their area."""
UNLIKE = 0.55
"""LPIPS of an overlap, colours compensated, from which it contradicts a word that speaks of a copy. Set by judgement,
between what edited copies and what unrelated pictures reach."""
LIKE, LIKE_SSIM = 0.10, 0.95
"""LPIPS at or below and SSIM at or above which, together, they contradict a word that denies one."""
_RIM = 0.2
"""Depth of the outer ring of an overlap, as a share of its sides, where a frame is looked for."""
_MOST, _LITTLE = 0.6, 0.35
_COPY = (Outcome.THROUGHOUT, Outcome.PARTLY)


def basis(word: Outcome, found: Pairing, parts: Sequence[Part], size: tuple[int, int]) -> str:
    """Why this word, with the numbers.

    Args:
        parts: those that are shown, best first; none where nothing can be laid over anything.
        size: width and height of the disputed image.
    """
    if word is Outcome.INSUFFICIENT:
        return "One of the two pictures shows too little structure to be compared."
    if not parts:
        return _nothing(word, found)
    said = [_laid(parts[0]), *(_apart(parts[0]) if word is Outcome.ARRANGEMENT else _agreeing(word, parts, size))]
    whole = word is Outcome.THROUGHOUT and all(p.detail.level >= COPIED_DETAIL for p in parts)
    if found.photographic and not whole:
        said.append(PHOTOGRAPHS)
    return " ".join(said)


def rests(word: Outcome, otherwise: Outcome, source: str, *, aligned: bool) -> str:
    """That a word rests on the further source of alignments, which the aligned distance knows nothing of.

    Args:
        otherwise: the word without it.
        aligned: whether that distance is measured as well.
    """
    said = f"The word was found only with alignments of {source}; without them it would be “{otherwise.said}”."
    if not aligned or word not in _COPY:
        return said
    return (
        f"{said} Aligned LPIPS is measured without {source}, for these two as for control works, so it can be large "
        "beside this word."
    )


def _nothing(word: Outcome, found: Pairing) -> str:
    none = "No geometric correspondence: no alignment brings detail of one picture over detail of the other."
    if word is not Outcome.ARRANGEMENT:
        return none
    return (
        f"{none} Laid over each other whole ({laid_whole(found.layout)}), both have their edges in the same "
        f"places of a grid of {layout.CELLS} cells along the long side: correlation {found.layout.value:.2f}."
    )


def _laid(part: Part) -> str:
    how = ["mirrored"] if part.mirrored else []
    how += ["tone-inverted"] if part.inverted else []
    return (
        f"The two are laid over each other ({', '.join([part.model, *how])}; residual {part.residual:.2f} pixels); "
        f"{share(part.judged.share)} of what could agree in the overlap does so as they lie."
    )


def _apart(part: Part) -> list[str]:
    seen = outcome.seen(part)
    said = [f"The coarse layout agrees; from {thumbnail_level.FIRST} pixels on the detail does not."]
    if outcome.related(seen) or part.moved.judged.share >= outcome.BOUNDS.moved:
        said = [f"{_displaced(part)} The parts lie in the same order, as in a picture that was drawn anew."]
    if outcome.related(seen):
        said.insert(0, f"Keypoints at {part.inliers} places lie in one relation.")
    return said


def _displaced(part: Part) -> str:
    moved = part.moved
    return (
        f"Once small smooth displacements are followed, {share(moved.judged.share)} of what could agree does; they are "
        f"{100 * moved.typical:.1f} % of the long side at the median and {100 * moved.largest:.1f} % at the ninth "
        "decile."
    )


def _agreeing(word: Outcome, parts: Sequence[Part], size: tuple[int, int]) -> list[str]:
    part = parts[0]
    ours, theirs = (share(min(1.0, sum(s))) for s in ([p.area_a for p in parts], [p.area_b for p in parts]))
    said = [*_within(word, parts), f"By area, {ours} of the disputed image and {theirs} of the work agree."]
    seen = outcome.seen(part)
    if outcome.by_places(seen):
        said.append(f"The same two pictures laid wrongly agree in at most {share(part.chance)}.")
    else:
        said.append(
            f"Place by place too little agrees; learned features lie in one plane over {part.spread} cells of "
            f"64 pixels, the pictures at 512. {_displaced(part)}"
        )
    if part.detail.level:
        steps = part.detail.steps
        finer = "does not agree" if part.detail.level < steps[-1] else "cannot be compared"
        said.append(
            f"What agrees does so as a thumbnail of {part.detail.level} pixels (interval {part.detail.low} to "
            f"{part.detail.high}); finer detail {finer}."
        )
    if word is Outcome.PARTLY:
        said += _where(part, size)
    return said


def _within(word: Outcome, parts: Sequence[Part]) -> list[str]:
    """Which of the two lies whole within the other, where one does; said of the word for that alone."""
    if word is not Outcome.THROUGHOUT:
        return []
    said = within(*(min(1.0, sum(s)) for s in ([p.area_a for p in parts], [p.area_b for p in parts])))
    return [f"{said[0].upper()}{said[1:]}."] if said else []


def _where(part: Part, size: tuple[int, int]) -> list[str]:
    """Where the largest part that differs lies, and whether what agrees is a frame."""
    said = []
    kind = _shape(part)
    if kind:
        said.append(kind)
    box = judge.largest_apart(part.judged)
    if box is not None and part.judged.gap > outcome.BOUNDS.gap:
        place = in_first(part, box, size)
        said.append(
            f"The largest part that differs lies between {100 * place.left:.0f} and {100 * place.right:.0f} % of the "
            f"width and {100 * place.top:.0f} and {100 * place.bottom:.0f} % of the height of the disputed image."
        )
    return said


def _shape(part: Part) -> str:
    judged = part.judged
    height, width = judged.mask.shape
    inside = np.zeros((height, width), bool)
    down, across = round(_RIM * height), round(_RIM * width)
    inside[down : height - down, across : width - across] = True
    ring, middle = (_share(judged, where) for where in (~inside, inside))
    if ring >= _MOST and middle <= _LITTLE:
        return f"What agrees is the frame ({share(ring)} of the outer ring); the inside differs."
    if middle >= _MOST and ring <= _LITTLE:
        return f"What agrees is the middle ({share(middle)} of it); what surrounds it differs."
    return ""


def _share(judged: judge.Judged, where: judge.Mask) -> float:
    could = int((judged.informative & where).sum())
    return float((judged.agreeing & where).sum() / could) if could else 0.0


def in_first(part: Part, box: tuple[float, float, float, float], size: tuple[int, int]) -> Place:
    """A box in shares of the overlap, as a place in the disputed image (width, height)."""
    height, width = part.over.mask.shape
    left, top, right, bottom = box
    corners = np.array([[x * width - 0.5, y * height - 0.5] for x in (left, right) for y in (top, bottom)])
    return place(project(np.asarray(np.linalg.inv(part.from_first), np.float64), corners), size)


def place(points: Matrix, size: tuple[int, int]) -> Place:
    """The rectangle around points (n, 2), in shares of the sides of a picture (width, height)."""
    low, high = points.min(0) + 0.5, points.max(0) + 0.5
    left, top, right, bottom = (
        float(np.clip(v, 0, 1)) for v in (low[0] / size[0], low[1] / size[1], high[0] / size[0], high[1] / size[1])
    )
    return Place(round(left, 4), round(top, 4), round(right, 4), round(bottom, 4))


def laid_whole(found: layout.Layout) -> str:
    """What the layout of edges was compared over."""
    what = {"frame": "frame on frame", "content": "content inside plain margins on content", "": "nothing"}[found.over]
    return f"{what}, mirrored" if found.mirrored else what


def arrangement(found: layout.Layout) -> Fact:
    """The layout of edges as a value."""
    return Fact(
        f"correlation of the strength of edges over cells ({layout.VERSION}; {laid_whole(found)})",
        f"{found.value:.2f}; the word is given from {outcome.BOUNDS.layout:.2f} on",
    )


def containment(parts: Sequence[Part]) -> str:
    """Which picture lies within which; empty where nothing was laid over anything."""
    if not parts:
        return ""
    a, b = (min(1.0, sum(s)) for s in ([p.area_a for p in parts], [p.area_b for p in parts]))
    if abs(a - b) < 0.1:
        return f"The corresponding area is about the same share of both pictures ({share(a)} and {share(b)})."
    if a > b:
        return f"A part of the work ({share(b)}) covers {share(a)} of the disputed image."
    return f"Of the work, {share(b)} lies within a part of the disputed image ({share(a)})."


def judged_facts(part: Part) -> list[Fact]:
    """What the judge measured of one part."""
    moved = part.moved
    return [
        Fact(f"share of what could agree that agrees ({judge.VERSION})", f"{part.judged.share:.3f}"),
        Fact("the same where the two are laid wrongly, at most", f"{part.chance:.3f}"),
        Fact("largest part that differs in one piece, of what could agree", f"{part.judged.gap:.3f}"),
        Fact("cells of 64 pixels with learned features in one plane, pictures at 512", f"{part.spread}"),
        Fact(
            "share that agrees once smooth displacements are followed; their median and ninth decile, of the long side",
            f"{moved.judged.share:.3f}; {100 * moved.typical:.1f} %, {100 * moved.largest:.1f} %",
        ),
    ]


def contradiction(word: Outcome, found: Pairing, instruments: Mapping[str, Similarity]) -> str:
    """A sentence where the perceptual measures of the overlap speak against the word; else empty."""
    lpips = instruments.get("lpips")
    if not found.parts or not isinstance(lpips, Lpips) or word is Outcome.INSUFFICIENT:
        return ""
    part = found.parts[0]
    distance, similarity = _compared(part, lpips)
    if word in _COPY and distance >= UNLIKE:
        return (
            f"The learned perceptual distance of the overlap, colours compensated, is {distance:.2f}, as between "
            "different pictures: the two have the same outline and other content."
        )
    most = min(part.over.area_a, part.over.area_b) >= outcome.BOUNDS.arrangement_share
    if word not in _COPY and most and distance <= LIKE and similarity >= LIKE_SSIM:
        return (
            f"SSIM {similarity:.2f} and LPIPS {distance:.2f} of the overlap, colours compensated, are those of one "
            "picture, which the word does not say: what both show repeats itself or is too little to tell."
        )
    return ""


def _compared(part: Part, lpips: Lpips) -> tuple[float, float]:
    """LPIPS at 256 pixels and SSIM of an overlap, the colours of one picture told as those of the other."""
    inside = torch.from_numpy(part.over.mask.copy())
    a, b = (to_tensor(Image.fromarray(p)) for p in (part.over.a, told(part)))
    x, y = (resize(torch.where(inside, t, torch.full_like(t, 0.5)), 256, 256) for t in (a, b))
    local, valid = ssim_map(a, b)[0], inside[5:-5, 5:-5]
    similarity = float(local[valid].mean()) if bool(valid.any()) else 0.0
    return float(lpips.full_size(x, y)[0]), similarity


def told(part: Part) -> Bytes:
    """The second canvas in the colours of the first, by the one map of the overlap; (h, w, 3)."""
    x, y = (np.asarray(p, np.float32) / np.float32(255) for p in (part.over.a, part.over.b))
    first, made, _, _ = part.judged.colours.planes(x, y)
    if made.shape[2] == 1:
        # Only tones were compared; the colours of the first stand beside them.
        made = x + made - first
    return np.asarray(np.clip(np.rint(made * 255), 0, 255), np.uint8)
