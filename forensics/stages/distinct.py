"""Control works compared with one another: n controls are n works, or p is not what it says.

Ninety-nine rows of a table can name one picture, or ninety-nine copies of it under ninety-nine names. A work that
shows what a work drawn before it shows is left out and counted. Four tests, from the surest to the weakest: the bytes
of the file; the decoded pixels; thumbnails of 32 pixels, turned and mirrored in the eight ways, in colour and in grey;
the copy descriptor, where one is at hand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from forensics.embedders.copies import CopyDescriptor
from forensics.pictures.tensors import resize, to_picture

THUMBNAIL = 32
SAME_THUMBNAIL = 0.06
"""Root mean square difference, of values in [0, 1], up to which two thumbnails show one picture."""
SAME_VIEW = 0.04
"""The same where one of the two is turned, mirrored or taken in grey. The rule, set first: two thirds of the smallest
distance between distinct works of the calibration half of the embedded controls (0.0625); the smallest of the other
half is 0.0516."""
SAME_DESCRIPTOR = 0.89
"""Inner product from which the embedded copy descriptor takes two works for copies of one picture: above every pair of
distinct embedded controls (greatest 0.868 in the calibration half of 320, 0.883 in the other; both were seen before the
bound was set). Copies saved as JPEG 40 reach 0.92 in the median, turned by 5 degrees 0.87, cropped by a tenth 0.90, at
half size 0.79: the thumbnails above find what this misses of those."""
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many works were left out because they show what another shows, by the test that told."""

    bytes: int = 0
    pixels: int = 0
    thumbnail: int = 0
    descriptor: int = 0

    @property
    def count(self) -> int:
        return self.bytes + self.pixels + self.thumbnail + self.descriptor

    @property
    def said(self) -> str:
        """A sentence for the report."""
        if not self.count:
            return "No work drawn shows what another one drawn before it shows."
        parts = (
            (self.bytes, "the same file"),
            (self.pixels, "the same pixels"),
            (self.thumbnail, "the same picture as a thumbnail, turned or mirrored as it may be"),
            (self.descriptor, "a copy by the copy descriptor"),
        )
        listed = ", ".join(f"{count} {what}" for count, what in parts if count)
        return (
            f"{self.count} drawn works were left out because they show what a work drawn before them shows: {listed}."
        )


@dataclass(slots=True)
class Distinct:
    """The works accepted so far, as the four tests see them."""

    descriptor: CopyDescriptor | None = None
    _files: set[str] = field(default_factory=set)
    _pixels: set[str] = field(default_factory=set)
    _colour: list[Tensor] = field(default_factory=list)
    _grey: list[Tensor] = field(default_factory=list)
    _vectors: list[Tensor] = field(default_factory=list)
    _found: dict[str, int] = field(default_factory=dict)

    def accept(self, sha256: str, pixels: Tensor) -> bool:
        """Whether a work shows something new; one that does is remembered, one that does not is counted.

        Args:
            sha256: of its file.
            pixels: (1, 3, H, W) in [0, 1].
        """
        decoded = hashlib.sha256(np.asarray(to_picture(pixels), np.uint8).tobytes()).hexdigest()
        decoded = f"{decoded}/{pixels.shape[-2]}x{pixels.shape[-1]}"
        small = resize(pixels, THUMBNAIL, THUMBNAIL)[0]
        grey = torch.einsum("c,chw->hw", small.new_tensor(_LUMA), small)[None]
        vector = self._vector(pixels)
        if sha256 in self._files:
            return self._repeat("bytes")
        if decoded in self._pixels:
            return self._repeat("pixels")
        if self._upright(small) or self._near(self._colour, small) or self._near(self._grey, grey):
            return self._repeat("thumbnail")
        if vector is not None and self._vectors and self._copied(vector[0]):
            return self._repeat("descriptor")
        self._files.add(sha256)
        self._pixels.add(decoded)
        self._colour.append(small)
        self._grey.append(grey)
        if vector is not None:
            self._vectors.append(vector)
        return True

    @property
    def repeats(self) -> Repeats:
        """What was left out so far."""
        return Repeats(**self._found)

    def _repeat(self, test: str) -> bool:
        self._found[test] = self._found.get(test, 0) + 1
        return False

    def _vector(self, pixels: Tensor) -> Tensor | None:
        return None if self.descriptor is None else self.descriptor.embed(pixels)

    def _upright(self, small: Tensor) -> bool:
        if not self._colour:
            return False
        distances = (torch.stack(self._colour) - small).square().mean((1, 2, 3)).sqrt()
        return float(distances.min()) <= SAME_THUMBNAIL

    def _copied(self, vector: Tensor) -> bool:
        return float((torch.cat(self._vectors) @ vector).max()) >= SAME_DESCRIPTOR

    @staticmethod
    def _near(kept: list[Tensor], small: Tensor) -> bool:
        if not kept:
            return False
        known = torch.stack(kept).flatten(1)
        views = torch.stack([v.flatten() for v in _views(small)])
        # (kept, views): mean of squares by the binomial formula, without a tensor of all differences.
        squares = known.square().sum(1)[:, None] + views.square().sum(1)[None] - 2 * known @ views.T
        return bool((squares / known.shape[1]).clamp(min=0).sqrt().min() <= SAME_VIEW)


def _views(small: Tensor) -> list[Tensor]:
    """A square picture (C, n, n) turned by quarter turns, as it is and mirrored: eight of them."""
    return [torch.rot90(base, turns, (1, 2)) for base in (small, small.flip(2)) for turns in range(4)]
