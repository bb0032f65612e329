"""The rendered report: complete, searchable, the same bytes every time, and strict about what it was handed."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pikepdf
import pytest
from PIL import Image

from forensics import folder as case_folder
from forensics import report, resources, schema
from forensics.case import Case
from forensics.errors import RenderingError, VerificationError
from forensics.report import drawn as drawings
from forensics.report import pdf, stored_pictures
from forensics.report.tables import tables
from tests.report import golden, pages
from tests.report.conftest import Rendered
from tests.report.heavy import heavy
from tests.report.wording import quotations, violations

FOOTER = "This document reports measurements. Whether works are substantially similar, or a right is infringed, is for"

ANEW = """
import hashlib, sys
from pathlib import Path
from forensics import report
from tests.report.cases import compare
folder = Path(sys.argv[1])
print(hashlib.sha256(report.render(compare(folder), folder)).hexdigest())
"""


def _pixels(png: bytes) -> str:
    with Image.open(io.BytesIO(png)) as picture:
        return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()


@pytest.mark.parametrize("name", golden.EXAMINED)
def test_html_of_a_real_case_equals_its_golden(name: str) -> None:
    path = golden.path(name)
    assert path.is_file(), f"{path.name} is missing; write it with `python -m tests.report.golden` and read it"
    assert not golden.difference(name), "read the difference, then `python -m tests.report.golden`"


@pytest.mark.parametrize("name", golden.EXAMINED)
def test_every_title_of_a_stored_case_is_one_that_the_program_gives(name: str) -> None:
    for comparison in golden.stored(name)[0].comparisons:
        assert comparison.title == comparison.statistic.label.format(of=comparison.of)


def test_every_body_of_a_table_has_a_row(rendered: Rendered) -> None:
    # WeasyPrint tags an empty one as a body within a body, which PDF/UA-1 forbids.
    empty = dataclasses.replace(rendered.case, settings=(), environment=())
    for html in (rendered.html, report.render_html(empty, rendered.folder)):
        bodies = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
        assert bodies
        assert all("<tr" in body for body in bodies)


def test_wording(rendered: Rendered) -> None:
    quoted = quotations(rendered.case)
    assert violations(pages.words(rendered.html), quoted) == []
    assert violations("\n".join(pages.page_texts(rendered.pdf)), quoted) == []


def test_every_page_bears_its_marks(rendered: Rendered) -> None:
    texts = pages.page_texts(rendered.pdf)
    digest = hashlib.sha256(schema.canonical(rendered.case)).hexdigest()
    for number, text in enumerate(texts, start=1):
        assert "DRAFT – NOT SIGNED" in text
        assert ("Demonstration checkpoint" in text) == rendered.case.demonstration
        assert FOOTER in " ".join(text.split())
        assert f"Page {number} of {len(texts)}" in text
        assert digest[:8] in text
        assert digest[-8:] in text


def test_text_can_be_searched(rendered: Rendered) -> None:
    text = "\n".join(pages.page_texts(rendered.pdf))
    for exhibit in rendered.case.exhibits:
        assert exhibit.id in text
        assert exhibit.sha256[:8] in text
    for comparison in rendered.case.comparisons:
        assert f"{comparison.k} of {comparison.n} controls" in text
    for absence in rendered.case.absences:
        assert absence.what in " ".join(text.split())
    assert "[U+" not in text.replace("[U+202E]", "") or rendered.name == "full"


def test_no_page_is_without_content(rendered: Rendered) -> None:
    for text in pages.page_texts(rendered.pdf):
        assert len(text) > 350, "a page that bears only its header and footer"


def test_pdf_is_tagged_archival_and_carries_the_case(rendered: Rendered) -> None:
    document = pages.reader(rendered.pdf)
    root = document.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    metadata = root["/Metadata"].get_data().decode()
    assert 'part="3"' in metadata
    assert 'conformance="A"' in metadata
    assert document.attachments["case.json"] == [schema.canonical(rendered.case)]
    assert document.metadata is not None
    assert document.metadata.creation_date_raw == "D:20261122091244Z"
    assert [bookmark["/Title"] for bookmark in document.outline if isinstance(bookmark, dict)]


def test_only_the_bundled_typefaces_are_embedded(rendered: Rendered) -> None:
    names = {
        str(font.get_object()["/BaseFont"]).split("+")[1]
        for page in pages.reader(rendered.pdf).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert names
    assert all(name.startswith("Source") for name in names)


def test_pictures_are_drawn_pixel_for_pixel(rendered: Rendered) -> None:
    known = {e.pixel_sha256 for e in rendered.case.exhibits}
    drawn = {pages.pixel_digest(image) for image in pages.images(rendered.pdf)}
    stored = stored_pictures.verified(rendered.case, rendered.folder)
    own = {_pixels(data) for data in drawings.pictures(rendered.case, stored).values()}
    assert drawn == known | own
    assert b"/Interpolate true" not in rendered.pdf


def test_every_picture_of_the_text_is_drawn(rendered: Rendered) -> None:
    assert pages.pictures_drawn(rendered.pdf) == rendered.html.count("<img ")


def test_nothing_is_placed_out_of_the_flow() -> None:
    """WeasyPrint lays pages out again until their references agree, and leaves what is placed absolutely where it was:
    an enlarged detail that had gone over to the next page stood far below its window, which was empty."""
    style = (resources.templates() / "report.css").read_text(encoding="utf-8")
    assert not re.search(r"position:\s*(absolute|fixed)", style)


@pytest.mark.parametrize("rendered", ["compare"], indirect=True)
def test_same_case_same_bytes_in_another_folder_process_and_time_zone(rendered: Rendered, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "deeper"
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", ANEW, str(folder)],
        env=os.environ | {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(rendered.pdf).hexdigest()


@pytest.mark.parametrize(("paper", "points"), [("A4", (595, 842)), ("Letter", (612, 792))])
def test_paper(paper: Literal["A4", "Letter"], points: tuple[int, int]) -> None:
    html = '<html lang="en"><title>x</title><link rel="stylesheet" href="report.css"><p>x</html>'
    data = pdf.write(html, {}, created="2026-11-22T09:12:44Z", paper=paper)
    box = pages.reader(data).pages[0].mediabox
    assert (round(box.width), round(box.height)) == points


def test_missing_exhibit_is_named(bare: tuple[Case, Path]) -> None:
    case, folder = bare
    case_folder.stored(folder, case.exhibit("A1").path).unlink()
    with pytest.raises(VerificationError, match="Exhibit A1"):
        report.render(case, folder)


def test_flipped_byte_is_named(bare: tuple[Case, Path]) -> None:
    case, folder = bare
    path = case_folder.stored(folder, case.exhibit("A1").path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationError, match=r"Exhibit A1.*differs from its digest"):
        report.render_html(case, folder)


@pytest.mark.parametrize("address", ["exhibits/other.png", "https://example.org/x.png", "file:///etc/hostname"])
def test_nothing_is_loaded_that_was_not_handed_over(address: str) -> None:
    html = f'<html lang="en"><title>x</title><img src="{address}" alt="x"></html>'
    with pytest.raises(RenderingError, match="was not handed"):
        pdf.write(html, {}, created="2026-11-22T09:12:44Z")


def test_any_warning_fails_the_rendering() -> None:
    html = '<html lang="en"><title>x</title><p style="colour: red">x</p></html>'
    with pytest.raises(RenderingError, match="not drawn completely"):
        pdf.write(html, {}, created="2026-11-22T09:12:44Z")


@pytest.mark.parametrize("asked", ["DejaVu Sans", "Noto Color Emoji", "serif", "monospace"])
def test_a_typeface_of_the_machine_never_gets_in(asked: str) -> None:
    """Whatever a page asks for, a bundled typeface draws it; nothing of the machine is embedded."""
    html = f'<html lang="en"><title>x</title><p style="font-family: {asked}">x</p></html>'
    data = pdf.write(html, {}, created="2026-11-22T09:12:44Z")
    with pikepdf.open(io.BytesIO(data)) as made:
        names = {str(o.FontName) for o in made.objects if isinstance(o, pikepdf.Dictionary) and "/FontName" in o}
    assert names
    assert all("Source" in name for name in names), names


def test_nothing_is_lost_however_long_the_material(tmp_path: Path) -> None:
    case = heavy(tmp_path)
    data = report.render(case, tmp_path)
    runs = pages.places(data)
    edge = (210 - 16) / 25.4 * 72  # points: the record, whose margin is the narrowest, on A4
    outside = [r for r in runs if not (r[1] < edge and r[2] > 0)]
    assert outside == [], "text beyond the margins"
    flat = "".join("".join(r[3] for r in runs).split())
    # The pages draw every control as a dot; the attached tables hold their values and digests.
    rows = list(csv.DictReader(io.StringIO(tables(case)["controls.csv"].decode())))
    for comparison in case.comparisons:
        assert [float(row["value"]) for row in rows if row["comparison"] == comparison.id] == [
            score.value for score in comparison.controls
        ]
    for exhibit in case.exhibits:
        assert exhibit.sha256 in flat
    for entry in case.custody:
        assert entry.sha256 in flat


def test_a_full_temporary_folder_ends_in_words(tmp_path: Path) -> None:
    """WeasyPrint puts typefaces into files; none of them may be larger than a kilobyte here."""
    import resource

    from forensics.report import pdf

    page = '<html lang="en"><link rel="stylesheet" href="report.css"><p>A line.</html>'
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(RenderingError, match="could not be drawn") as caught:
            pdf.write(page, {}, created="2026-01-01T00:00:00")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "TMPDIR" in str(caught.value.hint)
