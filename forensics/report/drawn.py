"""Pictures that the report draws itself from exhibits: where two pictures differ once one is laid over the other.

They are no exhibits. Each is a pure function of two stored pictures and of the matrix that the case holds, so anyone
can draw it again; the legend says so.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from forensics.case import Case, Correspondence, Outcome

GAIN = 4
"""Factor by which differences are darkened, so that small ones can be seen in print."""
OUTSIDE = 226
"""Grey of what the work does not cover."""
DETAILED = (Outcome.REPRODUCES, Outcome.PARTLY)


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
    """PNG of the size of the disputed image: white where the two agree, darker by the largest channel difference."""
    with Image.open(io.BytesIO(disputed)) as first, Image.open(io.BytesIO(work)) as second:
        ground, laid = first.convert("RGB"), second.convert("RGB")
    region = found.regions[0]
    coefficients = inverse(region.matrix)
    over = laid.transform(ground.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    inside = Image.new("L", laid.size, 255).transform(ground.size, Image.Transform.PERSPECTIVE, coefficients)
    if region.inverted:
        over = ImageChops.invert(over)
    channels = np.asarray(ImageChops.difference(ground, over), dtype=np.int32).max(axis=2)
    shown: NDArray[np.uint8] = (255 - np.minimum(255, GAIN * channels)).astype(np.uint8)
    shown = np.where(np.asarray(inside) > 0, shown, np.uint8(OUTSIDE)).astype(np.uint8)
    stream = io.BytesIO()
    # Level 6 takes three times as long for files that are a twentieth smaller, level 9 eight times as long as 6.
    Image.fromarray(shown).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def cornered(matrix: Sequence[float]) -> NDArray[np.float64]:
    """(3, 3): the matrix of the case, which counts from the middle of the first pixel, counted from its corner."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    found: NDArray[np.float64] = half @ np.asarray(matrix, dtype=np.float64).reshape(3, 3) @ back
    return found


def inverse(matrix: Sequence[float]) -> tuple[float, ...]:
    """Eight numbers, from pixels of the disputed image to pixels of the work, as Pillow wants them."""
    found = np.linalg.inv(cornered(matrix))
    return tuple(float(v) for v in (found / found[2, 2]).ravel()[:8])
