"""Index folders: clip-retrieval's own layout, our manifest, and every way a folder can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forensics import retrieval
from forensics.embedders.open_clip import Embedder
from forensics.errors import IndexError_
from forensics.files import sha256
from forensics.retrieval.encoders import clip
from forensics.retrieval.readers import folder
from tests.contracts.test_retrieval_contract import unit, write

DIMENSION = 8


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSION)))


def search(index: retrieval.TrainingIndex, query: np.ndarray, k: int) -> list[retrieval.Hit]:
    return retrieval.search_vectors(index, {retrieval.CLIP: query.astype(np.float32)}, k)[0]


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return write(tmp_path / "index", vectors(50), [f"w{i:02d}" for i in range(50)], shard_rows=20)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """What clip-retrieval writes: twelve shards, float16, no digests; shard 10 sorts before 2 by name."""
    root = tmp_path / "theirs"
    for name in ("img_emb", "metadata", "text_emb"):
        (root / name).mkdir(parents=True)
    for shard in range(12):
        rows = vectors(5, seed=shard).astype(np.float16)
        np.save(root / "img_emb" / f"img_emb_{shard}.npy", rows)
        table = {
            "image_path": [f"/somewhere/else/{shard}-{i}.jpg" for i in range(5)],
            "caption": [f"shard {shard} row {i}" for i in range(5)],
            "sha256": ["ab" * 32] * 5,
            "width": [64] * 5,
        }
        pq.write_table(pa.table(table), root / "metadata" / f"metadata_{shard}.parquet")
    return root


def test_a_clip_retrieval_folder_opens_unverified_and_in_numerical_order(theirs: Path) -> None:
    index = retrieval.open(theirs, embedder="ViT-B-32/openai", embedder_digest="e" * 64)
    assert index.info().facts.count == 60
    assert "as stated by the user: ViT-B-32/openai" in index.info().facts.embedder
    assert any("unverified" in f.value for f in index.info().facts.facts)
    for shard in range(12):
        hit = search(index, vectors(5, seed=shard)[3:4], 1)[0]
        assert hit.row.caption == f"shard {shard} row 3"
        assert hit.row.training_id == f"/somewhere/else/{shard}-3.jpg"
        assert hit.row.picture is None
        assert hit.similarity == pytest.approx(1, abs=1e-3)


def test_a_folder_that_does_not_state_its_embedder_is_not_searched(theirs: Path, embedder: Embedder) -> None:
    with pytest.raises(IndexError_, match="does not record which model"):
        retrieval.search(retrieval.open(theirs), [clip(embedder)], [], 3)


def test_the_wrong_embedder_is_refused(ours: Path, embedder: Embedder) -> None:
    with pytest.raises(IndexError_, match="was made with test"):
        retrieval.search(retrieval.open(ours), [clip(embedder)], [], 3)


def test_rows_without_ids_are_named_by_place(theirs: Path) -> None:
    for path in (theirs / "metadata").iterdir():
        pq.write_table(pa.table({"NSFW": ["no"] * 5}), path)
    hit = search(retrieval.open(theirs), vectors(5, seed=11)[4:5], 1)[0]
    assert (hit.row.training_id, hit.row.caption) == ("11:4", "")


def test_facts_of_our_own(ours: Path) -> None:
    facts = retrieval.open(ours).info().facts
    assert facts.digest == sha256(ours / "manifest.json")
    assert facts.built == "2026-01-01T00:00:00Z"
    assert {f.name: f.value for f in facts.facts}["verification on opening"] == "digests of all files read"
    assert retrieval.verify(ours).files == 6


def npy(ours: Path, shard: int = 1) -> Path:
    return ours / "img_emb" / f"img_emb_{shard}.npy"


def parquet(ours: Path, shard: int = 1) -> Path:
    return ours / "metadata" / f"metadata_{shard}.parquet"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def edit(ours: Path, **changes: object) -> None:
    path = ours / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped vector": (lambda i: flip(npy(i)), "img_emb_1.npy differs from the digest"),
    "flipped row": (lambda i: flip(parquet(i)), "metadata_1.parquet differs from the digest"),
    "missing vectors": (lambda i: npy(i).unlink(), "img_emb_1.npy is missing"),
    "missing rows": (lambda i: parquet(i).unlink(), "metadata_1.parquet is missing"),
    "shorter file": (lambda i: npy(i).write_bytes(npy(i).read_bytes()[:-8]), "img_emb_1.npy has .* bytes"),
    "swapped rows": (
        lambda i: (parquet(i, 0).rename(i / "x"), parquet(i).rename(parquet(i, 0)), (i / "x").rename(parquet(i))),
        "metadata_. differs|metadata_0.parquet",
    ),
    "file added": (lambda i: np.save(npy(i, 3), vectors(2)), "img_emb_3.npy is not listed"),
    "manifest not JSON": (lambda i: (i / "manifest.json").write_text("{"), "not a readable index manifest"),
    "manifest of the future": (lambda i: edit(i, schema=2), "schema 2"),
    "manifest with a stray key": (lambda i: edit(i, surprise=1), "not a readable index manifest"),
    "manifest that leads out": (
        lambda i: edit(i, files=[{"path": "../x", "sha256": "", "size_bytes": 0}]),
        "leads out of the folder",
    ),
    "manifest without digests": (lambda i: edit(i, files=[]), "gives no digest"),
    "manifest without shards": (lambda i: edit(i, shards=[], files=[]), "is not listed|has no rows"),
    "wrong count": (lambda i: edit(i, count=51), "states 51"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_folder_is_refused_by_name(ours: Path, name: str) -> None:
    damage, message = BREAKS[name]
    damage(ours)
    with pytest.raises(IndexError_, match=message) as error:
        retrieval.open(ours)
    assert error.value.hint
    with pytest.raises(IndexError_, match=message):
        retrieval.verify(ours)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no shards": (lambda i: [p.unlink() for p in (i / "img_emb").iterdir()], "is not an index"),
    "vectors without rows": (lambda i: parquet(i, 7).unlink(), "shard 7 has vectors and no metadata"),
    "rows without vectors": (lambda i: npy(i, 7).unlink(), "shard 7 has metadata and no vectors"),
    "row count": (lambda i: np.save(npy(i, 7), vectors(4).astype(np.float16)), "4 vectors and .* has 5 rows"),
    "dimension": (lambda i: np.save(npy(i, 7), unit(np.ones((5, 9))).astype(np.float16)), "Shards of two|of 9 comp"),
    "type": (lambda i: np.save(npy(i, 7), vectors(5)), "float32 vectors"),
    "integers": (lambda i: np.save(npy(i, 7), np.ones((5, 8), np.int8)), "expected"),
    "one axis": (lambda i: np.save(npy(i, 7), np.ones(8)), "expected"),
    "pickled": (lambda i: np.save(npy(i, 7), np.array([{}]), allow_pickle=True), "not a readable .npy"),
    "garbage": (lambda i: npy(i, 7).write_bytes(b"garbage"), "not a readable .npy"),
    "garbage rows": (lambda i: parquet(i, 7).write_bytes(b"garbage"), "not a readable Parquet"),
    "not unit": (lambda i: np.save(npy(i, 7), 1.1 * vectors(5).astype(np.float16)), "Vector 35 .* not a unit"),
    "NaN": (lambda i: np.save(npy(i, 7), np.full((5, 8), np.nan, np.float16)), "Vector 35 .* not a unit"),
    "same number twice": (
        lambda i: npy(i, 7).with_name("img_emb_07.npy").write_bytes(npy(i, 7).read_bytes()),
        "same number",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_broken_foreign_folder_is_refused_by_name(theirs: Path, name: str) -> None:
    damage, message = FOREIGN[name]
    damage(theirs)
    with pytest.raises(IndexError_, match=message) as error:
        retrieval.open(theirs)
    assert error.value.hint


def test_no_rows(theirs: Path) -> None:
    for shard in range(12):
        np.save(npy(theirs, shard), np.zeros((0, 8), np.float16))
        pq.write_table(pa.table({"caption": pa.array([], pa.string())}), parquet(theirs, shard))
    with pytest.raises(IndexError_, match="has no rows"):
        retrieval.open(theirs)


def test_no_folder_and_nothing_to_verify(tmp_path: Path, theirs: Path) -> None:
    with pytest.raises(IndexError_, match="no index"):
        retrieval.open(tmp_path / "nowhere")
    with pytest.raises(IndexError_, match="no manifest"):
        retrieval.verify(theirs)


def test_a_large_index_is_sampled_on_opening_and_verified_on_demand(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "QUICK_BYTES", 10)
    flip(npy(ours))
    index = retrieval.open(ours)
    assert any("sizes only" in f.value for f in index.info().facts.facts)
    with pytest.raises(IndexError_, match=r"img_emb_1\.npy differs from the digest"):
        retrieval.verify(ours)


def test_a_row_cannot_name_a_file_outside_the_pictures(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    (theirs / "inside.png").write_bytes(b"y")
    names = ["../secret.png", str(tmp_path / "secret.png"), "inside.png", "absent.png", ""]
    pq.write_table(pa.table({"image_path": names}), parquet(theirs, 0))
    store = folder.Folder(theirs)
    assert [row.picture for row in store.fetch(range(5))] == [None, None, (theirs / "inside.png").resolve(), None, None]
