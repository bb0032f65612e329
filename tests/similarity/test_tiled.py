"""The tiled distance on pictures whose value is known by hand."""

from __future__ import annotations

import pytest
import torch

from forensics.similarity.tiled import Tiled, tile_distances


def test_one_tile_that_differs_decides() -> None:
    a = torch.zeros(1, 3, 256, 256)
    b = a.clone()
    b[:, :, 64:128, 128:192] = 0.5
    distances = tile_distances(a, b)
    assert distances[0, 1, 2] == pytest.approx(0.5)
    assert distances.sum() == pytest.approx(0.5)
    assert Tiled()(a, b).item() == pytest.approx(0.5)


def test_it_is_the_root_mean_square_over_pixels_and_channels() -> None:
    a = torch.zeros(1, 3, 256, 256)
    b = a.clone()
    b[:, 0, :32, :64] = 1  # half of the first tile, one channel of three
    assert Tiled()(a, b).item() == pytest.approx((1 / 6) ** 0.5)


def test_a_plain_background_does_not_dilute() -> None:
    small = torch.ones(1, 3, 256, 256)
    other = small.clone()
    other[:, :, :64, :64] = 0
    assert Tiled()(small, other).item() == pytest.approx(1)
    assert float(((small - other) ** 2).mean().sqrt()) == pytest.approx(0.25)


def test_sides_must_be_divisible() -> None:
    with pytest.raises(ValueError, match="equal tiles"):
        tile_distances(torch.zeros(1, 3, 18, 16), torch.zeros(1, 3, 18, 16))
    with pytest.raises(ValueError, match="sizes differ"):
        tile_distances(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 20, 16))
