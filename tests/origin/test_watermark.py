"""Watermark bits: written here as the programs write them, read back, destroyed, and counted on plain pictures."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom, hypergeom

from forensics.case import Absent
from forensics.origin import watermark
from forensics.origin.watermark import MESSAGES, STEP, Message


def scene(side: int = 320) -> Image.Image:
    """Coloured and smooth, as pictures are."""
    dice = np.random.default_rng(3)
    small = dice.integers(30, 226, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(small, "RGB").resize((side, side + 16), Image.Resampling.BICUBIC)


def embed(picture: Image.Image, message: Message) -> Image.Image:
    """The inverse of reading, written from the description of the method: the whole block moves by one value."""
    image = np.asarray(picture)
    image = np.ascontiguousarray(image[:, :, ::-1] if message.swapped else image)
    yuv = cv2.cvtColor(image.astype(np.float32) if message.floating else image, cv2.COLOR_BGR2YUV)
    channel = yuv[:, :, 1].astype(np.float64)
    number = 0
    for top in range(0, channel.shape[0] // 8 * 8, 8):
        for left in range(0, channel.shape[1] // 8 * 8, 8):
            block = channel[top : top + 8, left : left + 8]
            low = block.reshape(4, 2, 4, 2).sum(axis=(1, 3)) / 2
            place = int(np.abs(low.ravel()[1:]).argmax()) + 1
            value = low.ravel()[place]
            wanted = np.sign(value or 1) * (abs(value) // STEP + 0.25 + 0.5 * message.bits[number % len(message.bits)])
            row, column = divmod(place, 4)
            block[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += (wanted * STEP - value) / 2
            number += 1
    yuv[:, :, 1] = channel if message.floating else np.clip(np.round(channel), 0, 255).astype(np.uint8)
    back = cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR)
    back = np.clip(np.round(back), 0, 255).astype(np.uint8)
    return Image.fromarray(back[:, :, ::-1] if message.swapped else back, "RGB")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.name)
def test_an_embedded_message_is_read_back_far_beyond_chance(message: Message) -> None:
    found = watermark.read(embed(scene(640), message), (message,))
    assert not isinstance(found, Absent)
    # Not all: in smooth blocks the moved value may no longer be the largest, a weakness of the method itself.
    assert found[0].agreeing >= 0.8 * found[0].bits
    assert found[0].p < 1e-6
    assert found[0].p_given_ones < 1e-6


def test_nothing_beyond_chance_in_pictures_without_one() -> None:
    dice = np.random.default_rng(11)
    lowest = []
    for _ in range(40):
        small = dice.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        picture = Image.fromarray(small, "RGB").resize((256, 256), Image.Resampling.BICUBIC)
        found = watermark.read(picture)
        assert not isinstance(found, Absent)
        lowest.append(min(row.p_given_ones for row in found))
    # Four messages in forty pictures: at 1e-4 fewer than 0.02 are expected.
    assert min(lowest) > 1e-4


def test_plain_picture_agrees_as_often_as_its_one_bit_occurs() -> None:
    found = watermark.read(Image.new("RGB", (256, 256), "white"))
    assert not isinstance(found, Absent)
    assert {row.ones for row in found} <= {0, *(row.bits for row in found)}
    assert all(row.p_given_ones == 1 for row in found)


def test_strong_compression_and_reduction_take_the_bits_away() -> None:
    marked = embed(scene(640), MESSAGES[0])
    buffer = io.BytesIO()
    marked.resize((400, 410)).save(buffer, "JPEG", quality=40)
    found = watermark.read(Image.open(buffer).convert("RGB"), MESSAGES[:1])
    assert not isinstance(found, Absent)
    assert found[0].p > 1e-3


def test_small_picture_is_absent_with_its_reason() -> None:
    found = watermark.read(scene().resize((255, 256)))
    assert isinstance(found, Absent)
    assert "255 × 256" in found.reason


def test_probabilities_are_those_of_the_distributions() -> None:
    message = Message("test", (1, 1, 0, 0, 1, 0, 1, 1), True, False)
    row = watermark._agreement(np.array([1, 1, 0, 0, 1, 0, 0, 1], np.uint8), message)
    assert row.agreeing == 7
    assert row.p == pytest.approx(sum(binom.pmf(k, 8, 0.5) for k in (7, 8)))
    assert row.p_given_ones == pytest.approx(hypergeom.pmf(4, 8, 5, 4))
