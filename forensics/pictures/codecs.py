"""Ordinary image codecs as a yardstick: what a picture costs without any generator, and how complex it is.

Each codec is given the picture at several sizes and qualities and is charged for the bytes of the file less its
container: the bytes that the same settings spend on a single white pixel, which every file of that kind carries
whatever it shows. That favours the codec.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, features

SCALES = (1.0, 0.5, 0.25)
"""A codec at few bits does better on a small picture enlarged again than on the full size: it is given that choice."""
_SMALLEST = 8
"""Shorter side in pixels below which a picture is not reduced further."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of Pillow with the qualities tried."""

    name: str
    format: str
    """Pillow's name."""
    qualities: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def at_hand(self) -> bool:
        """Whether this build of Pillow can write it."""
        return bool(features.check(self.format.lower())) if self.format in ("WEBP", "AVIF") else True


_QUALITIES = (1, 5, 15, 30, 50, 75)
CODECS = (
    Codec("JPEG", "JPEG", _QUALITIES, {"optimize": True, "subsampling": "4:2:0"}),
    Codec("WebP", "WEBP", _QUALITIES, {"method": 6}),
    Codec("AVIF", "AVIF", _QUALITIES, {"speed": 4, "max_threads": 1}),
)
COMPLEXITY = CODECS[1]
"""The codec by which the complexity of a picture is stated."""
COMPLEXITY_QUALITY = 75
COMPLEXITY_SENTENCE = f"bits per pixel of {COMPLEXITY.name} at quality {COMPLEXITY_QUALITY}, container removed"


@dataclass(frozen=True, slots=True)
class Coding:
    """A picture coded and decoded again."""

    codec: str
    quality: int
    scale: float
    bits: int
    """Of the file, without the container."""
    picture: Image.Image
    """As decoded, at the size of the original."""


def encode(picture: Image.Image, codec: Codec, quality: int) -> bytes:
    """The file of an RGB picture."""
    stream = io.BytesIO()
    picture.save(stream, codec.format, quality=quality, **codec.options)
    return stream.getvalue()


@functools.cache
def _container_bytes(name: str, quality: int) -> int:
    codec = next(c for c in CODECS if c.name == name)
    return len(encode(Image.new("RGB", (1, 1), "white"), codec, quality))


def container_bits(codec: Codec, quality: int) -> int:
    """Bits of the smallest file at these settings: one white pixel."""
    return 8 * _container_bytes(codec.name, quality)


def bits(data: bytes, codec: Codec, quality: int) -> int:
    """Bits of a file without its container; at least 1, since something was told."""
    return max(1, 8 * len(data) - container_bits(codec, quality))


def complexity(picture: Image.Image) -> float:
    """Bits per pixel of the yardstick codec: how much there is to a picture, whatever any model knows of it."""
    coded = bits(encode(picture, COMPLEXITY, COMPLEXITY_QUALITY), COMPLEXITY, COMPLEXITY_QUALITY)
    return coded / (picture.width * picture.height)


def codings(picture: Image.Image, codec: Codec, scales: Sequence[float] = SCALES) -> list[Coding]:
    """The picture at every size and quality, each decoded to the original size; no coding that another one beats."""
    found = []
    for scale in scales:
        small = _reduced(picture, scale)
        if small is None:
            continue
        for quality in codec.qualities:
            data = encode(small, codec, quality)
            decoded = Image.open(io.BytesIO(data)).convert("RGB")
            found.append(Coding(codec.name, quality, scale, bits(data, codec, quality), _enlarged(decoded, picture)))
    return found


def _reduced(picture: Image.Image, scale: float) -> Image.Image | None:
    if scale == 1:
        return picture
    size = (round(picture.width * scale), round(picture.height * scale))
    return None if min(size) < _SMALLEST else picture.resize(size, Image.Resampling.LANCZOS)


def _enlarged(small: Image.Image, like: Image.Image) -> Image.Image:
    return small if small.size == like.size else small.resize(like.size, Image.Resampling.BICUBIC)


def bits_at(points: Sequence[tuple[float, float]], distance: float) -> float | None:
    """Fewest bits at which a curve of (bits, distance) reaches a distance, by interpolation of log bits.

    The curve is first made monotone: a distance reached at some bits counts as reached at every larger number.

    Returns:
        None where the curve does not come that near.
    """
    best = math.inf
    before: tuple[float, float] | None = None
    for cost, reached in sorted(points):
        if reached >= best:
            continue
        best = reached
        if reached <= distance:
            if before is None or reached == before[1]:
                return cost
            part = (before[1] - distance) / (before[1] - reached)
            return math.exp(math.log(before[0]) + part * (math.log(cost) - math.log(before[0])))
        before = (max(cost, 1e-9), reached)
    return None
