"""SSIM against scikit-image and against Wang's formula written out with loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from forensics.pictures.tensors import resize
from forensics.similarity.ssim import Ssim, luminance, ssim_map

Plane = NDArray[np.float64]


def wang(x: Plane, y: Plane) -> Plane:
    """Equation 13 of Wang et al. 2004, one window at a time."""
    d = np.arange(11) - 5
    kernel = np.exp(-(d[:, None] ** 2 + d[None] ** 2) / (2 * 1.5**2))
    w = kernel / kernel.sum()
    out = np.empty((x.shape[0] - 10, x.shape[1] - 10))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
            cov = (w * (p - mp) * (q - mq)).sum()
            c1, c2 = 0.01**2, 0.03**2
            out[i, j] = (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
    return out


def pairs() -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    base = resize(torch.rand(1, 3, 6, 6, generator=generator), 48, 40)
    noise = torch.randn(base.shape, generator=generator)
    return [
        ("noise", base, (base + 0.1 * noise).clamp(0, 1)),
        ("shift", base, base.roll(2, dims=3)),
        ("dark", base, base * 0.3),
        ("unrelated", base, resize(torch.rand(1, 3, 7, 7, generator=generator), 48, 40)),
        ("flat", torch.full_like(base, 0.4), torch.full_like(base, 0.6)),
    ]


@pytest.mark.parametrize(("name", "a", "b"), pairs(), ids=[p[0] for p in pairs()])
def test_agrees_with_wang_written_out(name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    expected = wang(luminance(a)[0, 0].numpy(), luminance(b)[0, 0].numpy())
    assert np.abs(ssim_map(a, b)[0].numpy() - expected).max() < 1e-10


@pytest.mark.parametrize(("name", "a", "b"), pairs(), ids=[p[0] for p in pairs()])
def test_agrees_with_scikit_image(name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    expected = structural_similarity(
        luminance(a)[0, 0].numpy(),
        luminance(b)[0, 0].numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
    )
    assert float(ssim_map(a, b).mean()) == pytest.approx(expected, abs=1e-4)


def test_the_measure_is_the_map_at_256_pixels() -> None:
    _, a, b = pairs()[0]
    large = resize(a, 256, 256), resize(b, 256, 256)
    expected = structural_similarity(
        luminance(large[0])[0, 0].numpy(),
        luminance(large[1])[0, 0].numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
    )
    assert float(Ssim()(a, b)) == pytest.approx(expected, abs=1e-4)


def test_luminance_is_bt601() -> None:
    primaries = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 11, 11)
    assert luminance(primaries)[:, 0, 0, 0].tolist() == pytest.approx([0.299, 0.587, 0.114])
