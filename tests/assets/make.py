"""Makes the image files of this folder again: `python tests/assets/make.py`.

The same bytes come out under the locked version of Pillow; the tests read the files, not this script.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

FOLDER = Path(__file__).parent
SIZE = (96, 64)


def scene() -> Image.Image:
    """A picture without symmetry: every orientation of it is different."""
    picture = Image.new("RGB", SIZE, (240, 230, 210))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((6, 6, 30, 24), fill=(200, 30, 40))
    draw.ellipse((50, 20, 90, 58), fill=(30, 80, 180))
    draw.line((0, 63, 95, 40), fill=(20, 120, 60), width=3)
    return picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(side: int) -> bytes:
    """A PNG whose header claims side × side pixels; its data would be 2.7 GB."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def deep_rgb() -> bytes:
    """A 16-bit RGB PNG, which Pillow can read and not write."""
    width, height = SIZE
    rows = (
        b"\0" + struct.pack(f">{3 * width}H", *(257 * v for x in range(width) for v in (2 * x, y, 128)))
        for y in range(height)
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def exif(orientation: int) -> bytes:
    record = Image.Exif()
    record[0x0112] = orientation
    record[0x0131] = "asset maker"
    return record.tobytes()


def text(**entries: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in entries.items():
        info.add_text(key, value)
    return info


def files() -> dict[str, bytes]:
    picture = scene()
    png, jpeg = encoded(picture, "PNG"), encoded(picture, "JPEG", quality=92)
    mask = Image.linear_gradient("L").resize(SIZE)
    rgba = picture.copy()
    rgba.putalpha(mask)
    deep = Image.frombytes("I;16", SIZE, b"".join(struct.pack("<H", 680 * (i % 96)) for i in range(96 * 64)))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    webui = "a red box beside a blue ball\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42"
    frames = [picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return {
        "broken_truncated.png": png[: len(png) * 2 // 3],
        "broken_truncated.jpg": jpeg[: len(jpeg) // 2],
        "broken_empty.png": b"",
        "broken_not_an_image.png": b"This is a text file with the name of a picture.\n",
        "broken_bomb.png": bomb(30_000),
        "broken_tiny.png": encoded(Image.new("RGB", (8, 200), "grey"), "PNG"),
        "broken_checksum.png": png[:60] + bytes([png[60] ^ 1]) + png[61:],
        "plain.png": png,
        "grey_16_bit.png": encoded(deep, "PNG"),
        "rgb_16_bit.png": deep_rgb(),
        "cmyk.jpg": encoded(picture.convert("CMYK"), "JPEG", quality=92),
        "exif_rotated.jpg": encoded(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif(6)),
        "alpha.png": encoded(rgba, "PNG"),
        "profile.png": encoded(picture, "PNG", icc_profile=srgb),
        "two_frames.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200),
        "webui_metadata.png": encoded(picture, "PNG", pnginfo=text(parameters=webui)),
    }


if __name__ == "__main__":
    for name, data in files().items():
        (FOLDER / name).write_bytes(data)
        print(f"{len(data):>6}  {name}")
