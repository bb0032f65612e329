"""Fair timing on the processor and on a card: both sides in one process, turn about, with the spread of the runs."""

from __future__ import annotations

import contextlib
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

RUNS = 5
"""Paired runs of each side, where time allows."""


def synchronise(device: torch.device) -> None:
    """Wait for the card: its work is only queued when a call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call by the clock, all of the card's work included."""
    synchronise(device)
    began = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest of the values, with four significant digits, and how many there are."""
    named = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in named.items()} | {"runs": len(values)}


def turn_about(
    ours: Callable[[], Any], theirs: Callable[[], Any], device: torch.device, runs: int = RUNS, within_s: float = 60.0
) -> dict[str, Any]:
    """Seconds of both sides and the ratio theirs / ours, above 1 where ours is faster.

    One call of each goes before and is not counted: it loads kernels and fills the allocator. Which side goes first
    changes from pair to pair, so that a clock that rises or falls favours neither. No pair is begun after `within_s`.
    On a CPU the ratio of the seconds of the processor stands beside: on a machine that others use too it says more.
    """
    began = time.perf_counter()
    ours(), theirs()
    mine: list[tuple[float, float]] = []
    other: list[tuple[float, float]] = []
    for number in range(runs):
        sides = [(ours, mine), (theirs, other)]
        for call, kept in sides if number % 2 == 0 else reversed(sides):
            busy = time.process_time()
            took = seconds(call, device)
            kept.append((took, max(time.process_time() - busy, 1e-9)))
        if time.perf_counter() - began > within_s:
            break
    clock, processor = ([t[i] / o[i] for o, t in zip(mine, other, strict=True)] for i in (0, 1))
    found = {"ours s": spread([m[0] for m in mine]), "theirs s": spread([t[0] for t in other])}
    found["theirs over ours"] = spread(clock)
    if device.type == "cpu":
        found["theirs over ours, processor time"] = spread(processor)
    return found


def matrix_peak(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Floating-point operations a second of one square matrix product on random numbers, median of five."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    return 2 * side**3 / statistics.median(seconds(lambda: a @ b, device) for _ in range(RUNS))


def operations(call: Callable[[], Any]) -> int:
    """Floating-point operations of one call, as torch counts them for products, convolutions and attention."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@contextlib.contextmanager
def peak_of(device: torch.device, into: dict[str, Any]) -> Iterator[None]:
    """Puts the card's greatest allocation inside the block, in MiB, into `into`; on a CPU the process's own peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    yield
    if device.type == "cuda":
        synchronise(device)
        into["peak card MiB"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    into["peak host MiB"] = round(host_peak_mib())


def host_peak_mib() -> float:
    """The greatest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
