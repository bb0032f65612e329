"""Folders made with plain FAISS and Parquet: opened, searched, probed, and refused where the metadata are another's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval import CLIP
from forensics.retrieval.faiss_folder import FaissFolder
from tests.contracts.test_retrieval_contract import unit

faiss = pytest.importorskip("faiss")
COUNT, DIMENSION = 2000, 32
VECTORS = unit(np.random.default_rng(3).standard_normal((COUNT, DIMENSION)))


def write(folder: Path, kind: str, shards: int = 3, suffix: str = ".parquet") -> Path:
    index = faiss.index_factory(DIMENSION, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(VECTORS)
    index.add(VECTORS)
    (folder / "metadata").mkdir(parents=True)
    faiss.write_index(index, str(folder / "image.index"))
    for shard, numbers in enumerate(np.array_split(np.arange(COUNT), shards)):
        table = pa.table(
            {"url": [f"https://example.org/{n}" for n in numbers], "caption": [f"row {n}" for n in numbers]}
        )
        path = folder / "metadata" / f"metadata_{shard:04d}{suffix}"
        if suffix == ".parquet":
            pq.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
    return folder


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_flat_index_is_searched_exactly_and_its_rows_are_leads(tmp_path: Path, suffix: str) -> None:
    index = retrieval.open(write(tmp_path / "f", "Flat", suffix=suffix))
    assert isinstance(index, FaissFolder)
    hits = retrieval.search_vectors(index, {CLIP: VECTORS[[5, 1999]]}, 4)
    assert [h[0].row.caption for h in hits] == ["row 5", "row 1999"]
    assert hits[0][0].similarity == pytest.approx(1, abs=1e-6)
    assert hits[0][0].row.lead
    info = index.info()
    assert "citable snapshots" in info.capabilities.sentence.split("not offered")[1]
    assert "nothing stated" in info.facts.embedder
    with pytest.raises(IndexError_, match="nothing to verify"):
        index.verify()


def test_a_quantised_index_does_not_claim_to_be_exact(tmp_path: Path) -> None:
    index = retrieval.open(write(tmp_path / "f", "IVF16,PQ16"))
    with pytest.raises(IndexError_, match="does not offer exact search"):
        index.search(VECTORS[:1], 5)
    found = index.search(VECTORS[:1], 5, mode="ann", params={"nprobes": 16})[0]
    assert found.mode == "ann"
    assert 0 in found.row_ids
    assert {f.name: f.value for f in index.info().facts.facts}["recall"] == "not measurable without the vectors"


@pytest.mark.parametrize("kind", ["Flat", "IVF16,PQ16"])
def test_the_probe_accepts_aligned_metadata_and_refuses_shuffled_ones(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path / "f", kind)
    rng = np.random.default_rng(0)
    numbers = rng.choice(COUNT, 64, replace=False)

    def pictures(index: FaissFolder) -> list[tuple[int, np.ndarray]]:
        """What embedding the picture that each row names would give: the row's caption says which picture that is."""
        rows = index.fetch(numbers)
        return [(int(n), VECTORS[int(r.caption.split()[1])]) for n, r in zip(numbers, rows, strict=True)]

    index = FaissFolder(folder)
    assert index.probe(pictures(index)) > 0.7
    assert "64 rows" in {f.name: f.value for f in index.info().facts.facts}["alignment of metadata"]
    first, second = sorted((folder / "metadata").iterdir())[:2]
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)
    table = pq.read_table(second)
    pq.write_table(table.take(rng.permutation(table.num_rows)), second)
    third = sorted((folder / "metadata").iterdir())[2]
    rows = pq.read_table(third)
    pq.write_table(rows.take(rng.permutation(rows.num_rows)), third)
    shuffled = FaissFolder(folder)
    with pytest.raises(IndexError_, match="do not describe its vectors"):
        shuffled.probe(pictures(shuffled))


def test_wrong_numbers_and_missing_files_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", "Flat")
    last = sorted((folder / "metadata").iterdir())[-1]
    pq.write_table(pq.read_table(last).slice(1), last)
    with pytest.raises(IndexError_, match=r"holds 2000 vectors and .* 1999 rows"):
        retrieval.open(folder)
    for path in (folder / "metadata").iterdir():
        path.unlink()
    with pytest.raises(IndexError_, match="no Parquet or Arrow"):
        retrieval.open(folder)
    (folder / "image.index").write_bytes(b"garbage")
    with pytest.raises(IndexError_, match="not a readable FAISS index"):
        retrieval.open(folder)
