"""Sources of an index of the kinds of `wild`, made here after the customs of trainers, downloaders and hubs."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.metadata import files
from tests.studies.wild import Check, Got, entries, source_refused

PICTURE = files.png(files.picture(24))
KIND = "10 index sources"


@dataclass(frozen=True, slots=True)
class OwnSource:
    """A source of our own."""

    name: str
    source: str
    make: Callable[[Path], Path]
    """Writes it into a folder and returns what to index."""
    right: str
    check: Check
    kind: str = KIND


def folder(contents: Mapping[str | bytes, bytes | str]) -> Callable[[Path], Path]:
    """A folder of files."""

    def make(root: Path) -> Path:
        for name, data in contents.items():
            path = os.fsencode(root) + b"/" + os.fsencode(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - names that are no text
            with open(path, "wb") as stream:  # noqa: PTH123
                stream.write(data.encode() if isinstance(data, str) else data)
        return root

    return make


def packed(members: Mapping[str, bytes | str], name: str = "00000.tar", mode: str = "w") -> Callable[[Path], Path]:
    """A folder with one tar file."""

    def make(root: Path) -> Path:
        with tarfile.open(root / name, mode) as archive:  # type: ignore[call-overload]
            for member, data in members.items():
                body = data.encode() if isinstance(data, str) else data
                info = tarfile.TarInfo(member)
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
        return root

    return make


def table(name: str, text: bytes, pictures: Sequence[str]) -> Callable[[Path], Path]:
    """A table beside its pictures; the table is indexed."""

    def make(root: Path) -> Path:
        folder(dict.fromkeys(pictures, PICTURE))(root)
        (root / name).write_bytes(text)
        return root / name

    return make


def parquet(columns: Mapping[str, Sequence[object]], pictures: Sequence[str] = ()) -> Callable[[Path], Path]:
    """A Parquet file, alone or beside pictures."""

    def make(root: Path) -> Path:
        folder(dict.fromkeys(pictures, PICTURE))(root)
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), root / "t.parquet")
        return root / "t.parquet"

    return make


def not_looked_at(*words: str) -> Check:
    """What is counted as not looked at."""

    def check(path: Path) -> Got:
        from forensics.retrieval.building.sources import open_source

        said = "; ".join(open_source(path).not_looked_at)
        return Got(f"not looked at: {said or 'nothing'}", ", ".join(w for w in words if w not in said))

    return check


_NFC = unicodedata.normalize("NFC", "Häsin.png")
_LONG = "x" * 251 + ".png"

CASES = [
    OwnSource(
        "captions by name without suffix, and by a path of the trainer's machine",
        "kohya-ss/sd-scripts, meta_cap.json",
        folder(
            {
                "a.png": PICTURE,
                "b.png": PICTURE,
                "meta_cap.json": '{"a": {"caption": "one", "tags": "x"}, "C:\\\\train\\\\b": {"caption": "two"}}',
            }
        ),
        "both captions",
        entries([("one",), ("two",)], "caption"),
    ),
    OwnSource(
        "pictures and sentences apart",
        "COCO captions: images and annotations",
        folder(
            {
                "a.png": PICTURE,
                "captions.json": '{"images": [{"id": 7, "file_name": "a.png"}], "annotations": '
                '[{"image_id": 7, "caption": "one"}, {"image_id": 7, "caption": "again"}]}',
            }
        ),
        "the first sentence",
        entries([("one",)], "caption"),
    ),
    OwnSource(
        "a list of objects, and an object beside a picture of the table's name",
        "captions.json of web scrapers; side files of downloaders",
        folder(
            {
                "a.png": PICTURE,
                "captions.json": '[{"image": "a.png", "caption": "one"}]',
                "metadata.png": PICTURE,
                "metadata.json": '{"caption": "two"}',
            }
        ),
        "both captions",
        entries([("one",), ("two",)], "caption"),
    ),
    OwnSource(
        "a separator of lines within a caption",
        "JSON (RFC 8259) allows U+2028 in strings; Hugging Face metadata.jsonl",
        folder({"a.png": PICTURE, "metadata.jsonl": '{"file_name": "a.png", "text": "one\u2028two"}\n'}),
        "the caption whole",
        entries([("one\u2028two",)], "caption"),
    ),
    OwnSource(
        "metadata.csv with semicolons and a mark",
        "spreadsheets of German and French locales",
        folder({"a.png": PICTURE, "metadata.csv": "\ufefffile_name;text\r\na.png;a hare, ink\r\n"}),
        "caption read",
        entries([("a hare, ink",)], "caption"),
    ),
    OwnSource(
        "tables in folders, names in capitals",
        "Hugging Face imagefolder: metadata.jsonl in each split",
        folder(
            {
                "train/a.png": PICTURE,
                "train/metadata.jsonl": '{"FILE_NAME": "a.png", "Text": "in train"}\n',
                "test/b.PNG": PICTURE,
                "test/metadata.jsonl": '{"file_name": "b.PNG", "text": "in test"}\n',
            }
        ),
        "both captions",
        entries([("in test",), ("in train",)], "caption"),
    ),
    OwnSource(
        "captions in .TXT and .Caption",
        "kohya_ss caption_extension; Windows tools",
        folder({"a.JPEG": PICTURE, "a.TXT": "one", "b.Webp": PICTURE, "b.Caption": "two"}),
        "both captions",
        entries([("one",), ("two",)], "caption"),
    ),
    OwnSource(
        "tags of a booru in JSON",
        "Danbooru API: tag_string, tag_string_artist",
        folder({"a.png": PICTURE, "a.json": json.dumps({"tag_string": "hare ink", "tag_string_artist": "a_artist"})}),
        "tags and artist",
        entries([("hare ink", "a_artist")], "caption", "creator"),
    ),
    OwnSource(
        "words of no picture",
        "kohya's meta_cap.json, README.txt, LICENSE.txt in sets",
        folder({"a.png": PICTURE, "meta_cap.json": "{}", "README.txt": "read me", "x.psd": "8BPS"}),
        "named as not looked at",
        not_looked_at("*.json", "*.txt", "*.psd"),
    ),
    OwnSource(
        "files of systems",
        "macOS and Windows",
        folder({"a.png": PICTURE, "a.txt": "one", ".DS_Store": "x", "._a.png": "x", "Thumbs.db": "x"}),
        "one entry",
        entries([("one",)], "caption"),
    ),
    OwnSource(
        "tar with folders and capitals",
        "WebDataset: keys are paths without the suffix",
        packed({"x/1.JPG": PICTURE, "x/1.TXT": "one", "y/1.JPG": PICTURE, "y/1.json": '{"caption": ["two", "zwei"]}'}),
        "two samples",
        entries([("one",), ("two",)], "caption"),
    ),
    OwnSource(
        "samples of a tar without a picture that is read",
        "WebDataset with other kinds of data: .svg, .npy, a text alone",
        packed({"1.png": PICTURE, "1.txt": "one", "1.cls": "7", "2.svg": "<svg/>", "2.txt": "two", "3.txt": "three"}),
        "one entry, two left out",
        entries([("one",)], "caption", left_out=2),
    ),
    OwnSource(
        "compressed tar of any name",
        "WebDataset: data-{000000..000009}.tar.gz",
        packed({"1.png": PICTURE, "1.txt": "one"}, "data-000000.tar.gz", "w:gz"),
        "read",
        entries([("one",)], "caption"),
    ),
    OwnSource(
        "CSV with ends of lines of old Macs",
        "Excel for Mac, CSV (Macintosh)",
        table("t.csv", b"file,caption\ra.png,one\rb.png,two\r", ["a.png", "b.png"]),
        "both",
        entries([("one",), ("two",)], "caption"),
    ),
    OwnSource(
        "line end within a quoted caption",
        "RFC 4180 2.6",
        table("t.csv", b'file,caption\r\na.png,"one\r\ntwo, ""three"""\r\n', ["a.png"]),
        "whole",
        entries([('one\ntwo, "three"',)], "caption"),
    ),
    OwnSource(
        "NaN, lists, bytes and words for nothing",
        "pandas to_json and to_parquet",
        parquet(
            {
                "image_path": ["a.png", "b.png", "c.png", "d.png"],
                "caption": [None, "nan", "one", "None"],
                "TEXT": [b"\xef\xbb\xbfbytes", None, None, None],
            },
            ["a.png", "b.png", "c.png", "d.png"],
        ),
        "bytes as text; nothing where nothing is said",
        entries([("bytes",), ("",), ("one",), ("",)], "caption"),
    ),
    OwnSource(
        "pictures in a column of structs, one row empty",
        "Hugging Face Image feature: struct of bytes and path",
        parquet({"image": [{"bytes": PICTURE, "path": "a.png"}, None], "text": ["one", "two"]}),
        "one entry, one left out",
        entries([("one",)], "caption", left_out=1),
    ),
    OwnSource(
        "another form of the same letters",
        "NFC in a table of Linux, NFD on disks of macOS",
        table("t.csv", f"file,caption\n{_NFC},one\n".encode(), [unicodedata.normalize("NFD", "Häsin.png")]),
        "found",
        entries([("one",)], "caption"),
    ),
    OwnSource(
        "names with a dash, a line end, 255 bytes, and bytes that are no UTF-8",
        "POSIX: a name is any bytes but / and NUL",
        folder(
            {
                "-o.png": PICTURE,
                "-o.txt": "dash",
                "a\nb.png": PICTURE,
                "a\nb.txt": "line",
                b"\xfc.png": PICTURE,
                b"\xfc.txt": "bytes",
                _LONG: PICTURE,
            }
        ),
        "four entries, three captions",
        entries([("dash",), ("line",), ("",), ("bytes",)], "caption"),
    ),
    OwnSource(
        "two pictures of one name, one text",
        "conversions kept side by side",
        folder({"a.jpg": PICTURE, "a.png": PICTURE, "a.txt": "one"}),
        "both with the caption",
        entries([("one",), ("one",)], "caption"),
    ),
    OwnSource(
        "addresses and texts without pictures",
        "LAION metadata: URL, TEXT",
        table("t.tsv", b"URL\tTEXT\nhttp://u/1\tone\n", []),
        "refused, columns named",
        source_refused("no column of picture paths", "url, text"),
    ),
    OwnSource(
        "caption of two encodings",
        "Notepad 'Unicode' beside UTF-8",
        folder({"a.png": PICTURE, "a.txt": "兎 one".encode("utf-16"), "b.png": PICTURE, "b.txt": "兎 two".encode()}),
        "both",
        entries([("兎 one",), ("兎 two",)], "caption"),
    ),
]


def judge(own: OwnSource) -> Got:
    """What is read of a source, and why it is not right."""
    with tempfile.TemporaryDirectory() as temporary:
        try:
            return own.check(own.make(Path(temporary)))
        except Exception as exc:  # a study goes on: what fails unexpectedly is a failure of the case
            return Got(f"{type(exc).__name__}: {exc}", "unexpected exception")
