"""A report drawn by other releases of the libraries: what only stands elsewhere passes, what says else does not.

The other typesetting is real: the same case drawn with other spaces between words, so that lines and pages break
elsewhere. The document then states a Pango that is not the one here, as one drawn elsewhere does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from forensics import documents, report, resources, schema
from forensics.case import Case
from forensics.errors import VerificationError
from forensics.folder.layout import REPORT
from forensics.folder.verify import load
from forensics.report import derived, libraries, typesetting
from tests.signing import forger
from tests.test_casefile import small_case

OTHER = "0.49.1"
"""A Pango that nobody has here."""


def elsewhere(case: Case, folder: Path, templates: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The report as drawn with other spaces between words, stating another Pango."""
    with monkeypatch.context() as patch:
        patch.setattr(resources, "templates", lambda: templates)
        drawn = report.render(case, folder)
    return stating(drawn)


def stating(document: bytes) -> bytes:
    """The document with the other Pango named as what drew it."""
    here = f"Pango {libraries.here()['Pango']}"
    with pikepdf.open(io.BytesIO(document)) as pdf:
        pdf.docinfo["/Creator"] = str(pdf.docinfo["/Creator"]).replace(here, f"Pango {OTHER}")
        return saved(pdf)


def saved(pdf: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = small_case(tmp_path_factory.mktemp("typesetting") / "case")
    (made / REPORT).unlink()
    documents.write(made, ("pdf",))
    return made


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    other = Path(shutil.copytree(resources.templates(), tmp_path_factory.mktemp("other") / "templates"))
    css = other / "report.css"
    text = css.read_text(encoding="utf-8")
    css.write_text(text.replace("font-kerning: normal }", "font-kerning: normal; word-spacing: .06em }", 1))
    assert css.read_text(encoding="utf-8") != text
    return other


@pytest.fixture(scope="module")
def drawn(folder: Path, templates: Path) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        return elsewhere(load(folder), folder, templates, patch)


def handed(folder: Path, document: bytes, to: Path) -> Path:
    """A copy of the folder with this report, every digest made for it."""
    copy = Path(shutil.copytree(folder, to / "case"))
    (copy / REPORT).write_bytes(document)
    forger.rehash(copy)
    return copy


def test_the_libraries_are_those_that_are_loaded_and_stand_in_the_document(folder: Path) -> None:
    from weasyprint.text.ffi import ffi, harfbuzz, pango

    here = libraries.here()
    number = pango.pango_version()
    assert here["Pango"] == f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    assert harfbuzz.hb_version_atleast(*map(int, here["HarfBuzz"].split(".")))
    assert all(version[0].isdigit() for version in here.values()), here
    assert libraries.stated((folder / REPORT).read_bytes(), load(folder)) == here
    assert {fact.name: fact.value for fact in libraries.facts()} == {n: v for n, v in here.items() if n != "WeasyPrint"}
    assert ffi is not None


def test_other_lines_of_another_pango_pass_and_that_is_said(folder: Path, drawn: bytes, tmp_path: Path) -> None:
    made = (folder / REPORT).read_bytes()
    assert derived.difference(drawn, made) is not None  # the pages are others
    said = list(documents.verify(handed(folder, drawn, tmp_path)))
    (line,) = [one for one in said if "IN TYPESETTING ALONE" in one]
    assert line.startswith(f"{REPORT} ")
    assert f"Pango {OTHER} drew it, and here are Pango {libraries.here()['Pango']}" in line
    assert "Containerfile" in line
    assert "Not compared were" in line


def test_other_lines_of_the_same_libraries_do_not_pass(folder: Path, drawn: bytes, tmp_path: Path) -> None:
    same = drawn
    with pikepdf.open(io.BytesIO(drawn)) as pdf:
        pdf.docinfo["/Creator"] = libraries.marked("forensics")
        same = saved(pdf)
    with pytest.raises(VerificationError, match=r"is not the one that the case gives|pages, the case gives"):
        list(documents.verify(handed(folder, same, tmp_path)))


def test_one_number_changed_does_not_pass_whatever_drew_it(
    folder: Path, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(folder)
    (item,) = case.items
    changed = dataclasses.replace(case, items=(dataclasses.replace(item, size_bytes=item.size_bytes + 1),))
    forged = elsewhere(changed, folder, templates, monkeypatch)
    with pikepdf.open(io.BytesIO(forged)) as pdf, pikepdf.open(folder / REPORT) as honest:
        for name in list(pdf.attachments):  # the case inside is the honest one
            pdf.attachments[name].obj.EF.F.write(honest.attachments[name].get_file().read_bytes())
        forged = saved(pdf)
    with pytest.raises(VerificationError, match="where the case gives") as caught:
        list(documents.verify(handed(folder, forged, tmp_path)))
    # The first difference is on the cover: the digest of the case, which no case with another number has.
    digest = hashlib.sha256(schema.canonical(case)).hexdigest()
    assert "page 1 reads" in caught.value.message
    assert caught.value.message.split("the case gives “")[1].split("”")[0][-16:] in digest


def _over(pdf: pikepdf.Pdf, page: int, painted: bytes) -> None:
    pdf.pages[page].contents_add(pdf.make_stream(b"q 1 0 0 1 0 0 cm " + painted + b" Q"))


def digit(pdf: pikepdf.Pdf, data: bytes) -> None:
    """A digit painted over in white; the text layer still reads it."""
    with pypdfium2.PdfDocument(data) as shown:
        text = shown[2].get_textpage()
        place = next(n for n in range(text.count_chars()) if text.get_text_range(n, 1).isdigit())
        left, bottom, right, top = text.get_charbox(place)
    _over(pdf, 2, f"1 1 1 rg {left} {bottom} {right - left} {top - bottom} re f".encode())


def sheet(pdf: pikepdf.Pdf, data: bytes) -> None:
    _over(pdf, 0, b"1 1 1 rg 60 60 300 300 re f")


def word(pdf: pikepdf.Pdf, data: bytes) -> None:
    """A line of the page itself, shown a second time elsewhere: its letters are surely in the font that travels."""
    steps = pikepdf.parse_content_stream(pdf.pages[1])
    first = next(n for n, step in enumerate(steps) if str(step.operator) == "TJ")
    font = next(step for step in reversed(steps[:first]) if str(step.operator) == "Tf")
    shown = pikepdf.unparse_content_stream([font, steps[first]])
    _over(pdf, 1, b"BT 1 0 0 1 100 400 Tm " + shown + b" ET")


def curve(pdf: pikepdf.Pdf, data: bytes) -> None:
    _over(pdf, 1, b"0 0 0 RG 100 400 m 150 500 200 300 250 400 c S")


def draft(pdf: pikepdf.Pdf, data: bytes) -> None:
    """The line that says that nobody signed it, painted over on one page."""
    _over(pdf, 3, b"1 1 1 rg 300 770 300 80 re f")


def pictures(pdf: pikepdf.Pdf, data: bytes) -> None:
    """A picture exchanged for its negative."""
    shown = next(one for page in pdf.pages for one in page.resources.get("/XObject", {}).values() if "/Width" in one)
    shown.write(bytes(255 - value for value in shown.read_bytes()))


def note(pdf: pikepdf.Pdf, data: bytes) -> None:
    page = pdf.pages[1]
    kind = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.FreeText, Rect=[100, 100, 300, 200])
    kind["/Contents"] = "proven"
    page.obj["/Annots"] = pikepdf.Array([*page.obj.get("/Annots", []), pdf.make_indirect(kind)])


@pytest.mark.parametrize("forge", [digit, sheet, word, curve, draft, pictures, note])
def test_what_the_words_do_not_show_is_found(
    folder: Path, drawn: bytes, forge: Callable[[pikepdf.Pdf, bytes], None]
) -> None:
    made = (folder / REPORT).read_bytes()
    with pikepdf.open(io.BytesIO(drawn)) as pdf:
        forge(pdf, drawn)
        forged = saved(pdf)
    found = derived.content(forged, made)
    assert found is not None, forge.__name__


def test_the_bound_lies_between_a_letter_and_another_letter(folder: Path, drawn: bytes) -> None:
    made = (folder / REPORT).read_bytes()
    with typesetting._Read(drawn) as a, typesetting._Read(made) as b:
        first, second = a.marks(), b.marks()
        pairs = [(p, q) for p, q in zip(first, second, strict=True) if p.kind == "text" and not p.refers]
        same = typesetting._distances(a, b, pairs)
        assert same.max() < typesetting._UNLIKE
        digits = {}
        for mark in second:
            if mark.box is not None and mark.what in "0123456789" and (high := mark.box[3] - mark.box[1]) > 4.5:
                digits.setdefault((mark.what, round(2 * high)), mark)
        other = [
            (p, q) for (d, size), p in digits.items() for (e, same_), q in digits.items() if d != e and size == same_
        ]
        assert len(other) > 100
        assert typesetting._distances(b, b, other).min() > typesetting._UNLIKE
