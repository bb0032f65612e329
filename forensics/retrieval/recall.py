"""How much an approximate search finds of what the exact one finds, from both answers to the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forensics.retrieval.base import RecallReport

RESAMPLES, SEED = 2000, 0


def report(
    exact: Sequence[Sequence[int]],
    found: Sequence[Sequence[int]],
    seconds: Sequence[float],
    k: int,
    params: Mapping[str, int],
) -> RecallReport:
    """Recall at k over the queries, its 5th percentile, missed first rows, and a bootstrap interval of the mean.

    Args:
        exact: row ids of the exact answers, the nearest first.
        found: those of the approximate answers.
        seconds: wall time of each approximate query.
        k: rows asked for.
        params: of the approximate search.

    Raises:
        ValueError: no queries, or lists of different lengths.
    """
    shares = np.array([len(set(a) & set(b)) / max(1, len(a)) for a, b in zip(exact, found, strict=True)])
    if not len(shares):
        raise ValueError("recall needs at least one query")
    missed = [a[0] not in set(b) for a, b in zip(exact, found, strict=True) if len(a)]
    draws = np.random.default_rng(SEED).integers(0, len(shares), (RESAMPLES, len(shares)))
    low, high = np.percentile(shares[draws].mean(axis=1), (2.5, 97.5))
    return RecallReport(
        queries=len(shares),
        k=k,
        params=tuple(sorted(params.items())),
        mean=float(shares.mean()),
        p5=float(np.percentile(shares, 5)),
        top1_missed=float(np.mean(missed)) if missed else 0.0,
        low=float(low),
        high=float(high),
        milliseconds=1000 * float(np.median(seconds)),
    )
