"""Running the program: in this process where speed matters, in one of its own where the process is what is tested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from forensics.cli import main

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "tests" / "assets"


def run(*arguments: str | Path) -> Result:
    """The program in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="forensics")


def spawn(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "forensics", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment)
