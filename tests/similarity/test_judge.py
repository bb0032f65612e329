"""The judge by parts: what agrees, what covers, what is plain, and that differences do not vanish in the colour map."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image

from forensics.overlay import colour_map, judge
from forensics.overlay.judge import Judged
from forensics.overlay.overlay import Overlay
from forensics.resources import samples

Pixels = np.ndarray


@cache
def work(name: str = "originals/edited-original.png") -> Pixels:
    return np.asarray(Image.open(samples() / name).convert("RGB").resize((256, 256)))


@cache
def scene() -> Pixels:
    """A photograph, which is informative everywhere."""
    from skimage import data

    return np.asarray(Image.fromarray(data.astronaut()).resize((256, 256)))


def laid(a: Pixels, b: Pixels) -> Overlay:
    mask = np.ones(a.shape[:2], bool)
    return Overlay(np.ascontiguousarray(a), np.ascontiguousarray(b), mask, np.eye(3), 1.0, 1.0, 256.0)


def judged(a: Pixels, b: Pixels) -> Judged:
    return judge.judge(laid(a, b))


def hue(pixels: Pixels, step: int) -> Pixels:
    h, s, v = Image.fromarray(pixels).convert("HSV").split()
    return np.asarray(Image.merge("HSV", (h.point(lambda x: (x + step) % 256), s, v)).convert("RGB"))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: 255 - x,
        lambda x: hue(x, 80),
        lambda x: x[..., [2, 0, 1]],
        lambda x: np.stack([cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)] * 3, 2),
        lambda x: np.uint8(255 * (x / 255.0) ** 1.8),
        lambda x: np.uint8(60 + 0.6 * x),
    ],
    ids=["itself", "inverted", "hues turned", "channels exchanged", "grey", "darker", "faded"],
)
def test_one_map_of_colours_takes_nothing_away(change) -> None:
    for pixels in (work(), scene()):
        found = judged(pixels, change(pixels))
        assert found.share > 0.97
        assert found.gap < 0.02


def test_a_drawing_on_paper_does_not_vanish_in_a_map_that_makes_it_paper() -> None:
    """The ground is black strokes on white in both; one has a yellow drawing inside, the other a blue one elsewhere."""
    pages = []
    for colour, at in (((250, 220, 60), (90, 120)), ((70, 150, 250), (165, 150))):
        page = np.full((256, 256, 3), 255, np.uint8)
        draw = np.random.default_rng(3)
        for _ in range(40):
            p, q = (tuple(int(v) for v in draw.integers(0, 256, 2)) for _ in range(2))
            if min(p[1], q[1]) > 200 or max(p[1], q[1]) < 50:
                cv2.line(page, p, q, (0, 0, 0), 2, cv2.LINE_AA)
        cv2.circle(page, at, 38, colour, -1, cv2.LINE_AA)
        cv2.circle(page, at, 20, tuple(c // 2 for c in colour), 4, cv2.LINE_AA)
        pages.append(page)
    found = judged(*pages)
    inside = np.zeros(found.mask.shape, bool)
    inside[round(0.35 * 160) : round(0.7 * 160)] = True
    could = found.informative & inside
    assert could.sum() > 500
    assert (found.agreeing & could).sum() / could.sum() < 0.15
    assert found.gap > 0.03


@pytest.mark.parametrize("fill", ["black", "green", "picture"])
def test_a_cover_takes_away_its_own_area_and_no_more(fill: str) -> None:
    for pixels in (scene(), work()):
        page = pixels.copy()
        rows, columns = slice(50, 190), slice(90, 230)
        page[rows, columns] = {"black": 0, "green": (20, 160, 60)}.get(
            fill, work("disputed/control.png")[rows, columns]
        )
        over = laid(pixels, page)
        truth = 1 - 140 * 140 / 256**2
        assert abs(judge.area(over, judge.judge(over), over) - truth) < 0.1


def test_unrelated_pictures_agree_in_next_to_nothing() -> None:
    names = ("originals/edited-original.png", "disputed/control.png", "disputed/manner.png", "disputed/memorised.png")
    pictures = [work(n) for n in names] + [scene()]
    for n, a in enumerate(pictures):
        for b in pictures[n + 1 :]:
            assert judged(a, b).share < 0.12


def test_what_repeats_itself_agrees_by_chance_and_the_judge_says_so() -> None:
    rows = np.uint8(127 + 120 * np.sin(np.arange(256) * 2 * np.pi / 8))[:, None, None] * np.ones((1, 256, 3), np.uint8)
    repeated = laid(rows, rows)
    assert judge.chance(repeated, judge.judge(repeated)) > 0.4
    once = laid(scene(), scene())
    assert judge.chance(once, judge.judge(once)) < 0.25


def test_a_smooth_displacement_is_followed_and_its_size_said() -> None:
    down, along = np.mgrid[0:256, 0:256].astype(np.float32)
    moved = cv2.remap(
        scene(),
        along + 5 * np.sin(down / 50),
        down + 4 * np.cos(along / 60),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    over = laid(scene(), moved)
    start = judge.judge(over)
    found = judge.follow(over, start)
    assert found.judged.share > start.share + 0.1
    assert found.judged.share > 0.85
    assert 0.005 < found.typical < 0.03


def test_following_makes_no_picture_of_another() -> None:
    for name in ("disputed/control.png", "disputed/manner.png"):
        over = laid(work(), work(name))
        assert judge.follow(over, judge.judge(over)).judged.share < 0.2


def test_the_map_is_none_where_none_is_needed() -> None:
    mask = np.ones((256, 256), bool)
    plain = colour_map.fit(scene(), scene(), mask)
    first, told, _, _ = plain.planes(*(scene().astype(np.float32) / 255,) * 2)
    assert np.abs(first - told).max() < 1e-5
    assert colour_map.fit(np.stack([scene()[..., 0]] * 3, 2), scene(), mask).toned


def test_simple_shapes_show_little() -> None:
    disc = np.full((256, 256, 3), 255, np.uint8)
    cv2.circle(disc, (128, 128), 80, (200, 0, 0), -1, cv2.LINE_AA)
    assert judge.structure(disc) < 6
    assert judge.structure(np.full((256, 256, 3), 9, np.uint8)) == 0
    assert judge.structure(work()) > 10


def test_the_largest_part_that_differs_has_its_place() -> None:
    page = scene().copy()
    page[100:170, 30:110] = work("disputed/control.png")[100:170, 30:110]
    left, top, right, bottom = judge.largest_apart(judged(scene(), page)) or (0, 0, 0, 0)
    assert abs(left - 30 / 256) < 0.06
    assert abs(top - 100 / 256) < 0.06
    assert abs(right - 110 / 256) < 0.06
    assert abs(bottom - 170 / 256) < 0.06
    assert judge.largest_apart(judged(scene(), scene())) is None
