"""What the bytes of an image file say for themselves, before and beside any decoder.

A decoder turns pictures upright, drops what it cannot read and forgets that it did. The account of an examination is
taken from the file: its chunks and segments, the profile and the transfer it declares, its end mark, what lies behind.
Damage outside of the pixels is found here and stated; the copy that is decoded leaves the damaged parts out.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

PNG, JPEG, RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF"
MAX_TEXT = 8_000_000
"""Characters of one text entry that are expanded; Pillow's own bound is below 1,1 million."""
MAX_TEXTS = 32_000_000
"""Of all compressed text entries together."""
LONG_TEXT = 1_048_576
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_FOR_PIXELS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
"""Chunks without which the picture would look otherwise."""
_LENGTHS = {b"pHYs": 9, b"gAMA": 4, b"sRGB": 1, b"cHRM": 32, b"cICP": 4, b"tIME": 7, b"oFFs": 9, b"sTER": 1}
"""Of chunks that have one length only."""
_GAIN_MAPS = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"urn:iso:std:iso:ts:21496:-1",
    b"urn:com:apple:photo:2020:aux:hdrgainmap",
    b"http://ns.apple.com/HDRGainMap/1.0/",
)
"""Names under which gain maps are kept: Ultra HDR, ISO 21496-1, and Apple's."""
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_MAX_CHUNKS = 200_000


@dataclass(frozen=True, slots=True)
class RawText:
    """A text entry as its bytes."""

    name: str
    value: bytes
    declared: str
    """`Latin-1` or `UTF-8`, as the kind of chunk declares."""


@dataclass(slots=True)
class Container:
    """What was found by going through a file."""

    kind: str = ""
    """`PNG`, `JPEG`, `WEBP`, or empty for what is not gone through here."""
    steps: list[str] = field(default_factory=list)
    """Sentences on damage, lacks and surplus."""
    texts: list[RawText] = field(default_factory=list)
    expanded: int = 0
    """Bytes of texts expanded so far."""
    profile_declared: bool = False
    """Whether the file holds a colour profile, readable or not."""
    profile: bytes = b""
    """The profile, where it could be put together."""
    gamma: float | None = None
    """Of PNG's gAMA: 0.45455 is the usual display."""
    srgb: bool = False
    """Whether PNG's sRGB chunk is there."""
    code_points: tuple[int, int, int, int] | None = None
    """Of PNG's cICP, or of the colours (nclx) of AVIF and HEIC: primaries, transfer, matrix, full range."""
    code_points_in: str = "cICP"
    """What the file calls them."""
    colours_in_exif: str = ""
    """`Adobe RGB`, or `uncalibrated`, where EXIF states it; filled in by whoever reads EXIF."""
    chromaticities: tuple[float, ...] = ()
    bits: int = 8
    """Per sample as stored."""
    end_missing: bool = False
    decodable: bytes = b""
    """The bytes to decode: as received, or without the parts that are damaged and no part of the picture."""
    adobe_transform: int | None = None
    progressive: bool = False
    """Whether a JPEG refines the picture scan by scan."""


def examine(data: bytes) -> Container:
    """Go through a file. Never raises; a file it cannot follow is left to the decoder as it is.

    Args:
        data: the bytes as received.
    """
    found = Container(decodable=data)
    if data.startswith(PNG):
        _png(data, found)
    elif data.startswith(JPEG):
        _jpeg(data, found)
    elif data.startswith(RIFF) and data[8:12] == b"WEBP":
        _webp(data, found)
    elif data[4:8] == b"ftyp":
        _boxes(data, found)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        found.kind = "GIF"
        if not data.rstrip(b"\0").endswith(b";"):
            found.end_missing = b";" not in data[-4096:]
    if any(mark in data for mark in _GAIN_MAPS):
        found.steps.append(
            "The file holds a gain map, with which bright displays show the picture otherwise (HDR); it was not "
            "applied, and the picture is the one that ordinary displays show."
        )
    return found


def _boxes(data: bytes, found: Container) -> None:
    """AVIF and HEIC: the first statement on colours and on the bits of a sample (ISO/IEC 23008-12, AV1-ISOBMFF)."""
    found.kind = "HEIF"
    place = data.find(b"colrnclx")
    if place >= 0 and len(data) >= place + 15:
        primaries, transfer, matrix = struct.unpack_from(">HHH", data, place + 8)
        found.code_points, found.code_points_in = (primaries, transfer, matrix, data[place + 14] >> 7), "nclx"
    place = data.find(b"av1C")
    if place >= 0 and len(data) > place + 6:
        flags = data[place + 6]
        found.bits = (12 if flags & 0x20 else 10) if flags & 0x40 else 8


# PNG


def _png(data: bytes, found: Container) -> None:
    found.kind = "PNG"
    kept, place, seen_end, count, cut = [PNG], len(PNG), False, 0, False
    while place + 8 <= len(data) and count < _MAX_CHUNKS:
        count += 1
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + length
        body = data[place + 8 : place + 8 + length]
        if end > len(data) or not kind.isalpha():
            kept.append(data[place:])  # the decoder judges whether pixels are missing
            cut = True
            if kind not in _CRITICAL and kind.isalpha():
                found.steps.append(f"The last part of the file, {_name(kind)}, is cut short and was left out.")
                kept.pop()
                cut = False
            break
        right = zlib.crc32(data[place + 4 : place + 8 + length]) == int.from_bytes(data[end - 4 : end], "big")
        if kind == b"IEND":
            seen_end = True
            kept.append(data[place:end])
            if end < len(data):
                found.steps.append(
                    f"{len(data) - end} bytes follow the end mark of the picture; they are no part of it."
                )
            break
        if _chunk(kind, body, right, found):
            kept.append(data[place:end])
        place = end
    if not seen_end:
        found.end_missing = True
        found.steps.append("The end mark of the file is missing; all rows of the picture are there.")
        if not cut:  # behind a cut chunk an end mark would be taken for its missing bytes
            kept.append(b"\0\0\0\0IEND" + zlib.crc32(b"IEND").to_bytes(4, "big"))
    found.decodable = b"".join(kept)


def _chunk(kind: bytes, body: bytes, right: bool, found: Container) -> bool:
    """Note what a chunk says; whether the decoder gets it."""
    if kind == b"IHDR" and len(body) >= 13:
        found.bits = body[8]
    if kind == b"iCCP":
        found.profile_declared = True
    if kind in _CRITICAL or kind in _FOR_PIXELS:
        return True
    if not right:
        found.steps.append(
            f"The checksum of {_name(kind)} is wrong: that part is damaged and is no part of the pixels. It was left "
            "out of decoding" + ("; its text is printed as it stands." if kind in _TEXTS else ".")
        )
    if kind in _TEXTS:
        _png_text(kind, body, found)
        return False  # read here, with its code; a decoder's bounds and guesses do not matter then
    if not right:
        return False
    if len(body) != _LENGTHS.get(kind, len(body)):
        found.steps.append(f"{_name(kind).capitalize()} has a wrong length and was left out of decoding.")
        return False
    if kind == b"gAMA" and len(body) == 4:
        found.gamma = int.from_bytes(body, "big") / 100_000
    elif kind == b"sRGB":
        found.srgb = True
    elif kind == b"cICP" and len(body) == 4:
        found.code_points = (body[0], body[1], body[2], body[3])
    elif kind == b"cHRM" and len(body) == 32:
        found.chromaticities = tuple(v / 100_000 for v in struct.unpack(">8I", body))
    elif kind == b"iCCP":
        found.profile = _png_profile(body)
    return True


def _png_profile(body: bytes) -> bytes:
    _, _, packed = body.partition(b"\0")
    expander = zlib.decompressobj()
    try:
        return expander.decompress(packed[1:], 64_000_000) if packed[:1] == b"\0" else b""
    except zlib.error:
        return b""


def _png_text(kind: bytes, body: bytes, found: Container) -> None:
    key, _, rest = body.partition(b"\0")
    name = key.decode("latin-1") or "without a name"
    packed, declared = False, "Latin-1"
    if kind == b"zTXt":
        packed, rest = True, rest[1:]
    elif kind == b"iTXt":
        packed, declared = rest[:1] == b"\1", "UTF-8"
        _, _, rest = rest[2:].partition(b"\0")  # the language
        _, _, rest = rest.partition(b"\0")  # the name in that language
    if packed:
        expander = zlib.decompressobj()
        if found.expanded > MAX_TEXTS:
            found.steps.append(f"The text entry “{name}” is not read: the texts of the file are too long together.")
            return
        try:
            value = expander.decompress(rest, MAX_TEXT)
            found.expanded += len(value)
        except zlib.error as exc:
            found.steps.append(f"The text entry “{name}” could not be expanded ({exc}) and is not read.")
            return
        if not expander.eof and expander.unconsumed_tail:
            found.steps.append(
                f"The text entry “{name}” is too long: more than {MAX_TEXT} bytes, kept in {len(rest)}; it is not read."
            )
            return
        if len(value) > LONG_TEXT:
            found.steps.append(
                f"The text entry “{name}” is too long for most decoders: {len(value)} bytes, kept in {len(rest)}. "
                "It was read all the same."
            )
    else:
        value = rest
    found.texts.append(RawText(name, value, declared))


def _name(kind: bytes) -> str:
    names = {
        b"tEXt": "a text",
        b"zTXt": "a text",
        b"iTXt": "a text",
        b"eXIf": "the EXIF record",
        b"iCCP": "the colour profile",
        b"tIME": "the time of change",
        b"pHYs": "the resolution",
    }
    return f"{names.get(kind, 'a part beside the picture')} (chunk {kind.decode('latin-1')})"


# JPEG

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def _jpeg(data: bytes, found: Container) -> None:
    found.kind = "JPEG"
    profile: dict[int, bytes] = {}
    wanted = 0
    place = 2
    scanned = False
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            nearest = data.find(b"\xff", place)
            if nearest < 0:
                break
            place = nearest
            continue
        marker = data[place + 1]
        if marker in (0xFF, 0x00) or marker in _STANDALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD8, 0xD9):
            break
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if marker == 0xDA:
            scanned = True
            place = _end_of_scan(data, place + 2 + length)
            continue
        if marker in (0xC0, 0xC1, 0xC2) and body:
            found.bits = body[0]
            found.progressive = marker == 0xC2
        if marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            found.profile_declared = True
            wanted = body[13]
            profile[body[12]] = body[14:]
        if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            found.adobe_transform = body[11]
        if marker == 0xFE:
            found.texts.append(RawText("comment", body, ""))
        place += 2 + length
    if profile and sorted(profile) == list(range(1, wanted + 1)):
        found.profile = b"".join(profile[n] for n in sorted(profile))
    if scanned:
        _jpeg_end(data, place, found)


def _end_of_scan(data: bytes, place: int) -> int:
    """Where the next marker is, behind coded data."""
    found = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL).search(data, place)
    return found.start() if found else len(data)


def _jpeg_end(data: bytes, place: int, found: Container) -> None:
    if data[place : place + 2] == b"\xff\xd9":
        behind = len(data) - place - 2
        if behind and data[place + 2 :].strip(b"\0"):
            found.steps.append(f"{behind} bytes follow the end mark of the picture; they are no part of it.")
        return
    found.end_missing = True
    found.decodable = data + b"\xff\xd9"  # a decoder gives nothing without it; whether all rows are there is checked


def jpeg_scans_complete(data: bytes) -> bool:
    """Whether a progressive JPEG has every scan that refines its coefficients; always true for the sequential kind."""
    progressive, components = False, set[int]()
    reached: dict[tuple[int, int], int] = {}
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xD9:
            break
        if marker == 0xFF or marker in _STANDALONE:
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if marker in (0xC0, 0xC1, 0xC2) and len(body) >= 6:
            progressive = marker == 0xC2
            components = {body[6 + 3 * n] for n in range(body[5]) if 6 + 3 * n < len(body)}
        place += 2 + length
        if marker == 0xDA and body:
            count = body[0]
            ids = [body[1 + 2 * n] for n in range(count) if 1 + 2 * n < len(body)]
            # Behind the components: the first and the last coefficient of the scan, then how many low bits it leaves.
            first, last = (*body[1 + 2 * count : 3 + 2 * count], 0, 0)[:2]
            low = body[-1] & 15
            for one in ids:
                for coefficient in range(first, min(last, 63) + 1) if progressive else range(64):
                    reached[one, coefficient] = low if progressive else 0
            place = _end_of_scan(data, place)
    return all(reached.get((one, n), 1) == 0 for one in components for n in range(64))


# WebP


def _webp(data: bytes, found: Container) -> None:
    found.kind = "WEBP"
    declared = int.from_bytes(data[4:8], "little") + 8
    place = 12
    while place + 8 <= min(len(data), declared):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind == b"ICCP":
            found.profile_declared = True
            found.profile = data[place + 8 : place + 8 + length]
        place += 8 + length + (length & 1)
    if len(data) > declared:
        found.steps.append(f"{len(data) - declared} bytes follow the end of the picture; they are no part of it.")
