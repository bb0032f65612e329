"""What every engine with exact search promises: the results of a plain float64 sort, and methods that agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval import CLIP, TrainingIndex
from forensics.retrieval.base import Column
from forensics.retrieval.building import build as building
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.table import Record as TableRecord
from forensics.retrieval.building.table import batch, schema
from forensics.retrieval.building.writer import Record, Said, Writer
from tests.contracts.examples import layout

COUNT, DIMENSION = 1000, 24
Array = NDArray[np.float32]


def unit(array: NDArray[np.float64]) -> Array:
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def write(folder: Path, vectors: Array, ids: list[str], dtype: str = "float32", shard_rows: int = 300) -> Path:
    folder.mkdir(parents=True)
    writer = Writer(folder, vectors.shape[1], dtype, shard_rows)
    records = [Record(i, f"{i}.png", f"caption {i}", "someone", "", "", "", "", 8, 8) for i in ids]
    for start in range(0, len(ids), 170):  # not a divisor of the shard size
        writer.add(records[start : start + 170], vectors[start : start + 170])
    writer.close(
        Said(
            name="a test index",
            embedder="test",
            embedder_digest="d" * 64,
            preprocessing="none",
            built="2026-01-01T00:00:00Z",
            coverage="Random vectors.",
            source="made up",
            pictures=".",
        )
    )
    return folder


def write_table(folder: Path, vectors: Array, ids: list[str], dtype: str = "float32", shard_rows: int = 300) -> Path:
    """The same rows as a Lance table with a snapshot, in several fragments."""
    import lance

    columns = (Column(CLIP, "test", "d" * 64, "none", vectors.shape[1], dtype),)
    records = [TableRecord(i, caption=f"caption {i}", creator="someone") for i in ids]
    rows = batch(records, {CLIP: vectors.astype(dtype)}, columns, 0, blobs=False)
    folder.mkdir(parents=True)
    wanted = schema(columns, blobs=False)
    lance.write_dataset(
        pa.Table.from_batches([rows], wanted),
        str(folder / "images.lance"),
        max_rows_per_file=shard_rows,
        data_storage_version="2.1",
    )
    said = building.Statement(
        "a test index", columns, "2026-01-01T00:00:00Z", "Random vectors.", "made up", ".", "by the test"
    )
    building.take(Files(str(folder)), said, "v1", [])
    return folder


def write_example(folder: Path, vectors: Array, ids: list[str], dtype: str = "float32") -> Path:
    """The same rows in the layout that stands for one added by a file and a row."""
    said = {"name": "a test index", "embedder": "test", "digest": "d" * 64}
    words = {"file": "", "creator": "someone", "sha256": ""}
    rows = [words | {"id": i, "caption": f"caption {i}"} for i in ids]
    return layout.write(folder, said, rows, vectors.astype(dtype).astype(np.float32))


EXAMPLE = "collection"
WRITERS = {"clip-retrieval": write, "lance": write_table, EXAMPLE: write_example}


@contextmanager
def with_example() -> Iterator[None]:
    """The row of the example, for as long as an index is recognised and opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(retrieval.READERS.rows, EXAMPLE, "tests.contracts.examples.layout:Collection")
        yield


def vectors_with_ties() -> tuple[Array, list[str]]:
    """1,000 unit vectors, some of them equal, with ids in an order that has nothing to do with the rows."""
    rng = np.random.default_rng(5)
    vectors = unit(rng.standard_normal((COUNT, DIMENSION)))
    for group in ([3, 777, 450, 12], [900, 901, 902], list(range(200, 240))):
        vectors[group] = vectors[group[0]]
    return vectors, [f"id-{n:04d}" for n in rng.permutation(COUNT)]


@pytest.fixture(scope="session", params=[(e, d) for e in WRITERS for d in ("float32", "float16")], ids="-".join)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Array, list[str]]:
    engine, dtype = request.param
    vectors, ids = vectors_with_ties()
    folder = WRITERS[engine](tmp_path_factory.mktemp("contract") / "index", vectors, ids, dtype)
    with with_example():
        assert retrieval.kind(str(folder)) == engine
    return folder, vectors.astype(dtype).astype(np.float32), ids


def plain(vectors: Array, ids: list[str], query: Array, k: int) -> list[tuple[str, float]]:
    """Cosine in float64 by numpy, then an ordinary sort. Equal vectors get one sum."""
    values, inverse = np.unique(vectors.astype(np.float64), axis=0, return_inverse=True)
    wide = query.astype(np.float64)
    cosine = (values * wide).sum(axis=1) / (np.linalg.norm(values, axis=1) * np.linalg.norm(wide))
    similarity = np.clip(cosine, -1, 1)[inverse.ravel()]
    order = sorted(range(len(ids)), key=lambda i: (-similarity[i], ids[i]))
    return [(ids[i], float(similarity[i])) for i in order[:k]]


@pytest.fixture
def index(stored: tuple[Path, Array, list[str]]) -> TrainingIndex:
    with with_example():
        return retrieval.open(stored[0])


def hits(index: TrainingIndex, queries: Array, k: int) -> list[list[retrieval.Hit]]:
    return retrieval.search_vectors(index, {CLIP: queries}, k) if len(queries) else []


@pytest.mark.parametrize("k", [1, 2, 3, 4, 39, 41, 100, 1000, 5000])
def test_agrees_with_a_plain_sort_ties_included(
    index: TrainingIndex, stored: tuple[Path, Array, list[str]], k: int
) -> None:
    _, vectors, ids = stored
    rng = np.random.default_rng(k)
    queries = np.concatenate([unit(rng.standard_normal((3, DIMENSION))), unit(vectors[[3, 900, 200, 999]] * 1.0)])
    for query, found in zip(queries, hits(index, queries, k), strict=True):
        expected = plain(vectors, ids, query, k)
        assert [h.row.training_id for h in found] == [name for name, _ in expected]
        assert [h.similarity for h in found] == pytest.approx([s for _, s in expected], abs=1e-14)
        assert all(-1 <= h.similarity <= 1 for h in found)


def test_order_is_total(index: TrainingIndex, stored: tuple[Path, Array, list[str]]) -> None:
    query = unit(stored[1][:1] * 1.0)
    keys = [(-h.similarity, h.row.training_id) for h in hits(index, query, COUNT)[0]]
    assert keys == sorted(keys)
    assert len(set(keys)) == COUNT


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), k=st.integers(1, 60))
def test_a_shorter_list_is_the_head_of_a_longer_one(index: TrainingIndex, seed: int, k: int) -> None:
    query = unit(np.random.default_rng(seed).standard_normal((1, DIMENSION)))
    assert hits(index, query, k)[0] == hits(index, query, k + 7)[0][:k]


def test_a_query_does_not_depend_on_its_batch(index: TrainingIndex) -> None:
    queries = unit(np.random.default_rng(1).standard_normal((9, DIMENSION)))
    assert hits(index, queries, 20) == [hits(index, q[None], 20)[0] for q in queries]
    assert index.search(queries[:0], 20) == []


def test_the_row_comes_with_its_hit(index: TrainingIndex, stored: tuple[Path, Array, list[str]]) -> None:
    _, vectors, ids = stored
    hit = hits(index, unit(vectors[500:501] * 1.0), 1)[0][0]
    assert hit.row.training_id == ids[500]
    assert hit.row.caption == f"caption {ids[500]}"
    assert hit.row.picture is None


def test_wrong_queries_are_named(index: TrainingIndex) -> None:
    good = unit(np.random.default_rng(0).standard_normal((2, DIMENSION)))
    with pytest.raises(IndexError_, match="components"):
        index.search(good[:, :-1], 3)
    with pytest.raises(ValueError, match="queries have shape"):
        index.search(good[0], 3)
    with pytest.raises(ValueError, match="unit vectors"):
        index.search(good * 2, 3)
    with pytest.raises(ValueError, match="unit vectors"):
        index.search(good * np.float32(np.nan), 3)
    with pytest.raises(ValueError, match="at least 1"):
        index.search(good, 0)


def test_it_says_what_it_is_and_what_it_cannot_do(index: TrainingIndex) -> None:
    info = index.info()
    assert info.facts.count == COUNT
    assert info.facts.name == "a test index"
    assert info.columns[0].digest == "d" * 64
    assert info.columns[0].digest in info.facts.embedder
    assert info.capabilities.exact
    query = unit(np.random.default_rng(0).standard_normal((1, DIMENSION)))
    offered = {"filter": {"where": "row_id < 10"}, "ann": {"mode": "ann"}}
    if not info.capabilities.filter:
        with pytest.raises(IndexError_, match="condition"):
            index.search(query, 3, **offered["filter"])
    with pytest.raises(IndexError_, match="approximate"):
        index.search(query, 3, **offered["ann"])
    with pytest.raises(ValueError, match="mode"):
        index.search(query, 3, mode="guess")
    with pytest.raises(IndexError_, match="no vectors"):
        index.search(query, 3, column="vec_none")
    assert "not offered" in info.capabilities.sentence or all(
        getattr(info.capabilities, n) for n in ("exact", "vectors", "bytes", "versions", "filter")
    )


def test_scores_and_rows_come_in_the_order_asked_for(
    index: TrainingIndex, stored: tuple[Path, Array, list[str]]
) -> None:
    query = unit(np.random.default_rng(4).standard_normal((1, DIMENSION)))
    numbers = [7, 999, 3, 7]
    assert [r.training_id for r in index.fetch(numbers)] == [stored[2][n] for n in numbers]
    expected = dict(plain(stored[1], stored[2], query[0], COUNT))
    assert index.scores(query[0], numbers, CLIP) == pytest.approx([expected[stored[2][n]] for n in numbers], abs=1e-14)


def test_verification_reads_everything(index: TrainingIndex) -> None:
    quick, full = index.verify(), index.verify("full")
    assert (quick.rows, full.rows) == (0, COUNT)
    assert quick.files == full.files >= 2
