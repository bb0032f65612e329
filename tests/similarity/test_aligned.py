"""The aligned distance: near nought for edits that leave LPIPS far, equal to LPIPS where nothing corresponds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from forensics.pictures.tensors import to_tensor
from forensics.resources import samples
from forensics.similarity.aligned import Aligned
from forensics.similarity.lpips import Lpips


@pytest.fixture(scope="module")
def measure() -> Aligned:
    return Aligned()


@pytest.fixture(scope="module")
def work() -> Image.Image:
    return Image.open(samples() / "originals" / "edited-original.png").convert("RGB")


def test_edits_that_lpips_takes_for_strangers_stay_near(measure: Aligned, work: Image.Image) -> None:
    lpips, original = Lpips(), to_tensor(work)
    page = Image.effect_noise((512, 512), 60).convert("RGB")
    page.paste(work.resize((220, 220)), (250, 120))
    hue, saturation, value = work.convert("HSV").split()
    edits = {
        "mirrored": work.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "cropped": work.crop((60, 60, 210, 210)),
        "inverted": Image.fromarray(255 - np.asarray(work)),
        "recoloured": Image.merge("HSV", (hue.point(lambda h: (h + 90) % 256), saturation, value)).convert("RGB"),
        "within a page": page,
    }
    for name, edited in edits.items():
        aligned, apart = float(measure(to_tensor(edited), original)), float(lpips(to_tensor(edited), original))
        assert aligned < 0.1, name
        assert aligned < apart / 2, name


def test_without_a_correspondence_it_is_lpips_of_the_frames(measure: Aligned, work: Image.Image) -> None:
    other = to_tensor(Image.open(samples() / "disputed" / "control.png").convert("RGB"))
    assert float(measure(other, to_tensor(work))) == float(Lpips()(other, to_tensor(work)))


def test_exchange_and_repetition_change_nothing(measure: Aligned, work: Image.Image) -> None:
    edited = to_tensor(Image.open(samples() / "disputed" / "edited.jpg").convert("RGB"))
    one, two = measure(edited, to_tensor(work)), Aligned()(to_tensor(work), edited)
    assert one.tolist() == pytest.approx(two.tolist(), abs=1e-6)
    assert torch.equal(one, measure(edited, to_tensor(work)))


def test_a_copy_grows_farther_as_less_of_it_is_left(measure: Aligned, work: Image.Image) -> None:
    """Rows of the work replaced by grey: the distance rises with what is gone."""
    values = []
    for gone in (0, 64, 128):
        pixels = np.asarray(work).copy()
        pixels[256 - gone :] = 128
        values.append(float(measure(to_tensor(Image.fromarray(pixels)), to_tensor(work))))
    assert values == sorted(values)
    assert values[0] == 0
