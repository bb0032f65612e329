"""The PDF by the rules of others: PDF/A-3a, PDF/UA-1, syntax, typefaces, attachments, and pictures bit for bit.

Each check is another program; where it is not installed, its test is skipped with the reason.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from forensics.report import pdf
from forensics.report.attachments import LIST, attached
from tests.report import pages
from tests.report.conftest import Rendered
from tests.report.pictures import scene
from tests.tools import verapdf

CREATED = "2026-11-22T09:12:44Z"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def file(rendered: Rendered, tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(rendered.pdf)
    return path


def test_archival_and_accessible_by_the_rule_engine(file: Path) -> None:
    verapdf.require()
    assert verapdf.failures([file]) == {(file.name, profile): [] for profile in verapdf.PROFILES}


def test_the_rule_engine_finds_what_is_wrong(tmp_path: Path) -> None:
    verapdf.require()
    html = '<html lang="en"><title>x</title><link rel="stylesheet" href="report.css"><h1>a</h1><h3>b</h3>' + "<p>x" * 99
    path = tmp_path / "wrong.pdf"
    path.write_bytes(pdf.write(html, {}, created=CREATED))
    found = verapdf.failures([path])
    assert any("7.4.2-1" in rule for rule in found[path.name, "PDFUA-1"]), "a heading level was skipped"


def test_syntax_is_sound(file: Path) -> None:
    done = subprocess.run([program("qpdf"), "--check", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_typefaces_are_the_bundled_ones_embedded(file: Path) -> None:
    done = subprocess.run([program("pdffonts"), str(file)], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert rows
    for row in rows:
        assert row[0].split("+")[1].startswith("Source")
        assert row[-5:-2] == ["yes", "yes", "yes"], "embedded, a subset, with its characters named"


def test_attachments_check_themselves(rendered: Rendered, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([program("pdfdetach"), "-saveall", "-o", str(out), str(file)], check=True, capture_output=True)
    done = subprocess.run(["sha256sum", "--strict", "-c", LIST], cwd=out, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {a.name: hashlib.sha256(a.data).hexdigest() for a in attached(rendered.case, rendered.folder)}
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in out.iterdir()} == expected
    for item in rendered.case.items:
        assert expected[f"{item.id}{Path(item.stored).suffix}"] == item.sha256


def test_attachments_have_relationships_and_the_moment_of_the_case(rendered: Rendered) -> None:
    root = pages.reader(rendered.pdf).trailer["/Root"]
    described = {f.get_object()["/UF"]: f.get_object() for f in root["/AF"]}
    expected = {a.name: a for a in attached(rendered.case, rendered.folder)}
    assert described.keys() == expected.keys()
    for name, entry in described.items():
        assert entry["/AFRelationship"] == f"/{expected[name].relationship}"
        stream = entry["/EF"]["/F"]
        assert stream["/Subtype"] == f"/{expected[name].media_type}"
        assert stream["/Params"]["/ModDate"] == "D:20261122091244Z"


def _page(name: str) -> str:
    link = '<link rel="stylesheet" href="report.css">'
    return f'<html lang="en"><head><title>x</title>{link}</head><body><img src="{name}" alt="x"></body></html>'


def test_jpeg_evidence_is_embedded_byte_for_byte() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter turn
    exif[0x010E] = "a description, so that the file carries a block that a careless renderer drops"
    stream = io.BytesIO()
    scene(3).save(stream, "JPEG", quality=93, exif=exif)
    data = stream.getvalue()
    made = pdf.write(_page("e.jpg"), {"e.jpg": data}, created=CREATED)
    (image,) = pages.images(made)
    assert image["/Filter"] == "/DCTDecode"
    assert image._data == data


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_png_evidence_is_embedded_pixel_for_pixel(mode: str) -> None:
    picture = scene(4, grain=3).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    made = pdf.write(_page("e.png"), {"e.png": stream.getvalue()}, created=CREATED)
    (image,) = pages.images(made)
    assert pages.pixel_digest(image) == hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()
