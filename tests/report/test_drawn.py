"""The drawing of differences: every pixel of small pictures, means of squares of large ones, in the same frame."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from forensics.case import Correspondence
from forensics.report import drawn
from tests.report.cases import CASES


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Correspondence:
    """A correspondence with a region."""
    case = CASES["full"](tmp_path_factory.mktemp("full"))
    return next(c for c in case.correspondences if c.regions)


def _laid(found: Correspondence, matrix: np.ndarray) -> Correspondence:
    region = dataclasses.replace(
        found.regions[0], matrix=tuple(float(v) for v in matrix.ravel()), inverted=False, mirrored=False
    )
    return dataclasses.replace(found, regions=(region,))


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def _work(side: int) -> np.ndarray:
    """Smooth, so that resampling leaves next to nothing."""
    y, x = np.mgrid[0:side, 0:side] / side
    return np.stack([200 * x, 200 * y, 100 + 50 * np.sin(9 * x) * np.cos(7 * y)], -1).round().astype(np.uint8)


def _scaled(scale: float) -> np.ndarray:
    """Work -> disputed image, both counted from the middle of their first pixel."""
    return np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5], [0, 0, 1]])


@pytest.mark.parametrize(("side", "shown"), [(300, 300), (1200, 1200), (1201, 601), (2000, 1000), (2500, 834)])
def test_size_and_place_of_what_differs(found: Correspondence, side: int, shown: int) -> None:
    work = _work(side)
    disputed = work.copy()
    place = slice(side // 4, side // 2)
    disputed[place, place, 0] = 255 - disputed[place, place, 0]
    pixels = _pixels(drawn.difference(_png(disputed), _png(work), _laid(found, np.eye(3))))
    assert pixels.shape == (shown, shown)
    inside = pixels[shown // 4 + 2 : shown // 2 - 2, shown // 4 + 2 : shown // 2 - 2]
    assert inside.mean() < 120
    outside = pixels.copy()
    outside[shown // 4 - 2 : shown // 2 + 3, shown // 4 - 2 : shown // 2 + 3] = 255
    assert outside.min() > 240


@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_a_work_of_another_size_agrees(found: Correspondence, scale: float) -> None:
    """A small work is not made smaller, a larger one is brought to the pixels that are shown."""
    side = 1600
    disputed, work = _work(side), _work(round(side / scale))
    pixels = _pixels(drawn.difference(_png(disputed), _png(work), _laid(found, _scaled(scale))))
    assert pixels.shape == (800, 800)
    assert np.percentile(pixels, 1) > 235
    assert pixels.min() > 200


def test_what_the_work_does_not_cover_is_grey(found: Correspondence) -> None:
    side = 1600
    work, moved = _work(side), np.array([[1.0, 0, 400], [0, 1, 0], [0, 0, 1]])
    pixels = _pixels(drawn.difference(_png(work), _png(work), _laid(found, moved)))
    assert (pixels[:, :199] == drawn.OUTSIDE).all()
    assert not (pixels[:, 201:] == drawn.OUTSIDE).all(axis=0).any()
