"""THE image convention: float32 tensors (B, 3, H, W) in [0, 1], sRGB. Adapters convert inside themselves.

Fitting to a model's size is a recorded, reversible geometric step; nothing is resized silently.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture was brought to a model's size: plain resampling, no padding, no crop."""

    original: tuple[int, int]
    """(height, width) in pixels."""
    fitted: tuple[int, int]
    """(height, width) in pixels, multiples of the model's stride."""

    @property
    def sentence(self) -> str:
        """The step in words, for the report."""
        (h, w), (fh, fw) = self.original, self.fitted
        if self.original == self.fitted:
            return f"used at its own size, {w} × {h} pixels"
        return f"resampled from {w} × {h} to {fw} × {fh} pixels (bicubic, antialiased), no padding, no crop"


def to_tensor(picture: Image.Image) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] from an 8-bit RGB picture. Raises ValueError for any other mode."""
    if picture.mode != "RGB":
        raise ValueError(f"expected an RGB picture, got mode {picture.mode}")
    pixels = np.asarray(picture, dtype=np.uint8)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(torch.float32).div_(255)


def digest(batch: Tensor) -> str:
    """SHA-256 over the shape and the values of pictures on the CPU: equal pixels, whatever file they came from."""
    return hashlib.sha256(repr(tuple(batch.shape)).encode() + batch.numpy().tobytes()).hexdigest()


def to_picture(tensor: Tensor) -> Image.Image:
    """The 8-bit RGB picture nearest to a (1, 3, H, W) or (3, H, W) tensor in [0, 1]; values outside are clipped."""
    t = tensor[0] if tensor.ndim == 4 else tensor
    pixels = t.detach().float().clamp(0, 1).mul_(255).round_().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy(), "RGB")


def resize(batch: Tensor, height: int, width: int) -> Tensor:
    """(B, 3, height, width): bicubic with antialiasing, clipped to [0, 1]. Equal sizes return the input unchanged."""
    if batch.shape[-2:] == (height, width):
        return batch
    return F.interpolate(batch, size=(height, width), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def fit(batch: Tensor, native_px: int, stride: int) -> tuple[Tensor, Fit]:
    """The batch at about native_px² pixels, sides multiples of `stride`, aspect kept as far as that allows."""
    h, w = batch.shape[-2:]
    scale = native_px / (h * w) ** 0.5
    fitted = (max(stride, round(h * scale / stride) * stride), max(stride, round(w * scale / stride) * stride))
    return resize(batch, *fitted), Fit((h, w), fitted)


def reduced(batch: Tensor, side: int) -> Tensor:
    """The batch at no more than side² pixels, aspect kept; what is smaller already is returned unchanged.

    Nothing is ever enlarged: pixels that an enlargement invents would make a picture look simpler than it is.
    """
    h, w = batch.shape[-2:]
    scale = side / (h * w) ** 0.5
    return batch if scale >= 1 else resize(batch, max(1, round(h * scale)), max(1, round(w * scale)))


def unfit(batch: Tensor, step: Fit) -> Tensor:
    """Back to the original size; the detail lost by fitting stays lost."""
    return resize(batch, *step.original)
