"""The account of decoding against the file: orientation, colours, ranges, damage beside the pixels, missing pixels.

Sources: EXIF 2.32 and TIFF 6.0 (tag 274), PNG third edition (gAMA, cICP, iCCP, eXIf), Pillow's reports on palettes,
grey with alpha and 16 bits, ISO/IEC 10918-1 (end of image), reports of cut downloads.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from forensics.errors import ImageError
from forensics.pictures import containers, intake
from tests.metadata import files

ASSETS = Path(__file__).parent / "assets"
ORIENTATION = 0x0112


def scene(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    y, x = np.mgrid[: size[1], : size[0]]
    rgb = np.stack([x * 2, y * 3, (x + y)], axis=-1) % 256
    return Image.fromarray(rgb.astype(np.uint8), "RGB").convert(mode)


def saved(image: Image.Image, container: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, container, **options)
    return buffer.getvalue()


def steps(data: bytes) -> str:
    return " ".join(intake.decode(data, "test").decoding)


# Orientation


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("value", [1, 2, 3, 4, 5, 6, 7, 8])
def test_every_orientation_in_every_container(container: str, value: int) -> None:
    image = scene()
    exif = Image.Exif()
    exif[ORIENTATION] = value
    options = {"quality": 95} if container in ("JPEG", "WEBP", "AVIF") else {}
    decoded = intake.decode(saved(image, container, exif=exif, **options), "test")
    oriented = image.copy()
    oriented.getexif()[ORIENTATION] = value
    expected = ImageOps.exif_transpose(oriented)
    assert decoded.picture.size == expected.size
    off = np.abs(np.asarray(decoded.picture, float) - np.asarray(expected, float)).mean()
    assert off < 8
    assert (decoded.width, decoded.height) == (96, 64)
    said = "No rotation" if value == 1 else f"EXIF value {value}) was applied"
    assert said in " ".join(decoded.decoding)


@pytest.mark.parametrize("container", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("value", [9, 60, 65535])
def test_an_orientation_that_does_not_exist_is_said_and_not_applied(container: str, value: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    decoded = intake.decode(saved(scene(), container, exif=exif), "test")
    assert decoded.picture.size == (96, 64)
    assert f"EXIF value {value}) is none of the eight" in " ".join(decoded.decoding)


# Colours


def linear_profile(space: str) -> bytes:
    """A profile with a gamma of one, made from its parts: grey, or sRGB's primaries."""

    def s15(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    curve = b"curv" + bytes(4) + struct.pack(">I", 1) + struct.pack(">H", 0x0100) + bytes(2)
    xyz = {  # sRGB's primaries and white, adapted to D50
        b"wtpt": (0.9642, 1.0, 0.8249),
        b"rXYZ": (0.4361, 0.2225, 0.0139),
        b"gXYZ": (0.3851, 0.7169, 0.0971),
        b"bXYZ": (0.1431, 0.0606, 0.7141),
    }
    desc = b"desc" + bytes(4) + struct.pack(">I", 7) + b"linear\0" + bytes(79)
    tags: dict[bytes, bytes] = {b"desc": desc, b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"}
    for name, values in xyz.items():
        if space == "RGB " or name == b"wtpt":
            tags[name] = b"XYZ " + bytes(4) + b"".join(s15(v) for v in values)
    for name in (b"rTRC", b"gTRC", b"bTRC") if space == "RGB " else (b"kTRC",):
        tags[name] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    header = bytearray(128)
    header[8:12], header[12:16], header[16:20], header[20:24] = b"\x02\x10\0\0", b"mntr", space.encode(), b"XYZ "
    header[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header[36:40] = b"acsp"
    header[68:80] = b"".join(s15(v) for v in (0.9642, 1.0, 0.8249))
    whole = bytes(header) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def encoded(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_a_profile_is_applied_in_every_mode(mode: str) -> None:
    grey = Image.fromarray(RAMP)
    space = "GRAY" if mode in ("L", "LA", "I;16") else "RGB "
    if mode == "I;16":
        image = Image.fromarray(RAMP.astype(np.uint16) * 257)
    elif mode == "P":
        image = grey.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    else:
        image = grey.convert(mode)
    decoded = intake.decode(saved(image, "PNG", icc_profile=linear_profile(space)), "test")
    assert "Colours were converted from the embedded profile (linear)" in " ".join(decoded.decoding)
    off = np.abs(np.asarray(decoded.picture, float)[:, :, 0] - encoded(RAMP / 255))
    assert off.mean() < 3


def test_a_profile_for_another_space_is_said_to_be_ignored() -> None:
    said = steps(saved(scene(), "PNG", icc_profile=linear_profile("GRAY")))
    assert "could not be applied (it describes GRAY, the samples are RGB)" in said


def test_a_damaged_profile_is_never_called_none() -> None:
    data = files.with_chunk(saved(scene(), "PNG"), files.chunk(b"iCCP", b"x\0\0" + b"not compressed"))
    assert "profile is embedded and cannot be read" in steps(data)
    jpeg = saved(scene(), "JPEG", icc_profile=linear_profile("RGB "))
    place = jpeg.index(b"ICC_PROFILE\0")
    broken = jpeg[: place + 13] + b"\2" + jpeg[place + 14 :]  # the second of two parts is missing
    assert "profile is embedded and cannot be read" in steps(broken)


@pytest.mark.parametrize(("gamma", "said"), [(0.45455, False), (1.0, True), (0.55556, True)])
def test_another_gamma_is_said_with_its_effect(gamma: float, said: bool) -> None:
    data = files.with_chunk(saved(scene(), "PNG"), files.chunk(b"gAMA", round(gamma * 100000).to_bytes(4, "big")))
    text = steps(data)
    assert ("another gamma" in text) is said
    assert ("of 255 levels on average" in text) is said


@pytest.mark.parametrize(
    ("points", "said"), [((1, 13, 0, 1), ""), ((9, 16, 0, 1), "BT.2020 with PQ"), ((12, 13, 0, 1), "Display P3")]
)
def test_code_points_that_are_not_followed_are_said(points: tuple[int, ...], said: str) -> None:
    text = steps(files.with_chunk(saved(scene(), "PNG"), files.chunk(b"cICP", bytes(points))))
    assert said in text if said else "cICP" not in text
    if "P3" in said:
        assert "of 255 levels on average" in text


def test_lab_values_come_back_as_colours() -> None:
    image = scene()
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(image, transform)
    decoded = intake.decode(saved(lab, "TIFF"), "test")
    assert "L*a*b*" in " ".join(decoded.decoding)
    assert np.abs(np.asarray(decoded.picture, float) - np.asarray(image, float)).mean() < 6


@pytest.mark.parametrize(("top", "white"), [(1.0, "1"), (200.0, "255"), (60000.0, "65535")])
def test_ranges_of_floats(top: float, white: str) -> None:
    samples = np.linspace(0, top, 32 * 32, dtype=np.float32).reshape(32, 32)
    decoded = intake.decode(saved(Image.fromarray(samples), "TIFF"), "test")
    assert f"with {white} as white" in " ".join(decoded.decoding)
    expected = np.rint(samples * 255 / float(white))
    assert np.abs(np.asarray(decoded.picture, float)[:, :, 0] - expected).max() <= 1


@pytest.mark.parametrize("samples", [(-1.0, 1.0), (0.0, 7.5), (0.0, 1e6), (0.0, float("nan"))])
def test_floats_without_a_white_are_refused(samples: tuple[float, float]) -> None:
    image = Image.fromarray(np.resize(np.array(samples, dtype=np.float32), (32, 32)))
    with pytest.raises(ImageError, match=r"no white is stated|no numbers"):
        intake.decode(saved(image, "TIFF"), "test")


def test_cmyk_without_a_mark_is_said() -> None:
    data = saved(scene("CMYK"), "JPEG")
    start = data.index(b"\xff\xee")
    without = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    assert "the file does not say so" in steps(without)
    assert "does not say so" not in steps(data)


# Damage beside the pixels


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(intake.decode(data, "test").picture, dtype=float)


PLAIN = saved(scene(), "PNG")


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (files.chunk(b"tEXt", b"Comment\0hello", right=False), "checksum of a text"),
        (files.chunk(b"tIME", bytes(7), right=False), "checksum of the time of change"),
        (files.chunk(b"eXIf", b"MM\0*\0\0", right=True), "EXIF record"),
        (files.chunk(b"eXIf", b"Exif\0\0junk"), "EXIF record could not be read"),
        (files.chunk(b"zTXt", b"Comment\0\0" + b"no zlib"), "could not be expanded"),
        (files.chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 9_000_000, 9)), "is too long"),
        (files.chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000, 9)), "too long for most decoders"),
        (files.chunk(b"prVt", b"\xff" * 20, right=False), "chunk prVt"),
    ],
)
def test_damage_beside_the_pixels_is_said_and_the_picture_examined(chunk: bytes, said: str) -> None:
    data = files.with_chunk(PLAIN, chunk)
    assert said in steps(data)
    assert np.array_equal(pixels(data), pixels(PLAIN))


def test_what_follows_the_end_and_a_missing_end_are_said() -> None:
    assert "12 bytes follow the end mark" in steps(PLAIN + b"hidden bytes")
    assert "end mark of the file is missing; all rows" in steps(PLAIN[:-12])
    jpeg = saved(scene(), "JPEG", quality=90)
    assert "12 bytes follow the end mark" in steps(jpeg + b"hidden bytes")
    for data in (jpeg, saved(scene(), "JPEG", quality=90, progressive=True)):
        assert "end mark of the file is missing; all rows" in steps(data[:-2])
        assert np.array_equal(pixels(data[:-2]), pixels(data))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_missing_pixels_are_refused_with_and_without_an_end_mark(progressive: bool, end: bytes) -> None:
    data = saved(scene(size=(192, 128)), "JPEG", quality=90, progressive=progressive)
    start = data.index(b"\xff\xda") + 14
    refused = 0
    cuts = range(start + 20, len(data) - 20, max(1, (len(data) - start) // 25))
    for cut in cuts:
        try:
            intake.decode(data[:cut] + end, "test")
        except ImageError as exc:
            refused += "does not decode completely" in exc.message
    assert refused == len(cuts)


def test_a_grey_corner_is_no_missing_part() -> None:
    image = scene()
    image.paste((128, 128, 128), (60, 40, 96, 64))
    assert "missing" not in steps(saved(image, "JPEG", quality=95))


@pytest.mark.parametrize("name", ["plain.png", "rgb_16_bit.png"])
def test_a_png_cut_anywhere_is_refused_or_whole(name: str) -> None:
    data = (ASSETS / name).read_bytes()
    refused = 0
    for cut in range(40, len(data) - 1, max(1, len(data) // 60)):
        try:
            found = pixels(data[:cut])
        except ImageError:
            refused += 1
        else:
            assert np.array_equal(found, pixels(data)), cut
            assert len(data) - cut < 64
    assert refused > 40


def test_raw_profile_texts_hold_exif() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    body = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    text = f"\nexif\n{len(body):8d}\n{body.hex()}\n".encode()
    data = files.with_chunk(PLAIN, files.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    assert "EXIF value 6) was applied" in steps(data)


# Formats of extras


@pytest.mark.parametrize(("container", "module"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_formats_of_extras_are_read_or_named(container: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = pytest.importorskip(module)
    if module == "pillow_heif":
        plugin.register_heif_opener()
    data = saved(scene(), container, quality=95)
    decoded = intake.decode(data, "test")
    assert decoded.picture.size == (96, 64)
    assert np.abs(np.asarray(decoded.picture, float) - np.asarray(scene(), float)).mean() < 8
    monkeypatch.setattr(intake.util, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match="is read by a package that is not installed") as caught:
        intake.decode(data, "test")
    assert "forensics[" in caught.value.hint


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    data = saved(scene(), "JPEG", quality=90, progressive=True)
    assert containers.jpeg_scans_complete(data)
    last = data.rindex(b"\xff\xda")
    assert not containers.jpeg_scans_complete(data[:last] + b"\xff\xd9")
    with pytest.raises(ImageError, match="scans of the picture are missing"):
        intake.decode(data[:last] + b"\xff\xd9", "test")


def test_pages_of_several_sizes() -> None:
    buffer = io.BytesIO()
    scene(size=(48, 32)).save(buffer, "TIFF", save_all=True, append_images=[scene()])
    decoded = intake.decode(buffer.getvalue(), "test")
    assert decoded.picture.size == (96, 64)
    assert "frame 2, the largest, was taken" in " ".join(decoded.decoding)


def test_an_orientation_in_xmp_alone_is_said_and_not_applied() -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    for container in ("JPEG", "WEBP"):
        decoded = intake.decode(files.xmp(packet, container), "test")
        assert "XMP states the orientation 6" in " ".join(decoded.decoding)
        assert "No rotation is recorded" in " ".join(decoded.decoding)
