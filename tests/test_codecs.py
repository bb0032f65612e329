"""Codecs as a yardstick: container arithmetic, and bits at a distance by interpolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from forensics.pictures import codecs
from forensics.pictures.codecs import CODECS, COMPLEXITY, bits_at

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "RGB")
PLAIN = Image.new("RGB", (64, 64), (200, 30, 30))


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_bits_are_the_file_less_the_file_of_one_pixel(codec: codecs.Codec) -> None:
    assert codec.at_hand
    data, pixel = codecs.encode(NOISE, codec, 30), codecs.encode(Image.new("RGB", (1, 1), "white"), codec, 30)
    assert codecs.bits(data, codec, 30) == 8 * (len(data) - len(pixel))
    assert codecs.bits(pixel, codec, 30) == 1
    # Noise spends most of its file on itself, a plain picture nothing to speak of.
    assert codecs.bits(data, codec, 30) > 0.5 * 8 * len(data)
    assert codecs.bits(codecs.encode(PLAIN, codec, 30), codec, 30) < 8 * 64


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_more_bits_come_nearer(codec: codecs.Codec) -> None:
    found = [c for c in codecs.codings(NOISE, codec, (1.0,)) if c.scale == 1]
    target = np.asarray(NOISE, dtype=float)
    error = [float(((np.asarray(c.picture, dtype=float) - target) ** 2).mean()) for c in found]
    assert found[0].bits < found[-1].bits
    assert error[-1] < error[0]
    assert {c.picture.size for c in found} == {NOISE.size}


def test_a_small_picture_is_not_reduced_to_nothing() -> None:
    tiny = PLAIN.resize((16, 40))
    assert {c.scale for c in codecs.codings(tiny, COMPLEXITY)} == {1.0, 0.5}


def test_complexity_orders_pictures_by_what_there_is_to_them() -> None:
    assert codecs.complexity(PLAIN) < 0.5 < codecs.complexity(NOISE)


def test_bits_at_a_distance() -> None:
    curve = [(100.0, 0.5), (400.0, 0.3), (300.0, 0.45), (1600.0, 0.1)]
    assert bits_at(curve, 0.5) == 100
    assert bits_at(curve, 0.1) == pytest.approx(1600)
    assert bits_at(curve, 0.2) == pytest.approx(math.sqrt(400 * 1600))
    assert bits_at(curve, 0.05) is None
    assert bits_at(curve, 0.9) == 100
    # A distance reached counts as reached at more bits too: the worse point in between changes nothing.
    assert bits_at([*curve, (800.0, 0.4)], 0.2) == pytest.approx(math.sqrt(400 * 1600))
