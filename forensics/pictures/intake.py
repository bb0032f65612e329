"""From bytes as received to a working copy: hash first, decode a copy, state every step.

Nothing here opens the file for writing, and nothing is corrected silently: orientation, colour profile, bit depth,
alpha and animation are applied or reduced in a stated way, and a file that does not decode completely is refused.
"""

from __future__ import annotations

import difflib
import io
import re
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module, util
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from forensics import foreign
from forensics.case import Fact
from forensics.errors import ImageError
from forensics.path_names import is_text
from forensics.pictures import containers, entries, metadata, wacz
from forensics.pictures.colours import to_srgb
from forensics.pictures.containers import Container
from forensics.pictures.entries import Collected
from forensics.pictures.metadata import GeneratorMetadata
from forensics.pictures.metadata.base import whole
from forensics.pictures.metadata.trust import TrustList

MAX_PIXELS = 100_000_000
"""Pictures above this are refused: a 200-byte file can claim to be larger than memory."""
MAX_BYTES = 1024 * foreign.MIB
"""Files above this are refused: no picture within `MAX_PIXELS` needs as many in any format."""
MIN_SIDE = 16
"""Below this side no measure is meaningful."""
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""MPO, several JPEG pictures in one file, is opened by the JPEG reader."""
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ADDRESS = re.compile(r"(https?|ftp|s3|data):/*(.+)", re.IGNORECASE | re.DOTALL)
"""A path has lost one of two slashes by now."""
_ARCHIVE = "It is an archive: unpack it and name the pictures in it."
_VECTORS = "It is a drawing in vectors (SVG): export it as PNG at a stated size, by a documented step."
_PAGE = "It is a web page: save the picture itself, not the page that shows it."
_NO_PICTURES = (
    (b"PK\3\4", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"7z\xbc\xaf", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"%PDF", "It is a PDF: ask for the picture that it shows, or export that by a documented step."),
    (b"8BPS", "It is a Photoshop file: export it as PNG by a documented step."),
    (b"<svg", _VECTORS),
    (b"<?xml", _VECTORS),
    (b"<!doctype html", _PAGE),
    (b"<html", _PAGE),
)
"""Beginnings of files that people name in place of a picture."""
_METADATA_CHARS = 4000
_MAX_PAGES = 200
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError, TypeError, LookupError)
"""What Pillow's decoders raise for damaged files, found by feeding them such files."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Orientation by EXIF -> what brings the stored picture upright."""
_TAILS = (b"", b"\x55" * 96, b"\xaa" * 96, b"\x13\x9c\x6e\xf0\x2b" * 20)
"""Coded data that are none, put behind the end of a JPEG: where pixels are missing, each gives another picture."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A format read by a package that is installed apart."""

    name: str
    """As a person calls it."""
    package: str
    module: str
    register: str
    """Function of the module that adds the reader to Pillow; empty where importing it does."""
    extra: str
    """Of this program's package."""
    format: str
    """Pillow's name."""


EXTRAS = (
    Extra("HEIC", "pillow-heif", "pillow_heif", "register_heif_opener", "heic", "HEIF"),
    Extra("JPEG XL", "pillow-jxl-plugin", "pillow_jxl", "", "jxl", "JXL"),
)
_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"heif"})


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
        if address := _ADDRESS.match(str(path)):
            raise ImageError(
                f"{address[1]}://{address[2]} is an address, and nothing is fetched from the network.",
                hint="Save the picture itself in a browser, note when and from where, and name the file.",
            ) from exc
        raise ImageError(f"{path} {exc}.", hint=_remedy(path)) from exc


def _remedy(path: Path) -> str:
    """What to do about a picture that cannot be read."""
    if foreign.is_folder(path):
        return "It is a folder: name the pictures in it."
    try:
        beside = [one.name for one in path.parent.iterdir()] if not path.exists() else []
    except (OSError, ValueError):
        beside = []
    near = difflib.get_close_matches(path.name, filter(is_text, beside), n=1)
    return f"Did you mean {path.with_name(near[0])}?" if near else "Check the path and permissions."


def _recognised(data: bytes) -> str:
    """What a file that is no picture is, and what to do about it; empty for one that is not known."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((row for start, row in _NO_PICTURES if head.startswith(start.lower())), "")
    return f"{found} " if found else ""


def read(path: Path) -> Decoded:
    """Read and decode an image file. Raises ImageError as `decode` does."""
    return decode(read_bytes(path), path.name)


def decode(data: bytes, name: str, *, url: str = "", trust: Sequence[TrustList] = ()) -> Decoded:
    """Decode an image file completely and safely.

    Damage outside of the pixels is stated in `decoding`; where pixels are missing the file is refused.

    Args:
        data: the bytes as received; they are not modified.
        name: what to call the file in messages.
        url: of the picture that is taken from a capture of the web; empty for the largest, no matter for other files.
        trust: lists of trusted issuers for Content Credentials.

    Raises:
        ImageError: empty, unknown, truncated, too large or too small.
    """
    if not data:
        raise ImageError(f"{name} is empty.", hint="Obtain the file again; nothing can be examined.")
    if wacz.is_capture(data):
        return _captured(data, name, url, trust)
    formats = _formats(data, name)
    # Refused by Pillow's own switch as well: an importing library may have turned it on globally.
    keep_truncated, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own bounds are stricter, and what is damaged is stated by us
            return _decode(data, name, formats, trust)
    except UnidentifiedImageError as exc:
        if data.startswith(_TIFFS):
            raise ImageError(
                f"{name} is a TIFF whose samples or compression are of a kind that is not read.",
                hint="Export the picture as 8-bit or 16-bit samples, uncompressed, by a documented step.",
            ) from exc
        raise ImageError(
            f"{name} is not an image in a supported format.",
            hint=f"{_recognised(data)}Supported: {', '.join(_FORMATS)}; with extras "
            f"{', '.join(e.name for e in EXTRAS)} and web captures (WACZ).",
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


def _captured(data: bytes, name: str, url: str, trust: Sequence[TrustList]) -> Decoded:
    """The picture of a web capture, with the account of the capture before its own."""
    capture = wacz.read(data, name, url=url)
    decoded = decode(capture.picture.data, name, trust=trust)
    return replace(
        decoded,
        media_type=wacz.MEDIA_TYPE,
        decoding=(*capture.steps, *decoded.decoding),
        provenance=(*capture.facts, *decoded.provenance),
    )


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """Formats to try: those read without more, and the one of an extra that the first bytes name."""
    wanted = None
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS and b"avif" not in data[8:64]:
        wanted = EXTRAS[0]
    elif data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        wanted = EXTRAS[1]
    if wanted is None:
        return _FORMATS
    if util.find_spec(wanted.module) is None:
        raise ImageError(
            f"{name} is a {wanted.name} picture, which is read by a package that is not installed.",
            hint=f"Install the extra: pip install 'forensics[{wanted.extra}]' (it brings {wanted.package}).",
        )
    module = import_module(wanted.module)
    if wanted.register:
        getattr(module, wanted.register)()
    return (*_FORMATS, wanted.format)


def _too_large(name: str) -> ImageError:
    return ImageError(
        f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels and was not decoded.",
        hint="Reduce a copy by a documented step and examine that copy as well as stating the reduction.",
    )


def _checked_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_large(name)
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{name} is {width} × {height} pixels; at least {MIN_SIDE} on the shorter side are needed.",
            hint="Examine a larger version of the picture.",
        )


def _decode(data: bytes, name: str, formats: tuple[str, ...], trust: Sequence[TrustList]) -> Decoded:
    container = containers.examine(data)
    with Image.open(io.BytesIO(container.decodable), formats=formats) as image:
        _checked_size(image.size, name)
        steps: list[str] = []
        _choose_frame(image, name, steps)
        stored, turned = _stored(image)
        bits = _sample_bits(image, container)
        image.load()
        if container.kind == "JPEG":
            _check_jpeg(image, container, name, steps)
        collected = entries.collect(image, container)
        container.colours_in_exif = collected.colours
        media_type = Image.MIME.get(image.format or "", "application/octet-stream")
        facts, records = _facts(image, collected), metadata.generators(collected.entries, image, collected.encodings)
        stated = metadata.provenance(data, media_type, collected.entries.get("xmp", ""), trust)
        if bits > 8 and image.mode in ("RGB", "RGBA", "LA", "CMYK"):
            steps.append(f"Samples of {bits} bits were reduced to 8 bits by the decoder.")
        several = getattr(image, "n_frames", 1) > 1 and container.kind == "JPEG"
        # The further pictures of a file of several stand behind the first one's end mark, as they should.
        steps += [step for step in container.steps if not (several and "follow the end mark" in step)]
        steps += collected.steps
        upright = _upright(image, collected, turned, steps)
        picture = to_srgb(upright, container, name, steps)
    generator = tuple(fact for record in records for fact in record.facts)
    return Decoded(picture, media_type, *stored, tuple(steps), facts, generator, records, stated)


def _choose_frame(image: Image.Image, name: str, steps: list[str]) -> None:
    """The first frame; of pages of several sizes, as scanners and studios write them, the largest."""
    count = int(getattr(image, "n_frames", 1))
    if count < 2:
        return
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        steps.append(f"The file holds {count} frames; the first was taken.")
        return
    sizes = []
    for number in range(min(count, _MAX_PAGES)):
        image.seek(number)
        sizes.append(image.size)
    largest = max(range(len(sizes)), key=lambda n: sizes[n][0] * sizes[n][1])  # the first of those that are equal
    image.seek(largest)
    _checked_size(image.size, name)
    if len(set(sizes)) == 1:
        steps.append(f"The file holds {count} frames of one size; the first was taken.")
        return
    said = ", ".join(f"{n + 1}: {w} × {h}" for n, (w, h) in enumerate(sizes[:12])) + (" …" if count > 12 else "")
    steps.append(
        f"The file holds {count} frames of several sizes ({said}); frame {largest + 1}, the largest, was taken."
    )


def _stored(image: Image.Image) -> tuple[tuple[int, int], object]:
    """((width, height) as stored, orientation that the decoder itself applies and then forgets)"""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = whole(image.tag_v2.get(256)), whole(image.tag_v2.get(257))
        return (width or image.width, height or image.height), image.tag_v2.get(274)
    return image.size, image.info.get("original_orientation")


def _sample_bits(image: Image.Image, container: Container) -> int:
    """Bits per colour sample as stored; Pillow opens several kinds of 16-bit file as 8-bit without a word."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        stated = image.tag_v2.get(258, (8,))
        return int(max(stated) if isinstance(stated, tuple) else stated)
    return whole(image.info.get("bit_depth")) or container.bits


def _check_jpeg(image: Image.Image, container: Container, name: str, steps: list[str]) -> None:
    """Refuse a JPEG whose coded data end before the picture does; its decoder fills such a picture up without a word.

    Data that are none are put behind the coded data: where those are whole, the decoder has no use for them, and the
    picture stays the same. Of files with an end mark only those are tried whose last block looks filled up, and those
    that refine a picture scan by scan, where a cut leaves no such block.
    """
    if not containers.jpeg_scans_complete(container.decodable):
        raise OSError("scans of the picture are missing")
    suspect = container.end_missing or _grey_corner(image)
    tails = _TAILS if suspect else _TAILS[1:2] if container.progressive else ()
    data = container.decodable
    end = data.rfind(b"\xff\xd9")
    seen = {image.tobytes()} if tails else set()
    for tail in tails:
        with Image.open(io.BytesIO(data[:end] + tail + b"\xff\xd9"), formats=("JPEG",)) as probe:
            probe.load()
            seen.add(probe.tobytes())
        if len(seen) > 1:
            raise OSError("the coded data end before the picture does")
    if container.end_missing:
        steps.append("The end mark of the file is missing; all rows of the picture are there.")


def _grey_corner(image: Image.Image) -> bool:
    """Whether the last block is the flat grey that the decoder puts where data are missing."""
    corner = np.asarray(image.crop((image.width - 8, image.height - 8, image.width, image.height)), dtype=np.int64)
    return bool((np.abs(corner - 128) <= 1).all())


def _upright(image: Image.Image, collected: Collected, turned: object, steps: list[str]) -> Image.Image:
    """The picture upright; which orientation was found and what was done with it is stated."""
    found = turned if turned is not None else collected.orientation
    if found is None and collected.exif_damaged:
        steps.append("No rotation could be read.")
        return image
    if found is None or found in (0, 1):
        steps.append("No rotation is recorded in the file.")
        return image
    value = whole(found)
    if value not in _TURNS:
        steps.append(
            f"The orientation recorded in the file (EXIF value {str(found)[:40]}) is none of the eight that exist; "
            "it was not applied."
        )
        return image
    steps.append(f"The orientation recorded in the file (EXIF value {value}) was applied.")
    if turned is not None:
        return image  # by the decoder
    return image.transpose(_TURNS[value])


def _facts(image: Image.Image, collected: Collected) -> tuple[Fact, ...]:
    facts = [Fact("format", str(image.format)), Fact("mode", image.mode)]
    for key, value in collected.entries.items():
        if key == "xmp":
            value = f"{len(value)} characters"
        if len(value) > _METADATA_CHARS:
            value = f"{value[:_METADATA_CHARS]} … ({len(value)} characters; the file as received holds all of them)"
        facts.append(Fact(key, value))
        if said := collected.encodings.get(key):
            facts.append(Fact(f"{key}: character encoding", said))
    return tuple(facts)


def prompt_stated(generator: tuple[Fact, ...]) -> str:
    """The prompt the file states in a record recognised by several marks, or an empty string.

    It is offered, never taken as the prompt of an examination: whether it is used is for whoever asks.
    """
    return next((f.value for f in generator if f.name == "prompt"), "")
