"""One scheduler, here and on Ray: outcomes are complete whatever fails, and whoever is killed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from forensics.batch.batch import _Inside
from forensics.errors import DeviceError, ExitCode, SettingsError
from forensics.events import Emit, Event
from forensics.scheduler import LOSSES, Clock, Rest, Where, Worker, run
from tests.batch import tasks


def test_everything_is_done_here_in_order_and_a_failure_is_an_outcome(tmp_path: Path) -> None:
    found = list(run(partial(tasks.begin, tmp_path), [3, -1, -2, 5], Where()))
    assert [o.place for o in found] == [0, 1, 2, 3]
    assert [o.value and o.value[0] for o in found] == [3, None, None, 5]
    assert found[0].given()[1] == os.getpid()
    error, unexpected = found[1].error, found[2].error
    assert error is not None
    assert (error.message, error.hint, error.exit_code) == ("It cannot be read.", "Name another.", ExitCode.IMAGE)
    assert unexpected is not None
    assert "ZeroDivisionError" in unexpected.message
    assert unexpected.exit_code is ExitCode.INTERNAL
    with pytest.raises(type(error)):
        found[1].given()
    assert list(run(partial(tasks.begin, tmp_path), [], Where("local"))) == []


def test_the_rest_of_a_task_is_done_beside_the_next_one_and_outcomes_stay_in_order() -> None:
    told: list[str] = []
    second_began, first_ended = threading.Event(), threading.Event()

    def begin(_: Emit) -> Callable[[int], str | Rest[str]]:
        def do(number: int) -> str | Rest[str]:
            told.append(f"do {number}")
            if number == 1:
                second_began.set()
                assert first_ended.wait(20)
            if number == 3:
                raise SettingsError("It cannot be done.", hint="Name another.")
            return "at once" if number == 2 else Rest(partial(rest, number))

        return do

    def rest(number: int) -> str:
        if number == 0:
            assert second_began.wait(20)  # the next one is begun before this is finished
            first_ended.set()
        if number == 4:
            raise SettingsError("It cannot be drawn.", hint="Name another.")
        told.append(f"rest {number} in {threading.current_thread() is threading.main_thread()}")
        return f"finished {number}"

    places: list[int] = []
    found = list(run(begin, [0, 1, 2, 3, 4], Where(), begun=places.append))
    assert [o.place for o in found] == places == [0, 1, 2, 3, 4]
    assert [o.value for o in found] == ["finished 0", "finished 1", "at once", None, None]
    assert [o.error and o.error.message for o in found[3:]] == ["It cannot be done.", "It cannot be drawn."]
    assert "rest 0 in False" in told
    assert all(o.seconds > 0 for o in found)


def test_what_stops_a_task_waits_for_the_rest_of_the_one_before() -> None:
    finished = threading.Event()

    def begin(_: Emit) -> Callable[[int], bool | Rest[bool]]:
        def do(number: int) -> bool | Rest[bool]:
            if number == 1:
                raise KeyboardInterrupt
            return Rest(rest)

        return do

    def rest() -> bool:
        time.sleep(0.2)
        finished.set()
        return True

    with pytest.raises(KeyboardInterrupt):
        list(run(begin, [0, 1], Where()))
    assert finished.is_set()


def test_on_a_worker_a_task_ends_with_its_rest() -> None:
    def begin(_: Emit) -> Callable[[int], int | Rest[int]]:
        return lambda task: Rest(lambda: task + 1)

    value, error, _ = Worker(begin, torch.get_num_threads()).do(4)
    assert (value, error) == (5, None)


def test_time_left_follows_the_pace_of_all() -> None:
    at = [0.0]
    clock = Clock([1.0, 1.0, 2.0], now=lambda: at[0])
    assert clock.left() is None
    at[0] = 4.0
    assert clock.left(present=6.0, place=0) == pytest.approx(6 + 10 * 3)  # ten seconds a case of weight 1
    at[0] = 10.0
    clock.done(0)
    assert clock.left() == pytest.approx(30.0)
    clock.done(0)
    assert clock.left() == pytest.approx(30.0)  # once, however often it is said
    clock.done(1)
    clock.done(2)
    assert clock.left() == 0.0


def test_a_case_whose_report_is_drawn_beside_the_next_one_is_not_ahead_any_more() -> None:
    at, told = [0.0], list[Event]()
    clock = Clock([1.0, 1.0, 1.0], now=lambda: at[0])
    inside = _Inside(told.append, clock, [None, None, None], 4)  # type: ignore[list-item] # their number is asked alone
    inside.begins(0)
    at[0] = 10.0
    inside.begins(1)  # nothing came of the first one yet
    inside(Event("invert", 0, 1, "rung", 10.0))
    assert told[-1].left_s == pytest.approx(10 + 10)
    assert told[-1].note == "3/4 rung"
    at[0] = 20.0
    inside.rests()  # the outcome of the first one comes when the second one is measured
    assert clock.left() == pytest.approx(10.0)


def test_where_is_checked() -> None:
    with pytest.raises(SettingsError, match="no cluster was named") as caught:
        Where(workers=2)
    assert "--ray local" in caught.value.hint
    with pytest.raises(SettingsError):
        Where("local", -1)


def test_without_ray_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where the extra is not installed
    with pytest.raises(DeviceError, match="not installed") as caught:
        list(run(partial(tasks.begin, tmp_path), [1], Where("local")))
    assert "forensics[distributed]" in caught.value.hint


@pytest.mark.parametrize(("address", "said"), [("local", "could not be started"), ("10.0.0.7:6379", "no Ray cluster")])
def test_ray_that_does_not_begin_in_time_is_an_error_with_a_remedy(
    address: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")

    def late(**options: object) -> None:  # what `ray._private.node` raises on a machine too busy to answer
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(DeviceError, match=said) as caught:
        list(run(partial(tasks.begin, tmp_path), [1], Where(address)))
    assert "timed out during startup" in caught.value.message
    assert caught.value.hint


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_killed_worker_loses_nothing(tmp_path: Path, one_thread: None) -> None:
    pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")
    asked = [10, -3, 11, -1, 12]
    found = {o.place: o for o in run(partial(tasks.begin, tmp_path), asked, Where("local", 2))}
    assert sorted(found) == list(range(5))
    assert [found[n].given()[0] for n in (0, 1, 2, 4)] == [10, -3, 11, 12]
    assert [found[n].lost for n in range(5)] == [0, 1, 0, 0, 0]
    assert {found[n].given()[2] for n in (0, 1, 2, 4)} == {1}
    assert int((tmp_path / "killed").read_text()) not in {os.getpid(), found[1].given()[1]}
    error = found[3].error
    assert error is not None
    assert (error.exit_code, error.hint) == (ExitCode.IMAGE, "Name another.")


@pytest.mark.slow
def test_what_kills_every_worker_is_given_up_and_the_others_are_done(tmp_path: Path, one_thread: None) -> None:
    pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")
    found = {o.place: o for o in run(partial(tasks.begin, tmp_path), [10, -4, 11], Where("local", 2))}
    assert [found[n].given()[0] for n in (0, 2)] == [10, 11]
    error = found[1].error
    assert error is not None
    assert found[1].lost == LOSSES
    assert (error.exit_code, "lost" in error.message) == (ExitCode.DEVICE, True)
