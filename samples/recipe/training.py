"""What the training commands share: device, progress, learning rate, averages, checkpoints, digests."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

CHANNELS_LAST = torch.channels_last


def pick_device(name: str | None = None) -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def autocast(device: torch.device) -> torch.autocast:
    """bf16 autocast; on a CPU without bf16 units it is slow but correct."""
    return torch.autocast(device.type, torch.bfloat16)


def warmup(step: int, steps: int) -> float:
    """Linear from 0 to 1 over the first steps."""
    return min(1.0, (step + 1) / max(1, steps))


def cosine(fraction: float, floor: float = 0.02) -> float:
    """Half a cosine from 1 down to a floor."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """One learning rate for all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr


class Average:
    """Exponential moving average of parameters with a warm-up of the decay."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model."""
        decay = min(self.decay, (1 + step) / (10 + step))
        params = [p.detach() for _, p in model.named_parameters()]
        torch._foreach_lerp_(list(self.shadow.values()), params, 1 - decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Write the average into a model."""
        for name, p in model.named_parameters():
            p.copy_(self.shadow[name])


class Progress:
    """Lines of progress with rate and time left, to stdout and to a JSON-lines log."""

    def __init__(self, name: str, total: int, log: Path, start: int = 0, every: float = 20.0) -> None:
        self.name, self.total, self.every = name, total, every
        self.log, self.first = log, start
        self.began = self.last = time.monotonic()
        self.values: dict[str, list[float]] = {}
        if log.exists():
            # steps after the checkpoint from which a run resumes are taken again
            rows = log.read_text(encoding="utf-8").splitlines()
            kept = [row for row in rows if json.loads(row)["step"] <= start]
            log.write_text("".join(f"{row}\n" for row in kept), encoding="utf-8")

    def step(self, step: int, **values: float) -> None:
        """Record the values of one step; print now and then."""
        for key, value in values.items():
            self.values.setdefault(key, []).append(value)
        now = time.monotonic()
        if now - self.last < self.every and step + 1 < self.total:
            return
        rate = (step + 1 - self.first) / max(1e-9, now - self.began)
        means = {key: sum(seen) / len(seen) for key, seen in self.values.items()}
        left = (self.total - step - 1) / max(rate, 1e-9)
        text = "  ".join(f"{key} {value:.4g}" for key, value in means.items())
        print(f"{self.name} {step + 1}/{self.total}  {rate:.2f} steps/s  {left / 60:.1f} min left  {text}", flush=True)
        with self.log.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"step": step + 1, "seconds": round(now - self.began, 1), **means}) + "\n")
        self.last, self.values = now, {}


def settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that determine a run: no paths, no machine."""
    left_out = {"device", "threads"}
    return {k: v for k, v in arguments.items() if isinstance(v, int | float | str | None) and k not in left_out}


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, replacing the old one only when complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """A checkpoint, or nothing."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def batches(n: int, size: int, seed: int) -> Iterator[torch.Tensor]:
    """Endless shuffled index batches; the last short one of a pass is dropped."""
    epoch = 0
    while True:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))
        yield from order[: n - n % size].split(size)
        epoch += 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator seeded inside the block, restored after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
