"""Control works are compared with one another: copies of one picture under many names are one control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from forensics.case import Absent, ControlFacts
from forensics.controls.works import load
from forensics.device import choose
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from forensics.errors import ControlsError
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.settings import Settings
from forensics.stages.works import ControlGroup, Work, control_group, read
from tests.test_works import CONTROL, EMBEDDED

OTHER = samples() / "disputed" / "manner.png"


@pytest.fixture(scope="module")
def copies() -> CopyDescriptor:
    found = open_descriptor(None, choose("cpu", "fp32"))
    assert not isinstance(found, Absent)
    return found


def group(folder: Path, copies: CopyDescriptor | None = None) -> ControlGroup:
    target = Work.of("Q1", read(samples() / "disputed" / "memorised.png"))
    return control_group(Settings(controls=str(folder)), EMBEDDED, PROFILES["standard"], [target], frozenset(), copies)


def table(folder: Path, names: list[str]) -> None:
    rows = "".join(f"{name},Drawn for the test.,\n" for name in names)
    (folder / "controls.csv").write_text("file,ground,caption\n" + rows, encoding="utf-8")


def facts(found: ControlGroup) -> ControlFacts:
    assert isinstance(found.facts, ControlFacts)
    return found.facts


def test_ninety_nine_rows_of_one_picture_are_one_control(tmp_path: Path) -> None:
    read(CONTROL).save(tmp_path / "one.png")
    table(tmp_path, ["one.png"] * 99)
    found = facts(group(tmp_path))
    assert (found.used, found.repeats) == (1, 98)
    assert "98 the same file" in found.selection


def test_ninety_nine_copies_under_ninety_nine_names_are_one_control(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(99)]
    for number, name in enumerate(names):  # other bytes, the same pixels
        read(CONTROL).save(tmp_path / name, compress_level=number % 10)
    table(tmp_path, names)
    found = facts(group(tmp_path))
    assert (found.used, found.repeats) == (1, 98)
    assert "the same pixels" in found.selection


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def lighter(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(picture, np.int16) + 6, 0, 255).astype(np.uint8))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": half,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "quarter turn": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "mirrored quarter turn": lambda p: ImageOps.mirror(p.transpose(Image.Transpose.ROTATE_90)),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "grey and mirrored": lambda p: ImageOps.mirror(p.convert("L").convert("RGB")),
    "lighter": lighter,
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("source", [CONTROL, OTHER])
def test_edited_copy_is_left_out_and_counted(tmp_path: Path, source: Path, edit: str) -> None:
    read(source).save(tmp_path / "a.png")
    EDITS[edit](read(source)).save(tmp_path / "b.png")
    table(tmp_path, ["a.png", "b.png"])
    found = facts(group(tmp_path))
    assert (found.used, found.repeats) == (1, 1)


def test_copy_descriptor_finds_a_turned_copy_that_thumbnails_do_not(tmp_path: Path, copies: CopyDescriptor) -> None:
    read(CONTROL).save(tmp_path / "a.png")
    read(CONTROL).rotate(3, fillcolor="white").save(tmp_path / "b.png")
    table(tmp_path, ["a.png", "b.png"])
    assert facts(group(tmp_path)).used == 2
    found = facts(group(tmp_path, copies))
    assert (found.used, found.repeats) == (1, 1)
    assert "1 a copy by the copy descriptor" in found.selection


def test_distinct_works_stay(copies: CopyDescriptor) -> None:
    """None of the 640 embedded works is taken for a copy of another, drawn as the standard profile draws."""
    target = Work.of("Q1", read(CONTROL))
    found = facts(control_group(Settings(), EMBEDDED, PROFILES["standard"], [target], frozenset(), copies))
    assert (found.used, found.repeats) == (99, 0)


def test_control_swapped_after_it_was_hashed_is_refused(tmp_path: Path) -> None:
    read(CONTROL).save(tmp_path / "a.png")
    table(tmp_path, ["a.png"])
    (work,) = load(tmp_path).works
    hashed = work.digest()
    read(OTHER).save(tmp_path / "a.png")
    with pytest.raises(ControlsError, match=r"a\.png changed while the controls were read"):
        work.read_as(hashed)


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "x" * 5000, "a\0b", "link.png", "."])
def test_row_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "controls"
    folder.mkdir()
    read(CONTROL).save(tmp_path / "a.png")
    (folder / "link.png").symlink_to(tmp_path / "a.png")
    table(folder, [name])
    with pytest.raises(ControlsError):
        load(folder)
