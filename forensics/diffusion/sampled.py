"""What diffusion models share, whatever they work on and whatever denoises: times, guidance, states, counting.

A family derives from `LatentModel` (a latent of an autoencoder) or from `SampledModel` itself, and says how its network
is called (`_predict`). diffusers and transformers supply the networks; the sampler is ours (`schedule`), so that
inversion and generation are one ODE.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from forensics import hands
from forensics.case import Checkpoint
from forensics.device import Device, batch_size
from forensics.diffusion import in_files
from forensics.diffusion.base import GRADIENT_COST, Condition, Tensors
from forensics.diffusion.parts import Parts
from forensics.diffusion.schedule import Schedule, column

_CPU_BUDGET_MIB = 1024.0
_CEILING = {"cpu": 16, "cuda": 64}


class SampledModel(ABC):
    """`DiffusionModel` but for pictures and conditions. Networks run in the device's precision, states in float32."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        self.checkpoint = checkpoint
        self.device = device
        self.network = self._placed(parts.network)
        self.stride = self._stride(parts)
        self.native_px = checkpoint.native_px
        self.schedule: Schedule = self._schedule(parts.schedule)
        signal, noise = self.schedule.mix(self.schedule.grid[[0, -1]])
        low, high = (noise / signal).tolist()
        self.noise_range = (low, high)
        self.vocabulary = 0
        self.evaluations = 0
        self._counting = threading.Lock()

    def _placed(self, module: Any) -> Any:
        module = module.eval().requires_grad_(False)
        if any(parameter.is_meta for parameter in module.parameters()):
            return module  # its weights have not been read yet
        if in_files.kept(module):
            return module  # each layer brings its weights into this order itself
        # Channels last: on a CPU a backward pass takes a quarter less time so, and a forward pass of many rows a tenth.
        return module.to(device=self.device.device, memory_format=torch.channels_last)

    @abstractmethod
    def _stride(self, parts: Parts) -> int:
        """Pixels that sides must be multiples of; the network is in place."""

    def _schedule(self, schedule: Schedule) -> Schedule:
        """The schedule, for this network's positions."""
        return schedule

    @abstractmethod
    def _width(self) -> int:
        """Numbers the network keeps for each cell in its widest layer."""

    @abstractmethod
    def _predict(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        """The network's output (B, C, h, w) for its input, clock (B,) and conditions, each with B rows."""

    @abstractmethod
    def _activations(self, height: int, width: int) -> float:
        """Bytes of the largest activations of one picture of height × width pixels, with guidance."""

    def _network_bytes(self, cells: int) -> float:
        return self._width() * cells * self.device.dtype.itemsize * 60 * 2

    def passes(self, guidance: float) -> int:
        """See `DiffusionModel`: guidance away from the empty prompt (Ho & Salimans 2022) takes a second pass."""
        return 2 if guidance > 1 else 1

    def capacity(self, height: int, width: int) -> int:
        """Pictures that go through at once, from the largest activations of decoder and network (with guidance)."""
        mib = self._activations(height, width) / 2**20
        if self.device.is_cuda:
            return batch_size(self.device, mib, _CEILING["cuda"])
        # A fixed budget on the CPU: splitting by the memory that happens to be free would change the last bits of a
        # result from run to run.
        return max(1, min(_CEILING["cpu"], int(_CPU_BUDGET_MIB / mib)))

    def gradient_capacity(self, height: int, width: int) -> int:
        """See `DiffusionModel`. A backward pass keeps the activations of all layers, and in float32."""
        return max(1, self.capacity(height, width) // (4 if self.device.is_cuda else 2))

    def _checked(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] on the device. Raises ValueError where the sides are not multiples of `stride`."""
        if image.shape[-2] % self.stride or image.shape[-1] % self.stride:
            raise ValueError(f"sides must be multiples of {self.stride}, got {tuple(image.shape[-2:])}")
        return image.to(self.device.device, torch.float32) * 2 - 1

    def _half_precision_parts(self) -> list[Any]:
        """Modules that run in the device's precision."""
        return [self.network]

    @contextlib.contextmanager
    def full_precision(self) -> Iterator[None]:
        """See `DiffusionModel`. Weights of half precision go to float32 and back without a change."""
        before = self.device
        if before.dtype == torch.float32:
            yield
            return
        self.device = replace(before, dtype=torch.float32)
        for part in self._half_precision_parts():
            part.float()
        try:
            yield
        finally:
            self.device = before
            for part in self._half_precision_parts():
                part.to(before.dtype)

    def times(self, steps: int) -> Tensor:
        """See `DiffusionModel`."""
        return self.schedule.times(steps)

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """See `DiffusionModel`. Guidance is one forward pass over [without, given] (Ho & Salimans 2022, eq. 6)."""
        here = state.to(self.device.device, torch.float32)  # (B, C, h, w)
        x, rows = self.schedule.seen(here, time), len(here)
        clock = self.schedule.timestep(time).to(self.device.device).expand(rows)  # (B,)
        given = self._expanded(condition.given, rows)
        if condition.without is None:
            output = self._counted(x, clock, given, condition.guidance)
        else:
            empty = self._expanded(condition.without, rows)
            both = {name: torch.cat([empty[name], given[name]]) for name in given}
            without, with_ = self._counted(x.repeat(2, 1, 1, 1), clock.repeat(2), both, condition.guidance).chunk(2)
            output = without + condition.guidance * (with_ - without)
        return self.schedule.velocity(here, output, time)

    def _expanded(self, tensors: Tensors, rows: int) -> dict[str, Tensor]:
        return {
            name: tensor.to(self.device.device).expand(rows, *[-1] * (tensor.ndim - 1))
            for name, tensor in tensors.items()
        }

    def _counted(self, x: Tensor, clock: Tensor, given: Tensors, guidance: float) -> Tensor:
        # A backward pass is about two forward passes of arithmetic, and is charged as such.
        backward = torch.is_grad_enabled() and (x.requires_grad or any(t.requires_grad for t in given.values()))
        with self._counting:  # two hands may call at once
            self.evaluations += GRADIENT_COST * len(x) if backward else len(x)
        if backward:
            return self._predict(x, clock, given, guidance).float()
        names = list(given)

        def predicted(x: Tensor, clock: Tensor, *tensors: Tensor) -> Tensor:
            return self._predict(x, clock, dict(zip(names, tensors, strict=True)), guidance).float()

        return hands.by_rows(predicted, x, clock, *given.values())

    def start(self, noise: Tensor, steps: int) -> Tensor:
        """See `DiffusionModel`."""
        x = noise.to(self.device.device, torch.float32)
        return x * column(self.schedule.scale(self.times(steps)[-1]), x)

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        return state / column(self.schedule.scale(time), state)

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        return self.schedule.at_noise_level(sigma)

    def diffuse(self, data: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        x, eps = (t.to(self.device.device, torch.float32) for t in (data, noise))
        signal, level = (column(m, x) for m in self.schedule.mix(time))
        return (signal * x + level * eps) * column(self.schedule.scale(time), x)

    def _first(self) -> Tensor:
        return torch.tensor(self.schedule.first, dtype=torch.float64)
