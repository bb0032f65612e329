"""Manner and palette leave out place, tell apart what differs in them, and rank creators as stated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from forensics.device import generator
from forensics.similarity import style
from forensics.similarity.lpips import Lpips


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    return Lpips()


def stripes(seed: int, period: int) -> Tensor:
    """(1, 3, 128, 128): vertical stripes of one period, shifted and toned by the seed."""
    g = generator(seed, "stripes")
    shift = int(torch.randint(0, period, (1,), generator=g))
    tone = 0.6 + 0.4 * torch.rand(3, 1, 1, generator=g)
    wave = ((torch.arange(128) + shift) % period < period / 2).float()
    return (wave.expand(3, 128, 128) * tone)[None]


def dots(seed: int) -> Tensor:
    """(1, 3, 128, 128): coarse random blocks, like nothing striped."""
    coarse = torch.rand(1, 3, 16, 16, generator=generator(seed, "dots"))
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_the_gram_statistics_are_those_of_gatys_for_the_first_map(lpips: Lpips) -> None:
    picture = dots(1)
    features = lpips.maps(picture)[0].flatten(1).double().numpy()
    gram = features @ features.T / features.shape[1]
    expected = np.sign(gram) * np.sqrt(np.abs(gram))
    expected /= np.linalg.norm(expected)
    found = style.manner(lpips, picture)[: 64 * 65 // 2]
    upper = np.triu_indices(64)
    weight = np.where(upper[0] == upper[1], 1, np.sqrt(2))
    np.testing.assert_allclose(found, expected[upper] * weight, atol=1e-9)


def test_parts_of_the_distance_add_up_from_the_same_maps(lpips: Lpips) -> None:
    """`maps` is what LPIPS itself computes: rebuilding the distance from it gives the distance."""
    a, b = dots(1), stripes(2, 16)
    total = 0.0
    for x, y, head in zip(lpips.maps(a), lpips.maps(b), lpips._net.heads, strict=True):
        ux, uy = (t / (t.square().sum(0, keepdim=True).sqrt() + 1e-10) for t in (x, y))
        total += float((head[0] * (ux - uy).square()).sum(0).mean())
    assert total == pytest.approx(float(lpips.full_size(a, b)[0]), abs=1e-5)


def test_place_does_not_enter_the_palette_and_hardly_the_manner(lpips: Lpips) -> None:
    picture = dots(3)
    moved = picture.flip(3)
    np.testing.assert_allclose(style.palette(picture), style.palette(moved), atol=0.05)
    one, two, other = (style.manner(lpips, p) for p in (picture, picture.roll(32, 2), stripes(1, 16)))
    assert np.linalg.norm(one - two) < 0.5 * np.linalg.norm(one - other)


def test_the_palette_distance_is_the_shift_of_a_plain_colour() -> None:
    """Two plain greys differ in lightness alone: each direction sees its component of that shift."""
    import cv2

    dark, light = (torch.full((1, 3, 64, 64), v) for v in (0.2, 0.8))
    lightness = [cv2.cvtColor(np.full((1, 1, 3), v, np.float32), cv2.COLOR_RGB2Lab)[0, 0, 0] for v in (0.2, 0.8)]
    expected = abs(lightness[1] - lightness[0]) * style._directions()[:, 0].mean()
    one, other = style.palette(light)[None], style.palette(dark)[None]
    found = style.by_palette(one)(other, one)
    assert -float(found[0, 0]) == pytest.approx(float(abs(expected)), rel=1e-3)


def test_colours_as_drawn_are_the_colours_there_are() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, :, :48] = 1.0
    assert style.colours(picture) == (("#ff0000", 0.75), ("#000000", 0.25))


def test_a_creator_is_found_by_manner_among_others(lpips: Lpips) -> None:
    makers = [lambda s: stripes(s, 8), lambda s: stripes(s, 32), dots]
    pictures = [make(seed) for make in makers for seed in range(4)]
    owners = [i for i in range(3) for _ in range(4)]
    works = np.stack([style.manner(lpips, p) for p in pictures])
    asked = np.stack([style.manner(lpips, p) for p in (stripes(9, 8), stripes(9, 32), dots(9))])
    like = style.by_manner(works)
    creators = style.Creators(owners, like(works, works))
    assert [creators.rank(row).order[0] for row in like(asked, works)] == [0, 1, 2]
    assert all(creators.left_out(w).rank(owners[w]) == 1 for w in range(12))


def test_a_work_left_out_does_not_stand_for_its_creator() -> None:
    """The likeness of a work to itself is never counted: raising it changes nothing."""
    among = np.array([[1, 0.2, 0.9, 0.1], [0.2, 1, 0.3, 0.1], [0.9, 0.3, 1, 0.4], [0.1, 0.1, 0.4, 1]], float)
    raised = among + np.diag([5.0] * 4)
    one, two = (style.Creators([0, 0, 1, 1], m).left_out(0) for m in (among, raised))
    assert one == two
    assert one.order[0] == 1  # work 0 is nearer to the second creator's works than to the other of its own


def test_a_hub_is_lowered_by_what_it_is_to_everyone() -> None:
    """Creator 2 is nearest by raw likeness, and so to every work: the correction puts the particular one first."""
    owners = [0, 0, 1, 1, 2, 2]
    among = np.full((6, 6), 0.1)
    among[:, 4:] = among[4:, :] = 0.8
    np.fill_diagonal(among, 1.0)
    likeness = np.array([0.6, 0.6, 0.1, 0.1, 0.7, 0.7])
    assert style.Creators(owners, among).rank(likeness).order[0] == 0


@pytest.mark.parametrize("owners", [[], [0, 0], [0, 0, 1]])
def test_too_few_works_are_refused(owners: list[int]) -> None:
    with pytest.raises(ValueError, match="two creators"):
        style.Creators(owners, np.eye(len(owners)))


def test_pictures_of_any_proportions_have_statistics(lpips: Lpips) -> None:
    assert len(style.manner(lpips, torch.rand(1, 3, 40, 400, generator=generator(0, "wide")))) == 5 * 64 * 65 // 2
