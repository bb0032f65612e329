"""Counting what recurs: same bytes, other renderings of one picture, and what the source states."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from forensics import retrieval
from forensics.embedding import Embedder
from forensics.retrieval import citation
from forensics.retrieval.build import build
from forensics.retrieval.duplicates import Collection
from forensics.retrieval.encoders import clip
from forensics.retrieval.native import LanceIndex
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
    found = {h.row.training_id: Collection(index).of_row(h.row) for h in hits}
    a = found["a.png"]
    assert a is not None
    assert (a.same_bytes, a.near, a.cluster, a.repetitions) == (1, 2, ("b.png", "c.jpg"), 9)
    other = found["other.png"]
    assert other is not None
    assert (other.same_bytes, other.near, other.repetitions) == (0, 0, 1)
    outside = Collection(index).of_picture("Q1", one.convert("RGB"))
    assert (outside.near, outside.same_bytes) == (3, 0)
    said = {f.name: f.value for f in citation.repeat_facts(index, one.convert("RGB"), hits)}
    assert said["near-duplicates of the disputed image"].startswith("3 rows")
