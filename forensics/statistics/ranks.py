"""Ranks among controls: exact, assumption-light, never zero.

The controls are exchangeable with the disputed image under the hypothesis that the checkpoint (or the index) treats it
as it treats works it has never seen; then p = (1 + k) / (1 + n) is valid at every n (Phipson & Smyth 2010, eq. 2).
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.case import Better


def extreme(value: float, controls: Sequence[float], better: Better) -> int:
    """How many controls are at least as alike as `value`: ties count against the finding."""
    if better is Better.HIGHER:
        return sum(c >= value for c in controls)
    return sum(c <= value for c in controls)


def rank_p(k: int, n: int) -> float:
    """p = (1 + k) / (1 + n) for k of n controls at least as extreme; 1 without controls.

    Raises:
        ValueError: unless 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k = {k} is not between 0 and n = {n}")
    return (1 + k) / (1 + n)


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval for a proportion (Clopper & Pearson 1934); (0, 1) without observations.

    Raises:
        ValueError: unless 0 <= k <= n and 0 < level < 1.
    """
    if not 0 <= k <= n or not 0 < level < 1:
        raise ValueError(f"k = {k}, n = {n}, level = {level}")
    # The quantile of the beta distribution, bit for bit that of `scipy.stats`, which takes most of a second to load:
    # the process that draws reports needs nothing else of it.
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction (Holm 1979), in the order given; monotone, at most 1."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    running = 0.0
    for position, i in enumerate(order):
        running = max(running, (len(p_values) - position) * p_values[i])
        corrected[i] = min(1.0, running)
    return tuple(corrected)
