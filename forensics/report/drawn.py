"""Pictures that the report draws itself from exhibits: where two pictures differ once one is laid over the other.

They are no exhibits. Each is a pure function of two stored pictures and of the matrix that the case holds, so anyone
can draw it again; the legend says so.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from forensics.case import Case, Correspondence, Outcome

GAIN = 4
"""Factor by which differences are darkened, so that small ones can be seen in print."""
OUTSIDE = 226
"""Grey of what the work does not cover."""
LARGEST = 1200
"""Long side in pixels up to which a drawing has every pixel of the disputed image: at the width at which it is printed
that is 250 to 500 dots to the inch."""
DETAILED = (Outcome.THROUGHOUT, Outcome.PARTLY)


def path(found: Correspondence) -> str:
    """Address of the drawing in the pages."""
    return f"drawn/{found.id}-difference.png"


def drawings(case: Case) -> tuple[Correspondence, ...]:
    """The correspondences whose difference is drawn: the first, where a part agrees in detail."""
    return tuple(c for c in case.correspondences[:1] if c.regions and c.outcome in DETAILED)


def pictures(case: Case, stored: Mapping[str, bytes]) -> dict[str, bytes]:
    """Address -> PNG of every drawing.

    Args:
        stored: path in the case folder -> bytes, of every exhibit.
    """
    made = {}
    for found in drawings(case):
        disputed = case.exhibit(found.laid or case.item(case.disputed).exhibit)
        made[path(found)] = difference(stored[disputed.path], stored[case.exhibit(found.work).path], found)
    return made


def difference(disputed: bytes, work: bytes, found: Correspondence) -> bytes:
    """PNG in the frame of the disputed image: white where the two agree, darker by the largest channel difference.

    It has the pixels of the disputed image, or half of them, a third and so on where that has more than `LARGEST`
    along its long side: every pixel is then compared as the mean of those that it stands for.
    """
    region = found.regions[0]
    with Image.open(io.BytesIO(disputed)) as first, Image.open(io.BytesIO(work)) as second:
        steps = _steps(region.matrix, first.size)
        ground, laid = _reduced(first, steps[0]), _reduced(second, steps[1])
    coefficients = inverse(region.matrix, steps)
    over = laid.transform(ground.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    inside = Image.new("L", laid.size, 255).transform(ground.size, Image.Transform.PERSPECTIVE, coefficients)
    if region.inverted:
        over = ImageChops.invert(over)
    red, green, blue = ImageChops.difference(ground, over).split()
    channels = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    shown = channels.point([255 - min(255, GAIN * value) for value in range(256)])
    shown.paste(OUTSIDE, mask=ImageChops.invert(inside.point(lambda value: 255 * (value > 0))))
    stream = io.BytesIO()
    # Level 6 takes three times as long for files that are a twentieth smaller, level 9 eight times as long as 6.
    shown.save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _steps(matrix: Sequence[float], size: tuple[int, int]) -> tuple[int, int]:
    """By how much both pictures are reduced; the work never to fewer pixels than it is shown with."""
    step = -(-max(size) // LARGEST)
    if step == 1:
        return 1, 1
    finer = 1 / math.sqrt(abs(float(np.linalg.det(cornered(matrix)[:2, :2]))))  # pixels of the work on one of the other
    return step, max(1, math.floor(step * finer + 1e-6))


def _reduced(picture: Image.Image, step: int) -> Image.Image:
    """As RGB, every `step` × `step` pixels as their mean."""
    colours = picture.convert("RGB")
    return colours if step == 1 else colours.reduce(step)


def cornered(matrix: Sequence[float]) -> NDArray[np.float64]:
    """(3, 3): the matrix of the case, which counts from the middle of the first pixel, counted from its corner."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    found: NDArray[np.float64] = half @ np.asarray(matrix, dtype=np.float64).reshape(3, 3) @ back
    return found


def inverse(matrix: Sequence[float], steps: tuple[int, int] = (1, 1)) -> tuple[float, ...]:
    """Eight numbers, from pixels of the disputed image to pixels of the work, as Pillow wants them.

    Args:
        matrix: of a region.
        steps: side of the squares that became one pixel of the disputed image, and of the work.
    """
    ours, theirs = (np.diag([1.0, 1.0, float(step)]) for step in steps)
    found = theirs @ np.linalg.inv(cornered(matrix)) @ np.linalg.inv(ours)
    return tuple(float(v) for v in (found / found[2, 2]).ravel()[:8])
