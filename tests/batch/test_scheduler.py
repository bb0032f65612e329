"""One scheduler, here and on Ray: outcomes are complete whatever fails, and whoever is killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from forensics.errors import DeviceError, ExitCode, SettingsError
from forensics.scheduler import LOSSES, Clock, Where, run
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


def test_time_left_follows_the_pace_of_all() -> None:
    at = [0.0]
    clock = Clock([1.0, 1.0, 2.0], now=lambda: at[0])
    assert clock.left() is None
    at[0] = 4.0
    assert clock.left(present=6.0, place=0) == pytest.approx(6 + 10 * 3)  # ten seconds a case of weight 1
    at[0] = 10.0
    clock.done(0)
    assert clock.left() == pytest.approx(30.0)
    clock.done(1)
    clock.done(2)
    assert clock.left() == 0.0


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
