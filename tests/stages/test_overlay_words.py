"""The word in sentences: what differs has its place, a frame is called one, photographs and contradictions are said."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from forensics.case import Outcome
from forensics.overlay import outcome
from forensics.overlay.correspondence import Pairing, Part, pair, prepare
from forensics.similarity.lpips import Lpips
from forensics.stages import overlay_words
from tests.studies import overlay_pictures as made

COMPARE = Path(__file__).parents[1] / "assets" / "compare"


def compared(a: made.Pixels, b: made.Pixels) -> tuple[Outcome, Pairing, list[Part]]:
    found = pair(prepare(np.ascontiguousarray(a)), prepare(np.ascontiguousarray(b)))
    return outcome.decide(found), found, [p for p in found.parts if outcome.in_detail(p)]


def opened(name: str) -> made.Pixels:
    return np.asarray(Image.open(COMPARE / name).convert("RGB"))


def said(a: made.Pixels, b: made.Pixels) -> str:
    word, found, parts = compared(a, b)
    return overlay_words.basis(word, found, parts, (a.shape[1], a.shape[0]))


@pytest.mark.parametrize("number", range(4))
def test_a_skeleton_with_other_drawings_is_a_frame(number: int) -> None:
    text = said(opened(f"sk{number}a.png"), opened(f"sk{number}b.png"))
    assert "What agrees is the frame" in text
    assert "the inside differs" in text
    assert "The largest part that differs lies between" in text


def test_what_was_changed_has_its_place_and_a_photograph_its_sentence() -> None:
    work = made.sized(Image.fromarray(data.coffee()))
    disputed, place = made.changed(work, made.sized(Image.fromarray(data.astronaut())), random.Random(1))
    word, found, parts = compared(disputed, work)
    text = overlay_words.basis(word, found, parts, (disputed.shape[1], disputed.shape[0]))
    assert word is Outcome.PARTLY
    assert overlay_words.PHOTOGRAPHS in text
    numbers = [int(n) for n in text.split("lies between ")[1].replace("%", "").split() if n.isdigit()][:4]
    assert np.abs(np.array(numbers) / 100 - np.array(place)[[0, 2, 1, 3]]).max() < 0.06


def test_a_copy_in_full_detail_needs_no_word_on_second_photographs() -> None:
    work = made.sized(Image.fromarray(data.coffee()))
    assert overlay_words.PHOTOGRAPHS not in said(made.jpeg(work, 80), work)
    assert "all of the disputed image and all of the work agree" in said(work, work)


def test_drawings_are_no_photographs() -> None:
    assert overlay_words.PHOTOGRAPHS not in said(opened("sk0a.png"), opened("sk0b.png"))


def test_a_redrawn_picture_says_how_far_its_parts_moved() -> None:
    work = made.sized(Image.fromarray(data.coffee()))
    assert "small smooth displacements are followed" in said(made.redrawn(work, 0.03, random.Random(2)), work)


def test_measures_that_speak_against_a_word_are_said() -> None:
    """Given the word that the other pair has, the sentence appears; given its own word, it does not."""
    lpips = {"lpips": Lpips()}
    work = made.sized(Image.fromarray(data.coffee()))
    word, found, _ = compared(255 - work, work)
    assert word is Outcome.THROUGHOUT
    assert overlay_words.contradiction(word, found, lpips) == ""
    assert "those of one picture" in overlay_words.contradiction(Outcome.NONE, found, lpips)
    other = made.sized(Image.fromarray(data.cat()))
    word, found, _ = compared(other, work)
    assert word is Outcome.NONE
    assert found.parts
    assert overlay_words.contradiction(word, found, lpips) == ""
    assert "same outline and other content" in overlay_words.contradiction(Outcome.THROUGHOUT, found, lpips)
    assert overlay_words.contradiction(Outcome.THROUGHOUT, found, {}) == ""
