"""The layout of edges: what a redrawn picture keeps, what an edit does not change, and what it may never raise."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forensics.case import Outcome
from forensics.overlay import layout, outcome
from forensics.overlay.correspondence import Pairing, pair, prepare
from forensics.overlay.plates import Plate, plate, without
from forensics.resources import samples
from tests.studies import comparison_cases

Pixels = NDArray[np.uint8]


@cache
def original() -> Pixels:
    return np.asarray(Image.open(samples() / "originals" / "edited-original.png").convert("RGB"))


@cache
def whole() -> Plate:
    return plate(original())


def redrawn(seed: int = 0) -> Pixels:
    case = next(c for c in comparison_cases.CASES if c.name == "paraphrase")
    return case.make(original(), original(), random.Random(seed))


def test_edits_of_colour_tone_and_side_keep_the_layout() -> None:
    turned = np.ascontiguousarray(original()[..., [2, 0, 1]])
    for changed, mirrored in ((turned, False), (255 - original(), False), (original()[:, ::-1], True)):
        found = layout.compare(whole(), plate(np.ascontiguousarray(changed)))
        assert found.value > 0.98
        assert found.mirrored is mirrored


def test_a_redrawn_picture_has_the_arrangement_and_only_that() -> None:
    found = pair(prepare(redrawn()), prepare(original()))
    assert found.layout.value >= outcome.BOUNDS.layout
    assert outcome.decide(found) is Outcome.ARRANGEMENT


def test_other_works_do_not() -> None:
    for name in ("control.png", "manner.png", "memorised.png"):
        other = np.asarray(Image.open(samples() / "disputed" / name).convert("RGB"))
        assert layout.compare(whole(), plate(other)).value < outcome.BOUNDS.layout


def test_exchanging_or_repeating_changes_no_number() -> None:
    other = plate(redrawn(3))
    one = layout.compare(whole(), other)
    assert one == layout.compare(whole(), other)
    exchanged = layout.compare(other, whole())
    assert abs(one.value - exchanged.value) < 1e-6
    assert (one.over, one.mirrored) == (exchanged.over, exchanged.mirrored)


def test_one_simple_shape_has_no_arrangement() -> None:
    pictures = []
    for radius, colour in ((90, (200, 30, 30)), (84, (20, 90, 220))):
        page = np.full((256, 256, 3), 255, np.uint8)
        cv2.circle(page, (128, 128), radius, colour, -1, cv2.LINE_AA)
        pictures.append(prepare(page))
    found = pair(*pictures)
    assert found.layout.value >= outcome.BOUNDS.layout
    assert not outcome.arranged(found.layout.value, found.structure)


def test_parts_left_out_do_not_count() -> None:
    """One work in two frames: the arrangement is the same where the frames are left out."""
    one, two = (plate(comparison_cases.frame(original(), seed)) for seed in (5, 6))
    height, width = one.size
    outside = np.ones(one.size, bool)
    outside[round(0.18 * height) : round(0.82 * height), round(0.18 * width) : round(0.82 * width)] = False
    rest = layout.compare(one, without(two, outside))
    assert rest.value > 0.98
    assert layout.compare(one, two).value < rest.value
    everything = without(two, np.ones(two.size, bool))
    assert layout.compare(one, everything) == layout.NOTHING


def test_pictures_of_other_proportions_or_without_edges_are_not_compared() -> None:
    strip = plate(np.ascontiguousarray(np.repeat(original()[100:140], 1, 0)))
    assert layout.compare(whole(), strip) == layout.NOTHING
    assert layout.compare(whole(), plate(np.full((64, 64, 3), 255, np.uint8))).value == 0


def test_the_layout_raises_no_correspondence_and_lowers_nothing() -> None:
    copy = pair(prepare(redrawn()), prepare(original()))
    part = outcome.seen(copy.parts[0])
    assert outcome.word([], arranged=True) is Outcome.ARRANGEMENT
    for share, word in ((1.0, Outcome.THROUGHOUT), (0.3, Outcome.PARTLY)):
        exact = replace(
            part,
            agreement=share,
            chance=0.1,
            evidence=60.0,
            places=60,
            level=128,
            share_a=share,
            share_b=share,
            whole_a=share,
            whole_b=share,
            gap=0.0,
        )
        assert {outcome.word([exact], arranged=a) for a in (False, True)} == {word}
    plain = Pairing((), None, 0, (0, 100), (0, 500), replace(layout.NOTHING, value=1.0), (0.0, 90.0))
    assert outcome.decide(plain) is Outcome.INSUFFICIENT


def test_a_redrawn_white_page_stays_white() -> None:
    page = np.full((128, 128, 3), 255, np.uint8)
    cv2.circle(page, (64, 64), 20, (10, 10, 10), -1)
    case = next(c for c in comparison_cases.CASES if c.name == "paraphrase")
    made = case.make(page, page, random.Random(1))
    assert made[:16].min() == 255
    assert set(np.unique(made)) <= {24, 72, 120, 168, 216, 255}
