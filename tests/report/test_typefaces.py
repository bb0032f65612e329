"""Letters that the bundled typefaces lack: found, cut down, kept with the case, drawn everywhere alike.

The typefaces of these tests are made here, so that none of the machine's has a part in them.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from forensics import report, resources
from forensics.case import Case
from forensics.errors import VerificationError
from forensics.folder.custody import following
from forensics.folder.layout import STORED, stored
from forensics.report import glyphs, pdf, typefaces
from tests.report import cases, pages

FONTS = resources.templates() / "fonts"
TEXT = "草むら, أرنب 42 في, 🐇"


def font(path: Path, letters: str, *, blank: str = "", permission: int = 0) -> Path:
    """A font whose letters are boxes; blank ones have no outline."""
    names = {ord(c): f"u{ord(c):X}" for c in dict.fromkeys(f" {letters}{blank}")}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    outlines = {}
    for name in [".notdef", *names.values()]:
        pen = TTGlyphPen(None)
        if name != "u20" and name not in {names[ord(c)] for c in blank}:
            pen.moveTo((100, 0))
            for point in ((100, 700), (800, 700), (800, 0)):
                pen.lineTo(point)
            pen.closePath()
        outlines[name] = pen.glyph()
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics(dict.fromkeys(outlines, (900, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular", "version": "Version 1.5"})
    builder.setupOS2(sTypoAscender=800, fsType=permission)
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A case with words in several scripts; its folder is `case`."""
    made = cases.compare(tmp_path / "case")
    items = (dataclasses.replace(made.items[0], file_name=TEXT), *made.items[1:])
    return dataclasses.replace(made, items=items)


def kept(case: Case, found: typefaces.Found, folder: Path) -> Case:
    """The case as it is frozen with what was found."""
    entries = case.custody
    for one in found.typefaces:
        path = stored(folder, one.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
        digest = Path(one.path).stem
        entries = (*entries, following(entries, STORED, one.path, digest))
    return dataclasses.replace(case, custody=entries, environment=(*case.environment, *found.facts))


def held(found: typefaces.Found) -> set[str]:
    """Letters of the typefaces found."""
    return {chr(c) for one in found.typefaces for c in TTFont(io.BytesIO(one.data)).getBestCmap()} - {" "}


def test_letters_alone_are_kept_and_what_is_missing_is_stated(case: Case, tmp_path: Path) -> None:
    font(tmp_path / "a" / "NotoSansHan-Regular.ttf", "草むらの猫犬")
    font(tmp_path / "b" / "Arabic.ttf", "أرنبفي")
    found = typefaces.find(case, [tmp_path / "a", tmp_path / "b"])
    assert held(found) == set("草むらأرنبفي")
    assert found.missing == (ord("🐇"),)
    said = " ".join(f"{fact.name}: {fact.value}" for fact in found.facts)
    assert "NotoSansHan-Regular, Version 1.5; 3 letters" in said
    assert "U+1F407: printed as their code points" in said
    assert typefaces.find(case, [tmp_path / "a", tmp_path / "b"]) == found, "the same bytes each time"


@pytest.mark.parametrize("facts", [{"permission": 0x0002}, {"permission": 0x0100}, {"blank": "草"}])
def test_what_may_not_be_embedded_or_shows_nothing_is_passed_over(
    case: Case, tmp_path: Path, facts: dict[str, int]
) -> None:
    font(tmp_path / "a" / "NotoSansHan-Regular.ttf", "むら" if "blank" in facts else "草むら", **facts)  # type: ignore[arg-type]
    font(tmp_path / "a" / "Zother.ttf", "草")
    found = typefaces.find(case, [tmp_path / "a"])
    assert "of the file Zother.ttf" in found.facts[-2].value
    assert "草" in held(found)
    assert ("む" in held(found)) == ("blank" in facts)


def test_damaged_files_among_the_typefaces_stop_nothing(case: Case, tmp_path: Path) -> None:
    good = font(tmp_path / "a" / "Good.ttf", TEXT).read_bytes()
    for number, data in enumerate((b"", b"OTTO" + bytes(40), good[: len(good) // 2], good[:12] + bytes(200))):
        (tmp_path / "a" / f"A{number}.ttf").write_bytes(data)
        (tmp_path / "a" / f"A{number}.ttc").write_bytes(data)
    assert typefaces.find(case, [tmp_path / "a"]).missing == ()


def test_without_typefaces_code_points_are_printed(case: Case, tmp_path: Path) -> None:
    found = typefaces.find(case, [])
    assert found.typefaces == ()
    html = report.render_html(kept(case, found, tmp_path / "case"), tmp_path / "case")
    assert "[U+8349]" in html
    assert "草" not in html


def test_pages_show_the_letters_and_isolate_what_runs_backwards(case: Case, tmp_path: Path) -> None:
    font(tmp_path / "a" / "All.ttf", TEXT)
    folder = tmp_path / "case"
    frozen = kept(case, typefaces.find(case, [tmp_path / "a"]), folder)
    html = report.render_html(frozen, folder)
    assert "<bdi>أرنب 42 في</bdi>" in html
    assert "[U+8349]" not in html
    drawn = report.render(frozen, folder)
    text = "".join(pages.page_texts(drawn))
    assert "草むら" in text
    assert "🐇" in text
    assert drawn == report.render(frozen, folder)
    viewer = report.viewer(frozen, folder).decode()
    assert "font-src data:" in viewer
    assert "data:font/ttf;base64," in viewer


def test_a_typeface_changed_afterwards_is_found(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    frozen = kept(case, typefaces.find(case, [font(tmp_path / "a" / "All.ttf", TEXT).parent]), folder)
    (path,) = (folder / "data" / "typefaces").iterdir()
    path.write_bytes(font(tmp_path / "b" / "Other.ttf", TEXT).read_bytes())
    with pytest.raises(VerificationError, match="differs from its digest"):
        report.render(frozen, folder)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("草 a", "草 a"),
        ("gpj.\u202eأرنب", "gpj.[U+202E]<bdi>أرنب</bdi>"),
        ("(أرنب, في) x", "(<bdi>أرنب, في</bdi>) x"),
        ('<i title="أرنب">a</i>', '<i title="أرنب">a</i>'),
        ("<svg><text>草</text></svg>", "<svg><text>[U+8349]</text></svg>"),
        ("ف\u200cي", "<bdi>ف\u200cي</bdi>"),
        ("a\u200cb", "a[U+200C]b"),
    ],
)
def test_text_between_the_tags(text: str, shown: str) -> None:
    also = frozenset(map(ord, "草أرنبفي\u200c"))
    assert glyphs.page(text, FONTS, also) == shown


def test_the_machine_has_no_part_in_a_page() -> None:
    html = '<html lang="en"><title>x</title><link rel="stylesheet" href="report.css"><p>a 🐇 草 b</p></html>'
    with pytest.raises(Exception, match="not drawn completely"):
        pdf.write(html, {}, created="2026-11-22T09:12:44Z")
