"""Strong random edits of pictures, in batches: what a copy descriptor has to see through.

The list follows SSCD (Pizzi et al. 2022, section 4.1 and appendix A): crop, rotation, mirror, recolouring, blur, JPEG,
text and pictures laid over, and pictures mixed with or pasted into others. Everything works on float (n, 3, h, w) in
[0, 1]; every draw comes from one generator, so a run can be repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional
from torchvision.io import decode_jpeg, encode_jpeg

LETTERS = "ABCDEFGHKLMNPRSTUVWXYZabcdefghikmnoprstuvwxyz0123456789 .,!?&"


@dataclass(frozen=True)
class Views:
    """Edited pictures and what is in them."""

    pixels: Tensor
    """(n, 3, side, side) in [0, 1]."""
    content: Tensor
    """(n, n) shares: row i says how much of each source picture view i shows; rows sum to 1."""


def chance(n: int, share: float, source: torch.Generator) -> Tensor:
    """(n,) booleans, each true with the given probability."""
    return torch.rand(n, generator=source) < share


def between(n: int, low: float, high: float, source: torch.Generator) -> Tensor:
    """(n,) uniform numbers."""
    return low + (high - low) * torch.rand(n, generator=source)


def letters(count: int, side: int, seed: int) -> Tensor:
    """(count, 1, side, side) masks of random words in random places and sizes."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, side, side), np.uint8)
    for mask in masks:
        page = Image.new("L", (side, side))
        draw = ImageDraw.Draw(page)
        for _ in range(int(random.integers(1, 4))):
            word = "".join(random.choice(list(LETTERS), int(random.integers(3, 14))))
            font = ImageFont.load_default(float(random.integers(side // 12, side // 4)))
            place = (float(random.integers(-side // 8, side // 2)), float(random.integers(0, side - side // 8)))
            draw.text(place, word, 255, font=font)
        mask[:] = np.asarray(page)
    return torch.from_numpy(masks)[:, None].float() / 255


def grounds(n: int, side: int, source: torch.Generator) -> Tensor:
    """(n, 3, side, side) plain backgrounds: half of them white, some black, the others of any colour."""
    colour = torch.rand(n, 3, 1, 1, generator=source)
    colour = torch.where(chance(n, 0.1, source)[:, None, None, None], torch.zeros(()), colour)
    colour = torch.where(chance(n, 0.5, source)[:, None, None, None], torch.ones(()), colour)
    return colour.expand(n, 3, side, side)


def warp(pixels: Tensor, side: int, scale: Tensor, angle: Tensor, mirror: Tensor, source: torch.Generator) -> Tensor:
    """(n, 4, side, side): pictures cut or shrunk, turned, mirrored, and a mask of where they are.

    Args:
        pixels: (n, 3, h, h).
        side: of the result.
        scale: (n,) side of the window seen, as a share of the picture; above 1 the picture is shrunk.
        angle: (n,) radians.
        mirror: (n,) booleans.
        source: where the window lies, and its proportions.
    """
    n = len(pixels)
    aspect = between(n, 0.85, 1.18, source)
    flip = torch.where(mirror, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    free = (1 - scale).abs()
    shift_x, shift_y = (free * between(n, -1, 1, source) for _ in range(2))
    theta = torch.stack(
        [
            torch.stack([scale * aspect * flip * cosine, -scale * sine * flip, shift_x], dim=1),
            torch.stack([scale * sine * aspect, scale * cosine, shift_y], dim=1),
        ],
        dim=1,
    )
    # what is shrunk is smoothed first, as a resampling filter would do
    small = scale > 1.3
    if bool(small.any()):
        pixels = pixels.clone()
        half = functional.avg_pool2d(pixels[small], 2)
        pixels[small] = functional.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)
    masked = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)
    grid = functional.affine_grid(theta, [n, 4, side, side], align_corners=False)
    return functional.grid_sample(masked, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def over(layer: Tensor, ground: Tensor) -> Tensor:
    """A warped picture, premultiplied by its mask, laid on a ground."""
    return layer[:, :3] + (1 - layer[:, 3:]) * ground


def recolour(pixels: Tensor, source: torch.Generator) -> Tensor:
    """Hue, saturation, gains, contrast, brightness, gamma; now and then grey, swapped channels or a negative."""
    n = len(pixels)
    grey = torch.full((3, 3), 1 / 3)
    identity = torch.eye(3)
    axis = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    hue = torch.where(chance(n, 0.35, source), between(n, -math.pi, math.pi, source), between(n, -0.2, 0.2, source))
    cosine, sine = hue.cos()[:, None, None], hue.sin()[:, None, None]
    rotate = cosine * identity + sine * axis + (1 - cosine) * grey  # about the grey axis
    amount = torch.where(chance(n, 0.12, source), torch.zeros(()), between(n, 0.4, 1.7, source))[:, None, None]
    saturate = amount * identity + (1 - amount) * grey
    gain = torch.diag_embed(torch.stack([between(n, 0.7, 1.2, source) for _ in range(3)], dim=1))
    out = torch.einsum("nij,njhw->nihw", gain @ saturate @ rotate, pixels)
    column = (slice(None), None, None, None)
    out = (out - 0.5) * between(n, 0.6, 1.4, source)[column] + 0.5 + between(n, -0.2, 0.2, source)[column]
    out = out.clamp(1e-3, 1) ** between(n, 0.6, 1.6, source)[column]
    return torch.where(chance(n, 0.06, source)[column], 1 - out, out)


def blur(pixels: Tensor, source: torch.Generator) -> Tensor:
    """A Gaussian of random width, or a loss of size."""
    out = pixels.clone()
    side = pixels.shape[-1]
    for k in chance(len(pixels), 0.25, source).nonzero().flatten().tolist():
        sigma = float(between(1, 0.5, 2.2, source))
        reach = torch.arange(-6.0, 7.0)
        kernel = torch.exp(-(reach**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).expand(3, 1, 13)
        padded = functional.pad(out[k][None], (6, 6, 6, 6), mode="replicate")
        rows = functional.conv2d(padded, kernel[:, :, :, None], groups=3)
        out[k] = functional.conv2d(rows, kernel[:, :, None, :], groups=3)[0]
    for k in chance(len(pixels), 0.15, source).nonzero().flatten().tolist():
        size = int(between(1, 0.3, 0.8, source) * side)
        small = functional.interpolate(out[k][None], (size, size), mode="bilinear", antialias=True)
        out[k] = functional.interpolate(small, (side, side), mode="bilinear")[0]
    return out


def jpeg(pixels: Tensor, share: float, source: torch.Generator) -> Tensor:
    """Some of the pictures as a JPEG of quality 10 to 75 gives them back."""
    out = pixels.clone()
    for k in chance(len(pixels), share, source).nonzero().flatten().tolist():
        data = encode_jpeg((out[k].clamp(0, 1) * 255).round().byte(), quality=int(between(1, 10, 76, source)))
        out[k] = decode_jpeg(data).float() / 255
    return out


def cover(pixels: Tensor, words: Tensor, source: torch.Generator) -> Tensor:
    """Words, plain boxes and small other pictures laid over some of the pictures."""
    n, side = len(pixels), pixels.shape[-1]
    out = pixels.clone()
    for k in chance(n, 0.2, source).nonzero().flatten().tolist():
        mask = words[int(torch.randint(len(words), (1,), generator=source))]
        out[k] = out[k] * (1 - mask) + torch.rand(3, 1, 1, generator=source) * mask
    for k in chance(n, 0.3, source).nonzero().flatten().tolist():
        size = int(between(1, 0.15, 0.4, source) * side)
        y, x = (int(torch.randint(side - size, (1,), generator=source)) for _ in range(2))
        if float(torch.rand(1, generator=source)) < 0.5:
            patch: Tensor = torch.rand(3, 1, 1, generator=source).expand(3, size, size)
        else:
            other = pixels[int(torch.randint(n, (1,), generator=source))]
            patch = functional.interpolate(other[None], (size, size), mode="bilinear", antialias=True)[0]
        out[k, :, y : y + size, x : x + size] = patch
    return out


def light(pixels: Tensor, side: int, source: torch.Generator) -> Tensor:
    """(n, 3, side, side): the pictures as they are, a few of them mirrored or compressed."""
    out = functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    out = torch.where(chance(len(out), 0.2, source)[:, None, None, None], out.flip(3), out)
    return jpeg(out, 0.2, source)


def strong(pixels: Tensor, side: int, words: Tensor, source: torch.Generator, *, mixed: bool) -> Views:
    """Several edits at once; with `mixed`, a third of the views also show another picture of the batch."""
    n = len(pixels)
    cut = chance(n, 0.6, source)
    scale = torch.where(cut, between(n, 0.3, 1.0, source).sqrt(), between(n, 1.0, 1.6, source))
    turned = chance(n, 0.3, source)
    angle = torch.where(turned, between(n, -math.pi, math.pi, source), torch.zeros(()))
    angle = torch.where(chance(n, 0.3, source), between(n, -0.5, 0.5, source), angle)
    content = torch.eye(n)
    ground = grounds(n, side, source)
    partner = torch.roll(torch.arange(n), 1 + int(torch.randint(n - 1, (1,), generator=source)))
    pasted = chance(n, 0.25, source) & torch.tensor(mixed)
    blended = chance(n, 0.12, source) & torch.tensor(mixed) & ~pasted
    # pasted into another picture at 16 to 60 % of its area
    scale = torch.where(pasted, 1 / between(n, 0.4, 0.78, source), scale)
    layer = warp(pixels, side, scale, angle, chance(n, 0.5, source), source)
    others = functional.interpolate(pixels[partner], (side, side), mode="bilinear", antialias=True)
    share = between(n, 0.35, 0.65, source)
    ground = torch.where(pasted[:, None, None, None], others, ground)
    out = over(layer, ground)
    mixture = share[:, None, None, None]
    out = torch.where(blended[:, None, None, None], mixture * out + (1 - mixture) * others, out)
    for k in (pasted | blended).nonzero().flatten().tolist():
        content[k, k] = 0.6 if pasted[k] else share[k]
        content[k, partner[k]] += 1 - content[k, k]
    out = torch.where(chance(n, 0.65, source)[:, None, None, None], recolour(out, source), out.clamp(0, 1))
    out = jpeg(blur(cover(out, words, source), source), 0.3, source)
    noise = torch.randn(out.shape, generator=source) * 0.06
    out = torch.where(chance(n, 0.15, source)[:, None, None, None], out + noise, out)
    return Views(out.clamp(0, 1), content)
