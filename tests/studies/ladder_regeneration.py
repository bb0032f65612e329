"""Regeneration in the ladder study: what eight seeds give under the caption alone, of planted works and controls.

Raw rows, one JSON line a work, resumable. The rung is that of an examination with the profile `standard`, so that its
figures stand beside those of the codelength; generating costs thirty times the codelength of one condition, and so
fewer controls take part: as many of each half as an examination uses.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forensics import diffusion
from forensics.case import Checkpoint, Statistic
from forensics.device import Device
from forensics.diffusion.base import DiffusionModel
from forensics.embedders.copies import CopyDescriptor
from forensics.inversion.base import Plan, run_many
from forensics.inversion.regeneration import Regeneration
from forensics.pictures.tensors import to_tensor
from forensics.protocol import PROFILES
from forensics.similarity.lpips import Lpips
from forensics.validation import journal
from forensics.validation.ladder_rows import StudyWork

PROTOCOL = PROFILES["standard"]
TOGETHER = 2
"""Works that share a batch."""


def among(works: Sequence[StudyWork], controls: int = PROTOCOL.controls) -> tuple[StudyWork, ...]:
    """Every planted work and the first controls of each half, calibration half first."""
    chosen: list[StudyWork] = []
    for half in ("calibration", "test"):
        chosen += [w for w in works if w.role == "planted" and w.half == half]
        chosen += [w for w in works if w.role == "control" and w.half == half][:controls]
    return tuple(chosen)


def collect(
    checkpoint: Checkpoint,
    works: Sequence[StudyWork],
    out: Path,
    device: Device,
    descriptor: CopyDescriptor,
    say: Any = print,
) -> Path:
    """Append what is missing to `out`/regeneration-<checkpoint>.jsonl and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"regeneration-{checkpoint.digest[:16]}.jsonl"
    done = {row["work"] for row in journal.rows(path)}
    missing = [w for w in works if w.id not in done]
    if not missing:
        return path
    model, lpips = diffusion.load(checkpoint, device), Lpips()
    began = time.monotonic()
    for start in range(0, len(missing), TOGETHER):
        journal.append(path, *rows(missing[start : start + TOGETHER], model, lpips, descriptor))
        number = min(start + TOGETHER, len(missing))
        if number % 20 < TOGETHER or number == len(missing):
            left = (time.monotonic() - began) / number * (len(missing) - number)
            say(f"regeneration, {checkpoint.name}: {number}/{len(missing)} works, {left / 60:.1f} min", flush=True)
    return path


def rows(
    works: Sequence[StudyWork], model: DiffusionModel, lpips: Lpips, descriptor: CopyDescriptor
) -> list[dict[str, Any]]:
    """The rows of some works: LPIPS and cosine of the copy descriptor to the work, one a seed, and the cost."""
    targets = [to_tensor(work.picture) for work in works]
    seeds = tuple(range(PROTOCOL.seeds))
    plans = [Plan(w.caption, "caption", PROTOCOL.guidance, PROTOCOL.steps, seeds, 0) for w in works]
    found = []
    for work, target, attempt in zip(works, targets, run_many(Regeneration(), targets, plans, model), strict=True):
        same = target.expand(len(attempt.pictures), -1, -1, -1)
        cosines = descriptor.embed(attempt.pictures) @ descriptor.embed(target)[0]
        found.append(
            {
                "work": work.id,
                "lpips": [round(float(v), 5) for v in lpips(same, attempt.pictures)],
                "cosine": [round(float(v), 5) for v in cosines],
                "detail": attempt.score("detail"),
                "evaluations": attempt.evaluations,
            }
        )
    return found


STATISTICS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    Statistic.PROMPT_MEDIAN_LPIPS: lambda row: -statistics.median(row["lpips"]),
    "Generated from the prompt, best LPIPS": lambda row: -min(row["lpips"]),
    "Generated from the prompt, median cosine of the copy descriptor": lambda row: statistics.median(row["cosine"]),
}
"""Statistics over the seeds of one work, each turned so that it is higher where the work comes back."""
