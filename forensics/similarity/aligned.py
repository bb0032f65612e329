"""Perceptual distance of two pictures laid over each other: the primary measurement of derivation.

LPIPS compares the same places of two frames, so that a mirrored, cropped or recoloured copy is as far from its original
as a stranger. Here the pictures are laid over each other first, and what corresponds is compared without its tones:

    distance = sum of s_i a_i + (1 - sum of s_i) u

over the parts that correspond in detail (a collage has several). a_i is the LPIPS of a part on its overlap, both
brought to one tone plane; s_i is the share of the picture that the part fills, of that picture which it fills further,
because a picture that lies within another derives from it as wholly as the other way round; u is LPIPS without
alignment. Where nothing corresponds, all that is left is u: the distance exists for every pair, for controls as for
the disputed image, and lies between the two values it is made of.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from forensics.case import Better, Metric
from forensics.overlay.correspondence import VERSION as PAIRING
from forensics.overlay.correspondence import Pairing, Part
from forensics.overlay.judge import VERSION as JUDGE
from forensics.overlay.outcome import Bounds, detailed, seen
from forensics.overlay.pair_cache import LightTable
from forensics.overlay.plates import Array
from forensics.similarity.inputs import SIZE_SENTENCE, check, singly
from forensics.similarity.lpips import MIN_FULL_SIDE, Lpips

DETAIL = Bounds(
    agreement=0.12,
    beyond=1.5,
    extent=0.08,
    evidence=1.0,
    level=0,
    fine=0,
    same=1.0,
    corners=9.0,
    places=12,
    alone=0.6,
    spread=16,
    repeats=0.5,
)
"""Which parts correspond in detail. Set here once, apart from the bounds of the words: a distance that moved whenever
the words are calibrated anew could not be compared with a validation record."""
SIDE = 256
"""Long side of the canvas on which a part is compared, in pixels."""
_CONTRAST = 0.2
"""Standard deviation to which both tone planes are brought, around the middle grey."""


class Aligned:
    """LPIPS of what corresponds, LPIPS of the frames for the rest."""

    needs: ClassVar[tuple[str, ...]] = ()
    facts: Metric = Metric(
        name="aligned",
        title="Learned perceptual distance (LPIPS) of the pictures laid over each other",
        version="aligned-lpips/2",
        better=Better.LOWER,
        low=0.0,
        high=2.0,
        answers="Do small patches of the two pictures look alike once one is laid over the other?",
        silent=(
            "Two pictures of one subject, composed alike, can lie near each other by it: the level of detail and the "
            "figures tell more. Changes of tone and colour are compensated first and do not count. It does not say how "
            "a likeness arose."
        ),
        protocol=(
            f"Alignment and parts by {PAIRING} and {JUDGE}; a part corresponds if {DETAIL.agreement} of what could "
            f"agree in its overlap does, and more than the pair laid wrongly gives, over {DETAIL.extent} of what one "
            f"of the two shows; or if learned features lie in one plane over {DETAIL.spread} cells. "
            f"Each part on a canvas of {SIDE} pixels along its long side, "
            f"both pictures as one tone plane of mean 0.5 and standard deviation {_CONTRAST} over the overlap, the "
            "rest in middle grey and its share divided out; alex-v0.1/1. Weighted by the share of the picture that the "
            "part fills, of that picture which it fills further; the share that is left with LPIPS of the frames, no "
            f"alignment ({SIZE_SENTENCE[0].lower()}{SIZE_SENTENCE[1:]})."
        ),
        reference=(
            "R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, The Unreasonable Effectiveness of Deep Features "
            "as a Perceptual Metric, CVPR 2018."
        ),
    )

    def __init__(self) -> None:
        """Load the network of LPIPS. Raises WeightsError."""
        self._lpips = Lpips()
        self.table = LightTable()
        """What was prepared and laid, for others that compare the same pictures."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64, 0 for equal pixels, lower is more alike. Raises ValueError on wrong shape or range."""
        check(a, b)
        values = [
            self.of(self.table.pair(*self.table.prepared(x, y)), float(self._lpips(x, y)[0]))
            for x, y in zip(singly(a), singly(b), strict=True)
        ]
        return torch.tensor(values, dtype=torch.float64)

    def of(self, found: Pairing, apart: float) -> float:
        """The distance of a pair that was laid over each other already.

        Args:
            apart: LPIPS of the two without alignment.
        """
        parts = [p for p in found.parts if corresponds(p)]
        shares = [max(p.share_a, p.share_b) for p in parts]
        whole = max(1.0, sum(shares))
        shares = [s / whole for s in shares]
        aligned = sum(s * self.part(p) for s, p in zip(shares, parts, strict=True))
        return aligned + (1 - sum(shares)) * apart

    def part(self, part: Part) -> float:
        """LPIPS of one part on its overlap, without its tones."""
        planes = [_toned(t, part) for t in (part.tone_a, part.tone_b)]
        x, y = (torch.from_numpy(np.stack([p, p, p]))[None] for p in planes)
        fill = float(cv2.resize(part.over.mask.astype(np.float32), planes[0].shape[::-1]).mean())
        return min(self.facts.high, float(self._lpips.full_size(x, y)[0]) / max(fill, 1e-3))


def corresponds(part: Part) -> bool:
    """Whether a part enters the distance as one that corresponds in detail."""
    return detailed(seen(part), DETAIL)


def _toned(plane: Array, part: Part) -> Array:
    """A tone plane at mean 0.5 and a fixed contrast over the overlap, middle grey elsewhere, at the size compared."""
    mask = part.over.mask
    inside = plane[mask].astype(np.float64)
    centred = (plane - inside.mean()) / max(float(inside.std()), 1e-6) * _CONTRAST + 0.5
    shown = np.where(mask, np.clip(centred, 0, 1), 0.5).astype(np.float32)
    scale = SIDE / max(shown.shape)
    size = (max(MIN_FULL_SIDE, round(shown.shape[1] * scale)), max(MIN_FULL_SIDE, round(shown.shape[0] * scale)))
    small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(np.clip(small, 0, 1), np.float32)
