"""From bytes as received to a working copy: hash first, decode a copy, state every step.

Nothing here opens the file for writing, and nothing is corrected silently: orientation, colour profile, bit depth,
alpha and animation are applied or reduced in a stated way, and a file that does not decode completely is refused.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from forensics import foreign
from forensics.case import Fact
from forensics.errors import ImageError
from forensics.pictures import metadata
from forensics.pictures.metadata import GeneratorMetadata

MAX_PIXELS = 100_000_000
"""Pictures above this are refused: a 200-byte file can claim to be larger than memory."""
MAX_BYTES = 1024 * foreign.MIB
"""Files above this are refused: no picture within `MAX_PIXELS` needs as many in any format."""
MIN_SIDE = 16
"""Below this side no measure is meaningful."""
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""MPO, several JPEG pictures in one file, is opened by the JPEG reader."""
_METADATA_CHARS = 4000
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError, TypeError, LookupError)
"""What Pillow's decoders raise for damaged files, found by feeding them such files."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A working copy and the account of how it was made."""

    picture: Image.Image
    """Upright 8-bit sRGB, mode RGB."""
    media_type: str
    width: int
    """As stored, before orientation."""
    height: int
    decoding: tuple[str, ...]
    metadata: tuple[Fact, ...]
    generator: tuple[Fact, ...]
    """The facts of all `records`. They can be forged and stripped: "the file states"."""
    records: tuple[GeneratorMetadata, ...] = ()
    provenance: tuple[Fact, ...] = ()
    """Content Credentials and the digital source type, with the result of their validation."""


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file as they are on disk. Raises ImageError if they cannot be had."""
    try:
        return foreign.read(path, MAX_BYTES)
    except foreign.Unreadable as exc:
        raise ImageError(f"{path} {exc}.", hint="Check the path and permissions.") from exc


def read(path: Path) -> Decoded:
    """Read and decode an image file. Raises ImageError as `decode` does."""
    return decode(read_bytes(path), path.name)


def decode(data: bytes, name: str) -> Decoded:
    """Decode an image file completely and safely.

    Args:
        data: the bytes as received; they are not modified.
        name: what to call the file in messages.

    Raises:
        ImageError: empty, unknown, truncated, too large or too small.
    """
    if not data:
        raise ImageError(f"{name} is empty.", hint="Obtain the file again; nothing can be examined.")
    # Refused by Pillow's own switch as well: an importing library may have turned it on globally.
    keep_truncated, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound is stricter and named
            return _decode(data, name)
    except UnidentifiedImageError as exc:
        raise ImageError(
            f"{name} is not an image in a supported format.", hint=f"Supported: {', '.join(_FORMATS)}."
        ) from exc
    except Image.DecompressionBombError as exc:
        raise _too_large(name) from exc
    except _DECODER_ERRORS as exc:
        raise ImageError(
            f"{name} does not decode completely: {exc}.",
            hint="The file is damaged or truncated. Obtain it again; the part that does decode is not examined.",
        ) from exc
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = keep_truncated


def _too_large(name: str) -> ImageError:
    return ImageError(
        f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels and was not decoded.",
        hint="Reduce a copy by a documented step and examine that copy as well as stating the reduction.",
    )


def _decode(data: bytes, name: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _too_large(name)
        if min(width, height) < MIN_SIDE:
            raise ImageError(
                f"{name} is {width} × {height} pixels; at least {MIN_SIDE} on the shorter side are needed.",
                hint="Examine a larger version of the picture.",
            )
        media_type = Image.MIME.get(image.format or "", "application/octet-stream")
        steps: list[str] = []
        if getattr(image, "n_frames", 1) > 1:
            steps.append(f"The file holds {getattr(image, 'n_frames', 1)} frames; the first was taken.")
        image.load()
        entries = _entries(image)  # after the pixels: text may stand behind them
        facts, records = _facts(image, entries), metadata.generators(entries, image)
        stated = metadata.provenance(data, media_type, entries.get("xmp", ""))
        if _sample_bits(image, data) > 8 and image.mode in ("RGB", "RGBA", "LA"):
            steps.append(f"Samples of {_sample_bits(image, data)} bits were reduced to 8 bits by the decoder.")
        picture = _to_srgb(_upright(image, steps), steps)
    generator = tuple(fact for record in records for fact in record.facts)
    return Decoded(picture, media_type, width, height, tuple(steps), facts, generator, records, stated)


def _sample_bits(image: Image.Image, data: bytes) -> int:
    """Bits per colour sample as stored; Pillow opens several kinds of 16-bit file as 8-bit without a word."""
    if image.format == "PNG":
        return data[24]  # IHDR is the first chunk by the standard
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(258, (8,))))
    return 8


def _upright(image: Image.Image, steps: list[str]) -> Image.Image:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation in (0, 1):
        steps.append("No rotation is recorded in the file.")
        return image
    steps.append(f"The orientation recorded in the file (EXIF value {orientation}) was applied.")
    return ImageOps.exif_transpose(image)


def _to_srgb(image: Image.Image, steps: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        low, high = image.getextrema()
        if image.mode == "F":
            top = 1.0
        else:
            top = 65535.0 if image.mode != "I" or float(str(high)) > 255 else 255.0
        steps.append(f"Sample values from {low} to {high} were scaled to 8 bits with {top:g} as white.")
        image = image.convert("F").point(lambda v: v * (255.0 / top)).convert("L")
        profile = None
    if image.has_transparency_data:
        steps.append("The file has an alpha channel; the picture was laid on white.")
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        ground.alpha_composite(rgba)
        image = ground.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        return _apply_profile(image, profile, steps)
    if image.mode == "CMYK":
        steps.append("CMYK without a colour profile was converted by the decoder's plain formula.")
    elif not profile:
        steps.append("No colour profile is embedded; the values were taken as sRGB.")
    return image if image.mode == "RGB" else image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes, steps: list[str]) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = (ImageCms.getProfileDescription(source) or "unnamed").strip()
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as exc:
        steps.append(f"The embedded colour profile could not be applied ({exc}); the values were taken as sRGB.")
        return image.convert("RGB")
    steps.append(f"Colours were converted from the embedded profile ({description}) to sRGB.")
    assert converted is not None  # inPlace was not asked for
    return converted


def _entries(image: Image.Image) -> dict[str, str]:
    """Every entry of the file as text, complete: PNG text, comments, EXIF tags as `EXIF <name>`."""
    found: dict[str, str] = {}
    for key, value in sorted(image.info.items(), key=lambda kv: str(kv[0])):
        if key in ("icc_profile", "exif", "photoshop"):
            found[str(key)] = f"{len(value)} bytes"
        elif isinstance(value, str | int | float | tuple):
            found[str(key)] = str(value)
        elif isinstance(value, bytes):
            found[str(key)] = value.decode("utf-8", "replace")
    exif = image.getexif()
    for tags in (exif, exif.get_ifd(ExifTags.IFD.Exif)):
        for tag, value in sorted(tags.items()):
            found[f"EXIF {ExifTags.TAGS.get(tag, tag)}"] = _text(value)
    return found


def _facts(image: Image.Image, entries: dict[str, str]) -> tuple[Fact, ...]:
    facts = [Fact("format", str(image.format)), Fact("mode", image.mode)]
    for key, value in entries.items():
        if key == "xmp":
            value = f"{len(value)} characters"
        if len(value) > _METADATA_CHARS:
            value = f"{value[:_METADATA_CHARS]} … ({len(value)} characters; the file as received holds all of them)"
        facts.append(Fact(key, value))
    return tuple(facts)


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    if value.startswith(b"UNICODE\0"):
        return _wide(value[8:])
    if value.startswith(b"ASCII\0\0\0"):
        return value[8:].decode("ascii", "replace").strip("\0")
    if value[:8] == bytes(8):  # the character code may be left undefined
        return value[8:].decode("utf-8", "replace").strip("\0")
    return value.decode("latin-1").strip("\0")


def _wide(body: bytes) -> str:
    """UTF-16 whose byte order the standard leaves open: the one that puts more zeros into the upper bytes."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace").strip("\0")
    little = body[1::2].count(0) > body[0::2].count(0)
    return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\0")


def prompt_stated(generator: tuple[Fact, ...]) -> str:
    """The prompt the file states, or an empty string."""
    return next((f.value for f in generator if f.name == "prompt"), "")
