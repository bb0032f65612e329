"""What every row of the table of search backends promises: the results of a plain float64 sort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval import BACKENDS, Index
from forensics.retrieval.writer import Record, Writer

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
        name="a test index",
        embedder="test",
        embedder_digest="d" * 64,
        preprocessing="none",
        built="2026-01-01T00:00:00Z",
        coverage="Random vectors.",
        source="made up",
        pictures=".",
    )
    return folder


def vectors_with_ties() -> tuple[Array, list[str]]:
    """1,000 unit vectors, some of them equal, with ids in an order that has nothing to do with the rows."""
    rng = np.random.default_rng(5)
    vectors = unit(rng.standard_normal((COUNT, DIMENSION)))
    for group in ([3, 777, 450, 12], [900, 901, 902], list(range(200, 240))):
        vectors[group] = vectors[group[0]]
    return vectors, [f"id-{n:04d}" for n in rng.permutation(COUNT)]


@pytest.fixture(scope="session", params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session", params=["float32", "float16"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Array, list[str]]:
    vectors, ids = vectors_with_ties()
    folder = write(tmp_path_factory.mktemp("contract") / "index", vectors, ids, request.param)
    return folder, vectors.astype(request.param).astype(np.float32), ids


def plain(vectors: Array, ids: list[str], query: Array, k: int) -> list[tuple[str, float]]:
    """Sum of products in float64 by numpy, then an ordinary sort. Equal vectors get one sum."""
    values, inverse = np.unique(vectors, axis=0, return_inverse=True)
    similarity = np.clip((values.astype(np.float64) * query.astype(np.float64)).sum(axis=1), -1, 1)[inverse.ravel()]
    order = sorted(range(len(ids)), key=lambda i: (-similarity[i], ids[i]))
    return [(ids[i], float(similarity[i])) for i in order[:k]]


@pytest.fixture
def index(backend: str, stored: tuple[Path, Array, list[str]]) -> Index:
    return retrieval.open(stored[0], backend=backend)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 39, 41, 100, 1000, 5000])
def test_agrees_with_a_plain_sort_ties_included(index: Index, stored: tuple[Path, Array, list[str]], k: int) -> None:
    _, vectors, ids = stored
    rng = np.random.default_rng(k)
    queries = np.concatenate([unit(rng.standard_normal((3, DIMENSION))), unit(vectors[[3, 900, 200, 999]] * 1.0)])
    for query, hits in zip(queries, index.search(queries, k), strict=True):
        expected = plain(vectors, ids, query, k)
        assert [h.row.training_id for h in hits] == [name for name, _ in expected]
        assert [h.similarity for h in hits] == pytest.approx([s for _, s in expected], abs=1e-14)
        assert all(-1 <= h.similarity <= 1 for h in hits)


def test_order_is_total(index: Index, stored: tuple[Path, Array, list[str]]) -> None:
    hits = index.search(stored[1][:1], COUNT)[0]
    keys = [(-h.similarity, h.row.training_id) for h in hits]
    assert keys == sorted(keys)
    assert len(set(keys)) == COUNT


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), k=st.integers(1, 60))
def test_a_shorter_list_is_the_head_of_a_longer_one(index: Index, seed: int, k: int) -> None:
    query = unit(np.random.default_rng(seed).standard_normal((1, DIMENSION)))
    assert index.search(query, k)[0] == index.search(query, k + 7)[0][:k]


def test_a_query_does_not_depend_on_its_batch(index: Index) -> None:
    queries = unit(np.random.default_rng(1).standard_normal((9, DIMENSION)))
    assert index.search(queries, 20) == [index.search(q[None], 20)[0] for q in queries]
    assert index.search(queries[:0], 20) == []


def test_the_row_comes_with_its_hit(index: Index, stored: tuple[Path, Array, list[str]]) -> None:
    _, vectors, ids = stored
    hit = index.search(unit(vectors[500:501] * 1.0), 1)[0][0]
    assert hit.row.training_id == ids[500]
    assert hit.row.caption == f"caption {ids[500]}"
    assert hit.row.picture is None


def test_wrong_queries_are_named(index: Index) -> None:
    good = unit(np.random.default_rng(0).standard_normal((2, DIMENSION)))
    with pytest.raises(IndexError_, match="components"):
        index.search(good[:, :-1], 3)
    with pytest.raises(ValueError, match=r"\(Q, D\)"):
        index.search(good[0], 3)
    with pytest.raises(ValueError, match="unit vectors"):
        index.search(good * 2, 3)
    with pytest.raises(ValueError, match="unit vectors"):
        index.search(good * np.float32(np.nan), 3)
    with pytest.raises(ValueError, match="at least 1"):
        index.search(good, 0)


def test_facts(index: Index) -> None:
    assert index.backend in BACKENDS
    assert index.facts.count == COUNT
    assert index.facts.name == "a test index"
    assert index.embedder_digest == "d" * 64
    assert index.embedder_digest in index.facts.embedder
