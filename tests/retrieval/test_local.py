"""Local features of candidates, and the score that orders them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from forensics import resources
from forensics.errors import SettingsError
from forensics.retrieval.local import FEATURES, GRID, LEAST, NOTHING, Bench, Sift
from forensics.retrieval.order import Parts, Weights, fused

WORKS = sorted((resources.samples() / "reference" / "works").iterdir())


def work(number: int) -> Image.Image:
    return Image.open(WORKS[number]).convert("RGB")


@pytest.fixture(scope="module")
def rich() -> Image.Image:
    """A work with many keypoints."""
    features = Sift()
    return max((work(n) for n in range(12)), key=lambda w: len(features.describe(w).points))


@pytest.mark.parametrize(
    "edit",
    [
        lambda w: w,
        ImageOps.mirror,
        ImageOps.invert,
        lambda w: w.rotate(90),
        lambda w: w.resize((200, 200)).crop((20, 20, 180, 180)),
        lambda w: ImageOps.expand(w, 90, (10, 60, 30)),
    ],
)
def test_an_edited_work_agrees_with_itself(rich: Image.Image, edit: object) -> None:
    features = Sift()
    found = features.agree(features.describe(edit(rich)), features.describe(rich))  # type: ignore[operator]
    assert found.places >= LEAST
    assert 1 <= found.cells <= GRID**2


def test_strangers_and_plain_pictures_do_not_agree(rich: Image.Image) -> None:
    features = Sift()
    plain = features.describe(Image.new("RGB", (40, 60), "white"))
    assert features.agree(plain, plain) == NOTHING
    own = features.describe(rich)
    assert features.agree(plain, own) == features.agree(own, plain) == NOTHING
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    assert features.agree(features.describe(Image.fromarray(pixels)), own).places < LEAST


def test_a_picture_is_read_once_and_one_that_is_not_there_is_not_laid_over(rich: Image.Image) -> None:
    bench, reads = Bench(Sift()), []

    def shown() -> Image.Image:
        reads.append(1)
        return rich

    first = bench.lay(rich, [("ab", shown), ("cd", lambda: None)])
    assert first[1] is None
    assert first[0] is not None
    assert first[0].places >= LEAST
    assert bench.lay(rich, [("ab", shown)])[0] == first[0]
    assert len(reads) == 1
    bench.lay(rich, [("", shown), ("", shown)])
    assert len(reads) == 3
    with pytest.raises(SettingsError, match="local features"):
        FEATURES.load("swift")


def test_the_score_is_the_weighted_sum_of_what_is_there() -> None:
    weights = Weights(1.0, 10.0, 2.0)
    candidates = [Parts(0.9, 0.2, None, None), Parts(0.5, 0.3, 0.8, 4), Parts(0.7, None, None, 0)]
    spread = float(np.std([0.9, 0.5, 0.7]))
    expected = [0.2 / spread + 2, -0.2 / spread + 8 + 2 * math.log(5), 0.0]
    assert fused(candidates, weights) == pytest.approx(expected)
    assert fused([Parts(0.9, None, None, None), Parts(0.9, None, None, None)], weights) == [0.0, 0.0]
    assert fused([Parts(float("nan"), 0.5, None, None)], weights) == pytest.approx([5.0])
    assert fused([], weights) == []
