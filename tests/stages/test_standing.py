"""The disputed picture beside its controls: a difference in kind is printed and warned of, and likeness is not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forensics.case import Absent, ControlFacts, Fact, Item
from forensics.controls import works as control_works
from forensics.pictures.tensors import to_tensor
from forensics.stages import domain, standing
from forensics.stages.works import ControlGroup, Work


def picture(seed: int, side: int = 64, cells: int = 8) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(blocks, "RGB").resize((side, side), Image.Resampling.NEAREST)


def group(count: int = 40) -> ControlGroup:
    works = tuple(Work.of(f"c{i}", picture(i)) for i in range(count))
    facts = ControlFacts("made here", count, count, "Made for the test.", "all", "d" * 64, ())
    return ControlGroup(facts, works, dates=(None,) * count)


def item(*metadata: Fact) -> Item:
    return Item("Q1", "disputed", "a.png", "0" * 64, 1, "image/png", 64, 64, "exhibits/a.png", "Q1", (), metadata, ())


def stood(disputed: Image.Image) -> dict[str, bool]:
    found = standing.stand(Work.of("Q1", disputed), item(), group(), None).facts
    assert isinstance(found, ControlFacts)
    return {row.name: row.unlike for row in found.standing}


def test_a_picture_like_its_controls_is_warned_of_in_nothing() -> None:
    assert stood(picture(100)) == {domain.SIDE: False, domain.COMPLEXITY: False, domain.WHITE: False}


@pytest.mark.parametrize(
    ("disputed", "name"),
    [
        (picture(100, side=256), domain.SIDE),
        (picture(100, side=24), domain.SIDE),
        (picture(100, cells=64), domain.COMPLEXITY),
        (Image.new("RGB", (64, 64), "white"), domain.WHITE),
    ],
)
def test_what_no_control_has_is_warned_of(disputed: Image.Image, name: str) -> None:
    assert stood(disputed)[name]


def test_values_and_counts_are_those_of_the_pictures() -> None:
    disputed = picture(100, cells=4)
    found = standing.stand(Work.of("Q1", disputed), item(), group(), None).facts
    assert isinstance(found, ControlFacts)
    row = next(row for row in found.standing if row.name == domain.COMPLEXITY)
    values = [domain.properties(to_tensor(picture(i)))[domain.COMPLEXITY] for i in range(40)]
    assert (row.low, row.high, row.n) == (min(values), max(values), 40)
    assert row.disputed == domain.properties(to_tensor(disputed))[domain.COMPLEXITY]
    assert row.farther == min(sum(v <= row.disputed for v in values), sum(v >= row.disputed for v in values))


def test_dates_are_printed_and_a_picture_outside_their_range_is_said_to_be() -> None:
    theirs = [dt.date(2020, 1, day) for day in range(1, 11)] + [None]
    inside = standing.dates(item(Fact("EXIF DateTimeOriginal", "2020:01:05 10:00:00")), theirs)
    assert "states 2020-01-05" in inside
    assert "10 are dated, from 2020-01-01 to 2020-01-10, half of them by 2020-01-05" in inside
    assert "outside" not in inside
    assert "outside the range" in standing.dates(item(Fact("EXIF DateTime", "1999:01:05 10:00:00")), theirs)
    assert standing.dates(item(Fact("EXIF DateTime", "no date")), [None]) == (
        "The file of the disputed image states no date. No date is stated for any of the 1 controls."
    )


def test_without_controls_there_is_nothing_to_stand_among() -> None:
    none = ControlGroup(Absent("controls", "There are none."))
    assert standing.stand(Work.of("Q1", picture(1)), item(), none, None) is none


def test_the_date_of_a_control_is_read_from_its_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2021:02:03 04:05:06"
    picture(1).save(tmp_path / "a.jpg", exif=exif)
    assert control_works.made_on(tmp_path / "a.jpg") == dt.date(2021, 2, 3)
    picture(1).save(tmp_path / "b.jpg")
    assert control_works.made_on(tmp_path / "b.jpg") is None
