"""LPIPS against the package of its authors, with the same trunk and heads: not a bit may differ."""

from __future__ import annotations

import pytest
import torch

from forensics import weights
from forensics.similarity.lpips import Lpips
from samples.recipe.lpips_trunk import load_lpips


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 97), (256, 256)])
@torch.inference_mode()
def test_the_distance_and_its_parts_are_those_of_the_package(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(height)
    a, b = (torch.rand(1, 3, height, width, generator=generator) for _ in range(2))
    ours, theirs = Lpips(), load_lpips(weights.resolve("lpips-alexnet"))
    distance, parts = theirs(2 * a - 1, 2 * b - 1, retPerLayer=True)
    assert torch.equal(ours.full_size(a, b), distance.flatten().double())
    for index, part in enumerate(parts):
        assert torch.equal(ours.layer(a, b, index), part.flatten().double())
    for one, other in zip(ours.maps(a), theirs.net(theirs.scaling_layer(2 * a - 1)), strict=True):
        assert torch.equal(one, other[0])
