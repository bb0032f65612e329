"""Counting what recurs: same bytes, other renderings of one picture, and what the source states."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

from PIL import Image

from forensics import retrieval
from forensics.case import Repeats
from forensics.embedders.open_clip import Embedder
from forensics.retrieval import duplicates
from forensics.retrieval.building.build import build
from forensics.retrieval.building.convert import export_to, import_from
from forensics.retrieval.encoders import clip
from forensics.retrieval.readers.native import LanceIndex
from tests.retrieval.test_build import picture, tensor


def test_repeats_of_a_row_and_of_a_picture_outside(tmp_path: Path, embedder: Embedder) -> None:
    one = Image.open(io.BytesIO(picture("1")))
    (tmp_path / "a.png").write_bytes(picture("1"))
    (tmp_path / "b.png").write_bytes(picture("1"))
    one.save(tmp_path / "c.jpg", quality=80)
    one.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    (tmp_path / "other.png").write_bytes(picture("2"))
    times = {"a.png": 4, "b.png": 4, "c.jpg": 1, "mirrored.png": 1, "other.png": 1}
    rows = [{"path": name, "id": name, "repetitions": n} for name, n in times.items()]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    build(tmp_path / "t.jsonl", tmp_path / "index", embedder)
    index = LanceIndex(str(tmp_path / "index"))
    hits = retrieval.search(index, [clip(embedder)], tensor(picture("1")), 5)[0]
    rows = [(h.row.training_id, h.row_id) for h in hits]
    outside = duplicates.of_picture("Q1", one.convert("RGB"))
    same_file = duplicates.of_picture("R1", one.convert("RGB"), hashlib.sha256(picture("1")).hexdigest())
    found = {r.of: r for r in duplicates.count(index, [outside, same_file, *duplicates.of_rows(index, rows)])}
    assert found["a.png"] == Repeats("a.png", 1, 2, 9, ("b.png", "c.jpg"))
    assert found["other.png"] == Repeats("other.png", 0, 0, 1, ())
    assert found["Q1"] == Repeats("Q1", 0, 3, 9, ("a.png", "b.png", "c.jpg"))
    assert found["R1"] == Repeats("R1", 2, 3, 9, ("a.png", "b.png", "c.jpg"))


def test_rows_whose_picture_was_never_seen_are_not_counted(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "works").mkdir()
    (tmp_path / "works" / "a.png").write_bytes(picture("1"))
    build(tmp_path / "works", tmp_path / "index", embedder)
    export_to(str(tmp_path / "index"), tmp_path / "out")
    import_from(tmp_path / "out", str(tmp_path / "back"))  # the embeddings layout carries no hashes of pictures
    back = LanceIndex(str(tmp_path / "back"))
    assert duplicates.of_rows(back, [("N1", 0)]) == ()
    one = Image.open(io.BytesIO(picture("1"))).convert("RGB")
    assert duplicates.count(back, [duplicates.of_picture("Q1", one)]) == (Repeats("Q1", 0, 0, None, ()),)
