"""Sources as people and programs leave them: words found beside pictures in every custom, everything else counted.

Sources of the layouts: kohya_ss (`.caption`), gallery-dl (`NAME.ext.json`), Hugging Face's imagefolder
(`metadata.jsonl`) and Parquet exports, WebDataset's naming of members, img2dataset's three output formats,
spreadsheets of several locales.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.retrieval import words
from forensics.retrieval.building.build import Options, build
from forensics.retrieval.building.entries import Entry, Source
from forensics.retrieval.building.sources import open_source
from forensics.retrieval.readers.layout import Excluded
from forensics.retrieval.readers.native import LanceIndex


def picture(seed: int, container: str = "PNG") -> bytes:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, container)
    return buffer.getvalue()


def captions(source: Source) -> dict[str, str]:
    return {e.path: e.caption for e in source.entries if isinstance(e, Entry)}


def left_out(source: Source) -> dict[str, str]:
    return {e.path: e.reason for e in source.entries if isinstance(e, Excluded)}


SIDE = {
    "a.caption": b"by suffix",
    "b.jpg.txt": b"behind the name",
    "c.txt": "\ufeffmarked\r\n".encode(),
    "D.TXT": b"capitals",
    "e.jpg.json": b'{"Caption": "json", "Artist": ["A. Painter", "B. Painter"], "tags": ["x"]}',
    "f.txt": "größe".encode("utf-16"),
    "g.txt": "größe".encode("latin-1"),
    "h.text": b"text",
}


def test_side_files_of_every_custom(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "D.JPG", "e.jpg", "f.jpg", "g.jpg", "h.jpg", "i.jpg"):
        (tmp_path / name).write_bytes(picture(1, "JPEG"))
    for name, data in SIDE.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "layers.psd").write_bytes(b"8BPS")
    (tmp_path / "._a.jpg").write_bytes(b"made by macOS")
    source = open_source(tmp_path)
    found = {e.path: e for e in source.entries if isinstance(e, Entry)}
    assert {name: e.caption for name, e in found.items()} == {
        "a.jpg": "by suffix",
        "b.jpg": "behind the name",
        "c.jpg": "marked",
        "D.JPG": "capitals",
        "e.jpg": "json",
        "f.jpg": "größe",
        "g.jpg": "größe",
        "h.jpg": "text",
        "i.jpg": "",
    }
    assert found["e.jpg"].creator == "A. Painter, B. Painter"
    assert found["g.jpg"].remarks == ("caption that is no UTF-8, read as Latin-1",)
    assert source.not_looked_at == ("1 file *.jpg", "1 file *.psd")


@pytest.mark.parametrize("table", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_a_table_for_the_folder(tmp_path: Path, table: str) -> None:
    (tmp_path / "train").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "train" / name).write_bytes(picture(2))
    rows = [{"file_name": "a.png", "text": "a hare"}, {"file_name": "b.png", "text": "a fox"}]
    if table.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train" / table)
    elif table.endswith("jsonl"):
        (tmp_path / "train" / table).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        (tmp_path / "train" / table).write_text("file_name,text\na.png,a hare\nb.png,a fox\n", encoding="utf-8")
    (tmp_path / "train" / "b.txt").write_text("its own file wins")
    assert captions(open_source(tmp_path)) == {
        "train/a.png": "a hare",
        "train/b.png": "its own file wins",
        "train/c.png": "",
    }


@pytest.mark.parametrize(
    "text",
    [
        "file;caption;artist\na.png;a hare, in ink;A\n",
        'File , Caption, Artist\na.png, "a hare, in ink",A\n',
        "FILE\tCAPTION\tARTIST\na.png\ta hare, in ink\tA\n",
        "\ufefffile_name|text|creator\r\na.png|a hare, in ink|A\r\n",
        '"file","caption","artist"\n"a.png","a hare, in ink","A"\n',
    ],
)
def test_tables_of_every_locale(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.png").write_bytes(picture(3))
    (tmp_path / "t.csv").write_bytes(text.encode())
    (entry,) = open_source(tmp_path / "t.csv").entries
    assert isinstance(entry, Entry)
    assert (entry.caption, entry.creator, entry.path) == ("a hare, in ink", "A", "a.png")


def test_paths_with_backslashes_and_in_another_form_of_the_same_letters(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "gro\u0308\u00dfe.png").write_bytes(picture(4))
    (tmp_path / "t.csv").write_text("file\nimg\\gr\u00f6\u00dfe.png\nimg/gr\u00f6\u00dfe.png\n", encoding="utf-8")
    found = [e for e in open_source(tmp_path / "t.csv").entries if isinstance(e, Entry)]
    assert [e.read() for e in found] == [picture(4), picture(4)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (float("nan"), ""),
        (4.0, "4"),
        (2.5, "2.5"),
        (b"a.jpg", "a.jpg"),
        (" \ufeffa\r\nb\r", "a\nb"),
        ("NaN", ""),
        (["first", "second"], "first"),
        ({"name": "A. Painter", "id": 3}, "A. Painter"),
        ([], ""),
        (np.float32(3).item(), "3"),
    ],
)
def test_values_of_cells(value: object, expected: str) -> None:
    assert words.plain(value) == expected


def test_names_of_columns_in_any_spelling() -> None:
    row = words.normalised({"\ufeffURL": "u", " TEXT ": "a hare", "Image-Path": "a.jpg", "LICENSE": "CC0"})
    assert [words.pick(row, f) for f in ("url", "caption", "path", "licence")] == ["u", "a hare", "a.jpg", "CC0"]


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_tars_with_words_as_members(tmp_path: Path) -> None:
    png = picture(5)
    tar(
        tmp_path / "cc12m-train-0000.tar",
        {"a.jpg": png, "a.txt": b"a hare", "a.json": b'{"url": "u", "key": "k1"}', "b.PNG": png, "b.TXT": b"a fox"},
    )
    tar(tmp_path / "second.tar.gz", {"d/a.png": png, "d/a.caption": b"deeper"})
    found = [e for e in open_source(tmp_path).entries if isinstance(e, Entry)]
    assert [(e.training_id, e.caption, e.url) for e in found] == [
        ("k1", "a hare", "u"),
        ("cc12m-train-0000/b", "a fox", ""),
        ("second/d/a", "deeper", ""),
    ]
    assert all(e.read() == png for e in open_source(tmp_path).entries if isinstance(e, Entry))
    with_one = open_source(tmp_path / "second.tar.gz")
    assert [e.caption for e in with_one.entries if isinstance(e, Entry)] == ["deeper"]


def test_members_with_columns_are_one_sample_and_names_with_dots_are_not(tmp_path: Path) -> None:
    png = picture(6)
    columns = {
        f"s{n}.{c}": d for n in range(3) for c, d in (("input.png", png), ("mask.png", png), ("outputs.txt", b"x"))
    }
    tar(tmp_path / "columns.tar", columns)
    source = open_source(tmp_path / "columns.tar")
    assert [(Path(p).name, c) for p, c in captions(source).items()] == [(f"s{n}.input.png", "x") for n in range(3)]
    assert len(left_out(source)) == 3
    names = {"a.house.v2.png": png, "a.house.v3.png": png, "b.hare.png": png, "c.d.e.png": png, "c.f.png": png}
    tar(tmp_path / "names.tar", names)
    assert {Path(p).name for p in captions(open_source(tmp_path / "names.tar"))} == set(names)


@pytest.mark.parametrize("name", ["train-00000-of-00002.parquet", "0000.parquet", "part.parquet"])
def test_pictures_inside_parquet(tmp_path: Path, name: str) -> None:
    rows = [
        {"image": {"bytes": picture(n), "path": f"w{n}.png"}, "text": ["a hare", "another"][n % 2 :], "artist": "A"}
        for n in range(3)
    ]
    rows.append({"image": {"bytes": None, "path": "https://example.org/x.png"}, "text": ["gone"], "artist": "A"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    source = open_source(tmp_path)
    found = [e for e in source.entries if isinstance(e, Entry)]
    assert [e.caption for e in found] == ["a hare", "another", "a hare"]
    assert [e.read() for e in found] == [picture(n) for n in range(3)]
    assert "does not hold" in next(iter(left_out(source).values()))
    assert captions(open_source(tmp_path / name)) == captions(source)


def test_img2dataset_in_parquet_format(tmp_path: Path) -> None:
    rows = [
        {
            "key": "000000000",
            "jpg": picture(0),
            "caption": "a hare",
            "url": "u",
            "status": "success",
            "sha256": "ab" * 32,
            "error_message": None,
        },
        {
            "key": "000000001",
            "jpg": None,
            "caption": "b",
            "url": "v",
            "status": "failed_to_download",
            "error_message": "404",
        },
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "00000.parquet")
    source = open_source(tmp_path)
    (entry,) = [e for e in source.entries if isinstance(e, Entry)]
    assert (entry.training_id, entry.caption, entry.source_sha256, entry.expected_sha256) == (
        "000000000",
        "a hare",
        "ab" * 32,
        "",
    )
    assert "404" in next(iter(left_out(source).values()))


def test_counts_are_always_stated(tmp_path: Path, embedder: Embedder) -> None:
    works = tmp_path / "works"
    works.mkdir()
    for n in range(3):
        (works / f"{n}.png").write_bytes(picture(n))
    (works / "0.txt").write_text("a hare")
    (works / "1.txt").write_bytes("größe".encode("latin-1"))
    (works / "torn.png").write_bytes(picture(0)[:200])
    (works / "notes.docx").write_bytes(b"x")
    made = build(works, tmp_path / "index", embedder)
    said = "; ".join(made.counts)
    for part in ("4 entries", "1 without caption", "1 left out", "read as Latin-1: 1", "not looked at: 1 file *.docx"):
        assert part in said
        assert part in made.snapshot.source
    made = build(works, tmp_path / "second", embedder, Options(unit_rows=1))
    assert "; ".join(made.counts) == said


def test_a_name_that_is_no_utf_8_does_not_prevent_an_index(tmp_path: Path, embedder: Embedder) -> None:
    works = tmp_path / "works"
    works.mkdir()
    (works / "a.png").write_bytes(picture(0))
    raw = os.fsencode(works) + b"/b\xfc.png"
    try:
        Path(os.fsdecode(raw)).write_bytes(picture(1))
    except OSError:
        pytest.skip("this file system takes text alone")
    Path(os.fsdecode(os.fsencode(works) + b"/b\xfc.txt")).write_text("a fox")
    made = build(works, tmp_path / "index", embedder)
    assert made.snapshot.count == 2
    rows = LanceIndex(str(tmp_path / "index")).table(["training_id", "caption", "path"]).to_pylist()
    assert ("b\\xfc.png", "a fox", "") in [(r["training_id"], r["caption"], r["path"] or "") for r in rows]
    assert any("no UTF-8" in part for part in made.counts)


def test_sources_that_hold_nothing_say_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "a.psd").write_bytes(b"x")
    with pytest.raises(IndexError_, match=r"holds no pictures\. It holds 1 file \*\.psd"):
        open_source(tmp_path)
    (tmp_path / "t.csv").write_text("name,caption\nx,y\n")
    with pytest.raises(IndexError_, match="no column of picture paths; it has name, caption"):
        open_source(tmp_path / "t.csv")
