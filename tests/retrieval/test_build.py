"""Building from every kind of source: the same rows each time, bad pictures listed, nothing overwritten."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.events import Event
from forensics.pictures.tensors import to_tensor
from forensics.retrieval.building.build import Options, build
from forensics.retrieval.encoders import clip
from forensics.retrieval.readers.native import LanceIndex

NAMES = [f"{n:02d}" for n in range(11)]
BUILT = "2026-01-01T00:00:00Z"


def picture(name: str) -> bytes:
    rng = np.random.default_rng(int(name))
    image = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)).resize((48, 40), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def tensor(data: bytes):  # type: ignore[no-untyped-def]
    return to_tensor(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture
def works(tmp_path: Path) -> Path:
    """A folder of eleven good pictures with side files, and four that cannot be used."""
    root = tmp_path / "works"
    (root / "deeper").mkdir(parents=True)
    for name in NAMES:
        path = root / ("deeper" if int(name) % 2 else ".") / f"{name}.png"
        path.write_bytes(picture(name))
        if int(name) % 3:
            path.with_suffix(".txt").write_text(f"caption {name}\n")
        else:
            side = {"caption": f"caption {name}", "artist": "Ann", "id": 7}
            path.with_suffix(".json").write_text(json.dumps(side))
    (root / "empty.png").write_bytes(b"")
    (root / "torn.png").write_bytes(picture("03")[:-80])
    (root / "text.jpg").write_text("not a picture")
    (root / "side.png").write_bytes(picture("01"))
    (root / "side.json").write_text("[")
    return root


def check_search(out: Path, embedder: Embedder) -> None:
    """Every picture is its own nearest neighbour, with its caption and, where shipped, its file."""
    index = retrieval.open(out)
    found = retrieval.search(index, [clip(embedder)], [tensor(picture(n)) for n in NAMES], 3)
    for name, hits in zip(NAMES, found, strict=True):
        assert hits[0].row.caption == f"caption {name}"
        assert hits[0].similarity == pytest.approx(1, abs=1e-6)
        assert hits[0].row.sha256 == hashlib.sha256(picture(name)).hexdigest()


def test_a_folder_with_side_files(works: Path, tmp_path: Path, embedder: Embedder) -> None:
    events: list[Event] = []
    made = build(
        works, tmp_path / "index", embedder, Options(name="Works", coverage="All.", built=BUILT), emit=events.append
    )
    assert made.snapshot.count == 11
    assert [e.path for e in made.excluded] == ["empty.png", "side.png", "text.jpg", "torn.png"]
    assert all(e.reason for e in made.excluded)
    assert (events[-1].done, events[-1].total) == (15, 15)
    assert events[-1].note.endswith("4 excluded")  # after the pace, which stands there once a second has passed
    check_search(tmp_path / "index", embedder)
    index = retrieval.open(tmp_path / "index")
    hit = retrieval.search(index, [clip(embedder)], tensor(picture("03")), 1)[0][0]
    assert (hit.row.training_id, hit.row.creator) == ("deeper/03.png", "Ann")
    assert hit.row.picture == (works / "deeper" / "03.png").resolve()
    assert (index.info().facts.name, index.info().facts.coverage, index.info().facts.built) == ("Works", "All.", BUILT)
    assert retrieval.verify(tmp_path / "index").rows == 11
    assert not (tmp_path / "index" / "partial").exists()


def test_two_builds_hold_the_same_rows(
    works: Path, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = build(works, tmp_path / "a", embedder, Options(built=BUILT, unit_rows=4)).snapshot
    b = build(works, tmp_path / "b", embedder, Options(built=BUILT, unit_rows=4)).snapshot
    assert a.rows_digest == b.rows_digest
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    c = build(works, tmp_path / "c", embedder, Options(unit_rows=4)).snapshot
    assert (c.rows_digest, c.built) == (a.rows_digest, "1970-01-01T00:00:00Z")
    check_search(tmp_path / "a", embedder)


def test_float32_storage(works: Path, tmp_path: Path, embedder: Embedder) -> None:
    build(works, tmp_path / "index", embedder, Options(dtype="float32"))
    index = retrieval.open(tmp_path / "index")
    hit = retrieval.search(index, [clip(embedder)], tensor(picture("04")), 1)[0][0]
    assert hit.row.caption == "caption 04"
    assert hit.similarity == pytest.approx(1, abs=1e-12)


def test_nothing_is_overwritten_and_a_failed_build_leaves_nothing(
    works: Path, tmp_path: Path, embedder: Embedder
) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(IndexError_, match="not overwritten"):
        build(works, tmp_path / "index", embedder)
    for path in works.rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(IndexError_, match="No picture of the source could be used"):
        build(works, tmp_path / "other", embedder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index", "works"]


ROWS = [
    {"file": f"pictures/{n}.png", "title": f"caption {n}", "artist": "Bob", "id": f"w-{n}", "role": "training"}
    for n in NAMES
]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_tables(tmp_path: Path, embedder: Embedder, kind: str) -> None:
    (tmp_path / "pictures").mkdir()
    rows = [dict(r, sha256=hashlib.sha256(picture(n)).hexdigest()) for r, n in zip(ROWS, NAMES, strict=True)]
    for name in NAMES:
        (tmp_path / "pictures" / f"{name}.png").write_bytes(picture(name))
    extra = {"title": "", "artist": "", "role": "training", "sha256": ""}
    rows += [
        {"file": "pictures/absent.png", "id": "absent", **extra},
        {"file": "pictures/00.png", "id": "w-00", **extra},
        {"file": "pictures/01.png", "id": "changed", **extra, "sha256": "00" * 32},
        {"file": "pictures/02.png", "id": "control", **extra, "role": "control"},
        {"file": "", "id": "nameless", **extra},
    ]
    table = tmp_path / f"works.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), table)
    elif kind == "jsonl":
        table.write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        with table.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0], delimiter="," if kind == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    made = build(table, tmp_path / "out" / "index", embedder, Options(where={"role": frozenset({"training"})}))
    assert made.snapshot.count == 11
    reasons = {e.path: e.reason for e in made.excluded}
    assert "digest" in reasons["01.png"]
    assert "occurred before" in reasons["00.png"]
    assert "not readable" in reasons["absent.png"]
    assert "names no picture" in reasons["row 15"]
    check_search(tmp_path / "out" / "index", embedder)
    hit = retrieval.search(retrieval.open(tmp_path / "out" / "index"), [clip(embedder)], tensor(picture("05")), 1)[0][0]
    assert (hit.row.training_id, hit.row.creator) == ("w-05", "Bob")
    assert hit.row.picture == (tmp_path / "pictures" / "05.png").resolve()
    assert made.snapshot.pictures == "../../pictures"


def test_digests_of_another_form_are_recorded_and_not_checked(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "a.png").write_bytes(picture("00"))
    (tmp_path / "t.jsonl").write_text(json.dumps({"path": "a.png", "sha256": "AB" * 32}))
    build(tmp_path / "t.jsonl", tmp_path / "index", embedder, Options(digests="origin"))
    rows = LanceIndex(str(tmp_path / "index")).table(["source_sha256", "sha256", "width", "height"]).to_pylist()
    assert rows[0]["source_sha256"].hex() == "ab" * 32
    assert rows[0]["sha256"] == hashlib.sha256(picture("00")).digest()
    assert (rows[0]["width"], rows[0]["height"]) == (48, 40)


@pytest.mark.parametrize("packed", [True, False])
def test_img2dataset_output(tmp_path: Path, embedder: Embedder, packed: bool) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for shard, names in (("00009", NAMES[:5]), ("00010", NAMES[5:])):
        rows = [
            {"key": n, "caption": f"caption {n}", "url": "u", "status": "success", "error_message": None, "sha256": "c"}
            for n in names
        ]
        rows.append({"key": shard + "x", "status": "failed_to_download", "error_message": "404"})
        rows.append({"key": shard + "y", "status": "success"})
        pq.write_table(pa.Table.from_pylist(rows), root / f"{shard}.parquet")
        if packed:
            with tarfile.open(root / f"{shard}.tar", "w") as archive:
                for n in names:
                    data = picture(n)
                    info = tarfile.TarInfo(f"{n}.png")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        else:
            (root / shard).mkdir()
            for n in names:
                (root / shard / f"{n}.png").write_bytes(picture(n))
    made = build(root, tmp_path / "index", embedder)
    assert made.snapshot.count == 11
    reasons = {e.path: e.reason for e in made.excluded}
    assert "404" in reasons["00009/00009x"]
    assert "holds no picture" in reasons["00010/00010y"]
    check_search(tmp_path / "index", embedder)
    hit = retrieval.search(retrieval.open(tmp_path / "index"), [clip(embedder)], tensor(picture("05")), 1)[0][0]
    assert hit.row.training_id == "05"
    assert (hit.row.picture is None) is packed


def test_a_picture_that_changed_after_the_build_is_not_shown(works: Path, tmp_path: Path, embedder: Embedder) -> None:
    build(works, tmp_path / "index", embedder)
    (works / "02.png").write_bytes(picture("09"))
    with pytest.raises(IndexError_, match=r"02\.png differs from the digest"):
        retrieval.search(retrieval.open(tmp_path / "index"), [clip(embedder)], tensor(picture("02")), 1)


def test_sources_that_cannot_be_used(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no_paths.csv").write_text("caption\nx\n")
    (tmp_path / "no_rows.csv").write_text("path\n")
    (tmp_path / "broken.jsonl").write_text("{\n")
    (tmp_path / "tars").mkdir()
    (tmp_path / "tars" / "00000.tar").write_text("not a tar")
    for name, message in (
        ("nowhere", "neither a folder nor a table"),
        ("empty", "holds no pictures"),
        ("no_paths.csv", "no column of picture paths"),
        ("no_rows.csv", "no rows to index"),
        ("broken.jsonl", "not a readable table"),
        ("tars", "not a readable tar file"),
    ):
        with pytest.raises(IndexError_, match=message):
            build(tmp_path / name, tmp_path / "index", embedder)
    with pytest.raises(IndexError_, match="no column 'role'"):
        build(tmp_path / "no_paths.csv", tmp_path / "index", embedder, Options(where={"role": frozenset({"x"})}))
    with pytest.raises(IndexError_, match="in a table only"):
        build(tmp_path / "empty", tmp_path / "index", embedder, Options(where={"role": frozenset({"x"})}))
    assert not (tmp_path / "index").exists()
