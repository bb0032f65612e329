"""Pictures of the kinds of `wild`, made here by the rules of their formats: what is decoded, and what is said of it.

The expected pixels follow from the samples written and from the colour spaces' own definitions.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from forensics.pictures.intake import Decoded
from tests.metadata import files
from tests.studies.wild import Check, file, refused
from tests.studies.wild_own import Own

SIDE = 64
Array = NDArray[np.uint8]


def _ramp() -> Array:
    """A picture whose channels run in three directions."""
    return np.asarray(files.picture(SIDE))


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _grey() -> Array:
    return np.tile(np.arange(0, 256, 4, dtype=np.uint8), (SIDE, 1))  # (H, W), black at the left


def like(expected: Array, bound: float, *words: str, absent: Sequence[str] = ()) -> Check:
    """Pixels within a mean difference of those expected, and words in the account."""

    def judge(found: Decoded) -> str:
        have = np.asarray(found.picture, dtype=np.float64)
        wanted = np.repeat(expected[..., None], 3, 2) if expected.ndim == 2 else expected
        said = " ".join(found.decoding)
        wrong = [word for word in words if word not in said] + [f"says {w}" for w in absent if w in said]
        if have.shape != wanted.shape:
            return f"size {have.shape}"
        off = float(np.abs(have - wanted.astype(np.float64)).mean())
        return ", ".join(wrong) or ("" if off <= bound else f"off by {off:.1f}")

    return file(judge)


def told(*words: str) -> Check:
    """One of these words in the account."""

    def judge(found: Decoded) -> str:
        return "" if any(word in " ".join(found.decoding) for word in words) else "not said"

    return file(judge)


def _neutral(found: Decoded) -> str:
    apart = float(np.ptp(np.asarray(found.picture, np.int16), 2).max())
    return "" if "L*a*b*" in " ".join(found.decoding) and apart <= 3 else f"not said, or tinted by {apart}"


def _p3() -> bytes:
    """A profile of a linear space with other primaries: sRGB's with gamma 1, by LittleCMS itself."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _through(samples: Array, profile: bytes) -> Array:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(Image.fromarray(samples), source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None
    return np.asarray(made)


def _tiff(samples: NDArray[np.generic], tags: Mapping[int, tuple[int, Sequence[int]]]) -> bytes:
    """A TIFF of one strip, with tags as given: tag -> (type, values). Types 3 and 4 are 16 and 32 bits."""
    body = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    channels = samples.shape[2] if samples.ndim == 3 else 1
    bits = samples.dtype.itemsize * 8
    rows: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [samples.shape[1]]),
        257: (4, [samples.shape[0]]),
        258: (3, [bits] * channels),
        259: (3, [1]),
        262: (3, [2 if channels == 3 else 1]),
        273: (4, [8]),
        277: (3, [channels]),
        278: (4, [samples.shape[0]]),
        279: (4, [len(body)]),
        **tags,
    }
    directory = 8 + len(body)
    extra_at = directory + 2 + 12 * len(rows) + 4
    entries, extra = b"", b""
    for tag, (kind, values) in sorted(rows.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            place = struct.pack("<I", extra_at + len(extra))
            extra += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    return b"II*\0" + struct.pack("<I", directory) + body + struct.pack("<H", len(rows)) + entries + bytes(4) + extra


def _turned(value: int) -> bytes:
    return _tiff(_ramp(), {274: (3, [value])})


def _segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with a segment behind its beginning."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


def _without(data: bytes, marker: int) -> bytes:
    """A JPEG without the segments of a kind."""
    out, place = data[:2], 2
    while data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4], "big") + 2
        if data[place + 1] != marker:
            out += data[place : place + length]
        place += length
    return out + data[place:]


def _adobe_rgb() -> bytes:
    """EXIF of a camera set to Adobe RGB: no profile, colour space uncalibrated, interoperability R03 (DCF 2.0)."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 65535
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    return _saved(files.picture(SIDE), "JPEG", quality=95, exif=exif)


def _gain_map() -> bytes:
    packet = (
        b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
    )
    base = _saved(files.picture(SIDE), "JPEG", quality=95)
    return _segment(base, 0xE1, packet) + _saved(Image.fromarray(_grey()), "JPEG")


def _png_with(*chunks: bytes) -> bytes:
    return files.with_chunk(files.png(files.picture(SIDE)), *chunks)


def _avif(primaries: int, transfer: int) -> bytes:
    data = _saved(files.picture(SIDE), "AVIF", quality=100, subsampling="4:4:4")
    place = data.find(b"colrnclx")
    assert place > 0
    return data[: place + 8] + struct.pack(">HH", primaries, transfer) + data[place + 12 :]


def _cut(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)]


def _apng() -> bytes:
    frames = [Image.fromarray(np.roll(_ramp(), 9 * n, 1)) for n in range(3)]
    return _saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)


def _picture(kind: str, name: str, source: str, data: Callable[[], bytes], right: str, check: Check, end: str) -> Own:
    return Own(kind, name, source, data(), right, check, end)


_COLOUR, _DAMAGE = "6 account of decoding", "7 damage"
_JPEG = _saved(files.picture(SIDE), "JPEG", quality=95)
_DECODED = np.asarray(Image.open(io.BytesIO(_JPEG)).convert("RGB"))
_PROGRESSIVE = _saved(files.picture(512), "JPEG", quality=90, progressive=True)
_RAMP = _ramp()
_CMYK = Image.fromarray(np.dstack([255 - _RAMP, np.zeros((SIDE, SIDE), np.uint8)]), "CMYK")
_FLOAT = {339: (3, [3])}

COLOUR = [
    _picture(
        _COLOUR,
        "TIFF, orientation 0",
        "TIFF 6.0 Orientation, ImageMagick reports",
        lambda: _turned(0),
        "as stored, no rotation",
        like(_RAMP, 0, "No rotation"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, orientation 11",
        "TIFF 6.0: values 1 to 8",
        lambda: _turned(11),
        "as stored, value named as none of the eight",
        like(_RAMP, 0, "11", "none of the eight"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, orientation 5",
        "TIFF 6.0",
        lambda: _turned(5),
        "transposed",
        like(_RAMP.transpose(1, 0, 2), 0, "value 5) was applied"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, two values of orientation",
        "damaged directories",
        lambda: _tiff(_RAMP, {274: (3, [6, 6])}),
        "decoded, and said what was done",
        told("rotation", "orientation"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, 8-bit grey, white is zero",
        "TIFF 6.0 PhotometricInterpretation 0",
        lambda: _tiff(255 - _grey(), {262: (3, [0])}),
        "black at the left",
        like(_grey(), 0),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, 16-bit grey, white is zero",
        "TIFF 6.0 PhotometricInterpretation 0; scanners",
        lambda: _tiff(65535 - _grey().astype(np.uint16) * 257, {262: (3, [0])}),
        "black at the left",
        like(_grey(), 1),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, 16 bits a channel",
        "TIFF 6.0",
        lambda: _tiff(_RAMP.astype(np.uint16) * 257, {}),
        "reduced, said",
        like(_RAMP, 1, "16 bits were reduced"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, float 0 to 1",
        "TIFF 6.0 SampleFormat 3",
        lambda: _tiff((_grey() / np.float32(255)).astype(np.float32), _FLOAT),
        "1 as white, said",
        like(_grey(), 1, "1 as white", "does not state"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, float with not a number",
        "scientific cameras",
        lambda: _tiff(np.where(_grey() == 8, np.nan, _grey()).astype(np.float32), _FLOAT),
        "refused for that",
        refused("no numbers"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, float up to 3 (scene light)",
        "HDR renderers",
        lambda: _tiff((_grey() / np.float32(85)).astype(np.float32), _FLOAT),
        "refused: no white stated",
        refused("no white is stated"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, float, colour",
        "HDR renderers, three channels",
        lambda: _tiff((_RAMP / np.float32(255)).astype(np.float32), {339: (3, [3, 3, 3])}),
        "1 as white, or refused in words",
        refused("a TIFF whose samples"),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "TIFF, CIE L*a*b*, neutral",
        "TIFF 6.0 section 23",
        lambda: _tiff(np.dstack([_grey(), np.zeros((SIDE, SIDE, 2), np.uint8)]), {262: (3, [8])}),
        "grey, conversion said",
        file(_neutral),
        ".tif",
    ),
    _picture(
        _COLOUR,
        "palette with a profile",
        "PNG 11.3.3.3 iCCP with colour type 3",
        lambda: _saved(Image.fromarray(_RAMP).quantize(64), "PNG", icc_profile=_p3()),
        "through the profile",
        like(np.asarray(Image.fromarray(_RAMP).quantize(64).convert("RGB")), 2, "Colours were converted"),
        ".png",
    ),
    _picture(
        _COLOUR,
        "linear gamma in gAMA",
        "PNG 11.3.3.2",
        lambda: _png_with(files.chunk(b"gAMA", struct.pack(">I", 100000))),
        "not applied, effect said",
        like(_RAMP, 0, "gAMA", "of 255 levels"),
        ".png",
    ),
    _picture(
        _COLOUR,
        "cICP: Display P3",
        "PNG third edition 11.3.3.6",
        lambda: _png_with(files.chunk(b"cICP", bytes([12, 13, 0, 1]))),
        "not applied, effect said",
        like(_RAMP, 0, "Display P3", "of 255 levels"),
        ".png",
    ),
    _picture(
        _COLOUR,
        "cICP: BT.2020 with PQ",
        "PNG third edition; HDR screenshots",
        lambda: _png_with(files.chunk(b"cICP", bytes([9, 16, 0, 1]))),
        "not applied, said",
        like(_RAMP, 0, "PQ", "not applied"),
        ".png",
    ),
    _picture(
        _COLOUR,
        "AVIF: BT.2020 with PQ",
        "ISO/IEC 23008-12 colr nclx; HDR photographs",
        lambda: _avif(9, 16),
        "not applied, said",
        told("PQ"),
        ".avif",
    ),
    _picture(
        _COLOUR,
        "AVIF: unspecified colours",
        "ISO/IEC 23091-2: value 2",
        lambda: _avif(2, 2),
        "as sRGB",
        told("the values were taken as sRGB."),
        ".avif",
    ),
    _picture(
        _COLOUR,
        "Adobe RGB by EXIF alone",
        "DCF 2.0: interoperability R03; cameras set to Adobe RGB",
        _adobe_rgb,
        "said, with its effect",
        like(_DECODED, 0, "Adobe RGB", "levels"),
        ".jpg",
    ),
    _picture(
        _COLOUR,
        "gain map for bright displays",
        "Ultra HDR (Android), ISO 21496-1",
        _gain_map,
        "first picture, gain map named as not applied",
        like(_DECODED, 0, "gain map"),
        ".jpg",
    ),
    _picture(
        _COLOUR,
        "CMYK JPEG with Adobe's mark",
        "Adobe TN 5116",
        lambda: _saved(_CMYK, "JPEG", quality=98),
        "right colours",
        like(_RAMP, 6, "CMYK"),
        ".jpg",
    ),
    _picture(
        _COLOUR,
        "CMYK JPEG without the mark",
        "TN 5116: inverted by convention, mark missing",
        lambda: _without(_saved(_CMYK, "JPEG", quality=98), 0xEE),
        "assumption said",
        told("does not say so"),
        ".jpg",
    ),
    _picture(
        _COLOUR,
        "APNG of three frames",
        "APNG 1.0",
        _apng,
        "first frame, said",
        like(_RAMP, 0, "3 frames", "first was taken"),
        ".png",
    ),
    _picture(
        _COLOUR,
        "BMP",
        "Windows bitmap",
        lambda: _saved(Image.fromarray(_RAMP), "BMP"),
        "as stored",
        like(_RAMP, 0),
        ".bmp",
    ),
    _picture(
        _COLOUR,
        "1-bit TIFF, white is zero",
        "fax",
        lambda: _saved(Image.fromarray(_grey() > 99), "TIFF", compression="group4"),
        "black at the left",
        like(np.where(_grey() > 99, 255, 0).astype(np.uint8), 0),
        ".tif",
    ),
]

_GIF = _saved(Image.fromarray(_RAMP).quantize(64), "GIF")
_PNG = files.png(files.picture(SIDE))
_BIG = files.png(Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)))

DAMAGE = [
    _picture(
        _DAMAGE,
        "colour profile with a wrong checksum",
        "PNG 5.3",
        lambda: _png_with(files.chunk(b"iCCP", b"x\0\0" + bytes(40), right=False)),
        "examined, said",
        like(_RAMP, 0, "checksum"),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "colour profile that does not expand",
        "python-pillow/Pillow iCCP reports",
        lambda: _png_with(files.chunk(b"iCCP", b"x\0\0" + bytes(40))),
        "examined, said",
        like(_RAMP, 0, "profile", "cannot be read"),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "EXIF of noise in eXIf",
        "python-pillow/Pillow #5528",
        lambda: _png_with(files.chunk(b"eXIf", bytes(range(200)))),
        "examined, said",
        like(_RAMP, 0, "EXIF record"),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "time of change with a wrong checksum",
        "PNG 5.3",
        lambda: _png_with(files.chunk(b"tIME", bytes(7), right=False)),
        "examined, said",
        like(_RAMP, 0, "checksum"),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "resolution of a wrong length",
        "PNG 11.3.5.3",
        lambda: _png_with(files.chunk(b"pHYs", b"\0\1")),
        "examined",
        like(_RAMP, 0),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "pixels with a wrong checksum",
        "PNG 5.3",
        lambda: (lambda p: _PNG[: p + 20] + bytes([_PNG[p + 20] ^ 255]) + _PNG[p + 21 :])(_PNG.find(b"IDAT")),
        "refused",
        refused(),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "PNG cut in the middle",
        "broken downloads",
        lambda: _cut(_BIG, 0.6),
        "refused",
        refused("damaged or truncated"),
        ".png",
    ),
    _picture(
        _DAMAGE,
        "JPEG cut in the middle",
        "broken downloads",
        lambda: _cut(_JPEG, 0.6),
        "refused",
        refused("damaged or truncated"),
        ".jpg",
    ),
    _picture(
        _DAMAGE,
        "progressive JPEG cut at 90 %",
        "broken downloads",
        lambda: _cut(_PROGRESSIVE, 0.9),
        "refused",
        refused("damaged or truncated"),
        ".jpg",
    ),
    _picture(
        _DAMAGE,
        "progressive JPEG cut at 60 %, end mark put behind",
        "repaired by a tool",
        lambda: _cut(_PROGRESSIVE, 0.6) + b"\xff\xd9",
        "refused",
        refused("damaged or truncated"),
        ".jpg",
    ),
    _picture(
        _DAMAGE,
        "JPEG with an unreadable EXIF segment",
        "czkawka #1199",
        lambda: _segment(_JPEG, 0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "examined, said",
        like(_DECODED, 0, "EXIF"),
        ".jpg",
    ),
    _picture(
        _DAMAGE,
        "GIF without its end mark",
        "GIF89a 27",
        lambda: _GIF.rstrip(b";"),
        "examined",
        like(np.asarray(Image.open(io.BytesIO(_GIF)).convert("RGB")), 0),
        ".gif",
    ),
    _picture(
        _DAMAGE,
        "WebP cut in the middle",
        "broken downloads",
        lambda: _cut(_saved(files.picture(256), "WEBP", quality=90), 0.6),
        "refused",
        refused(),
        ".webp",
    ),
    _picture(
        _DAMAGE,
        "AVIF cut in the middle",
        "broken downloads",
        lambda: _cut(_saved(files.picture(256), "AVIF"), 0.6),
        "refused",
        refused(),
        ".avif",
    ),
    _picture(
        _DAMAGE,
        "BMP cut in the middle",
        "broken downloads",
        lambda: _cut(_saved(files.picture(256), "BMP"), 0.6),
        "refused",
        refused(),
        ".bmp",
    ),
    _picture(
        _DAMAGE,
        "TIFF cut in the middle",
        "broken downloads",
        lambda: _cut(_saved(files.picture(256), "TIFF"), 0.6),
        "refused",
        refused(),
        ".tif",
    ),
    _picture(
        _DAMAGE,
        "JPEG of 12 bits",
        "T.81 extended sequential",
        lambda: _JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c", 1),
        "refused in words",
        refused(),
        ".jpg",
    ),
    _picture(
        _DAMAGE,
        "JPEG, losslessly coded",
        "T.81 annex H",
        lambda: _JPEG.replace(b"\xff\xc0", b"\xff\xc3", 1),
        "refused in words",
        refused(),
        ".jpg",
    ),
]

CASES = [*COLOUR, *DAMAGE]
