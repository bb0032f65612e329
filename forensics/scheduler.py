"""One scheduler for whatever is done many times: in this process, or side by side on a Ray cluster.

What is shared by the tasks of a worker (networks, index) is opened when the worker begins, and kept by what it begins
with; tasks know nothing of each other. So a task gives the same result wherever and after whatever it is done. A task
that fails is an outcome like any other. A worker that is lost, with its machine or alone, is replaced, and its task is
done again, by whichever worker is free.
"""

from __future__ import annotations

import contextvars
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar, cast

from forensics import __version__
from forensics.errors import DeviceError, ForensicsError, OutOfMemoryError, SettingsError
from forensics.events import Emit, ignore
from forensics.retrieval.ray import cluster

T = TypeVar("T")
R = TypeVar("R")
LOSSES = 3
"""Workers that a task may cost: one that kills every worker would otherwise be tried for ever."""
PATIENCE_S = 300.0
"""Seconds for which no worker may be there before the cluster is given up."""
_POLL_S = 5.0
UNEXPECTED = "Run the case alone with `forensics analyze -v` and send what it prints to the maintainers."


@dataclass(frozen=True, slots=True)
class Rest(Generic[R]):
    """What is left of a task when the next one can be begun."""

    finish: Callable[[], R]
    """It needs nothing that tasks share, so that another thread may do it."""


Begin = Callable[[Emit], Callable[[T], R | Rest[R]]]
"""Run once in a worker: opens what its tasks share, and gives what does a task. It is sent by name, so it is a function
of a module, or `functools.partial` of one."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where tasks are done."""

    ray: str = ""
    """Address of a Ray cluster (`retrieval.ray.cluster.connected`); empty does everything in this process."""
    workers: int = 0
    """Workers on the cluster; 0 takes one a card, or without cards as many as the processors have room for."""
    gpu: bool = True
    """Whether a worker takes a card where the cluster has any."""

    def __post_init__(self) -> None:
        if self.workers < 0 or self.workers > 4096:
            raise SettingsError(f"{self.workers} workers cannot be had.", hint="Use 1 to 4096.")
        if self.workers and not self.ray:
            raise SettingsError(
                "--workers says how many workers of a Ray cluster are used, and no cluster was named.",
                hint="Pass --ray local for workers on this machine, or the address of a cluster.",
            )


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What became of one task."""

    place: int
    """Of the task, counted from 0."""
    seconds: float
    value: R | None
    error: ForensicsError | None
    lost: int = 0
    """Workers that were lost over it."""

    def given(self) -> R:
        """What the task gave. Raises its error."""
        if self.error is not None:
            raise self.error
        return cast("R", self.value)


@dataclass(slots=True)
class Clock:
    """Time left for all tasks together, from the pace so far; with several workers it is the pace of all of them."""

    weights: Sequence[float]
    """What each task costs, in any one unit."""
    now: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _places: set[int] = field(default_factory=set, init=False)
    """Of the tasks that are done."""

    def __post_init__(self) -> None:
        self._began = self.now()

    @property
    def _done(self) -> float:
        return sum(self.weights[place] for place in self._places)

    def done(self, place: int) -> None:
        """Count a task as done, once however often it is said."""
        self._places.add(place)

    def left(self, present: float | None = None, place: int | None = None) -> float | None:
        """Seconds left; None while nothing is known.

        Args:
            present: seconds left for the task at `place`, which is the one being done in this process.
        """
        ahead = sum(self.weights) - self._done
        if place is None or present is None:
            return (self.now() - self._began) / self._done * ahead if self._done else None
        spent = self.now() - self._began
        after = ahead - self.weights[place]
        # Until a task is done, the present one stands for all: its own time so far and what is left of it.
        each = (spent + present) / (self._done + self.weights[place])
        return present + each * after


def run(
    begin: Begin[T, R],
    tasks: Sequence[T],
    where: Where,
    emit: Emit = ignore,
    begun: Callable[[int], None] = lambda _: None,
) -> Iterator[Outcome[R]]:
    """Do every task; outcomes in the order in which they end.

    In this process the rest of a task is done beside the next one, and its outcome follows when both are.

    Args:
        begin: see `Begin`.
        tasks: what each is asked; sent to workers as it is.
        where: see there.
        emit: told of the progress within a task, where it is done in this process.
        begun: told which task is begun, counted from 0, where it is done in this process.

    Raises:
        DeviceError: there is no such cluster, Ray is not installed, or no worker could begin.
    """
    if not tasks:
        return
    if not where.ray:
        yield from _here(begin(emit), tasks, begun)
        return
    import torch  # how many threads a sum is made with moves its last digit: workers have as many as this process

    threads = torch.get_num_threads()
    # Ray would give its workers one; those of a cluster that is begun here inherit what they find.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with cluster.connected(where.ray, DeviceError) as ray:
        count = min(len(tasks), _size(ray, where, threads))
        hire = _hiring(ray, where, count)
        crew: _Crew[T, R] = _Crew(ray, lambda: hire(begin, threads), tasks)
        yield from crew.work(count)


def _here(do: Callable[[T], R | Rest[R]], tasks: Sequence[T], begun: Callable[[int], None]) -> Iterator[Outcome[R]]:
    """Everything in this process. What interrupts a task waits for the rest of the one before, so that it is done."""
    with ThreadPoolExecutor(1) as beside:
        before: Callable[[], Outcome[R]] | None = None
        for place, task in enumerate(tasks):
            begun(place)
            began = time.monotonic()
            found, error = tried(do, task)
            seconds = time.monotonic() - began
            if before is not None:
                yield before()
            if isinstance(found, Rest):
                # In the context of the task, which says within which limits pictures are read.
                context = contextvars.copy_context()
                before = beside.submit(context.run, _finished, found, place, seconds).result
            else:
                before = partial(Outcome, place, seconds, found, error)
        if before is not None:
            yield before()


def _finished(rest: Rest[R], place: int, seconds: float) -> Outcome[R]:
    began = time.monotonic()
    value, error = tried(lambda one: one.finish(), rest)
    return Outcome(place, seconds + time.monotonic() - began, value, error)


def whole(do: Callable[[T], R | Rest[R]]) -> Callable[[T], R]:
    """What does a task with its rest, one after the other."""

    def done(task: T) -> R:
        found = do(task)
        return found.finish() if isinstance(found, Rest) else found

    return done


def tried(do: Callable[[T], R], task: T) -> tuple[R | None, ForensicsError | None]:
    """What a task gave, or why it failed; an interruption by the user goes on."""
    try:
        return do(task), None
    except ForensicsError as exc:
        return None, exc
    except MemoryError:
        return None, OutOfMemoryError(
            "This machine ran out of memory.", hint="Use fewer workers, or --profile quick for this case."
        )
    except Exception as exc:
        return None, ForensicsError(f"Unexpected {type(exc).__name__}: {exc}", hint=UNEXPECTED)


class Worker(Generic[T, R]):
    """One process of the cluster, with what its tasks share."""

    def __init__(self, begin: Begin[T, R], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._do: Callable[[T], R] = whole(begin(ignore))

    def where(self) -> tuple[str, str]:
        """Name of the machine, and version of the program on it."""
        return platform.node(), __version__

    def do(self, task: T) -> tuple[R | None, ForensicsError | None, float]:
        """See `tried`; and the seconds that it took."""
        began = time.monotonic()
        value, error = tried(self._do, task)
        return value, error, time.monotonic() - began


def _cards(ray: Any, where: Where) -> int:
    return int(ray.cluster_resources().get("GPU", 0)) if where.gpu else 0


def _size(ray: Any, where: Where, threads: int) -> int:
    return where.workers or _cards(ray, where) or max(1, sum(cluster.processors(ray)) // threads)


def _hiring(ray: Any, where: Where, count: int) -> Callable[..., Any]:
    """What takes on one worker more."""
    cards = _cards(ray, where)
    # One card each, or a share of one where more workers than cards were asked for. Processors are not reserved: that
    # there are more workers than processors is the user's choice, and they are spread over the machines.
    share: float = 0 if not cards else 1 if count <= cards else cards / count
    # Lost ones are replaced here, not by Ray: for as long as Ray begins one again, what it is asked fails.
    options = {"max_restarts": 0, "max_task_retries": 0, "num_cpus": 0, "num_gpus": share}
    hire: Callable[..., Any] = ray.remote(scheduling_strategy="SPREAD", **options)(Worker).remote
    return hire


@dataclass(slots=True)
class _Crew(Generic[T, R]):
    """Workers, and which of them does what."""

    ray: Any
    hire: Callable[[], Any]
    tasks: Sequence[T]
    _free: deque[Any] = field(default_factory=deque, init=False)
    _beginning: dict[Any, Any] = field(default_factory=dict, init=False)
    """What answers when a worker has begun -> the worker."""
    _running: dict[Any, tuple[Any, int]] = field(default_factory=dict, init=False)
    """What answers when a task is done -> worker and place."""
    _lost: dict[int, int] = field(default_factory=dict, init=False)

    def work(self, count: int) -> Iterator[Outcome[R]]:
        """All outcomes, by so many workers."""
        waiting = deque(range(len(self.tasks)))
        for _ in range(count):
            self._take_on()
        since = time.monotonic()
        while waiting or self._running:
            while self._free and waiting:
                worker, place = self._free.popleft(), waiting.popleft()
                self._running[worker.do.remote(self.tasks[place])] = worker, place
            answers = [*self._running, *self._beginning]
            if not answers:
                raise _nobody("All of them were lost.")
            ready, _ = self.ray.wait(answers, num_returns=1, timeout=_POLL_S)
            if self._running or ready:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise _nobody("None began.")
            for answer in ready:
                if answer in self._beginning:
                    self._began(answer)
                elif (outcome := self._answered(answer, waiting)) is not None:
                    yield outcome

    def _take_on(self) -> None:
        worker = self.hire()
        self._beginning[worker.where.remote()] = worker

    def _began(self, answer: Any) -> None:
        worker = self._beginning.pop(answer)
        try:
            machine, version = self.ray.get(answer)
        except self.ray.exceptions.RayError as exc:
            if not self._beginning and not self._running and not self._free:
                raise _nobody(_first_line(exc)) from exc
            return
        if version != __version__:
            raise DeviceError(
                f"The machine {machine} of the cluster holds forensics {version}, this one {__version__}.",
                hint="Install one version on all.",
            )
        self._free.append(worker)

    def _answered(self, answer: Any, waiting: deque[int]) -> Outcome[R] | None:
        worker, place = self._running.pop(answer)
        lost = self._lost.get(place, 0)
        try:
            value, error, seconds = self.ray.get(answer)
        except self.ray.exceptions.RayError as exc:
            self._lost[place] = lost + 1
            self._take_on()  # in its place, on another machine perhaps
            if lost + 1 < LOSSES:
                waiting.appendleft(place)
                return None
            error = DeviceError(
                f"{lost + 1} workers were lost while they did this one: {_first_line(exc)}",
                hint="Most often the machine ran out of memory: use fewer workers, or a machine with more.",
            )
            return Outcome(place, 0.0, None, error, lost + 1)
        self._free.append(worker)
        return Outcome(place, seconds, value, error, lost)


def _nobody(why: str) -> DeviceError:
    return DeviceError(
        f"No worker of the Ray cluster is there to do the work. {why}",
        hint="What is finished is kept: give the same command again with --resume. Ray's logs say more.",
    )


def _first_line(exc: Exception) -> str:
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)
