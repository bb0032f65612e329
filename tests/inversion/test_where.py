"""The maps of the reproduced region, on pictures whose region is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from forensics.device import generator
from forensics.diffusion.sd import StableDiffusion
from forensics.inversion.where import local_mean, region, score_map, score_shown, shown, where, where_evaluations


def picture(seed: int, height: int = 64, width: int = 96) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(seed, "test"))


def half_copied() -> tuple[Tensor, Tensor]:
    """A target whose left half comes back in every seed and whose right half in none."""
    target = picture(1)
    pictures = torch.cat([picture(n) for n in (2, 3, 4)])
    pictures[..., :48] = target[..., :48]
    return target, pictures


def test_the_copied_half_is_found(models: dict[str, StableDiffusion]) -> None:
    model = models["v"]
    before = model.evaluations
    both = where(*half_copied(), model.condition("cat", 3.0), model)
    assert model.evaluations - before == where_evaluations(model)
    found = both.region
    assert found.area == pytest.approx(0.5, abs=0.03)
    assert found.detail == pytest.approx(found.area, abs=0.02)  # random pictures are all detail
    assert bool(found.mask[:, :44].all())
    assert not bool(found.mask[:, 52:].any())
    assert found.share.shape == both.score.shape == (64, 96)
    assert f"{found.area:.2f}" in found.sentence


def test_a_plain_background_is_no_detail(models: dict[str, StableDiffusion]) -> None:
    target, other = torch.ones(1, 3, 64, 64), torch.ones(2, 3, 64, 64)
    target[..., 20:44, 20:44] = picture(1, 24, 24)
    found = region(target, other)
    assert found.area > 0.7
    assert found.detail is not None
    assert found.detail < 0.3
    assert found.variation == 0
    plain = where(torch.ones(1, 3, 64, 64), other, models["v"].condition("cat", 1.0), models["v"])
    assert (plain.region.area, plain.region.detail) == (1.0, None)
    assert dict(plain.region.scores)["detail"] == 1.0
    assert plain.agreement is None


def test_half_of_the_seeds_decide() -> None:
    target = picture(1)
    found = region(target, torch.cat([target, picture(2)]))
    assert float(found.share.min()) >= 0.5
    assert found.area == 1.0
    found = region(target, torch.cat([target, picture(2), picture(3)]))
    assert found.area == 0.0


def test_the_score_map_is_that_of_the_prompt(models: dict[str, StableDiffusion]) -> None:
    model = models["epsilon"]
    assert score_map(picture(1, 32, 32), model.condition("cat", 3.0), model).shape == (8, 8)
    assert float(score_map(picture(1, 32, 32), model.condition("", 1.0), model).max()) == pytest.approx(0, abs=1e-6)


def test_pictures_to_show(models: dict[str, StableDiffusion]) -> None:
    target, pictures = half_copied()
    found = where(target, pictures, models["v"].condition("cat", 1.0), models["v"])
    drawn = shown(target, found.region)
    assert drawn.shape == target.shape
    assert torch.equal(drawn[..., 2:40], target[..., 2:40])
    assert float(drawn[..., 60:].min()) >= 0.8
    assert float(score_shown(found).max()) == 1.0


def test_pictures_of_another_size_are_refused(models: dict[str, StableDiffusion]) -> None:
    with pytest.raises(ValueError, match="do not belong"):
        where(picture(1), picture(2, 32, 32), models["v"].condition("", 1.0), models["v"])


def test_local_mean_keeps_constants_to_the_edge() -> None:
    assert torch.allclose(local_mean(torch.full((1, 1, 40, 33), 0.3)), torch.tensor(0.3))
