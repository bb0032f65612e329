"""Everything that needs a card, in one call: eight minutes at the most, one JSON, nothing lost where a step fails.

    python -m tests.benchmarks.gpu --out FOLDER [--minutes 8] [--device cuda] [--only STEP ...]
    python -m tests.benchmarks.gpu --out FOLDER --tiny          # the same on a CPU with tiny shapes: does it work?
    bash tests/benchmarks/gpu.sh WHEELS --out FOLDER            # the same where packages are brought along as wheels

Steps: what the machine is and its two ceilings; the tests marked `gpu`; Stable Diffusion 1.5, XL and FLUX.1 [schnell]
with random weights at true size in bf16; codelength beside the sequential sum; a whole examination with 99 controls;
then training of the reference models for the rest of the time.

Each step runs in a process of its own, forked from one that has the libraries loaded, and is ended at its limit with
all it started. `gpu.json` is written anew after every step and says of each whether it is done, failed, was stopped at
its limit or was not begun, with the figures it had by then. The exit status is 1 where any is not done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.benchmarks import gpu_steps
from tests.benchmarks.gpu_steps import STEPS, Task

RESERVE_S = 8.0
"""Seconds kept at the end for writing what was found."""
TAIL = 1500
"""Characters of a failed step's output that are kept."""


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.json and of the state of the training")
    parser.add_argument("--minutes", type=float, default=8.0, help="of the whole call, by the clock")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, on the CPU unless a device is named")
    parser.add_argument("--device", help="cuda unless --tiny")
    parser.add_argument("--only", nargs="+", choices=tuple(STEPS), default=list(STEPS), metavar="STEP")
    parser.add_argument("--limit", nargs="+", type=_limit, default=[], metavar="STEP=SECONDS", help="of single steps")
    parser.add_argument("--twin", choices=("a", "b"), default="a", help="the reference model that is trained")
    parser.add_argument("--resume", type=Path, help="folder with the state of an earlier training, in its pieces")
    return parser.parse_args(given)


def _limit(text: str) -> tuple[str, float]:
    """`STEP=SECONDS`. Raises ValueError, which argparse turns into its own message."""
    name, _, seconds = text.partition("=")
    if name not in STEPS:
        raise ValueError(f"no step {name!r}")
    return name, float(seconds)


def main(given: Sequence[str] | None = None) -> int:
    """Run the steps and return the exit status."""
    args = arguments(given)
    began = time.monotonic()
    out: Path = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    device = args.device or ("cpu" if args.tiny else "cuda")
    steps: dict[str, Any] = {}
    document = {
        "made by": "python -m tests.benchmarks.gpu",
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "tiny": args.tiny,
        "minutes allowed": args.minutes,
        "steps": steps,
    }
    with tempfile.TemporaryDirectory(prefix="gpu-", ignore_cleanup_errors=True) as scratch:
        os.environ["XDG_CACHE_HOME"] = str(Path(scratch) / "cache")  # nothing stored is read, and nothing is stored
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.benchmarks.preload"])
        warm = context.Process(target=gpu_steps.nothing)  # the libraries are loaded before the first step is timed
        warm.start()
        warm.join(120)
        document["libraries loaded s"] = round(time.monotonic() - began, 1)
        for name in args.only:
            left = args.minutes * 60 - RESERVE_S - (time.monotonic() - began)
            steps[name] = _step(name, context, args, device, Path(scratch), out, left)
            document["seconds"] = round(time.monotonic() - began, 1)
            _write(document, out / "gpu.json")
            _say(name, steps[name])
    return 0 if all(step["state"] == "done" for step in steps.values()) else 1


def _step(
    name: str, context: Any, args: argparse.Namespace, device: str, scratch: Path, out: Path, left: float
) -> dict[str, Any]:
    """One step, ended at its limit or at the end of the time for all; what came of it."""
    limit = min(dict(args.limit).get(name, STEPS[name][0]), left)
    if limit < 1:
        return {"state": "not begun", "reason": "the time was used up"}
    folder = scratch / name
    folder.mkdir()
    figures, log = folder / "figures.json", folder / "log.txt"
    began = time.monotonic()
    task = Task(device, args.tiny, out, folder, began + limit, args.twin, args.resume)
    process = context.Process(target=gpu_steps.run, args=(name, task, figures, log))
    process.start()
    process.join(max(0.1, task.ends - time.monotonic()))
    result: dict[str, Any] = {"state": "done"}
    if process.exitcode is None:
        result = {"state": "stopped at its limit"}
    elif process.exitcode != 0:
        result = {"state": "failed", "exit status": process.exitcode}
    _end(process)
    if name == "training" and result["state"] != "done":
        result["state of the training"] = gpu_steps.keep_state(task)  # the last whole checkpoint before the end
    result |= {"seconds": round(time.monotonic() - began, 1), "limit s": round(limit, 1)}
    if result["state"] != "done":
        result["output"] = _tail(log)
    with contextlib.suppress(OSError, ValueError):
        result["figures"] = json.loads(figures.read_text("utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    return result


def _end(process: BaseProcess) -> None:
    """End the step and whatever it started and left behind."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(10)


def _tail(log: Path) -> str:
    try:
        return log.read_text("utf-8", errors="replace")[-TAIL:]
    except OSError:
        return ""


def _write(document: dict[str, Any], path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _say(name: str, step: dict[str, Any]) -> None:
    """One line a step, and the figures of a short one, for whoever watches."""
    print(f"{name:<12} {step['state']}, {step.get('seconds', 0)} s", flush=True)
    if step["state"] == "failed":
        print(step.get("output", ""), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
