"""Batches of a tiny checkpoint: equal to single runs to the last digit, whatever fails, is killed or is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from forensics import examination
from forensics.batch import batch as batches
from forensics.batch.batch import batch
from forensics.batch.results import Batch, State
from forensics.errors import CaseError
from forensics.events import Event, ignore
from forensics.folder import CASE, CUSTODY, Ledger, verify
from forensics.scheduler import Where
from forensics.settings import resolve
from forensics.stages.asked import asked_for
from tests.studies.batch_study import SCORES, kill_worker
from tests.studies.interrupted import bed, picture
from tests.studies.same_case import differences, values

CASES = """
[defaults]
checkpoint = "checkpoint"
control-checkpoint = "other"
controls = "controls"
profile = "quick"
device = "cpu"
original = "work.png"
caption = "shapes"
[[case]]
image = "image.jpg"
[[case]]
image = "broken.png"
[[case]]
image = "second.png"
name = "the second"
"""
COUNTED = 500
"""Numbers and texts of a case of this size, at the least."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are the same to the last digit with the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground")
    bed(folder)
    picture(5).save(folder / "second.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "cases.toml").write_text(CASES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def alone(ground: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Image -> the case of an examination by itself, up to its freezing."""
    base, found = tmp_path_factory.mktemp("alone"), {}
    for name in ("image.jpg", "second.png"):
        resolved = resolve(
            {
                **{n: str(ground / n) for n in ("checkpoint", "controls")},
                "control_checkpoint": str(ground / "other"),
                "originals": (str(ground / "work.png"),),
                "captions": ("shapes",),
                "profile": "quick",
                "device": "cpu",
            }
        )
        ledger = Ledger(base / name, asked=asked_for(ground / name, resolved))
        examination.examined(ground / name, ledger, resolved, ignore)
        found[name] = read(base / name)
    return found


@pytest.fixture(scope="module")
def done(ground: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Batch, Path, list[Event]]:
    """The batch, killed while its first case was examined, and gone on with."""
    out = tmp_path_factory.mktemp("batch") / "out"
    words = ["-m", "forensics", "batch", str(ground / "cases.toml"), "-o", str(out), "-q"]
    program = subprocess.Popen([sys.executable, *words], env={**os.environ, "OMP_NUM_THREADS": "1"})
    kept = out / "image-case" / "unfinished" / "search.kept"
    try:
        until = time.monotonic() + 600
        while not kept.exists() and program.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert kept.exists()
    assert [row.state for row in batches.load(out).rows] == [State.WAITING] * 3
    told: list[Event] = []
    return batch(ground / "cases.toml", out, resume=True, emit=told.append), out, told


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / CASE).read_text(encoding="utf-8"))
    return found


def unlike(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What was measured and differs; whether a score was computed or stored is no such thing."""
    assert values(one) > COUNTED
    found = [d for d in differences(one, other) if not d[0].startswith(SCORES)]
    return found + [("id", one["id"], other["id"])] * (one["id"] != other["id"])


def test_equal_to_single_runs_and_a_failing_case_stops_nobody(
    done: tuple[Batch, Path, list[Event]], alone: dict[str, dict[str, Any]]
) -> None:
    found, out, told = done
    assert [row.state for row in found.rows] == [State.DONE, State.FAILED, State.DONE]
    for row in (found.rows[0], found.rows[2]):
        assert row.done is not None
        case = read(out / row.folder)
        assert unlike(alone[row.image], case) == []
        assert (row.done.id, row.done.profile) == (case["id"], "quick")
        assert (out / row.done.pdf).is_file()
        verify(out / row.folder)
        ranked = [a for a in row.done.answers if a.n is not None]
        assert {a.n for a in ranked} == {2}
        assert all(a.k is not None and a.p == pytest.approx((1 + a.k) / 3) for a in ranked)
    failure = found.rows[1].failure
    assert failure is not None
    assert failure.exit_code == 3
    assert "broken.png" in failure.message
    assert failure.remedy
    assert not (out / found.rows[1].folder).exists()
    assert found.rows[2].name == "the second"
    assert batches.load(out) == found
    assert (out / "batch.csv").read_bytes().count(b"\r\n") == 4
    # The time left is that of all cases, and the last events know that nothing is left.
    within = [e for e in told if e.stage == "invert" and e.note.startswith("1/3 ")]
    assert within
    assert all(e.left_s is not None and e.left_s >= 0 for e in within)
    assert [e.done for e in told if e.stage == "batch"] == [0, 1, 2, 3]
    assert told[-1].left_s == 0


def test_what_is_done_stays_done_and_what_failed_is_tried_again(
    done: tuple[Batch, Path, list[Event]], ground: Path
) -> None:
    found, out, _ = done
    custody = {row.folder: (out / row.folder / CUSTODY).read_bytes() for row in found.rows if row.done}
    with pytest.raises(CaseError, match="exists already"):
        batch(ground / "cases.toml", out)
    # The file may be extended, and cases moved about: they are known by what they are asked.
    head, *rows = CASES.split("[[case]]")
    (ground / "moved.toml").write_text("[[case]]".join([head, *rows[::-1]]), encoding="utf-8")
    again = batch(ground / "moved.toml", out, resume=True)
    assert [row.state for row in again.rows] == [State.DONE, State.FAILED, State.DONE]
    assert [row.number for row in again.rows] == [1, 2, 3]
    assert [row.done for row in again.rows] == [row.done for row in found.rows[::-1]]
    assert custody == {row.folder: (out / row.folder / CUSTODY).read_bytes() for row in found.rows if row.done}


def test_a_folder_of_another_is_left_as_it_is(ground: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    text = CASES.partition("[[case]]")[0] + f'[[case]]\nimage = "image.jpg"\nout = "{tmp_path / "mine"}"\n'
    (ground / "other.toml").write_text(text, encoding="utf-8")
    for resume in (False, True):
        found = batch(ground / "other.toml", out, resume=resume)
        failure = found.rows[0].failure
        assert failure is not None
        assert failure.exit_code == 9
        assert "exists already" in failure.message
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_killed_batch_goes_on_where_it_was(done: tuple[Batch, Path, list[Event]]) -> None:
    _, out, _ = done
    logs = [(out / name / CUSTODY).read_text() for name in ("image-case", "second-case")]
    said = ("examination resumed", "stage taken from before the stop")
    assert [[word in log for word in said] for log in logs] == [[True, True], [False, False]]


@pytest.mark.slow
def test_on_ray_with_a_worker_killed(ground: Path, tmp_path: Path, alone: dict[str, dict[str, Any]]) -> None:
    pytest.importorskip("ray", reason="Ray is the extra `forensics[distributed]`")
    out = tmp_path / "out"
    over, killed = threading.Event(), []
    kept = out.resolve() / "image-case" / "unfinished" / "search.kept"
    watch = threading.Thread(target=lambda: killed.append(kill_worker(kept, over)))
    watch.start()
    try:
        found = batch(ground / "cases.toml", out, Where("local", 2))
    finally:
        over.set()
        watch.join()
    assert killed[0] not in (None, os.getpid())
    assert [row.state for row in found.rows] == [State.DONE, State.FAILED, State.DONE]
    assert found.rows[0].lost == 1
    for row in (found.rows[0], found.rows[2]):
        assert unlike(alone[row.image], read(out / row.folder)) == []
        verify(out / row.folder)
    assert "examination resumed" in (out / "image-case" / CUSTODY).read_text()
