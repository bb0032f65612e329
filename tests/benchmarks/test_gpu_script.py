"""The GPU script, proved on the CPU with tiny shapes: the same steps, the same file, so that it works on a card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks.gpu_steps import STEPS, join, split
from tests.benchmarks.networks import SHAPES

ROOT = Path(__file__).resolve().parents[2]


def script(out: Path, *given: str) -> tuple[int, dict[str, Any]]:
    """Exit status and `gpu.json` of one run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--tiny", "--out", str(out), *given]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    return done.returncode, json.loads((out / "gpu.json").read_text("utf-8"))


def test_every_step_is_done_and_the_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    code, found = script(tmp_path / "first")
    steps = found["steps"]
    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(STEPS, "done")
    assert code == 0
    figures = {name: step["figures"] for name, step in steps.items()}
    assert figures["tests"]["failures"] == figures["tests"]["errors"] == 0
    assert figures["tests"]["tests"] > figures["tests"]["skipped"]
    for name in SHAPES:
        assert figures[name]["evaluations/s at the best batch"] > 0
        assert figures[name]["GFLOP of one evaluation"] > 0
        assert figures[name]["run through"].startswith("the project's velocity interface")
    paired = figures["codelength"]["all levels at once beside the sequential sum"]["theirs over ours"]
    assert 0 < paired["min"] <= paired["median"] <= paired["max"]
    assert figures["codelength"]["evaluations"]["ours"] == figures["codelength"]["evaluations"]["theirs"]
    assert figures["examination"]["controls"] == 4
    assert figures["examination"]["report"] == "rendered"
    assert not [name for name, values in figures.items() if "failed" in json.dumps(values) and name != "tests"]
    trained = figures["training"]
    assert trained["steps"] == trained["steps of this run"] == 2
    assert sorted(p.name for p in (tmp_path / "first").iterdir()) == sorted(["gpu.json", *trained["state"]])

    code, found = script(tmp_path / "second", "--only", "training", "--resume", str(tmp_path / "first"))
    assert code == 0
    again = found["steps"]["training"]["figures"]
    assert (again["steps"], again["steps of this run"]) == (4, 2)


def test_a_step_that_is_stopped_takes_no_figure_of_another_with_it(tmp_path: Path) -> None:
    """The examination needs longer than four seconds; what it found by then, and the steps beside it, are kept."""
    code, found = script(tmp_path, "--only", "sdxl", "examination", "flux", "--limit", "examination=4")
    steps = found["steps"]
    assert code == 1
    assert [steps[name]["state"] for name in ("sdxl", "examination", "flux")] == [
        "done",
        "stopped at its limit",
        "done",
    ]
    assert steps["examination"]["figures"]["profile"] == "tiny"
    assert steps["flux"]["figures"]["evaluations/s at the best batch"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is not there")
def test_a_failing_step_says_why_and_the_next_one_runs(tmp_path: Path) -> None:
    code, found = script(tmp_path, "--device", "cuda", "--only", "codelength", "flux")
    assert code == 1
    for name in ("codelength", "flux"):
        assert found["steps"][name]["state"] == "failed"
        assert "no CUDA device" in found["steps"][name]["output"]


def test_without_time_a_step_is_not_begun(tmp_path: Path) -> None:
    code, found = script(tmp_path, "--only", "flux", "--minutes", "0.1")
    assert code == 1
    assert found["steps"]["flux"]["state"] == "not begun"


@pytest.mark.parametrize("size", [1, 7, 10, 64])
def test_pieces_make_the_file_again(tmp_path: Path, size: int) -> None:
    whole = tmp_path / "state"
    whole.write_bytes(bytes(range(10)) * 2)
    names = split(whole, tmp_path, "kept", size)
    assert len(names) == -(-20 // size)
    join(sorted(tmp_path.glob("kept.*")), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == whole.read_bytes()


def test_a_missing_piece_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "state"
    whole.write_bytes(b"0123456789")
    split(whole, tmp_path, "kept", 3)
    (tmp_path / "kept.001").unlink()
    with pytest.raises(FileNotFoundError):
        join(sorted(tmp_path.glob("kept.*")), tmp_path / "again")


@pytest.mark.parametrize(
    ("name", "parameters"), [("sd15", 859_520_964), ("sdxl", 2_567_463_684), ("flux", 11_891_178_560)]
)
def test_true_sizes(name: str, parameters: int) -> None:
    """As many parameters as the published networks have, and a pass through them; no memory is taken for either."""
    bare = SHAPES[name].bare(torch.device("meta"), torch.bfloat16, False)
    assert bare.parameters == parameters
    inputs = bare.inputs(2)
    assert bare.forward(inputs).shape == next(iter(inputs.values())).shape
