"""The approximate index: trained once with a seed, hashed with the snapshot, measured against the exact search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval import CLIP, COPY, recall
from forensics.retrieval.base import Column
from forensics.retrieval.building import approximate
from forensics.retrieval.building.build import Statement, take
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.table import Record, batch, schema
from forensics.retrieval.readers.native import LanceIndex

ROWS, PARTITIONS = 2048, 16
COLUMNS = (Column(CLIP, "made", "1" * 64, "none", 32, "float16"), Column(COPY, "made", "2" * 64, "none", 16, "float16"))


def clustered(rows: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, dimension))
    made = centres[rng.integers(0, 40, rows)] + 0.4 * rng.standard_normal((rows, dimension))
    unit: NDArray[np.float32] = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def table(out: Path) -> Path:
    """An index of made-up vectors."""
    vectors = {CLIP: clustered(ROWS, 32, 1), COPY: clustered(ROWS, 16, 2)}

    def batches() -> Iterator[pa.RecordBatch]:
        records = [Record(f"row {i}", sha256=f"{i:064x}") for i in range(ROWS)]
        yield batch(records, dict(vectors), COLUMNS, 0, blobs=False)

    wanted = schema(COLUMNS, blobs=False)
    lance.write_dataset(batches(), str(out / "images.lance"), schema=wanted, data_storage_version="2.1")
    take(Files(str(out)), Statement("made", COLUMNS, "", "Made.", "made", "", "made"), "v1", [])
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = table(tmp_path_factory.mktemp("approximate") / "index")
    approximate.make(str(out), "v1-browse", partitions=PARTITIONS)
    return out


def test_the_rows_stay_and_what_was_trained_is_hashed(made: Path) -> None:
    before, after = LanceIndex(str(made), "v1").snapshot, LanceIndex(str(made)).snapshot
    assert (after.tag, after.rows_digest) == ("v1-browse", before.rows_digest)
    assert [(a.column, a.partitions, a.sub_vectors) for a in after.ann] == [(CLIP, 16, 8), (COPY, 16, 4)]
    stored = {f.path for f in after.files} - {f.path for f in before.files}
    assert {f"approximate/v1-browse/{c}.{n}.npy" for c in (CLIP, COPY) for n in ("centroids", "codebook")} <= stored
    assert any("_indices" in path for path in stored)
    assert retrieval.verify(made).rows == ROWS
    index = next(f for f in stored if "_indices" in f)
    data = bytearray((made / index).read_bytes())
    data[len(data) // 2] ^= 1
    kept = (made / index).read_bytes()
    (made / index).write_bytes(data)
    with pytest.raises(IndexError_, match=Path(index).name):
        retrieval.verify(made)
    (made / index).write_bytes(kept)


def test_reading_all_partitions_finds_what_the_exact_search_finds(made: Path) -> None:
    index = LanceIndex(str(made))
    queries = clustered(30, 32, 9)
    exact = index.search(queries, 10)
    everything = index.search(queries, 10, "ann", params={"nprobes": PARTITIONS, "refine": 50})
    for a, b in zip(exact, everything, strict=True):
        assert a.row_ids.tolist() == b.row_ids.tolist()
        assert a.scores.tolist() == b.scores.tolist()  # scored again from the stored vectors in the same way
        assert (a.mode, b.mode) == ("exact", "ann")
        assert "Nothing is said of the others" in b.coverage
    few = index.measure_recall(queries, 10, {"nprobes": 1, "refine": 1})
    many = index.measure_recall(queries, 10, {"nprobes": PARTITIONS, "refine": 50})
    assert few.mean < many.mean == 1.0
    assert (many.top1_missed, many.queries, many.params) == (0.0, 30, (("nprobes", 16), ("refine", 50)))
    assert few.low <= few.mean <= few.high


def test_rows_as_queries_are_left_out_of_their_own_answers(made: Path) -> None:
    report = approximate.recall_of_rows(
        str(made), queries=50, k=5, params={"nprobes": PARTITIONS, "refine": 50}, column=COPY
    )
    assert (report.queries, report.k, report.mean) == (50, 5, 1.0)


def test_a_condition_is_kept_while_browsing(made: Path) -> None:
    index = LanceIndex(str(made))
    hits = index.search(clustered(3, 32, 5), 20, "ann", where="row_id < 40")
    assert all(len(h.row_ids) == 20 and max(h.row_ids) < 40 for h in hits)


def test_the_same_seed_gives_the_same_answers(made: Path, tmp_path: Path) -> None:
    again = table(tmp_path / "again")
    approximate.make(str(again), "other", partitions=PARTITIONS)
    one, two = LanceIndex(str(made)), LanceIndex(str(again))
    for name in ("centroids", "codebook"):
        a, b = (i.files.read(f"approximate/{i.snapshot.tag}/{CLIP}.{name}.npy") for i in (one, two))
        assert a == b
    queries = clustered(40, 32, 7)
    for a, b in zip(one.search(queries, 10, "ann"), two.search(queries, 10, "ann"), strict=True):
        assert a.row_ids.tolist() == b.row_ids.tolist()


def test_what_cannot_be_done_is_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexError_, match="has no approximate index"):
        LanceIndex(str(made), "v1").search(clustered(1, 32, 1), 3, "ann")
    with pytest.raises(IndexError_, match="snapshot 'v1' already"):
        approximate.make(str(made), "v1")
    with pytest.raises(IndexError_, match="too few for 5000 partitions"):
        approximate.make(str(made), "v2", partitions=5000)


def test_figures_of_recall() -> None:
    found = recall.report([[1, 2], [3, 4], [5, 6]], [[1, 2], [4, 9], [7, 8]], [0.001, 0.002, 0.003], 2, {"nprobes": 1})
    assert (found.mean, found.top1_missed, found.milliseconds) == (0.5, pytest.approx(2 / 3), 2.0)
    assert 0 <= found.low < 0.5 < found.high <= 1
    with pytest.raises(ValueError, match="at least one"):
        recall.report([], [], [], 1, {})
