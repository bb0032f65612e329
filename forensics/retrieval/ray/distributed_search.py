"""Exact search on a Ray cluster: one task for each group of fragments, and the candidates merged here.

A task finds the rows of its fragments that can be among the k best; the few that are left are scored again in this
process, by the same sums as ever. So how the fragments were shared out does not reach the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forensics import retrieval
from forensics.errors import IndexError_
from forensics.retrieval import exact
from forensics.retrieval.base import CLIP, Hits, Params, Vectors
from forensics.retrieval.building.files import absolute
from forensics.retrieval.building.snapshot import TABLE
from forensics.retrieval.exact import Candidates
from forensics.retrieval.ray import cluster
from forensics.retrieval.readers.native import LanceIndex, condition, scan


@contextmanager
def open(location: Path | str, at: str | None = None, *, address: str) -> Iterator[SharedIndex]:
    """A native index, searched exactly by a cluster for as long as it is open.

    Args:
        location: folder or address that every machine of the cluster reaches by this very name.
        at: tag of a snapshot; the newest where none is given.
        address: of the cluster (`forensics.retrieval.ray.cluster.connected`).

    Raises:
        IndexError_: not a native index, or one that cannot be opened; or no cluster.
    """
    uri = absolute(location)
    if retrieval.kind(uri) != "lance":
        raise IndexError_(
            f"{location} is searched on one machine only.",
            hint="A cluster shares out the fragments of a native index: make one with `forensics index import`.",
        )
    with cluster.connected(address) as ray:
        yield SharedIndex(uri, at, ray)


class SharedIndex(LanceIndex):
    """The native index, with its exact search shared out."""

    def __init__(self, uri: str, at: str | None, ray: Any) -> None:
        """Open a snapshot. `ray` is connected."""
        super().__init__(uri, at)
        self._ray = ray

    def search(
        self,
        vectors: Vectors,
        k: int,
        mode: str = "exact",
        where: str | None = None,
        params: Params | None = None,
        column: str = CLIP,
    ) -> list[Hits]:
        """The k best rows of each query; the approximate search, for looking around, stays on this machine."""
        if mode != "exact":
            return super().search(vectors, k, mode, where, params, column)
        queries = self.checked(vectors, k, column)
        groups = self._groups()
        reference = self._ray.put(queries)
        calls = [
            (self.files.address(TABLE), self.snapshot.version, group, column, where, reference, k) for group in groups
        ]
        with condition(where):
            answers = cluster.run(self._ray, _candidates, calls)
        seen = sum(rows for rows, _, _ in answers)
        if seen != self.snapshot.count:
            raise IndexError_(
                f"The cluster compared {seen} rows of {self.snapshot.count} in {self.files.uri}.",
                hint="Its machines do not see the same files; the index must lie in storage that all share.",
            )
        machines = len({machine for _, machine, _ in answers})
        how = f" Shared out as {len(groups)} tasks over {machines} machines."
        return [
            exact.hits(
                exact.ranked(
                    self, column, query, exact.merge([found[i] for _, _, found in answers], k, queries.shape[1])[0], k
                ),
                self.coverage(column, where) + how,
            )
            for i, query in enumerate(queries)
        ]

    def _groups(self) -> list[list[int]]:
        """Fragments in as many groups of nearly equal size as there are processors."""
        sizes = [(fragment.count_rows(), fragment.fragment_id) for fragment in self.dataset.get_fragments()]
        count = max(1, min(len(sizes), sum(cluster.processors(self._ray))))
        groups: list[list[int]] = [[] for _ in range(count)]
        rows = [0] * count
        for size, number in sorted(sizes, reverse=True):
            least = rows.index(min(rows))
            groups[least].append(number)
            rows[least] += size
        return groups


def _candidates(
    address: str,
    version: int,
    fragments: Sequence[int],
    column: str,
    where: str | None,
    queries: NDArray[np.float32],
    k: int,
) -> tuple[int, str, list[Candidates]]:
    """In a worker: (rows of these fragments, machine, candidates of each query)."""
    import lance
    import ray

    dataset = lance.dataset(address, version=version)
    rows = sum(dataset.get_fragment(n).count_rows() for n in fragments)
    blocks = scan(dataset, column, exact.block_rows(queries.shape[1]), where, fragments)
    return rows, ray.get_runtime_context().get_node_id(), exact.candidates(blocks, queries, k)
