"""Whether controls will serve, said from the files alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image

from forensics.cli import main
from forensics.controls import works
from forensics.errors import CheckpointError, ControlsError
from forensics.resources import samples
from forensics.stages.control_check import Like, check


def picture(path: Path, seed: int, side: int = 48, made: str = "") -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    exif = image.getexif()
    if made:
        exif[ExifTags.Base.DateTime] = made
    image.save(path, exif=exif)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "controls"
    place.mkdir()
    for number in range(12):
        picture(place / f"{number:02}.jpg", number, made="2026:05:01 10:00:00" if number else "2019:05:01 10:00:00")
        (place / f"{number:02}.txt").write_text(f"a picture\nof {number}")
    return place


def test_a_table_is_made_with_dates_and_captions_and_grounds_only_where_they_hold(folder: Path) -> None:
    done = CliRunner().invoke(main, ["controls", "build", str(folder), "--published", "2025-01-01"])
    assert done.exit_code == 0, done.output
    assert "12 works, 1 without a ground" in done.output
    with pytest.raises(ControlsError, match="ground"):
        works.load(folder)
    text = (folder / works.TABLE).read_text()
    (folder / works.TABLE).write_text("".join(r for r in text.splitlines(keepends=True) if not r.startswith("00.jpg")))
    found = works.load(folder)
    assert [w.date for w in found.works] == [dt.date(2026, 5, 1)] * 11
    assert found.works[0].caption == "a picture of 1"


def test_repeats_are_counted_once_and_too_few_controls_are_named(folder: Path) -> None:
    Image.open(folder / "03.jpg").resize((96, 96)).save(folder / "again.png")
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    found = check(works.load(folder))
    facts = {f.name: f.value for f in found.facts}
    assert facts["works"] == "13, 12 of them distinct pictures"
    assert facts["smallest p, profile quick"].startswith("0.0769, from 12")
    assert any("again.png" in w for w in found.warnings)
    assert any("takes 59. Add 47" in w for w in found.warnings)


def test_a_picture_unlike_the_controls_and_a_date_before_publication_are_warned_of(folder: Path) -> None:
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    picture(folder.parent / "large.png", 99, side=900)
    found = check(works.load(folder), folder.parent / "large.png", dt.date(2025, 1, 1))
    assert any("unlike the controls: shorter side in pixels is 900" in w for w in found.warnings)
    assert any("1 work is dated 2025-01-01 or before" in w and "00.jpg" in w for w in found.warnings)
    alike = check(works.load(folder), folder / "05.jpg", dt.date(2018, 1, 1))
    assert not any("unlike" in w or "dated" in w for w in alike.warnings)


def test_a_date_that_is_none_is_refused_with_its_line(folder: Path) -> None:
    (folder / works.TABLE).write_text("file,ground,date\n01.jpg,Made later.,yesterday\n")
    with pytest.raises(ControlsError, match="line 2: 'yesterday' is no date"):
        works.load(folder)


def test_controls_smaller_than_the_checkpoint_works_with_are_counted(folder: Path) -> None:
    picture(folder / "large.png", 77, side=200)
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    checkpoint = samples() / "reference" / "twin-a"
    done = CliRunner().invoke(main, ["controls", "check", str(folder), "--checkpoint", str(checkpoint)])
    assert done.exit_code == 0, done.output
    assert "size of the checkpoint: 128 pixels; 12 of 13 works are smaller" in done.output
    assert "WARNING: 12 of 13 works: fewer pixels than the 128²" in done.output


def test_a_checkpoint_that_is_none_is_refused_before_the_controls_are_looked_at(folder: Path) -> None:
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    done = CliRunner().invoke(main, ["controls", "check", str(folder), "--checkpoint", str(folder / "01.jpg")])
    assert done.exit_code == CheckpointError.exit_code, done.output


def like(place: Path, seeds: range, caption: str, grey: bool) -> Path:
    """A folder of works as `forensics survey` takes them."""
    place.mkdir()
    for seed in seeds:
        picture(place / f"{seed:03}.png", seed)
        if grey:
            Image.open(place / f"{seed:03}.png").convert("L").point(lambda v: v // 8).save(place / f"{seed:03}.png")
        (place / f"{seed:03}.txt").write_text(caption.format(seed))
    return place


def test_works_of_another_kind_are_told_apart_and_works_of_the_same_kind_are_not(folder: Path, tmp_path: Path) -> None:
    for number in range(12, 24):
        picture(folder / f"{number:02}.jpg", number)
        (folder / f"{number:02}.txt").write_text(f"a picture\nof {number}")
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    other = like(tmp_path / "other", range(100, 124), "oil on canvas, signed, {}", grey=True)
    done = CliRunner().invoke(main, ["controls", "check", str(folder), "--works", str(other)])
    assert done.exit_code == 0, done.output
    assert "tells the works from the controls by their pictures alone (area under the curve 1.00" in done.output
    assert "by their captions alone" in done.output.partition("WARNING")[2]
    alike = check(works.load(folder), like=Like([Image.open(p) for p in sorted(folder.glob("*.jpg"))], [""] * 24))
    assert not any("tells the works from the controls" in w and "pictures" in w for w in alike.warnings)


def test_few_works_are_not_told_apart_at_all(folder: Path, tmp_path: Path) -> None:
    CliRunner().invoke(main, ["controls", "build", str(folder), "--ground", "Made later."])
    few = like(tmp_path / "few", range(100, 104), "of {}", grey=False)
    done = CliRunner().invoke(main, ["controls", "check", str(folder), "--works", str(few)])
    assert "told apart by pictures alone: not tried: it takes 10 works of each kind" in done.output
