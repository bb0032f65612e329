"""Structural similarity as its authors defined it, and no other variant.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
Similarity", IEEE Trans. Image Processing 13(4), 2004, equation 13 and section III.C. Library defaults differ (uniform
windows, sample covariance, padding, per-channel means) and give other numbers for the same pair.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from forensics.case import Better, Metric
from forensics.similarity.inputs import SIZE_SENTENCE, common, same_size

WINDOW = 11
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2
"""Stabilising constants (K L)^2 with K1 = 0.01, K2 = 0.03 and dynamic range L = 1."""
_BT601 = (0.299, 0.587, 0.114)
_BATCH = 16
"""Pictures computed at once; bounds the memory and changes no digit (float64, pictures independent)."""


def luminance(batch: Tensor) -> Tensor:
    """(B, 3, H, W) sRGB in [0, 1] -> (B, 1, H, W) float64: BT.601 weights on the encoded values, not rounded."""
    weights = torch.tensor(_BT601, dtype=torch.float64, device=batch.device)
    return (batch.double() * weights[:, None, None]).sum(1, keepdim=True)


def _band(length: int) -> Tensor:
    """(length - 10, length): row i holds the Gaussian weights of the window that starts at i."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    kernel = torch.exp(-(x**2) / (2 * SIGMA**2))
    band = torch.zeros(length - WINDOW + 1, length, dtype=torch.float64)
    for offset, weight in enumerate(kernel / kernel.sum()):
        band.diagonal(offset).fill_(float(weight))
    return band


def _blur(planes: Tensor) -> Tensor:
    """11 x 11 Gaussian mean over the valid region: (B, 1, H, W) -> (B, 1, H - 10, W - 10)."""
    # Two products with banded matrices: in float64 several times faster than torch's convolution.
    rows, columns = (_band(side).to(planes.device) for side in planes.shape[-2:])
    return rows @ planes @ columns.T


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Local index at every position of the valid region, at the size given.

    Args:
        a: (B, 3, H, W) in [0, 1].
        b: the same shape.

    Returns:
        (B, H - 10, W - 10) float64 in [-1, 1]; entry [i, j] belongs to the window centred on pixel (i + 5, j + 5).

    Raises:
        ValueError: wrong shape, range or different sizes.
    """
    same_size(a, b)
    x, y = luminance(a), luminance(b)
    mx, my = _blur(x), _blur(y)
    # Population covariance, the weights of the window summing to one; rounding may leave a variance just below zero.
    vx = (_blur(x * x) - mx * mx).clamp_min(0)
    vy = (_blur(y * y) - my * my).clamp_min(0)
    cxy = _blur(x * y) - mx * my
    index = ((2 * mx * my + C1) * (2 * cxy + C2)) / ((mx**2 + my**2 + C1) * (vx + vy + C2))
    return index[:, 0].clamp(-1, 1)


class Ssim:
    """Mean of the local index over the whole picture."""

    needs: ClassVar[tuple[str, ...]] = ()
    facts: Metric = Metric(
        name="ssim",
        title="Structural similarity (SSIM), without alignment",
        version="wang-2004/1",
        better=Better.HIGHER,
        low=-1.0,
        high=1.0,
        answers="Do the small patterns of light and dark agree at the same places of the two pictures?",
        silent=(
            "It hardly responds to hue. A shift, a mirror image, a crop or a rotation lowers it although the content "
            "corresponds, and plain areas raise it although nothing corresponds. It does not say how a likeness arose."
        ),
        protocol=(
            f"{SIZE_SENTENCE}; no alignment. Luminance by the BT.601 weights of the sRGB values in [0, 1]. "
            "11 × 11 Gaussian window, sigma 1.5, population covariance, C1 = 0.01², C2 = 0.03², dynamic range 1; "
            "valid region only; mean of the map; float64 on the CPU."
        ),
        reference=(
            "Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image Quality Assessment: From Error Visibility to "
            "Structural Similarity, IEEE Transactions on Image Processing 13(4), 2004."
        ),
    )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) float64 in [-1, 1]; 1 for equal pixels. Raises ValueError on wrong shape or range."""
        x, y = common(a, b)
        pairs = zip(x.split(_BATCH), y.split(_BATCH), strict=True)
        return torch.cat([ssim_map(p, q).mean(dim=(1, 2)) for p, q in pairs])
