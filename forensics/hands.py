"""Two hands: calls of one examination done side by side, where the cores of a processor cannot share one of them.

A small network is a row of operations of a millisecond or less. Two threads within each of them wait for one another
after every one: asleep, as `forensics` has them wait, they are slower than one thread, and awake they are many times
slower beside another busy program. Two calls of the network side by side wait for one another once. So each hand
computes with one thread, and whole calls are dealt out.

What a call gives does not depend on which hand did it, nor on what was done beside it.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from forensics.case import Checkpoint
    from forensics.device import Device

T = TypeVar("T")
R = TypeVar("R")
SMALL = 50_000_000
"""Parameters of a network, so many or more of which keep every core busy within one operation. Set by judgement: one of
5 million was measured."""
_ROWS = 4
"""Of a batch, that a hand takes at least: calling the network takes as long as computing as many."""
_FEW = 4
"""Cores that comparisons of pictures leave idle within an operation, and not where two go side by side. Set by
judgement: two were measured."""


class _Thread(threading.local):
    pool: ThreadPoolExecutor | None = None
    """Of the second hand, for the thread that has one; none while it shares calls, for what these call is not shared
    once more."""


_THREAD = _Thread()


@contextmanager
def two(*, where: bool) -> Iterator[None]:
    """Inside, `each` and `by_rows` deal calls out to this thread and another, and torch computes with one in each.

    Args:
        where: whether there is to be a second hand. There is none either where torch has one thread, as inside another
            `two`.
    """
    threads = torch.get_num_threads()
    if not where or threads < 2:
        yield
        return
    torch.set_num_threads(1)
    # The number holds for the thread that asks: one that was begun later would otherwise share operations out.
    pool = ThreadPoolExecutor(1, "second hand", initializer=torch.set_num_threads, initargs=(1,))
    _THREAD.pool = pool
    try:
        yield
    finally:
        _THREAD.pool = None
        pool.shutdown()
        torch.set_num_threads(threads)


def suits(device: Device, checkpoint: Checkpoint | None = None) -> bool:
    """Whether two hands do more than one with every core: on a processor, with a small network; without a network,
    where pictures are compared, while cores are few."""
    if device.is_cuda:
        return False
    return torch.get_num_threads() <= _FEW if checkpoint is None else checkpoint.parameters < SMALL


def count() -> int:
    """Hands that calls of this thread are dealt out to: 1 or 2."""
    return 1 if _THREAD.pool is None else 2


def each(do: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`do` of every item, in their order, by whichever hand is free.

    Raises what an item that fails raises; what was not begun is then left.

    Args:
        do: must not write to anything that another call of it reads.
    """
    given, pool = list(items), _THREAD.pool
    if pool is None or len(given) < 2:
        return [do(item) for item in given]
    found: dict[int, R] = {}
    left = deque(range(len(given)))
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def work() -> None:
        try:
            # Whether gradients are kept is a matter of the thread.
            with torch.inference_mode(inference), torch.set_grad_enabled(grad and not inference):
                while (number := _taken(left)) is not None:
                    found[number] = do(given[number])
        except BaseException:
            left.clear()
            raise

    # In this context: within which limits pictures are read, and which files count as inputs.
    second = pool.submit(contextvars.copy_context().run, work)
    _THREAD.pool = None
    try:
        work()
    finally:
        _THREAD.pool = pool
        error = None if second.cancel() else second.exception()
    if error is not None:
        raise error
    return [found[number] for number in range(len(given))]


def _taken(left: deque[int]) -> int | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def by_rows(do: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """`do` of tensors with equally many rows (B, ...), each row by whichever hand; (B, ...).

    Args:
        do: treats every row for itself.
    """
    rows = len(tensors[0])
    size = -(-rows // count())
    if count() == 1 or size < _ROWS:
        return do(*tensors)
    return torch.cat(each(lambda part: do(*part), zip(*(t.split(size) for t in tensors), strict=True)))
