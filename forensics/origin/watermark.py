"""The invisible watermarks that Stable Diffusion's own programs write: bits in the wavelets of one colour channel.

Layout of the package invisible-watermark, method dwtDct: channel U of YUV, lowest band of a Haar transform, blocks of
4 × 4; in each block the largest value but the first is moved to one of two quarters of a step of 36. Bit i of the
message stands in the blocks i, i + L, i + 2L, …; the majority counts. Programs differ in the order of the colours and
in whether they embed into 8-bit or floating-point pixels; each message is read in the way of the program it is from.

The message is public: anyone can write it, saving as JPEG or resizing destroys it, and it names a program, not weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forensics.case import Absent, WatermarkBits

MIN_PIXELS = 256 * 256
"""The programs write no watermark into smaller pictures."""
STEP = 36.0
BLOCK = 4


@dataclass(frozen=True, slots=True)
class Message:
    """A known message and how the program that writes it embeds it."""

    name: str
    bits: tuple[int, ...]
    swapped: bool
    """Whether red and blue are exchanged before embedding, as a library for BGR pictures expects."""
    floating: bool
    """Whether the picture is embedded as floating-point values, where the zero of the channel U lies at 0.5."""


def _letters(text: str) -> tuple[int, ...]:
    return tuple(int(bit) for bit in np.unpackbits(np.frombuffer(text.encode(), np.uint8)))


_SDXL = 0b101100111110110010010000011110111011000110011110
MESSAGES = (
    Message("Stable Diffusion 1 (“StableDiffusionV1”)", _letters("StableDiffusionV1"), True, False),
    Message("Stable Diffusion 1 inpainting", _letters("StableDiffusionV1-Inpainting"), True, False),
    Message("Stable Diffusion 2 (“SDV2”)", _letters("SDV2"), True, False),
    Message("Stable Diffusion XL (48 bits)", tuple(int(bit) for bit in f"{_SDXL:048b}"), False, True),
)


def read(picture: Image.Image, messages: tuple[Message, ...] = MESSAGES) -> tuple[WatermarkBits, ...] | Absent:
    """The agreement of the picture's bits with each message, beside chance; Absent for pictures too small.

    Args:
        picture: 8-bit RGB at its own size; a resized picture no longer holds the bits.
    """
    if picture.width * picture.height < MIN_PIXELS:
        return Absent(
            "watermark bits",
            f"The picture has {picture.width} × {picture.height} pixels; the programs that write these watermarks "
            "leave pictures below 256 × 256 pixels without one.",
        )
    pixels = np.asarray(picture.convert("RGB"))
    return tuple(_agreement(decode(pixels, message), message) for message in messages)


def decode(pixels: NDArray[np.uint8], message: Message) -> NDArray[np.uint8]:
    """The bits a picture (H, W, 3) RGB holds in the place of a message, by majority over all blocks of each bit."""
    rows, columns = (side // 4 * 4 for side in pixels.shape[:2])
    image = pixels[:rows, :columns]
    image = np.ascontiguousarray(image[:, :, ::-1] if message.swapped else image)  # taken for BGR in either case
    if message.floating:
        channel = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2YUV)[:, :, 1]
    else:
        channel = cv2.cvtColor(image, cv2.COLOR_BGR2YUV)[:, :, 1].astype(np.float32)
    low = channel.reshape(rows // 2, 2, columns // 2, 2).sum(axis=(1, 3)) / 2  # lowest band of the Haar transform
    high, wide = low.shape[0] // BLOCK, low.shape[1] // BLOCK
    blocks = low[: high * BLOCK, : wide * BLOCK].reshape(high, BLOCK, wide, BLOCK).swapaxes(1, 2)
    values = np.abs(blocks.reshape(high * wide, BLOCK * BLOCK)[:, 1:])
    votes = np.mod(values.max(axis=1), STEP) > STEP / 2  # (blocks,)
    length = len(message.bits)
    totals = np.bincount(np.arange(len(votes)) % length, minlength=length)
    ones = np.bincount(np.arange(len(votes)) % length, weights=votes, minlength=length)
    return (2 * ones >= totals).astype(np.uint8)


def _agreement(found: NDArray[np.uint8], message: Message) -> WatermarkBits:
    """Tail probabilities of the agreement, under fair bits and under the number of ones that was read.

    The second allows for plain pictures, whose blocks all give the same bit.
    """
    from scipy.stats import binom, hypergeom  # takes most of a second, and few commands come here

    length, ones, written = len(message.bits), int(found.sum()), sum(message.bits)
    agreeing = int((found == np.array(message.bits, np.uint8)).sum())
    both = (agreeing - length + ones + written) // 2  # ones read where the message has a one
    return WatermarkBits(
        name=message.name,
        bits=length,
        agreeing=agreeing,
        p=float(binom.sf(agreeing - 1, length, 0.5)),
        ones=ones,
        p_given_ones=float(hypergeom.sf(both - 1, length, written, ones)),
    )
