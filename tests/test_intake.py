"""Intake: what is refused and why, and what is said about every file that is taken."""

from __future__ import annotations

import contextlib
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from forensics.case import Fact
from forensics.errors import ExitCode, ImageError
from forensics.pictures import intake

ASSETS = Path(__file__).parent / "assets"
BROKEN = {
    "broken_truncated.png": "does not decode completely",
    "broken_truncated.jpg": "does not decode completely",
    "broken_empty.png": "is empty",
    "broken_not_an_image.png": "is not an image in a supported format",
    "broken_bomb.png": "more than 100 million pixels",
    "broken_tiny.png": "is 8 × 200 pixels",
    "broken_checksum.png": "does not decode completely",
}
GOOD = sorted(p for p in ASSETS.iterdir() if p.suffix in (".png", ".jpg", ".gif") and p.name not in BROKEN)


def scene() -> np.ndarray:
    return np.asarray(Image.open(ASSETS / "plain.png"), dtype=float)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_refused_by_name_with_a_remedy(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        intake.read(ASSETS / name)
    assert name in caught.value.message
    assert BROKEN[name] in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.IMAGE


def test_every_broken_asset_has_its_case() -> None:
    assert {p.name for p in ASSETS.glob("broken_*")} == set(BROKEN)


def test_every_asset_is_listed_with_its_purpose() -> None:
    readme = (ASSETS / "README.md").read_text(encoding="utf-8")
    assert all(f"`{p.name}`" in readme for p in (*GOOD, *ASSETS.glob("broken_*")))


def test_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        intake.read(tmp_path / "absent.png")


def test_truncated_file_is_refused_although_a_library_allowed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # WeasyPrint turns this switch on for the whole process when it is imported.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError):
        intake.read(ASSETS / "broken_truncated.png")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.name)
def test_working_copy_is_upright_8_bit_rgb_and_the_input_untouched(path: Path) -> None:
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    decoded = intake.read(path)
    assert decoded.picture.mode == "RGB"
    assert decoded.picture.size == (96, 64)
    assert decoded.decoding
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_exif_orientation_is_applied_and_said() -> None:
    decoded = intake.read(ASSETS / "exif_rotated.jpg")
    assert (decoded.width, decoded.height) == (64, 96)
    assert "EXIF value 6" in decoded.decoding[0]
    assert np.abs(np.asarray(decoded.picture, dtype=float) - scene()).mean() < 5  # JPEG at quality 92


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alpha.png", "laid on white"),
        ("cmyk.jpg", "CMYK without a colour profile"),
        ("grey_16_bit.png", "scaled to 8 bits"),
        ("rgb_16_bit.png", "16 bits were reduced to 8 bits"),
        ("two_frames.gif", "holds 2 frames"),
        ("profile.png", "embedded profile"),
        ("plain.png", "taken as sRGB"),
    ],
)
def test_every_step_of_decoding_is_stated(name: str, said: str) -> None:
    assert said in " ".join(intake.read(ASSETS / name).decoding)


def test_an_srgb_profile_changes_no_pixel() -> None:
    pixels = np.asarray(intake.read(ASSETS / "profile.png").picture, dtype=float)
    assert np.abs(pixels - scene()).max() <= 1  # rounding of the colour engine


def test_16_bit_grey_keeps_its_scale() -> None:
    pixels = np.asarray(intake.read(ASSETS / "grey_16_bit.png").picture, dtype=int)
    expected = np.array([680 * x / 65535 * 255 for x in range(96)])
    assert np.abs(pixels[0, :, 0] - expected).max() <= 1


def test_dark_16_bit_picture_is_not_brightened(tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    Image.fromarray(np.full((32, 32), 200, dtype=np.uint16)).save(path)
    assert np.asarray(intake.read(path).picture).max() <= 1


def test_generator_metadata_is_read_and_nothing_invented() -> None:
    stated = intake.read(ASSETS / "webui_metadata.png").generator
    assert intake.prompt_stated(stated) == "a red box beside a blue ball"
    assert Fact("seed", "42") in stated
    assert intake.read(ASSETS / "plain.png").generator == ()


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.name)
def test_damaged_bytes_give_an_image_error_or_a_picture(path: Path) -> None:
    dice, data = random.Random(path.name), path.read_bytes()
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with contextlib.suppress(ImageError):
            assert intake.decode(bytes(damaged), path.name).picture.mode == "RGB"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("works.zip", b"PK\3\4" + b"\0" * 60, "unpack it"),
        ("page.png", b"\xef\xbb\xbf\n <!DOCTYPE html><title>a picture</title>", "not the page that shows it"),
        ("drawing.svg", b"<?xml version='1.0'?><svg/>", "export it as PNG"),
        ("letter.pdf", b"%PDF-1.7\n", "ask for the picture"),
    ],
)
def test_what_people_name_in_place_of_a_picture_is_recognised(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        intake.read(path)
    assert said in caught.value.hint


@pytest.mark.parametrize("given", ["https://example.org/a.png", "HTTP://example.org/a.png"])
def test_an_address_is_told_to_be_one(given: str) -> None:
    with pytest.raises(ImageError, match=r"://example\.org/a\.png is an address, and nothing is fetched") as caught:
        intake.read(Path(given))
    assert "Save the picture" in caught.value.hint


def test_a_mistyped_name_is_met_with_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "picture.png").touch()
    with pytest.raises(ImageError) as caught:
        intake.read(tmp_path / "pictrue.png")
    assert caught.value.hint == f"Did you mean {tmp_path / 'picture.png'}?"
