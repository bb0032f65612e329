"""Every text entry of an image file, complete, with how its bytes became text.

Names: the keys of PNG's texts, `comment`, `EXIF <tag>`, `XMP <prefix>:<name>`, `IPTC <field>`, `xmp` for the whole
packet.
An EXIF record or packet that cannot be read costs its entries and a sentence, never the picture.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass, field

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from forensics.pictures.containers import Container
from forensics.pictures.metadata import xmp
from forensics.pictures.metadata.encodings import Text, decoded, exif_comment, restored, undone

_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    RuntimeError,
    TypeError,
    LookupError,
    AttributeError,
)
_WIDE_TAGS = frozenset(range(0x9C9B, 0x9CA0))
"""Windows' title, comment, author, keywords and subject: UTF-16 little-endian by their own convention."""
_IPTC = {
    (2, 5): "Title",
    (2, 25): "Keywords",
    (2, 65): "OriginatingProgram",
    (2, 80): "By-line",
    (2, 110): "Credit",
    (2, 115): "Source",
    (2, 116): "Copyright",
    (2, 120): "Caption",
}
_BINARY = frozenset({"icc_profile", "exif", "photoshop"})
_SKIPPED = frozenset({"xmp", "XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1", "comment", "mp"})


@dataclass(slots=True)
class Collected:
    """What a file states in words."""

    entries: dict[str, str] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)
    """For entries whose code had to be found out, a sentence."""
    steps: list[str] = field(default_factory=list)
    """What could not be read."""
    exif_damaged: bool = False
    orientation: object = None
    """Of EXIF, as stated; None where there is none."""
    colours: str = ""
    """`Adobe RGB` or `uncalibrated`, where EXIF states it (DCF 2.0)."""

    def put(self, name: str, text: Text) -> None:
        """Enter a text; a second one under one name gets a number."""
        number, unique = 2, name
        while unique in self.entries:
            unique, number = f"{name} ({number})", number + 1
        self.entries[unique] = text.value
        if text.code:
            self.encodings[unique] = text.code


def collect(image: Image.Image, container: Container) -> Collected:
    """All of it.

    Args:
        image: opened and loaded, for text may stand behind the pixels.
        container: what going through the bytes found.
    """
    found = Collected()
    for raw in container.texts:
        text = decoded(raw.value, raw.declared)
        found.put(raw.name, restored(text))
    for key, value in sorted(image.info.items(), key=lambda kv: str(kv[0])):
        if str(key) in _BINARY and isinstance(value, bytes):
            found.entries[str(key)] = f"{len(value)} bytes"
        elif str(key) in _SKIPPED:
            continue
        elif isinstance(value, str | int | float | tuple):
            found.put(str(key), undone(str(value)))
        elif isinstance(value, bytes):
            found.put(str(key), restored(decoded(value, "")))
    if "comment" not in found.entries and isinstance(comment := image.info.get("comment"), bytes | str):
        found.put(
            "comment", decoded(comment if isinstance(comment, bytes) else comment.encode("latin-1", "replace"), "")
        )
    _exif(image, found)
    _packet(image, found)
    _iptc(image, found)
    return found


def _exif(image: Image.Image, found: Collected) -> None:
    for read in (_first_directory, _exif_directory):
        try:
            tags = read(image, found)
        except _ERRORS as exc:
            found.exif_damaged = True
            found.steps.append(
                f"The EXIF record could not be read ({str(exc)[:120] or type(exc).__name__}); the picture was "
                "examined without it, and any orientation in it was not applied."
            )
            return
        for tag, value in sorted(tags.items()):
            _tag(tag, value, found)
    for reason in _complaints(image.info.get("exif")):
        found.exif_damaged = True
        found.steps.append(f"The EXIF record is damaged ({reason}); what of it could be read is stated.")


def _complaints(record: object) -> list[str]:
    """What the library says of a record by warnings only, and only when it reads it for the first time."""
    if not isinstance(record, bytes):
        return []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            exif = Image.Exif()
            exif.load(record)
            exif.get_ifd(ExifTags.IFD.Exif)
        except _ERRORS:
            return []
    return list(dict.fromkeys(str(w.message).strip().rstrip(".")[:120] for w in said))


def _first_directory(image: Image.Image, found: Collected) -> dict[int, object]:
    exif = image.getexif()
    raw = _raw_profile(found)
    if not len(exif) and raw:
        exif = Image.Exif()
        exif.load(raw)
        image._exif = exif
    tags = dict(exif.items())
    own = _own_record(image.info.get("exif"))
    if own is None:
        own = tags if raw or image.format == "TIFF" else {}
    found.orientation = own.get(ExifTags.Base.Orientation)
    if found.orientation is None or ExifTags.Base.Orientation not in tags:
        tags.pop(ExifTags.Base.Orientation, None)
    return tags


def _own_record(record: object) -> dict[int, object] | None:
    """Tags of the EXIF record alone: the library adds an orientation that only XMP states. None without a record."""
    if not isinstance(record, bytes):
        return None
    exif = Image.Exif()
    exif.load(record)
    return dict(exif.items())


def _exif_directory(image: Image.Image, found: Collected) -> dict[int, object]:
    tags = dict(image.getexif().get_ifd(ExifTags.IFD.Exif).items())
    space = tags.get(ExifTags.Base.ColorSpace)
    interoperability = str(image.getexif().get_ifd(ExifTags.IFD.Interop).get(1, ""))
    if space == 2 or interoperability.startswith("R03"):
        found.colours = "Adobe RGB"
    elif space == 0xFFFF:
        found.colours = "uncalibrated"
    return tags


def _raw_profile(found: Collected) -> bytes:
    """EXIF as hexadecimal text, as ImageMagick stores it in PNG."""
    text = found.entries.get("Raw profile type exif") or found.entries.get("Raw profile type APP1") or ""
    try:
        return bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return b""


def _tag(tag: int, value: object, found: Collected) -> None:
    name = f"EXIF {ExifTags.TAGS.get(tag, tag)}"
    if tag in _WIDE_TAGS and isinstance(value, bytes | tuple):
        body = bytes(value)
        found.put(name, Text(body.decode("utf-16-le", "replace").strip("\0")))
    elif tag == ExifTags.Base.UserComment:
        data = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
        found.put(name, restored(exif_comment(data)))
    elif isinstance(value, bytes):
        found.put(name, restored(decoded(value, "")) if len(value) < 1 << 20 else Text(f"{len(value)} bytes"))
    else:
        found.put(name, undone(str(value)))


def _packet(image: Image.Image, found: Collected) -> None:
    packet = found.entries.pop("XML:com.adobe.xmp", None)
    found.encodings.pop("XML:com.adobe.xmp", None)
    raw = image.info.get("xmp")
    if packet is None and isinstance(raw, bytes | str) and raw:
        text = decoded(raw, "UTF-8") if isinstance(raw, bytes) else Text(raw)
        packet = text.value
    if packet is None:
        return
    found.entries["xmp"] = packet
    properties = xmp.entries(packet)
    if not properties and packet.strip():
        found.steps.append("The XMP packet could not be read and is kept as it stands in the file as received.")
    for name, value in properties.items():
        found.put(name, undone(value))
    stated = properties.get("XMP tiff:Orientation", "1")
    if found.orientation is None and stated not in ("0", "1"):
        found.steps.append(f"XMP states the orientation {stated[:20]}, EXIF none; it was not applied.")


def _iptc(image: Image.Image, found: Collected) -> None:
    try:
        fields = IptcImagePlugin.getiptcinfo(image) if isinstance(image, ImageFile.ImageFile) else None
    except _ERRORS:
        return
    for key, value in fields.items() if isinstance(fields, dict) else ():
        if key in _IPTC:
            parts = value if isinstance(value, list) else [value]
            for part in parts:
                if isinstance(part, bytes):
                    found.put(f"IPTC {_IPTC[key]}", restored(decoded(part, "")))
