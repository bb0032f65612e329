"""The noise schedule as a time variable in which DDIM (eta = 0) is exactly Euler.

With x = c·x0 + s·eps, c = sqrt(abar), s = sqrt(1 − abar), DDIM (Song et al. 2021, eq. 12) holds x0 and eps over a step.
Any state linear in both is therefore stepped by Euler, and two such states are used:

* epsilon models: state x/c = x0 + σ·eps, time σ = s/c, velocity eps (Karras et al. 2022, section 2). The velocity is
  the network's output itself, which keeps fixed-point inversion well conditioned.
* v models: state x/(c + s) = (1 − τ)·x0 + τ·eps, time τ = s/(c + s) in [0, 1], velocity eps − x0. With
  v = c·eps − s·x0 (Salimans & Ho 2022, appendix D) both x0 and eps stay finite at c = 0, so zero terminal
  signal-to-noise (Lin et al. 2024) needs no special case, where σ would be infinite.

In both, x̂0 = state − time · velocity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forensics.diffusion import configs
from forensics.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Time, timestep and scale of one trained noise schedule. `time` arguments are float64, () or (B,)."""

    prediction: str
    """`epsilon` or `v_prediction`."""
    grid: Tensor
    """(T,) float64: the time of each training timestep, rising."""
    first: float
    """times[0]: 0 where the scheduler ends at abar = 1, else the time of timestep 0 (`set_alpha_to_one`)."""
    scheduler: Any
    """diffusers DDIMScheduler: its spacing says which training timesteps a run of n steps visits."""

    def times(self, steps: int) -> Tensor:
        """(steps + 1,) float64 from data to noise: `first`, then the scheduler's timesteps, rising.

        Raises:
            ValueError: fewer than 1 step or more than were trained.
        """
        if not 1 <= steps <= len(self.grid):
            raise ValueError(f"steps must lie in 1..{len(self.grid)}, got {steps}")
        self.scheduler.set_timesteps(steps)
        visited = self.scheduler.timesteps.cpu().flip(0).long().clamp(0, len(self.grid) - 1)  # (steps,) rising
        return torch.cat([torch.tensor([self.first], dtype=torch.float64), self.grid[visited]])

    def timestep(self, time: Tensor) -> Tensor:
        """The network's own clock, float32, linear between training timesteps and exact on them."""
        steps = np.interp(time.double().cpu().numpy(), self.grid.numpy(), np.arange(len(self.grid)))
        return torch.as_tensor(steps, dtype=torch.float32)

    def mix(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """(c, s) with c² + s² = 1: how much data and noise a unit-variance state holds at this time."""
        t = time.double()
        c, s = (torch.ones_like(t), t) if self.prediction == "epsilon" else (1 - t, t)
        norm = torch.hypot(c, s)
        return c / norm, s / norm

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        """The time at which s / c is `sigma`, float64: σ itself, or τ = σ / (1 + σ)."""
        level = sigma.double()
        return level if self.prediction == "epsilon" else level / (1 + level)

    def scale(self, time: Tensor) -> Tensor:
        """state / x: 1/c for epsilon models, 1/(c + s) for v models. Finite at every time of the schedule."""
        c, s = self.mix(time)
        return 1 / c if self.prediction == "epsilon" else 1 / (c + s)

    def velocity(self, x: Tensor, output: Tensor, time: Tensor) -> Tensor:
        """d state / d time from the unit-variance x (B, C, h, w) and the network's output there."""
        if self.prediction == "epsilon":
            return output
        c, s = (column(m, x) for m in self.mix(time))
        return (s - c) * x + (c + s) * output  # eps − x0


def column(values: Tensor, like: Tensor) -> Tensor:
    """() or (B,) numbers as (1 or B, 1, 1, 1) in the dtype and on the device of `like`."""
    return values.reshape(-1, 1, 1, 1).to(like.device, like.dtype)


def from_config(config: dict[str, Any], prediction: str) -> Schedule:
    """The schedule of a diffusers scheduler configuration, whichever scheduler class it names: all share the betas.

    Raises:
        CheckpointError: the configuration gives no schedule of falling signal.
    """
    from diffusers import DDIMScheduler

    configs.checked(config, "scheduler_config.json")
    try:
        scheduler = DDIMScheduler.from_config(config)
        abar = scheduler.alphas_cumprod.double()  # (T,) falling
        sound = bool(((abar[1:] <= abar[:-1]).all() & (abar >= 0).all() & (abar <= 1).all()).item()) and len(abar) > 0
    except (ValueError, TypeError, LookupError, RuntimeError, NotImplementedError, ArithmeticError) as exc:
        raise CheckpointError(
            f"scheduler_config.json gives no noise schedule: {exc}.", hint="Fetch the checkpoint again."
        ) from exc
    if not sound:
        raise CheckpointError(
            "scheduler_config.json gives a noise schedule in which the signal does not fall.",
            hint="Compare beta_start, beta_end and trained_betas with the publisher's file.",
        )
    c, s = abar.sqrt(), (1 - abar).sqrt()
    grid = s / c if prediction == "epsilon" else s / (c + s)
    first = 0.0 if bool(scheduler.config.set_alpha_to_one) else float(grid[0])
    return Schedule(prediction, grid, first, scheduler)
