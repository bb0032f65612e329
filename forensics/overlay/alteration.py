"""How a picture was altered with respect to a work that it corresponds to, beyond being saved again or scaled.

Measurements of a model ask for the work as it was learned. A crop, a mirror image, a turn or another colour is no such
picture: the robustness tables of the validation records show what becomes of the numbers. Saving again and scaling are
left out because those tables show that they do little.
"""

from __future__ import annotations

import numpy as np

from forensics.overlay import outcome
from forensics.overlay.correspondence import Pairing, Part
from forensics.overlay.overlay import project
from forensics.overlay.plates import Matrix
from forensics.verbal import TONES_UNCHANGED

VERSION = "alteration/2"
MOSTLY = 0.80
"""Share of what one of the two shows that has to agree, so that the one is a copy of the other or of a part of it."""
MOVED = 0.02
"""Distance from the corner of the work to that of the disputed image, as a share of its side, up to which the two cover
the same ground. Set by judgement: below it lies what scaling and rounding to pixels do."""


def altered(found: Pairing, disputed: tuple[int, int], work: tuple[int, int]) -> tuple[str, ...] | None:
    """What was done, in words; empty where nothing was; None where the one is no copy of the other.

    A copy is what agrees in detail over most of one of the two pictures: the whole work inside the disputed image, or
    a part of the work that fills it.

    Args:
        found: the disputed image first, the work second.
        disputed: its width and height in pixels.
        work: the same of the work.
    """
    parts = [p for p in found.parts if outcome.in_detail(p)]
    if not parts or max(sum(p.share_a for p in parts), sum(p.share_b for p in parts)) < MOSTLY:
        return None
    words = list(_shape(parts[0], disputed, work))
    tones = found.tones.words if found.tones else ()
    words += [w for w in tones if w != TONES_UNCHANGED]
    return tuple(words)


def _shape(part: Part, disputed: tuple[int, int], work: tuple[int, int]) -> tuple[str, ...]:
    words: tuple[str, ...] = ("mirrored",) if part.mirrored else ()
    placed = project(part.matrix, _corners(work)) / np.asarray(disputed, np.float64)
    # A mirrored work that fills the picture has its corners where they were, left and right exchanged.
    if part.mirrored:
        placed = placed[[1, 0, 3, 2]]
    if np.abs(placed - _corners((1, 1))).max() > MOVED:
        words += ("cropped, enlarged, turned or distorted",)
    return words


def _corners(size: tuple[int, int]) -> Matrix:
    width, height = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
