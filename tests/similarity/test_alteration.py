"""An altered copy is told from one saved again, and from what is no copy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from forensics.overlay.alteration import altered
from forensics.overlay.correspondence import Prepared, pair, prepare
from forensics.resources import samples
from forensics.validation import edits

REFERENCE = samples() / "reference"


@pytest.fixture(scope="module")
def works() -> list[Image.Image]:
    rows = map(json.loads, (REFERENCE / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    chosen = [r["path"] for r in rows if r["role"] == "planted" and r["half"] == "calibration"][:3]
    return [Image.open(REFERENCE / path).convert("RGB") for path in chosen]


def ready(picture: Image.Image) -> Prepared:
    return prepare(np.asarray(picture.convert("RGB"), np.uint8))


def words(disputed: Image.Image, work: Image.Image) -> tuple[str, ...] | None:
    return altered(pair(ready(disputed), ready(work)), disputed.size, work.size)


@pytest.mark.parametrize("edit", [edits.jpeg, edits.half, edits.double])
def test_saving_again_and_scaling_alter_nothing(works: list[Image.Image], edit: edits.Edit) -> None:
    assert [words(edit(work), work) for work in works] == [()] * len(works)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edits.crop, "cropped"),
        (edits.crop_half, "cropped"),
        (edits.rotate, "cropped"),
        (edits.mirror, "mirrored"),
        (edits.recolour, "darker"),
    ],
)
def test_other_changes_are_said(works: list[Image.Image], edit: edits.Edit, said: str) -> None:
    for work in works:
        assert said in ", ".join(words(edit(work), work) or ())


def test_a_mirrored_crop_is_both(works: list[Image.Image]) -> None:
    assert (words(edits.mirror(edits.crop_half(works[0])), works[0]) or ())[:2] == (
        "mirrored",
        "cropped, enlarged, turned or distorted",
    )


def test_a_work_inside_another_picture_is_found_and_another_work_is_no_copy(works: list[Image.Image]) -> None:
    sheet = Image.new("RGB", (256, 256), "white")
    sheet.paste(works[0].resize((128, 128)), (0, 0))
    sheet.paste(works[1].resize((128, 128)), (128, 128))
    assert words(sheet, works[0])
    assert words(sheet, works[2]) is None
    assert words(works[0], works[1]) is None
