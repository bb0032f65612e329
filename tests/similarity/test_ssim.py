"""SSIM: the traps a reader should know of, as facts."""

from __future__ import annotations

import pytest
import torch

from forensics.pictures.tensors import resize
from forensics.similarity.ssim import Ssim, ssim_map


def picture(seed: int) -> torch.Tensor:
    return resize(torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(seed)), 256, 256)


def test_the_map_is_the_valid_region_and_localises() -> None:
    a = picture(0)
    b = a.clone()
    b[:, :, 100:140, 30:70] = 0.5
    index = ssim_map(a, b)
    assert index.shape == (1, 246, 246)
    assert index.dtype == torch.float64
    assert index[0, :80].min() == pytest.approx(1)  # rows 5 to 84 never see the changed square
    assert index[0, 105:125, 35:55].mean() < 0.7


def test_a_mirror_image_scores_low_although_it_corresponds() -> None:
    a = picture(1)
    assert float(Ssim()(a, a.flip(3))) < 0.6


def test_negation_is_negative() -> None:
    a = picture(2)
    assert float(Ssim()(a, 1 - a)) < 0


def test_the_map_wants_one_size() -> None:
    with pytest.raises(ValueError, match="sizes differ"):
        ssim_map(torch.zeros(1, 3, 20, 20), torch.zeros(1, 3, 20, 21))
