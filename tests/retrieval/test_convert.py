"""Out to the embeddings layout and in again: the same rows, by the digest that does not depend on what stores them."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.retrieval.building.build import build
from forensics.retrieval.building.convert import export_to, import_from
from forensics.retrieval.encoders import clip
from tests.retrieval.test_build import picture, tensor


def test_the_rows_survive_the_way_out_and_in(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "works").mkdir()
    for n in range(9):
        (tmp_path / "works" / f"{n}.png").write_bytes(picture(str(n)))
        (tmp_path / "works" / f"{n}.txt").write_text(f"caption {n}")
    made = build(tmp_path / "works", tmp_path / "index", embedder).snapshot
    assert export_to(str(tmp_path / "index"), tmp_path / "out").count == 9
    assert retrieval.kind(str(tmp_path / "out")) == "clip-retrieval"
    assert retrieval.verify(tmp_path / "out").rows == 9
    back = import_from(tmp_path / "out", str(tmp_path / "back"))
    assert back.rows_digest == made.rows_digest
    answers = [
        [(h.row.training_id, h.row.sha256, h.similarity, h.row.picture) for h in found]
        for where in ("index", "out", "back")
        for found in retrieval.search(retrieval.open(tmp_path / where), [clip(embedder)], tensor(picture("3")), 5)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0][3] == tmp_path / "works" / "3.png"
    with pytest.raises(IndexError_, match="not overwritten"):
        export_to(str(tmp_path / "index"), tmp_path / "out")
    with pytest.raises(IndexError_, match="not overwritten"):
        import_from(tmp_path / "out", str(tmp_path / "back"))
