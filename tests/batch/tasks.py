"""What workers of the tests do: functions of a module, for they are sent by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch

from forensics.errors import ImageError
from forensics.events import Emit


def begin(folder: Path, emit: Emit) -> Callable[[int], tuple[int, int, int]]:
    """Counts, in its own process, what it was asked; -1 fails, -2 is no error of the program's own; -3 kills the
    worker the first time, -4 every time."""
    done = 0

    def do(task: int) -> tuple[int, int, int]:
        nonlocal done
        if task == -1:
            raise ImageError("It cannot be read.", hint="Name another.")
        if task == -2:
            raise ZeroDivisionError("nothing to share")
        if task == -4 or (task == -3 and not (folder / "killed").exists()):
            if task == -3:
                (folder / "killed").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return task, os.getpid(), torch.get_num_threads()

    return do
