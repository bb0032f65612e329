"""Small real pictures for the report's tests, drawn with Pillow: same arguments, same bytes."""

from __future__ import annotations

import io
import math
import random

from PIL import Image, ImageDraw, ImageFilter


def scene(seed: int, width: int = 256, height: int = 192, *, grain: int = 0, soften: float = 0.0) -> Image.Image:
    """A landscape with hills, a disc and a bird; `seed` fixes the composition, `grain` and `soften` degrade it."""
    rng = random.Random(seed)
    sky, low = (rng.randrange(120, 200), rng.randrange(150, 210), 225), (250, rng.randrange(215, 240), 205)
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        t = y / height
        draw.line([(0, y), (width, y)], fill=tuple(round(a + (b - a) * t) for a, b in zip(sky, low, strict=True)))
    cx, cy, r = rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.4) * height, rng.uniform(0.06, 0.12) * width
    draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=(246, 196, 86))
    for layer in range(4):
        base = height * (0.48 + 0.13 * layer)
        phase, waves, rise = rng.uniform(0, 6.3), rng.uniform(1.2, 3.4), height * rng.uniform(0.04, 0.11)
        ridge = [
            (x, base + rise * math.sin(phase + waves * 6.283 * x / width) + rise / 3 * math.sin(7 * phase + x / 9))
            for x in range(width + 1)
        ]
        shade = 0.95 - 0.2 * layer
        colour = (round(86 * shade), round(128 * shade), round(112 * shade))
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    bx, by, s = rng.uniform(0.2, 0.8) * width, rng.uniform(0.18, 0.42) * height, width * 0.09
    draw.line(
        [(bx - s, by - s / 3), (bx - s / 3, by - s / 2), (bx, by), (bx + s / 3, by - s / 2), (bx + s, by - s / 3)],
        fill=(38, 44, 58),
        width=max(2, width // 90),
        joint="curve",
    )
    if soften:
        picture = picture.filter(ImageFilter.GaussianBlur(soften))
    if grain:
        noise = Image.frombytes("L", (width, height), random.Random(seed + 7).randbytes(width * height))
        picture = Image.blend(picture, Image.merge("RGB", (noise, noise, noise)), grain / 100)
    return picture


def png(picture: Image.Image) -> bytes:
    """PNG bytes of a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
