"""Disputed pictures of known truth, made from works: the adversarial cases and the thumbnails of the comparison study.

Everything is drawn from a seed, so that a case and a work name one picture.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from forensics.case import Outcome
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.similarity.lpips import Lpips

SIDE, LARGE = 256, 512
"""Pixels a side of the pictures made: the larger where the work is to be a part or a thumbnail of it."""
THUMBNAILS = (32, 48, 64, 96)
"""Sides in pixels to which works are reduced where the level of detail is known; the works have 128."""
REPAINTED = 60
"""Steps by which the manner of one work is brought to another."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AdversarialCase:
    """One case."""

    name: str
    required: Outcome
    how: str
    make: Callable[[Pixels, Pixels, random.Random], Pixels]
    """(the work, another work, draw) -> the disputed picture."""


def up(work: Pixels, side: int) -> Pixels:
    """The work at another size."""
    return np.asarray(Image.fromarray(work).resize((side, side), Image.Resampling.BICUBIC))


def reduced(work: Pixels, side: int, large: int = SIDE) -> Pixels:
    """A thumbnail of the work enlarged again: nothing finer than `side` pixels is left."""
    small = Image.fromarray(work).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small.resize((large, large), Image.Resampling.BICUBIC))


def foreign_detail(work: Pixels, other: Pixels, side: int) -> Pixels:
    """The work up to `side` pixels with the finer detail of another work: agreement has to end there."""
    coarse, detail = (reduced(p, side).astype(np.float32) for p in (work, other))
    return np.clip(np.rint(coarse + up(other, SIDE) - detail), 0, 255).astype(np.uint8)


def _mirror(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    return np.ascontiguousarray(up(work, SIDE)[:, ::-1])


def _turned_crop(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    share, angle = draw.uniform(0.2, 0.5), draw.choice((-1, 1)) * draw.uniform(5, 25)
    turned = Image.fromarray(up(work, LARGE)).rotate(angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    side = round(LARGE * share**0.5)
    left, top = ((LARGE - side) // 2 + draw.randint(-40, 40) for _ in range(2))
    return np.asarray(turned.crop((left, top, left + side, top + side)).resize((SIDE, SIDE)))


def _recoloured(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    hue, saturation, value = Image.fromarray(up(work, SIDE)).convert("HSV").split()
    step = draw.randint(40, 215)
    return np.asarray(Image.merge("HSV", (hue.point(lambda h: (h + step) % 256), saturation, value)).convert("RGB"))


def _inverted(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    return 255 - up(work, SIDE)


def _other(_: Pixels, other: Pixels, __: random.Random) -> Pixels:
    return up(other, SIDE)


def frame(work: Pixels, seed: int = 5) -> Pixels:
    """The work inside an ornamental frame that is the same for every work."""
    rng = np.random.default_rng(seed)
    page = np.full((320, 320, 3), (235, 220, 190), np.uint8)
    for _ in range(70):
        side = rng.integers(4)
        along, across = int(rng.integers(8, 312)), int(rng.integers(10, 40))
        at = [(along, across), (along, 319 - across), (across, along), (319 - across, along)][side]
        colour = tuple(int(v) for v in rng.integers(20, 220, 3))
        cv2.circle(page, at, int(rng.integers(4, 11)), colour, -1, cv2.LINE_AA)
    page[56:264, 56:264] = up(work, 208)
    return page


def _framed(_: Pixels, other: Pixels, __: random.Random) -> Pixels:
    return frame(other)


def _jpeg(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(up(work, SIDE)).save(buffer, "JPEG", quality=30)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _thumbnail(work: Pixels, _: Pixels, __: random.Random) -> Pixels:
    return reduced(work, 48, LARGE)


def _collage(work: Pixels, other: Pixels, draw: random.Random) -> Pixels:
    page = Image.fromarray(up(other, LARGE)).copy()
    side = draw.randint(128, 256)
    page.paste(Image.fromarray(up(work, side)), (draw.randint(0, LARGE - side), draw.randint(0, LARGE - side)))
    return np.asarray(page)


def _redrawn(work: Pixels, _: Pixels, draw: random.Random) -> Pixels:
    """Every place moved smoothly by about four per cent of the side and the tones flattened: layout without detail."""
    rng = np.random.default_rng(draw.randint(0, 2**31))
    x, y = (
        cv2.resize(rng.normal(0, 0.04 * SIDE, (8, 8)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    )
    down, along = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    moved = cv2.remap(up(work, SIDE), along + x, down + y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    steps = cv2.bilateralFilter(moved, 9, 60, 9).astype(np.int32) // 48 * 48 + 24
    return np.asarray(np.minimum(steps, 255), np.uint8)  # the lightest step lies above 255: white stays white


def repaint(lpips: Lpips, work: Pixels, other: Pixels) -> Pixels:
    """The other work in the manner of the first: its Gram statistics in AlexNet (Gatys, Ecker and Bethge 2016)."""
    with torch.enable_grad():
        wanted = [_gram(f) for f in lpips.trunk(to_tensor(Image.fromarray(up(work, 128))))]
        picture = to_tensor(Image.fromarray(up(other, 128))).requires_grad_()
        start = [f.detach() for f in lpips.trunk(picture)]
        adam = torch.optim.Adam([picture], lr=0.03)
        for _ in range(REPAINTED):
            maps = lpips.trunk(picture.clamp(0, 1))
            style = sum(((_gram(f) - g) ** 2).sum() / (g**2).sum() for f, g in zip(maps, wanted, strict=True))
            kept = ((maps[2] - start[2]) ** 2).sum() / (start[2] ** 2).sum()
            adam.zero_grad()
            (style + kept).backward()
            adam.step()
    return up(np.asarray(to_picture(picture.detach())), SIDE)


def _gram(features: Tensor) -> Tensor:
    flat = features.flatten(1)
    return flat @ flat.T / flat.shape[1]


FRAMED, REPAINT, SUBJECT = "shared template", "style-only imitation", "same subject"
CASES = (
    AdversarialCase("mirror", Outcome.THROUGHOUT, "mirrored", _mirror),
    AdversarialCase(
        "crop and rotation", Outcome.PARTLY, "20 to 50 % of the area, turned by 5 to 25 degrees", _turned_crop
    ),
    AdversarialCase("recolour", Outcome.THROUGHOUT, "hues turned by 56 to 303 degrees", _recoloured),
    AdversarialCase("tone inversion", Outcome.THROUGHOUT, "255 minus the value", _inverted),
    AdversarialCase(
        REPAINT,
        Outcome.STYLE,
        "another creator's work repainted until its Gram statistics in AlexNet are those of the work",
        _other,
    ),
    AdversarialCase(
        SUBJECT,
        Outcome.SUBJECT,
        "another creator's work in the same folder of the collection with a word of its title in common",
        _other,
    ),
    AdversarialCase(FRAMED, Outcome.NONE, "two works in one ornamental frame, four more of the index in it", _framed),
    AdversarialCase("JPEG 30", Outcome.THROUGHOUT, "JPEG of quality 30, metadata gone", _jpeg),
    AdversarialCase(
        "enlarged thumbnail", Outcome.THROUGHOUT, "48 pixels enlarged to 512; the level has to say so", _thumbnail
    ),
    AdversarialCase("collage", Outcome.PARTLY, "pasted at 6 to 25 % of the area of another work", _collage),
    AdversarialCase(
        "paraphrase",
        Outcome.ARRANGEMENT,
        "places moved smoothly by about 4 % of the side, tones flattened; "
        "drawn by a program, in place of a generator's image-to-image",
        _redrawn,
    ),
)
"""The ten adversarial cases; recolouring and inversion of tones are the two sides of one."""
