"""One scheduler, here and on Ray: outcomes are complete whatever fails, and whoever is killed."""

from __future__ import annotations

import os
import sys
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


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        asked = [10, -3, 11, -1, -4, 12]
        found = {o.place: o for o in run(partial(tasks.begin, tmp_path), asked, Where("local", 2))}
    finally:
        torch.set_num_threads(before)
    assert sorted(found) == list(range(6))
    assert [found[n].given()[0] for n in (0, 1, 2, 5)] == [10, -3, 11, 12]
    assert found[1].lost == 1
    assert {found[n].given()[2] for n in (0, 1, 2, 5)} == {1}
    assert os.getpid() not in {found[n].given()[1] for n in (0, 1, 2, 5)}
    assert (tmp_path / "killed").exists()
    error, given_up = found[3].error, found[4].error
    assert error is not None
    assert error.exit_code is ExitCode.IMAGE
    assert error.hint == "Name another."
    assert given_up is not None
    assert found[4].lost == LOSSES
    assert "lost" in given_up.message
