"""A picture with everything that a comparison needs of it and that does not depend on the other one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from forensics.overlay import early, judge, pdq
from forensics.overlay.keypoints import Keypoints, detect
from forensics.overlay.learned import Learned
from forensics.overlay.overlay import inner
from forensics.overlay.plates import Array, Box, Bytes, Plate, plate, without

SMALL = 192
"""Long side in pixels of the copy on which proposals are weighed against each other."""
_COLOURS = 5
"""Bits a channel to which colours are counted."""
_PHOTOGRAPH = 700
"""Different colours, counted so at `SMALL` pixels, from which a picture may be a photograph. Set on pictures of known
kind (drawings of the samples, wallpapers, photographs of scikit-image): it asks for a sentence, never for a word."""


@dataclass(frozen=True)
class Prepared:
    """One picture made ready."""

    plate: Plate
    keypoints: Keypoints
    fingerprint: pdq.Fingerprint
    learned: Learned

    @cached_property
    def small(self) -> Plate:
        """The plate at `SMALL` pixels along its long side."""
        return reduced(self.plate, SMALL)

    @cached_property
    def shown(self) -> Array:
        """(h, w) of the small plate: 1 where the picture shows something that could agree, else 0; float32.

        Rims and margins, which comparisons do not look at, and what is left out are 0.
        """
        box = inner(self.small)
        found = np.zeros(self.small.size, np.float32)
        part = np.s_[box.top : box.bottom, box.left : box.right]
        found[part] = judge.informative(self.small.rgb[part])
        if self.small.ignored is not None:
            found[self.small.ignored] = 0
        return found

    @cached_property
    def structure(self) -> float:
        """Area with more than plain ground and straight edges, in squares of a sixteenth of the content's long side."""
        box = inner(self.plate)
        return judge.structure(self.plate.rgb[box.top : box.bottom, box.left : box.right])

    @cached_property
    def photographic(self) -> bool:
        """Whether it has as many colours as photographs have."""
        colours = (self.small.rgb >> (8 - _COLOURS)).reshape(-1, 3).astype(np.int64)
        return len(np.unique(colours @ [1, 1 << _COLOURS, 1 << 2 * _COLOURS])) >= _PHOTOGRAPH


def prepare(pixels: Bytes, ignored: NDArray[np.bool_] | None = None) -> Prepared:
    """Everything needed of one (H, W, 3) 8-bit picture."""
    if ignored is None:
        found = early.basis(pixels)
        return Prepared(found.plate, found.keypoints, found.fingerprint, Learned(found.plate))
    full = plate(pixels)
    size = (full.size[1], full.size[0])
    left = without(full, cv2.resize(ignored.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    return Prepared(left, detect(left), pdq.fingerprint(pixels), Learned(left))


def without_part(work: Prepared, part: NDArray[np.bool_]) -> Prepared:
    """A prepared picture with a part, on its plate, left out of every comparison."""
    left = without(work.plate, part)
    return Prepared(left, detect(left), work.fingerprint, Learned(left))


def reduced(full: Plate, side: int) -> Plate:
    """A plate at another long side in pixels, its content and what is left out with it."""
    height, width = full.size
    scale = side / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    rgb = np.asarray(cv2.resize(full.rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = size[0] / width, size[1] / height
    box = Box(
        round(full.content.left * across),
        round(full.content.top * down),
        round(full.content.right * across),
        round(full.content.bottom * down),
    )
    ignored = full.ignored
    if ignored is not None:
        ignored = cv2.resize(ignored.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    luma = np.asarray(cv2.resize(full.luma, size, interpolation=cv2.INTER_AREA), np.float32)
    return replace(full, rgb=rgb, luma=luma, content=box, scale=full.scale * scale, ignored=ignored)
