"""Pickled weights made into safetensors: tensors are read, nothing in the file is run.

PyTorch's own restricted unpickler (`torch.load(weights_only=True)`) builds tensors and containers and refuses all else.
It is run in a process of its own, with a limit on memory and without a network, so that a file made to exhaust or to
escape it harms neither the machine nor the case.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from forensics import foreign
from forensics.case import FileDigest
from forensics.diffusion.headers import PICKLES, file_digest, read_header
from forensics.errors import CheckpointError

_LARGER = 3
"""Memory allowed, in sizes of the file: the file as read, the tensors, and what is written."""
_ALLOWANCE = 6 * 2**30
"""Bytes allowed beside that: the interpreter's address space with its libraries."""
_SECONDS = 3600
_WORKER = Path(__file__).with_name("pickle_worker.py")


@dataclass(frozen=True, slots=True)
class Converted:
    """Both files, by digest."""

    source: FileDigest
    made: FileDigest
    tensors: int
    left_out: tuple[str, ...]
    """Entries of the pickle that are no tensors, by name."""


def convert(source: Path, target: Path) -> Converted:
    """Write the tensors of a pickle file to a safetensors file; an existing one is never replaced.

    Raises:
        CheckpointError: not there, not a pickle of tensors, holds code, or takes more memory than it may.
    """
    if source.suffix.lower() not in PICKLES or not source.is_file():
        raise CheckpointError(
            f"{source.name} is no pickle file that is there.", hint=f"Give a file ending in {', '.join(PICKLES)}."
        )
    if target.exists():
        raise CheckpointError(f"{target} exists already.", hint="Name another file with -o.")
    digest = file_digest(source, source.name)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        told = _in_a_process_of_its_own(source, partial, digest.sha256)
        header = read_header(partial)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return Converted(digest, file_digest(target, target.name), len(header.shapes), tuple(told))


def _in_a_process_of_its_own(source: Path, target: Path, sha256: str) -> list[str]:
    limit = _LARGER * source.stat().st_size + _ALLOWANCE

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        done = subprocess.run(
            [sys.executable, str(_WORKER), str(foreign.resolved(source)), str(target.resolve()), sha256],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            preexec_fn=restrict,
        )
    except subprocess.TimeoutExpired as exc:
        raise _failed(source, "reading it took more than an hour") from exc
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise _failed(source, lines[-1][:300] if lines else f"the reading process ended with {done.returncode}")
    left: list[str] = json.loads(done.stdout)
    return left


def _failed(source: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{source.name} was not converted: {why}.",
        hint="A file of plain tensors reads. One that needs classes of its own would run their code: get the "
        "publisher's .safetensors file instead.",
    )
