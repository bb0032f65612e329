"""Hit rates, tries and seed collapse, against values known beforehand."""

from __future__ import annotations

import math

import pytest
import torch

from forensics.device import generator
from forensics.inversion.fidelity import NEAR, near_copy, tiled_distance
from forensics.inversion.hits import HitRate, judged, seed_collapse, tries
from forensics.similarity.tiled import Tiled


def test_tries_give_an_even_chance_and_one_fewer_does_not() -> None:
    for rate in (0.001, 0.01, 0.07, 0.2, 0.49, 0.5, 0.9, 1.0):
        n = tries(rate)
        assert 1 - (1 - rate) ** n >= 0.5 - 1e-12
        assert n == 1 or 1 - (1 - rate) ** (n - 1) < 0.5
    assert math.isinf(tries(0.0))


def test_bits_of_the_seed() -> None:
    assert HitRate(8, 8).bits == 0
    assert HitRate(2, 8).bits == 2
    assert HitRate(0, 8).bits == 3  # the best of eight was chosen, and it is no copy
    assert "even chance of at least one: no number (2 to no number)" in HitRate(0, 8).sentence


def test_collapse_needs_no_target() -> None:
    base = torch.rand(1, 3, 64, 64, generator=generator(1, "test"))
    other = torch.rand(2, 3, 64, 64, generator=generator(2, "test"))
    found = seed_collapse(torch.cat([base, base + 0.01, base - 0.01, other]).clamp(0, 1))
    assert found is not None
    assert (found.pictures, found.together) == (5, 3)
    assert seed_collapse(base) is None
    apart = seed_collapse(other)
    assert apart is not None
    assert apart.together == 1
    assert apart.distance > NEAR


def test_a_chain_of_near_copies_is_no_group() -> None:
    """A near B and B near C, but A far from C: only two are together."""
    steps = [torch.full((1, 3, 64, 64), v) for v in (0.2, 0.32, 0.44)]
    found = seed_collapse(torch.cat(steps))
    assert found is not None
    assert found.together == 2


@pytest.mark.parametrize("size", [(128, 128), (40, 52), (33, 70)])
def test_near_copy_is_the_published_distance(size: tuple[int, int]) -> None:
    pictures = torch.rand(3, 3, *size, generator=generator(3, "test"))
    target = pictures[:1].clone()
    target[..., : size[0] // 4, : size[1] // 4] = 0.5
    found = tiled_distance(pictures, target)
    assert found[0] > NEAR > 0.1 * found[0]
    assert near_copy(pictures, pictures[1:2]).tolist() == [False, True, False]


def test_the_distance_agrees_with_the_measure_of_the_report() -> None:
    """At the measure's own size, where it resamples nothing."""
    a, b = (torch.rand(1, 3, 256, 256, generator=generator(n, "test")) for n in (4, 5))
    assert float(tiled_distance(a, b)) == pytest.approx(float(Tiled()(a, b)), abs=1e-6)


def test_scores_are_named_alike_for_every_target() -> None:
    pictures = torch.rand(4, 3, 32, 32, generator=generator(6, "test"))
    rate, facts, scores = judged(pictures, pictures[:1], torch.tensor([True, False, True, False]))
    assert (rate.hits, rate.draws) == (2, 4)
    assert dict(scores)["hits"] == 2
    assert set(dict(scores)) == {"hits", "draws", "area", "detail", "seed distance", "seeds together"}
    assert [f.name for f in facts] == ["near-copies of the target", "region that came back", "agreement between seeds"]
