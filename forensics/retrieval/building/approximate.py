"""An approximate index for looking around in a large collection; a report always compares every row.

Lance's own k-means needs many more partitions a query on clustered data, and two of its builds answer differently. So
centroids and codebook come from FAISS with a seed, are stored beside the table and hashed with the snapshot: whoever
has the snapshot has what decides the answers, and a build with the same centroids gives the same answers.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forensics.errors import IndexError_
from forensics.retrieval.base import CLIP, Params, RecallReport, described
from forensics.retrieval.building import snapshot
from forensics.retrieval.building.build import excluded_rows, restate, take
from forensics.retrieval.building.files import Files
from forensics.retrieval.building.snapshot import TABLE, Approximate, Snapshot
from forensics.retrieval.building.table import matrix
from forensics.retrieval.readers.native import LanceIndex

FOLDER = "approximate"
KIND = "IVF_PQ"
ROWS_A_PARTITION, MOST_PARTITIONS = 1000, 65_536
SUB = 4
"""Components of one sub-vector of the codebook."""
CODES = 256
ROUNDS = 10
A_CENTROID, A_CODE = 64, 128
"""Training rows for each centroid and for each entry of the codebook: bounds the memory of the training."""
NPROBES, REFINE = 24, 8
"""Partitions read for a query, and how many times k rows are compared again with their stored vectors.

On a million clustered rows 24 partitions of 1,000 reach a recall of 0.95, 8 reach 0.85; comparing more than 8 k rows
again adds nothing (`python -m tests.benchmarks.retrieval --part approximate`).
"""
LEAST_ROWS = CODES * 4
"""Below this a codebook cannot be trained, and exact search answers at once."""


def make(uri: str, tag: str, *, columns: Sequence[str] = (), seed: int = 0, partitions: int = 0) -> Snapshot:
    """Index the vectors of a snapshot approximately; the rows stay the same, under a new tag.

    Args:
        uri: an index; its newest snapshot is taken.
        tag: of the new snapshot.
        columns: to index; every column of vectors where none is named.
        seed: of the training.
        partitions: lists of the inverted file; one for every thousand rows where 0.

    Raises:
        IndexError_: the tag exists, there are too few rows, or FAISS is not installed.
    """
    snapshot.check_tag(tag)
    index = LanceIndex(uri)
    if tag in snapshot.tags(index.files):
        raise IndexError_(f"{uri} has a snapshot {tag!r} already.", hint="Name another with --tag.")
    before = index.snapshot
    if before.count < LEAST_ROWS:
        raise IndexError_(
            f"{uri} has {before.count} rows; an approximate index needs {LEAST_ROWS}.",
            hint="Search it exactly: every row is compared in a fraction of a second.",
        )
    made: list[Approximate] = []
    files: list[str] = []
    for name in columns or [c.name for c in before.columns]:
        one, stored = _column(index, name, tag, seed, partitions)
        made.append(one)
        files += stored
    said = restate(before, ann=tuple(made), more=tuple(files))
    return take(index.files, said, tag, excluded_rows(uri, before.tag))


def _column(
    index: LanceIndex, column: str, tag: str, seed: int, partitions: int
) -> tuple[Approximate, tuple[str, str]]:
    import lance

    faiss = _faiss()
    stored = described(index.snapshot.columns, index.facts.name, column)
    dimension = stored.dimension
    if dimension % SUB:
        raise IndexError_(
            f"{column} has {dimension} components, which is no multiple of {SUB}.",
            hint="Search it exactly, or name the other column.",
        )
    lists = partitions or min(MOST_PARTITIONS, max(1, round(index.snapshot.count / ROWS_A_PARTITION)))
    rows = sample(index, column, max(lists * A_CENTROID, CODES * A_CODE), seed)
    if len(rows) < max(lists, CODES):
        raise IndexError_(
            f"{index.files.uri} has {len(rows)} vectors in {column}, too few for {lists} partitions.",
            hint="Name fewer with --partitions.",
        )
    kept = np.dtype(stored.dtype)  # the engine takes both in the type of the vectors alone
    centroids = _centroids(faiss, rows, lists, seed).astype(kept)
    codebook = _codebook(faiss, rows[: CODES * A_CODE], centroids.astype(np.float32), seed).astype(kept)
    names = (f"{FOLDER}/{tag}/{column}.centroids.npy", f"{FOLDER}/{tag}/{column}.codebook.npy")
    for name, values in zip(names, (centroids, codebook), strict=True):
        _store(index.files, name, values)
    lance.dataset(index.files.address(TABLE)).create_index(
        column,
        KIND,
        name=f"{column}_approximate",
        metric="cosine",
        replace=True,
        num_partitions=lists,
        num_sub_vectors=dimension // SUB,
        ivf_centroids=centroids,
        pq_codebook=codebook,
    )
    trained = (
        f"FAISS {faiss.__version__}: spherical k-means, {ROUNDS} rounds, and product quantiser on residuals; "
        f"{len(rows)} rows drawn with seed {seed}"
    )
    one = Approximate(column, f"{column}_approximate", KIND, lists, dimension // SUB, NPROBES, REFINE, trained)
    return one, names


def recall_of_rows(
    uri: str,
    at: str | None = None,
    *,
    queries: int = 300,
    k: int = 20,
    params: Params | None = None,
    column: str = CLIP,
    seed: int = 0,
) -> RecallReport:
    """Approximate against exact search on this snapshot: the queries are rows of it, each left out of its own answers.

    Raises:
        IndexError_: the snapshot has no approximate index of this column.
    """
    index = LanceIndex(uri, at)
    index.approximate(column)
    chosen = np.sort(np.random.default_rng(seed).permutation(index.snapshot.count)[:queries])
    numbers = index.dataset.take(chosen.tolist(), columns=["row_id"]).column("row_id").to_pylist()
    vectors = index.vectors(column, numbers)
    there = [i for i, v in enumerate(vectors) if not np.isnan(v[0])]
    unit = vectors[there] / np.linalg.norm(vectors[there], axis=1, keepdims=True)
    return index.recall(unit.astype(np.float32), k, params or {}, column, [numbers[i] for i in there])


def sample(index: LanceIndex, column: str, count: int, seed: int) -> NDArray[np.float32]:
    """(n, D) unit vectors of a seeded draw of rows that have one, in the order of the table; all where count is more.

    The draw goes over the places of the table, so that the same rows in the same order give the same sample.
    """
    total = index.snapshot.count
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:count])
    parts, start = [], 0
    for batch in index.dataset.scanner(columns=[column], batch_size=16384).to_batches():
        inside = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, start + batch.num_rows)] - start
        values = batch.column(0).take(inside).drop_null()
        if len(values):
            parts.append(np.asarray(matrix(values), dtype=np.float32))
        start += batch.num_rows
    wide = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    unit: NDArray[np.float32] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    # In the table's order one end could be one kind of picture; the codebook takes the beginning of this.
    return unit[np.random.default_rng(seed + 1).permutation(len(unit))]


def _centroids(faiss: Any, rows: NDArray[np.float32], lists: int, seed: int) -> NDArray[np.float32]:
    given = np.ascontiguousarray(rows[: lists * A_CENTROID])
    points = math.ceil(len(given) / lists)  # so that FAISS draws no sample of its own
    trainer = faiss.Kmeans(
        rows.shape[1],
        lists,
        niter=ROUNDS,
        spherical=True,
        seed=seed + 1,
        max_points_per_centroid=points,
        min_points_per_centroid=1,
    )
    trainer.train(given)
    return np.asarray(trainer.centroids, dtype=np.float32).reshape(lists, rows.shape[1])


def _codebook(faiss: Any, rows: NDArray[np.float32], centroids: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """(sub-vectors, 256, components): of what is left of a row when its centroid is taken away."""
    _, nearest = faiss.knn(rows, centroids, 1, metric=faiss.METRIC_L2)
    rest = np.ascontiguousarray(rows - centroids[nearest[:, 0]])
    quantiser = faiss.ProductQuantizer(rows.shape[1], rows.shape[1] // SUB, 8)
    quantiser.cp.seed, quantiser.cp.niter = seed + 1, ROUNDS
    quantiser.cp.min_points_per_centroid = 1
    quantiser.train(rest)
    flat = faiss.vector_to_array(quantiser.centroids)
    return np.asarray(flat, dtype=np.float32).reshape(rows.shape[1] // SUB, CODES, SUB)


def _store(files: Files, name: str, values: NDArray[Any]) -> None:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    files.write(name, stream.getvalue())


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as exc:
        raise IndexError_(
            "FAISS, which trains an approximate index, is not installed.", hint="pip install 'forensics[faiss]'"
        ) from exc
    return faiss
