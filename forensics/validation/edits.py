"""Changes to a picture with fixed parameters: what a work goes through on its way to being disputed.

Declared here, before any study, and the same for every work. None is drawn at random.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Edit = Callable[[Image.Image], Image.Image]


def jpeg(picture: Image.Image) -> Image.Image:
    """Saved as JPEG of quality 30 and read again."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=30)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def half(picture: Image.Image) -> Image.Image:
    """At half its width and height."""
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def double(picture: Image.Image) -> Image.Image:
    """At twice its width and height."""
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)


def crop(picture: Image.Image) -> Image.Image:
    """Its middle: 81 % of the area."""
    x, y = round(picture.width * 0.05), round(picture.height * 0.05)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def crop_half(picture: Image.Image) -> Image.Image:
    """Off the middle: half of the area."""
    width, height = round(picture.width * 0.7071), round(picture.height * 0.7071)
    x, y = (picture.width - width) // 3, (picture.height - height) // 2
    return picture.crop((x, y, x + width, y + height))


def mirror(picture: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(picture)


def rotate(picture: Image.Image) -> Image.Image:
    """Turned by 7 degrees on white."""
    return picture.rotate(7, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))


def recolour(picture: Image.Image) -> Image.Image:
    """Hues moved by a quarter of the circle, a fifth less colour, a tenth darker."""
    hue, saturation, value = picture.convert("HSV").split()
    moved = Image.merge("HSV", (hue.point(lambda h: (h + 64) % 256), saturation, value)).convert("RGB")
    return ImageEnhance.Brightness(ImageEnhance.Color(moved).enhance(0.8)).enhance(0.9)


ROBUSTNESS: dict[str, Edit] = {
    "JPEG, quality 30": jpeg,
    "half size": half,
    "double size": double,
    "middle 81 % of the area": crop,
    "mirrored": mirror,
    "recoloured": recolour,
}
"""What the ratio of retention and of origin is put through."""

SCALES = {"half size": 0.5, "double size": 2.0}
"""Changes of size among the edits -> factor of each side."""

DERIVED: dict[str, Edit] = {
    "JPEG, quality 30": jpeg,
    "half size": half,
    "double size": double,
    "middle 81 % of the area": crop,
    "half of the area": crop_half,
    "mirrored": mirror,
    "turned by 7 degrees": rotate,
    "recoloured": recolour,
}
"""Pictures that derive from a work: the first proposition of derivation, one edit a work in turn."""
