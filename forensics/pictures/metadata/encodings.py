"""Bytes of a text entry become text, and the account says by which code.

Declarations are often wrong: programs write UTF-8 into fields declared as UTF-16 or Latin-1, and UTF-16 without a mark
of its byte order. So the bytes are asked first. Strict UTF-8 is a check that bytes of another code almost never pass
once they hold more than ASCII; it is tried before every declaration but that of UTF-16 whose zeros are plain to see.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_CODES = {
    b"ASCII\0\0\0": "ASCII",
    b"UNICODE\0": "UTF-16",
    b"JIS\0\0\0\0\0": "JIS",
    bytes(8): "",
}
"""The character codes that EXIF declares in the first eight bytes of a comment."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text and how it was had."""

    value: str
    code: str = ""
    """A sentence where the code had to be found out or the declared one was not followed; else empty."""
    declared: str = ""
    """What the file declares."""


def exif_comment(data: bytes) -> Text:
    """A comment of EXIF: eight bytes that declare the code, then the text. Files without the eight bytes exist.

    Args:
        data: the value of UserComment, complete.
    """
    for mark, name in _CODES.items():
        if data.startswith(mark):
            return decoded(data[len(mark) :], name)
    if data[:8].rstrip(b"\0") in (b"ASCII", b"UNICODE", b"Unicode", b"JIS"):  # written with other padding or letters
        name = data[:8].rstrip(b"\0").decode("ascii").upper()
        return decoded(data[8:], {"UNICODE": "UTF-16"}.get(name, name))
    found = decoded(data, "")
    if data.lstrip(b"\0")[:1] in (b"", b"{") or found.code:
        return found
    return Text(found.value, "The field declares no character code; its bytes are ASCII.")


def decoded(data: bytes, declared: str) -> Text:
    """Bytes as text.

    Args:
        data: without the declaration.
        declared: `ASCII`, `UTF-8`, `UTF-16`, `Latin-1`, `JIS` or empty where nothing is declared.
    """
    for mark, code in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark) and (value := _strict(data[len(mark) :], code)) is not None:
            expected = "UTF-16" if code.startswith("utf-16") else "UTF-8"
            said = "" if declared == expected else f"Read as {expected}, which its byte-order mark declares."
            return Text(_trimmed(value), said, declared)
    if wide := _wide(data):
        value, order = wide
        said = f"UTF-16 {order} without a byte-order mark"
        return Text(
            _trimmed(value), f"{said}." if declared == "UTF-16" else f"{said}, though {_called(declared)}.", declared
        )
    if declared == "JIS" and b"\x1b" in data and (value := _strict(data, "iso2022_jp")) is not None:
        return Text(_trimmed(value), "", declared)  # escapes of ISO 2022 are ASCII bytes and so valid UTF-8 as well
    if (value := _strict(data, "utf-8")) is not None:
        if value.isascii():
            said = f"The text is ASCII, though {_called(declared)}." if declared in ("UTF-16", "JIS") else ""
            return Text(_trimmed(value), said, declared)
        right = declared == "UTF-8"
        return Text(
            _trimmed(value),
            "" if right else f"The bytes are valid UTF-8 and were read so, though {_called(declared)}.",
            declared,
        )
    return _other(data, declared)


def _other(data: bytes, declared: str) -> Text:
    """Neither UTF-8 nor plainly UTF-16."""
    if declared == "UTF-16" and len(data) > 1:
        body = data[: len(data) // 2 * 2]
        # Letters of one script share their upper bytes; in the wrong order the many lower bytes stand there.
        little = len(set(body[1::2])) < len(set(body[0::2]))
        value = body.decode("utf-16-le" if little else "utf-16-be", "replace")
        loss = ", with parts that are no text" if "\ufffd" in value else ""
        order = "little" if little else "big"
        return Text(
            _trimmed(value), f"UTF-16 {order}-endian without a byte-order mark, found by its letters{loss}.", declared
        )
    if declared == "JIS":
        for code in ("iso2022_jp", "euc_jp", "shift_jis"):
            if (found := _strict(data, code)) is not None:
                return Text(_trimmed(found), f"Declared as JIS; read as {code}.", declared)
    if declared == "Latin-1":
        return Text(_trimmed(data.decode("latin-1")), "", declared)
    return Text(
        _trimmed(data.decode("latin-1")),
        f"The bytes are no UTF-8; read as Latin-1, though {_called(declared)}.",
        declared,
    )


def undone(value: str) -> Text:
    """Text in which UTF-8 was once read as Latin-1 or Windows-1252 and stored again, brought back where that is plain.

    The bytes behind the letters must be valid UTF-8 with letters outside ASCII: ordinary text in these codes has
    almost never that form.
    """
    if value.isascii() or any(ord(c) > 0x2122 for c in value):
        return Text(value)
    for code in ("latin-1", "cp1252"):
        try:
            raw = b"".join(_byte(c, code) for c in value)
        except UnicodeEncodeError:
            continue
        repaired = _strict(raw, "utf-8")
        if repaired is not None and repaired != value:
            name = "Latin-1" if code == "latin-1" else "Windows-1252"
            return Text(repaired, f"UTF-8 that had been read as {name} and stored so; brought back to UTF-8.")
    return Text(value)


def restored(found: Text) -> Text:
    """As `undone`, for text that was already found out from bytes: both steps are said."""
    again = undone(found.value)
    return Text(again.value, f"{found.code} {again.code}".strip(), found.declared) if again.code else found


def _byte(letter: str, code: str) -> bytes:
    """One byte; the five that Windows-1252 leaves open pass as they are, as programs write them."""
    try:
        return letter.encode(code)
    except UnicodeEncodeError:
        return letter.encode("latin-1")


def _called(declared: str) -> str:
    return f"the field declares {declared}" if declared else "the field declares no code"


def _strict(data: bytes, code: str) -> str | None:
    try:
        return data.decode(code)
    except UnicodeDecodeError:
        return None


def _wide(data: bytes) -> tuple[str, str] | None:
    """UTF-16 without a mark, in the byte order under which more of it are letters that texts hold.

    A text of one script has the same few upper bytes throughout; in the wrong order the upper bytes are the lower ones
    and scatter. Spaces, commas and digits, which every script uses, decide where they are.
    """
    body = data[: len(data) // 2 * 2]
    if len(body) < 4 or len(data) - len(body) > 1:
        return None
    zeros_first, zeros_second = body[0::2].count(0), body[1::2].count(0)
    if zeros_first + zeros_second < max(1, len(body) // 40):
        return None  # a text without a single ASCII letter in forty: bytes of another code hold no zeros at all
    plain = bytes(body).rstrip(b"\0")
    if 0 not in plain:
        return None  # zeros only behind the text: padding
    candidates = []
    for code, order, zeros in (("utf-16-be", "big-endian", zeros_first), ("utf-16-le", "little-endian", zeros_second)):
        if (value := _strict(body, code)) is not None:
            candidates.append(
                (sum((c < "\x80" and c.isprintable()) or c in "\n\r\t" for c in value), zeros, value, order)
            )
    if not candidates:
        return None
    _, _, value, order = max(candidates, key=lambda c: c[:2])
    return value, order


def _trimmed(value: str) -> str:
    return value.strip("\0\ufeff")
