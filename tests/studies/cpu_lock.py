"""`requirements-cpu.lock`: the packages of `requirements.lock`, with a PyTorch that brings no CUDA libraries.

    python3.11 -m tests.studies.cpu_lock

Every package has the version of `requirements.lock` but `torch` and `torchvision`. Each row holds the digest of the one
file that pip takes under Python 3.11 on Linux x86-64, and the file names no address. The `torch` is the newest without
CUDA that the package indexes known to the maintainers' pip have. Its partner comes from the common index and is linked
against CUDA; `forensics.device` says why that does no harm.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK, CPU_LOCK = ROOT / "requirements.lock", ROOT / "requirements-cpu.lock"
PAIR = ("torch==2.13.0+cpu", "torchvision==0.28.0")
_ROW = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def asked() -> list[str]:
    """What the project asks for, developers' tools included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]


def constraints(lock: str) -> list[str]:
    """`name==version` of every package that has one version in the lock, without the pair."""
    versions: dict[str, set[str]] = {}
    for name, version in _ROW.findall(lock):
        versions.setdefault(name, set()).add(version)
    pair = {row.partition("==")[0] for row in PAIR}
    return [f"{name}=={next(iter(v))}" for name, v in sorted(versions.items()) if len(v) == 1 and name not in pair]


def report(requirements: Sequence[str], pinned: Iterable[str]) -> Mapping[str, Any]:
    """What pip would install for these requirements into an empty environment. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as work:
        held, made = Path(work) / "constraints.txt", Path(work) / "report.json"
        held.write_text("\n".join(pinned), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary", ":all:", "--constraint", str(held), "--report", str(made), *requirements]
        subprocess.run(command, check=True)
        return json.loads(made.read_text(encoding="utf-8"))


def lock(found: Mapping[str, Any]) -> str:
    """The text of the lock: a package with its version and the digest of its file, in the order of the names."""
    rows = {}
    for row in found["install"]:
        name = re.sub(r"[-_.]+", "-", row["metadata"]["name"]).lower()
        digest = row["download_info"]["archive_info"]["hashes"]["sha256"]
        rows[name] = f"{name}=={row['metadata']['version']} \\\n    --hash=sha256:{digest}\n"
    return "".join(rows[name] for name in sorted(rows))


def main() -> None:
    """Write the lock beside the other one."""
    pinned = constraints(LOCK.read_text(encoding="utf-8"))
    CPU_LOCK.write_text(lock(report([*asked(), *PAIR], pinned)), encoding="utf-8")


if __name__ == "__main__":
    main()
