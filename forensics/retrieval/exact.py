"""Exact search: every row is compared, and the result does not depend on the machine.

A blocked float64 product finds the rows that can be among the k best; their similarities are then summed exactly
(`math.fsum`; the products of two float32 values are exact in float64). A library's product rounds differently by place
in the block, which would put equal rows in an accidental order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from forensics.case import IndexFacts
from forensics.errors import IndexError_
from forensics.retrieval.base import Hit, Store, Vectors

_BLOCK_BYTES = 32 << 20
"""Size of one block after widening to float64; bounds the memory whatever the index holds."""
_MARGIN = 1e-11
"""More than the rounding of a float64 product of unit vectors of up to 10,000 components."""
_QUERY_TOLERANCE = 1e-4


class ExactIndex:
    """Comparison with all rows of a store."""

    backend = "exact"

    def __init__(self, store: Store) -> None:
        """Search this store."""
        self._store = store
        self.facts: IndexFacts = store.facts
        self.embedder_digest: str = store.embedder_digest

    def search(self, queries: Vectors, k: int) -> list[list[Hit]]:
        """The k best rows of each query.

        Args:
            queries: (Q, D) unit vectors.
            k: rows wanted, at least 1; more than the index holds gives all of them.

        Returns:
            Q lists ordered by (-similarity, training id).

        Raises:
            IndexError_: another dimension than the index.
            ValueError: not (Q, D), not finite, not of norm one, or k below 1.
        """
        wide = self._checked(queries)
        if k < 1:
            raise ValueError(f"k is {k}; at least 1 is needed")
        k = min(k, self._store.count)
        return [self._ranked(q, rows, k) for q, rows in zip(wide, self._candidates(wide, k), strict=True)]

    def _checked(self, queries: Vectors) -> NDArray[np.float64]:
        if queries.ndim != 2:
            raise ValueError(f"queries have shape {queries.shape}; expected (Q, D)")
        if queries.shape[1] != self._store.dimension:
            raise IndexError_(
                f"A query has {queries.shape[1]} components, index {self.facts.name!r} has {self._store.dimension}.",
                hint=f"Use the embedder that made the index: {self.facts.embedder}.",
            )
        wide = np.asarray(queries, dtype=np.float64)
        off = np.abs(np.linalg.norm(wide, axis=1) - 1)
        if not np.all(off <= _QUERY_TOLERANCE):  # also true of NaN
            raise ValueError("queries must be finite unit vectors")
        return wide

    def _candidates(self, queries: NDArray[np.float64], k: int) -> list[NDArray[np.int64]]:
        """For each query the numbers of all rows that can be among its k best, ties at the edge included."""
        numbers: list[NDArray[np.int64]] = [np.zeros(0, np.int64) for _ in queries]
        scores: list[NDArray[np.float64]] = [np.zeros(0) for _ in queries]
        for first, block in self._store.blocks(max(1, _BLOCK_BYTES // (8 * self._store.dimension))):
            # Cut at 1 like the results: rounding above 1 is no rank.
            products = np.minimum(np.asarray(block, dtype=np.float64) @ queries.T, 1.0)  # (n, Q)
            for i, column in enumerate(products.T):
                floor = -np.inf
                if len(scores[i]) >= k:  # most rows of later blocks fall here
                    floor = np.partition(scores[i], -k)[-k] - _MARGIN
                near = np.flatnonzero(column >= floor)
                seen, values = np.concatenate([numbers[i], first + near]), np.concatenate([scores[i], column[near]])
                if len(values) > k:
                    keep = values >= np.partition(values, -k)[-k] - _MARGIN
                    seen, values = seen[keep], values[keep]
                numbers[i], scores[i] = seen, values
        return numbers

    def _ranked(self, query: NDArray[np.float64], numbers: NDArray[np.int64], k: int) -> list[Hit]:
        rows = [int(n) for n in numbers]
        products = self._store.vectors(rows) * query
        similarity = [max(-1.0, min(1.0, math.fsum(p))) for p in products]
        order: list[tuple[float, str, int]] = sorted(
            (-s, name, n) for s, name, n in zip(similarity, self._store.training_ids(rows), rows, strict=True)
        )
        return [Hit(self._store.row(n), -s) for s, _, n in order[:k]]
