"""Letters that the bundled typefaces lack: found on the machine of the examination, cut down, and kept with the case.

A report must look the same wherever it is made again, so that a typeface of one machine cannot be what it refers to.
When a case is frozen, typefaces that hold the letters of the case are looked for in the folders where systems keep them
and in packages of Noto; of each, the outlines of those letters alone are stored in the case folder under their digest,
and the custody log, which the frozen case holds, names them. Rendering uses what lies in the folder and nothing else.
Letters that no typeface at hand holds are printed as their code points, which the environment of the case states.

Typefaces whose makers forbid embedding or cutting down are passed over, as are those that hold pictures or layers of
colour instead of outlines: PDF/A asks for embedded outlines, and a blank would hide a letter.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.pens.boundsPen import BoundsPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTCollection, TTFont, TTLibError  # type: ignore[import-untyped]
from fontTools.varLib import instancer  # type: ignore[import-untyped]

from forensics import folder as case_folder
from forensics import resources, schema
from forensics.case import Case, Fact
from forensics.errors import VerificationError
from forensics.folder.layout import STORED
from forensics.report import glyphs

FAMILY = "Letters of the case"
"""Name of the family in the stylesheets; a number follows."""
PLACE = "typefaces"
"""Folder among the evidence."""
_STORED = re.compile(rf"{PLACE}/[0-9a-f]{{64}}\.(?:ttf|otf)")
MAX_LETTERS = 4000
"""Different letters of one case that are looked for, the first ones: a hostile file can hold all that exist."""
_MAX_FILES = 2000
_MAX_BYTES = 80_000_000
_BESIDE = (0x20, 0xA0, 0x200C, 0x200D, 0x25CC)
"""Kept with any letters: spaces, which the drawing library takes from the typeface of the word before, joiners, and the
circle that carries a mark without a letter."""
_FORBIDDEN = 0x0002 | 0x0100 | 0x0200
"""Bits of OS/2.fsType: no embedding, no cutting down, pictures alone."""
_DROPPED = ("COLR", "CPAL", "SVG ", "CBDT", "CBLC", "EBDT", "EBLC", "sbix", "DSIG", "meta")
_ORDER = (
    r"NotoSans[A-Z][a-z]+(?:-Regular|\[.*\])",
    r"(?:NotoSansCJK|SourceHanSans)\w*-Regular|NotoSans(?:JP|KR|SC|TC)(?:-Regular|\[.*\])",
    r"NotoEmoji(?:-Regular|\[.*\])|Symbola\w*",
    r"NotoSans\w*(?:-Regular|\[.*\])?",
    r"DejaVuSans|FreeSans|unifont\w*|ArialUnicode|segoeui|seguisym|seguiemj|msyh|malgun|YuGothR|meiryo|PingFang|Nirmala",
    r"Hiragino.*W3|AppleSDGothicNeo|GeezaPro|ArialHB|Kohinoor|Apple Symbols|Arial Unicode",
)
"""Names of files in the order in which they are tried: one hand for all scripts where it is there."""
_SLANTED = re.compile(
    r"bold|italic|oblique|light|thin|black|heavy|condensed|semi|medium|extra|mono|UI|display|serif", re.IGNORECASE
)
_ERRORS = (TTLibError, OSError, ValueError, KeyError, AttributeError, AssertionError, TypeError, IndexError)
"""What damaged font files make fontTools raise, its own errors among them."""


@dataclass(frozen=True, slots=True)
class Typeface:
    """Outlines of some letters."""

    path: str
    """Among the evidence: the folder of typefaces and the digest."""
    data: bytes
    said: str
    """Name, version, file and number of letters, for the environment of the case."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the letters of a case are printed with."""

    typefaces: tuple[Typeface, ...]
    missing: tuple[int, ...]
    """Code points that no typeface at hand holds."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """For the environment of the case; empty where the bundled typefaces hold everything."""
        rows = [Fact("typeface kept with the case for further letters", one.said) for one in self.typefaces]
        if self.missing:
            named = ", ".join(f"U+{code:04X}" for code in self.missing[:12])
            more = f" and {len(self.missing) - 12} more" if len(self.missing) > 12 else ""
            rows.append(
                Fact(
                    "letters without a typeface on this computer",
                    f"{named}{more}: printed as their code points. The packages of Noto fonts hold nearly all letters.",
                )
            )
        return tuple(rows)


def find(case: Case, folders: Collection[Path] | None = None) -> Found:
    """The typefaces for the letters of a case that the bundled ones lack.

    Args:
        case: about to be frozen.
        folders: where typefaces are looked for; the usual places of the system and of Python's packages otherwise.
    """
    left = set(_letters(case))
    if not left:
        return Found((), ())
    found = []
    for path in _files(_places() if folders is None else folders, left):
        for face in _faces(path, left):
            if made := _cut(face, path, left):
                typeface, taken = made
                found.append(typeface)
                left -= taken
        if not left:
            break
    return Found(tuple(found), tuple(sorted(left)))


def stored(case: Case, folder: Path) -> dict[str, bytes]:
    """The typefaces that a case was frozen with: path among the evidence -> bytes.

    Raises:
        VerificationError: one is missing or differs from its digest.
    """
    found: dict[str, bytes] = {}
    for entry in case.custody:
        if entry.action != STORED or not _STORED.fullmatch(entry.item):
            continue
        try:
            data = case_folder.stored(folder, entry.item).read_bytes()
        except OSError as exc:
            raise VerificationError(
                f"The typeface {entry.item} cannot be read.", hint="Restore the case folder from its archive."
            ) from exc
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise VerificationError(
                f"The typeface {entry.item} differs from its digest.", hint="Run `forensics verify` on the case folder."
            )
        found[entry.item] = data
    return found


def letters(files: Mapping[str, bytes]) -> frozenset[int]:
    """Code points that stored typefaces hold. Raises VerificationError for one that is no font."""
    held: set[int] = set()
    for path, data in files.items():
        try:
            with TTFont(io.BytesIO(data), lazy=True) as font:
                held |= set(font.getBestCmap() or ())
        except _ERRORS as exc:
            raise VerificationError(f"The typeface {path} cannot be read: {exc}.") from exc
    return frozenset(held)


def families(files: Mapping[str, bytes]) -> dict[str, str]:
    """Path of a stored typeface -> name of its family in the stylesheets."""
    return {path: f"{FAMILY} {number}" for number, path in enumerate(files, 1)}


def styled(css: str, files: Mapping[str, bytes], address: Mapping[str, str]) -> str:
    """A stylesheet in which every family of letters is followed by those of the case.

    Args:
        css: as it stands.
        files: the stored typefaces.
        address: where each is served: path -> URL.
    """
    if not files:
        return css
    named = families(files)
    after = "".join(f', "{family}"' for family in named.values())
    faces = "".join(f'@font-face {{ font-family: "{named[p]}"; src: url({address[p]}) }}\n' for p in files)
    lines = (
        line
        if line.startswith("@font-face")
        else re.sub(r'("Source (?:Serif 4 Display|Serif 4|Sans 3|Code Pro)")', rf"\1{after}", line)
        for line in css.split("\n")
    )
    return faces + "\n".join(lines)


def _letters(case: Case) -> list[int]:
    """Code points of the case that the bundled typefaces lack and that a typeface could show, in order."""
    fonts = resources.templates() / "fonts"
    seen: dict[int, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, str):
            if not value.isascii():
                seen.update(dict.fromkeys(map(ord, value)))
        elif isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner)

    walk(schema.encode(case))
    wanted = [code for code in seen if not glyphs.steers(chr(code)) and not glyphs.covered(code, fonts)]
    return wanted[:MAX_LETTERS]


def _places() -> tuple[Path, ...]:
    """Where systems keep typefaces, the user's own last, and where packages of Noto for Python do."""
    home = Path.home()
    data = os.environ.get("XDG_DATA_DIRS", "") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME", "") or str(home / ".local" / "share")
    places = [Path(part) / "fonts" for part in (*data.split(os.pathsep), own) if part]
    if sys.platform == "darwin":
        places += [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    if sys.platform == "win32":
        places += [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    packages = [p for base in sys.path if base for p in sorted(Path(base).glob("fontpkg_noto_*/files"))]
    return (*places, home / ".fonts", *packages)


def _files(places: Collection[Path], wanted: Collection[int]) -> list[Path]:
    found = [
        path
        for place in places
        for path in sorted(place.rglob("*"))[:_MAX_FILES]
        if path.suffix.lower() in (".ttf", ".otf", ".ttc", ".otc")
    ]
    scripts = {_script(code) for code in wanted}

    def rank(path: Path) -> tuple[int, bool, bool, str]:
        order = next((n for n, p in enumerate(_ORDER) if re.fullmatch(p, path.stem, re.IGNORECASE)), len(_ORDER))
        named = any(script in path.stem.lower() for script in scripts if script)
        return order, not named, bool(_SLANTED.search(path.stem)), path.name

    return sorted(found, key=rank)


def _script(code: int) -> str:
    """The first word of a letter's name: `ARABIC LETTER ALEF` is of the files called Arabic."""
    return unicodedata.name(chr(code), "").partition(" ")[0].lower()


def _faces(path: Path, wanted: set[int]) -> Iterator[Any]:
    """The fonts of a file; of a collection for East Asia the one of the language that the letters show first."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return
        if path.suffix.lower() not in (".ttc", ".otc"):
            yield TTFont(path, lazy=True)
            return
        fonts = list(TTCollection(path, lazy=True).fonts)
    except _ERRORS:
        return
    kana = any(0x3040 <= code <= 0x30FF for code in wanted)
    hangul = any(0xAC00 <= code <= 0xD7A3 for code in wanted)
    language = " JP" if kana else " KR" if hangul else " SC"
    yield from sorted(fonts, key=lambda font: (language not in _name(font, 4), "Mono" in _name(font, 4)))


def _name(font: Any, number: int) -> str:
    try:
        return str(font["name"].getDebugName(number) or "")
    except _ERRORS:
        return ""


def _cut(font: Any, path: Path, wanted: set[int]) -> tuple[Typeface, set[int]] | None:
    """The outlines of the letters wanted, and which they are; None where the font gives none."""
    try:
        table = font.getBestCmap() or {}
        taken = {code for code in wanted if code in table}
        if not taken or not ({"glyf", "CFF ", "CFF2"} & set(font.keys())) or _may_not(font):
            return None
        if "fvar" in font:
            font = instancer.instantiateVariableFont(
                font, {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes}
            )
        glyph_set = font.getGlyphSet()
        taken = {code for code in taken if _has_outline(glyph_set, table[code])}
        if not taken:
            return None
        said = ", ".join(filter(None, (_name(font, 4) or path.stem, _name(font, 5))))
        beside = {code for code in _BESIDE if code in table}
        data = _subset(font, taken | beside)
    except _ERRORS:
        return None
    digest = hashlib.sha256(data).hexdigest()
    suffix = "otf" if data[:4] == b"OTTO" else "ttf"
    with path.open("rb") as stream:
        of = hashlib.file_digest(stream, "sha256").hexdigest()
    fact = f"{said}; {len(taken)} letters of the file {path.name}, SHA-256 {of}; kept as {PLACE}/{digest}.{suffix}"
    return Typeface(f"{PLACE}/{digest}.{suffix}", data, fact), taken


def _may_not(font: Any) -> bool:
    return bool(getattr(font["OS/2"], "fsType", 0) & _FORBIDDEN) if "OS/2" in font else False


def _has_outline(glyph_set: Any, name: str) -> bool:
    pen = BoundsPen(glyph_set)
    glyph_set[name].draw(pen)
    return pen.bounds is not None


def _subset(font: Any, codes: set[int]) -> bytes:
    """Deterministic: no times, no names but the font's own, no hints."""
    options = subset.Options(
        layout_features=["*"],
        hinting=False,
        notdef_outline=True,
        name_IDs=[0, 1, 2, 4, 5, 13, 14],
        recalc_timestamp=False,
        drop_tables=[*subset.Options().drop_tables, *_DROPPED],
        ignore_missing_unicodes=True,
    )
    font.recalcTimestamp = False
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    stream = io.BytesIO()
    font.flavor = None
    font.save(stream, reorderTables=True)
    return stream.getvalue()
