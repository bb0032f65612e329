"""Exact search: every row is compared, and the result does not depend on the machine.

A float32 product finds the rows that can be among the k best: its error has a bound, and everything within the bound of
the k-th is kept. The similarities of those few are then summed exactly (`math.fsum`; the products of two float32 values
are exact in float64). A library's product rounds differently by place in the block, by number of threads and by
machine; none of that reaches the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forensics.errors import IndexError_
from forensics.retrieval.base import Column, Hits, Store, Vectors, described

BLOCK_BYTES = 16 << 20
"""Size of one block in float32; bounds the memory whatever the index holds."""
_QUERY_TOLERANCE = 1e-4

Candidates = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Row numbers and their float32 cosines: a superset of the k best."""


def error_bound(dimension: int) -> float:
    """Largest error of a float32 cosine of nearly unit vectors, summed in any order (Higham 2002, section 3.1).

    Product and squared norm each carry at most D u, the square root and the division a few u more.
    """
    return (2 * dimension + 16) * 2.0**-24


def checked(
    queries: Vectors, k: int, mode: str, columns: Sequence[Column], column: str, index: str
) -> NDArray[np.float32]:
    """Queries as (Q, D) float32, after what every search refuses, however its index is laid out.

    Args:
        columns: of the index.
        column: name of the one that is searched.
        index: its name, for the message.

    Raises:
        IndexError_: no such column, or queries of another dimension.
        ValueError: not (Q, D), not finite, not of norm one, k below 1, or an unknown mode.
    """
    found = described(columns, index, column)
    if k < 1:
        raise ValueError(f"k is {k}; at least 1 is needed")
    if mode not in ("exact", "ann"):
        raise ValueError(f"mode is {mode!r}; expected 'exact' or 'ann'")
    if queries.ndim != 2:
        raise ValueError(f"queries have shape {queries.shape}; expected (Q, {found.dimension})")
    if queries.shape[1] != found.dimension:
        raise IndexError_(
            f"A query has {queries.shape[1]} components, index {index!r} has {found.dimension}.",
            hint=f"Use the embedder that made the index: {found.embedder}.",
        )
    off = np.abs(np.linalg.norm(queries.astype(np.float64), axis=1) - 1)
    if not np.all(off <= _QUERY_TOLERANCE):  # also true of NaN
        raise ValueError("queries must be finite unit vectors")
    return np.ascontiguousarray(queries, dtype=np.float32)


def block_rows(dimension: int) -> int:
    """Rows of one block."""
    return max(1, BLOCK_BYTES // (4 * dimension))


def candidates(
    blocks: Iterable[tuple[NDArray[np.int64], NDArray[Any]]], queries: NDArray[np.float32], k: int
) -> list[Candidates]:
    """For each query all rows of the blocks that can be among the k best of them, ties at the edge included."""
    count, margin = len(queries), 2 * error_bound(queries.shape[1])
    floor = np.full(count, -np.inf, np.float32)
    kept: list[list[Candidates]] = [[] for _ in range(count)]
    held = np.zeros(count, np.int64)
    limit = max(4 * k, 4096)
    for numbers, block in blocks:
        wide = np.asarray(block, dtype=np.float32)
        cosines = (wide @ queries.T) / np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]  # (n, Q)
        near, query = np.nonzero(cosines >= floor)
        values = cosines[near, query]
        order = np.argsort(query, kind="stable")
        cuts = np.searchsorted(query[order], np.arange(count + 1))
        for i in np.flatnonzero(np.diff(cuts)):
            chosen = order[cuts[i] : cuts[i + 1]]
            kept[i].append((numbers[near[chosen]], values[chosen]))
            held[i] += len(chosen)
            if held[i] > limit or not np.isfinite(floor[i]):
                kept[i] = [_prune(kept[i], k, margin)]
                held[i] = len(kept[i][0][0])
                if held[i] >= k:
                    floor[i] = np.partition(kept[i][0][1], -k)[-k] - margin
                    # Where many rows lie within the bound, pruning again and again would gain nothing.
                    limit = max(limit, 2 * int(held[i]))
    return [_prune(parts, k, margin) for parts in kept]


def merge(parts: Sequence[Candidates], k: int, dimension: int) -> Candidates:
    """Candidates of disjoint parts of a collection as candidates of the whole."""
    return _prune(list(parts), k, 2 * error_bound(dimension))


def _prune(parts: list[Candidates], k: int, margin: float) -> Candidates:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    numbers, values = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    if len(values) <= k:
        return numbers, values
    keep = values >= np.partition(values, -k)[-k] - margin
    return numbers[keep], values[keep]


class Rows(Protocol):
    """What scores and their order need of rows: a `Store`, or rows that were read already."""

    def vectors(self, column: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(n, D) vectors of these rows; NaN where a row has none."""
        ...

    def keys(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """(SHA-256 of the image, training id) of these rows."""
        ...


def cosines(store: Rows, column: str, query: Vectors, numbers: Sequence[int]) -> list[float]:
    """The cosine of one (D,) query with these rows, each sum exact; NaN for a row without a vector."""
    wide = query.astype(np.float64)
    length = math.sqrt(math.fsum(wide * wide))
    return [_cosine(row, wide, length) for row in store.vectors(column, numbers)]


def _cosine(row: NDArray[np.float64], query: NDArray[np.float64], length: float) -> float:
    if np.isnan(row[0]):
        return math.nan
    value = math.fsum(row * query) / (length * math.sqrt(math.fsum(row * row)))
    return max(-1.0, min(1.0, value))


def ranked(store: Rows, column: str, query: Vectors, numbers: NDArray[np.int64], k: int) -> list[tuple[int, float]]:
    """The k best of these rows as (number, cosine), ordered by (-cosine, SHA-256, training id)."""
    rows = [int(n) for n in numbers]
    scores = cosines(store, column, query, rows)
    order = sorted((-s, *key, n) for s, key, n in zip(scores, store.keys(rows), rows, strict=True))
    return [(n, -s) for s, _, _, n in order[:k]]


def search(
    store: Store, column: str, queries: NDArray[np.float32], k: int, where: str | None = None
) -> list[list[tuple[int, float]]]:
    """The k best rows of each of the checked queries, as (number, cosine)."""
    if not len(queries):
        return []
    blocks = store.blocks(column, block_rows(queries.shape[1]), where)
    found = candidates(blocks, queries, k)
    return [ranked(store, column, q, numbers, k) for q, (numbers, _) in zip(queries, found, strict=True)]


def hits(rows: Sequence[tuple[int, float]], coverage: str, mode: str = "exact") -> Hits:
    """Ranked rows as the answer to one query."""
    numbers, scores = [n for n, _ in rows], [s for _, s in rows]
    return Hits(np.array(numbers, np.int64), np.array(scores, np.float64), mode, coverage)
