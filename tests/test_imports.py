"""What is heavy is imported only where it is used, and the layers hold."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_casefile import small_case

HEAVY = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "lpips", "numpy", "scipy", "PIL", "skimage"}
NETWORKS = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "lpips"}
ROOT = Path(__file__).resolve().parents[1]


def imported(*arguments: str) -> set[str]:
    """Top-level modules in memory after the program ran with these arguments."""
    program = (
        "import json, sys\n"
        "from forensics.cli import main\n"
        f"assert not main({list(arguments)!r}, standalone_mode=False)\n"  # the exit code, if it is not 0
        "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


LIGHT = [["--help"], ["analyze", "--help"], ["index", "build", "--help"], ["schema"]]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_nothing_heavy_for_help(arguments: list[str]) -> None:
    assert not imported(*arguments) & HEAVY


def test_verify_and_report_start_without_networks(tmp_path: Path) -> None:
    folder = small_case(tmp_path / "case")
    for command in ("report", "verify", "report"):
        assert not imported(command, str(folder)) & NETWORKS


def test_help_is_there_at_once() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "forensics", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) <= 0.4  # of the processor, which other programs may be keeping busy


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings GNU's OpenMP, which prints its settings, on Linux")
@pytest.mark.parametrize(("stated", "held"), [(None, "PASSIVE"), ("active", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(stated: str | None, held: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | {"OMP_DISPLAY_ENV": "true"}
    if stated is not None:
        environment["OMP_WAIT_POLICY"] = stated
    command = [sys.executable, "-c", "import forensics, torch"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert f"OMP_WAIT_POLICY = '{held}'" in done.stderr


def test_layers_hold() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout
