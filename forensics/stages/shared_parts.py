"""What a work shares with several items of the index: templates, frames, stock backgrounds, which are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forensics import hands
from forensics.case import Absent, CommonElements, Outcome, Place
from forensics.overlay import outcome
from forensics.overlay.align import Further
from forensics.overlay.correspondence import Pairing, Prepared, held_by_several, pair, shared, without_part
from forensics.overlay.glued import raised
from forensics.overlay.overlay import inner
from forensics.overlay.pair_cache import LightTable
from forensics.similarity.aligned import corresponds
from forensics.stages.search import Companion

WHOLLY = 0.95
"""Share of the comparable cells that agree from which an item shows the work itself, not a part that both have. Set by
judgement: a compressed or resized rendering agrees everywhere."""
REMAINS = 12
"""Keypoints that have to remain: with fewer the work would be too plain to compare."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What was found of one work."""

    facts: CommonElements
    mask: NDArray[np.bool_] | None
    """(h, w) on the work's plate: what several items share; none where they share nothing."""
    rest: Prepared
    """The work without what is left out."""


def seek(
    work: Prepared,
    companions: Sequence[Companion] | Absent,
    further: Further | None = None,
    table: LightTable | None = None,
) -> Shared | Absent:
    """Compare a work with items of the index near it, by the same rules as the disputed image.

    An item that shows the work throughout is a rendering of it: were it counted, two copies of a work in an index
    would make the whole work a common element. Renderings that were each painted over at another place are not told
    from items of a template; the facts name the items.

    Args:
        further: the source of alignments with which the disputed image was compared as well, where there is one.
        table: has the items ready that were laid over something before: works that are alike have the same items near
            them, and those near the disputed image are among them.
    """
    table = table or LightTable()
    if isinstance(companions, Absent):
        return companions
    duplicates: list[str] = []
    parts: dict[str, NDArray[np.bool_]] = {}

    def looked(companion: Companion) -> tuple[bool, NDArray[np.bool_] | None]:
        """Whether an item shows the work throughout; else what the two share."""
        (other,) = table.prepared(companion.pixels)
        found = raised(pair(work, other), work, other, further)
        # An ornament covers little: what may be shared is looked for where the aligned distance sees anything.
        if not any(corresponds(p) or outcome.in_detail(p) for p in found.parts):
            return False, None
        if _shows(found):
            return True, None
        return False, shared(work, other, further if found.otherwise is not None else None)

    for companion, (whole, part) in zip(companions, hands.each(looked, companions), strict=True):
        if whole:
            duplicates.append(companion.training_id)
        elif part is not None:
            parts[companion.training_id] = part
    mask = held_by_several(work, list(parts.values()))
    rest = work if mask is None else without_part(work, mask)
    left_out = mask is not None and _structure(rest) >= REMAINS
    facts = CommonElements(
        examined=tuple(c.training_id for c in companions),
        shared_by=tuple(name for name, part in parts.items() if mask is not None and bool((part & mask).any())),
        duplicates=tuple(duplicates),
        work=None if mask is None else _around(mask),
        share=0.0 if mask is None else round(float(mask.mean()), 4),
        left_out=left_out,
    )
    return Shared(facts, mask, rest if left_out else work)


def _shows(found: Pairing) -> bool:
    """Whether an item, laid over the work as the second of the pair, shows the work throughout, on a page or alone.

    An ornament of the work that stands alone lies whole within it as well, but is no rendering of it.
    """
    if outcome.decide(found) is not Outcome.THROUGHOUT:
        return False
    return sum(p.whole_a for p in found.parts) >= outcome.BOUNDS.whole and found.parts[0].cells.share >= WHOLLY


def _structure(work: Prepared) -> int:
    """Keypoints within the part of the content that comparisons look at: its rim never counts."""
    box, points = inner(work.plate), work.keypoints.points
    inside = (points[:, 0] >= box.left) & (points[:, 0] < box.right)
    return int((inside & (points[:, 1] >= box.top) & (points[:, 1] < box.bottom)).sum())


def _around(mask: NDArray[np.bool_]) -> Place:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    edges = columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return Place(*(round(float(e), 4) for e in edges))
