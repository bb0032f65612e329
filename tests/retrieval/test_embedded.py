"""The recipe of the embedded index on a small folder of the same shape, and the shipped index if it is there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forensics import device, resources, retrieval
from forensics.embedders.open_clip import Embedder
from forensics.pictures.intake import decode
from forensics.pictures.tensors import to_tensor
from forensics.retrieval.encoders import clip
from tests.contracts.tiny_open_clip import save_tiny_open_clip
from tests.studies.embedded import build_embedded

SHIPPED = resources.samples() / "reference"


def test_training_and_planted_works_only(tmp_path: Path) -> None:
    save_tiny_open_clip(tmp_path / "openclip")
    (tmp_path / "works").mkdir()
    rows = []
    for number, role in enumerate(("training", "planted", "control", "finetune", "training")):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "WEBP", quality=85)
        (tmp_path / "works" / f"{number}.webp").write_bytes(buffer.getvalue())
        row = {"id": str(number), "path": f"works/{number}.webp", "caption": f"c{number}", "creator": "A", "title": "T"}
        rows.append(row | {"sha256": "0" * 64, "role": role})
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = build_embedded(tmp_path, built="2026-01-01T00:00:00Z")
    assert (made.snapshot.count, made.excluded, made.snapshot.pictures) == (3, (), "../works")
    index = retrieval.open(tmp_path / "index")
    assert "role planted or training" in index.info().facts.source
    embedder = Embedder.open(str(tmp_path / "openclip"), device.choose("cpu"))
    picture = decode((tmp_path / "works" / "4.webp").read_bytes(), "4").picture
    hits = retrieval.search(index, [clip(embedder)], to_tensor(picture), 9)[0]
    assert hits[0].row.training_id == "4"
    assert {h.row.training_id for h in hits} == {"0", "1", "4"}
    assert hits[0].row.picture == (tmp_path / "works" / "4.webp").resolve()


@pytest.mark.skipif(not (SHIPPED / "index").is_dir(), reason="the embedded index has not been built yet")
def test_the_shipped_index_finds_every_planted_work() -> None:
    index = retrieval.open(SHIPPED / "index")
    embedder = Embedder.open(str(SHIPPED / "openclip"), device.choose("cpu"))
    rows = [json.loads(line) for line in (SHIPPED / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    planted = [row for row in rows if row["role"] == "planted"]
    pictures = [to_tensor(decode((SHIPPED / row["path"]).read_bytes(), row["path"]).picture) for row in planted]
    found = retrieval.search(index, [clip(embedder)], pictures, 1)
    assert [hits[0].row.training_id for hits in found] == [row["id"] for row in planted]
    assert index.info().facts.count == sum(row["role"] in ("training", "planted") for row in rows)
    assert retrieval.verify(SHIPPED / "index").rows == index.info().facts.count
