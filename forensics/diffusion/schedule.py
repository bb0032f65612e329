"""The noise schedule as a time variable in which DDIM (eta = 0) is exactly Euler.

With x = c·x0 + s·eps, c = sqrt(abar), s = sqrt(1 − abar), DDIM (Song et al. 2021, eq. 12) holds x0 and eps over a step.
Any state linear in both is therefore stepped by Euler, and two such states are used:

* epsilon and EDM models: state x/c = x0 + σ·eps, time σ = s/c, velocity eps (Karras et al. 2022, section 2). For
  epsilon models the velocity is the network's output itself, which keeps fixed-point inversion well conditioned; for
  EDM ones the network is preconditioned (ibid., table 1).
* v and flow models: state x/(c + s) = (1 − τ)·x0 + τ·eps, time τ = s/(c + s) in [0, 1], velocity eps − x0. With
  v = c·eps − s·x0 (Salimans & Ho 2022, appendix D) both x0 and eps stay finite at c = 0, so zero terminal
  signal-to-noise (Lin et al. 2024) needs no special case, where σ would be infinite. For rectified flows (Lipman et al.
  2023; Esser et al. 2024) this state and this velocity are the network's own input and output.

In all, x̂0 = state − time · velocity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forensics.diffusion import configs
from forensics.diffusion.distilled import FEW_STEPS
from forensics.diffusion.headers import read_json
from forensics.diffusion.weight_files import place
from forensics.errors import CheckpointError

SIGMA_STATES = ("epsilon", "edm")
"""Predictions whose time variable is noise over signal."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Time, timestep and scale of one trained noise schedule. `time` arguments are float64, () or (B,)."""

    prediction: str
    """`epsilon`, `v_prediction`, `edm` or `flow`."""
    grid: Tensor
    """(T,) float64: the time of each training timestep, rising; of EDM, the least and greatest sigma."""
    first: float
    """times[0]: 0 where the scheduler ends at abar = 1, else the time of timestep 0 (`set_alpha_to_one`)."""
    scheduler: Any
    """diffusers' scheduler: its spacing says which times a run of n steps visits."""
    tokens: int = 0
    """Positions that a transformer sees at the native size: some flows shift their times by it."""
    visits: Any = None
    """The scheduler of a distilled checkpoint, whose spacing goes before the other's where it has so many steps."""
    plain_sigmas: bool = False
    """Whether the family's pipeline hands its scheduler equally spaced sigmas from 1 to 1 / n."""

    def sized(self, tokens: int, *, plain_sigmas: bool = False) -> Schedule:
        """The same for a network that sees this many positions."""
        return replace(self, tokens=tokens, plain_sigmas=plain_sigmas)

    def times(self, steps: int) -> Tensor:
        """(steps + 1,) float64 from data to noise: `first`, then the scheduler's times, rising.

        Raises:
            ValueError: fewer than 1 step or more than were trained.
        """
        most = len(self.grid) if self.prediction != "edm" else 1000
        if not 1 <= steps <= most:
            raise ValueError(f"steps must lie in 1..{most}, got {steps}")
        if self.prediction in ("epsilon", "v_prediction"):
            scheduler = self._spacing(steps)
            scheduler.set_timesteps(steps)
            visited = scheduler.timesteps.cpu().flip(0).long().clamp(0, len(self.grid) - 1)  # (steps,) rising
            return torch.cat([torch.tensor([self.first], dtype=torch.float64), self.grid[visited]])
        config = self.scheduler.config
        wanted: dict[str, Any] = {}
        if config.get("use_dynamic_shifting"):
            wanted["mu"] = self._shift()
        if self.plain_sigmas:
            wanted["sigmas"] = np.linspace(1.0, 1 / steps, steps)
        else:
            wanted["num_inference_steps"] = steps
        self.scheduler.set_timesteps(**wanted)
        times: Tensor = self.scheduler.sigmas.cpu().double().flip(0)  # (steps + 1,) rising from 0
        return times

    def _spacing(self, steps: int) -> Any:
        few = self.visits is not None and steps <= int(self.visits.config.original_inference_steps)
        return self.visits if few else self.scheduler

    def _shift(self) -> float:
        """The logarithm of the shift for this many positions: linear between two stated points (Esser et al. 2024)."""
        c = self.scheduler.config
        low, high = c.get("base_image_seq_len", 256), c.get("max_image_seq_len", 4096)
        slope = (c.get("max_shift", 1.15) - c.get("base_shift", 0.5)) / (high - low)
        return float(self.tokens * slope + c.get("base_shift", 0.5) - slope * low)

    def timestep(self, time: Tensor) -> Tensor:
        """The network's own clock, float32, linear between training timesteps and exact on them."""
        if self.prediction == "flow":
            return (time.double().cpu() * len(self.grid)).float()
        if self.prediction == "edm":
            return (self._sigma(time).log() / 4).float().cpu()
        steps = np.interp(time.double().cpu().numpy(), self.grid.numpy(), np.arange(len(self.grid)))
        return torch.as_tensor(steps, dtype=torch.float32)

    def mix(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """(c, s) with c² + s² = 1: how much data and noise a unit-variance state holds at this time."""
        t = time.double()
        c, s = (torch.ones_like(t), t) if self.prediction in SIGMA_STATES else (1 - t, t)
        norm = torch.hypot(c, s)
        return c / norm, s / norm

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        """The time at which s / c is `sigma`, float64: σ itself, or τ = σ / (1 + σ)."""
        level = sigma.double()
        return level if self.prediction in SIGMA_STATES else level / (1 + level)

    def scale(self, time: Tensor) -> Tensor:
        """state / x: 1/c for states x0 + σ·eps, 1/(c + s) for the others. Finite at every time of the schedule."""
        c, s = self.mix(time)
        return 1 / c if self.prediction in SIGMA_STATES else 1 / (c + s)

    def seen(self, state: Tensor, time: Tensor) -> Tensor:
        """What the network is given, from the state (B, C, h, w)."""
        if self.prediction == "flow":
            return state
        if self.prediction == "edm":
            return state / column(torch.hypot(self._sigma(time), self._data()), state)
        return state / column(self.scale(time), state)

    def velocity(self, state: Tensor, output: Tensor, time: Tensor) -> Tensor:
        """d state / d time from the state (B, C, h, w) and the network's output there."""
        if self.prediction in ("epsilon", "flow"):
            return output
        if self.prediction == "edm":
            sigma, data = self._sigma(time), self._data()
            norm = sigma.square() + data.square()
            sign = -1 if self.scheduler.config.get("prediction_type") == "v_prediction" else 1
            kept, made = data.square() / norm, sign * sigma * data / norm.sqrt()
            estimate = column(kept, state) * state + column(made, state) * output
            return (state - estimate) / column(sigma, state)
        x = state / column(self.scale(time), state)
        c, s = (column(m, x) for m in self.mix(time))
        return (s - c) * x + (c + s) * output  # eps − x0

    def _sigma(self, time: Tensor) -> Tensor:
        # At no noise at all EDM's clock would be minus infinity: the least trained level stands for it.
        return time.double().clamp_min(float(self.grid[0]))

    def _data(self) -> Tensor:
        return torch.tensor(float(self.scheduler.config.get("sigma_data", 0.5)), dtype=torch.float64)


def column(values: Tensor, like: Tensor) -> Tensor:
    """() or (B,) numbers as (1 or B, 1, 1, 1) in the dtype and on the device of `like`."""
    return values.reshape(-1, 1, 1, 1).to(like.device, like.dtype)


def of_folder(root: Path, prediction: str) -> Schedule:
    """The schedule of a diffusers folder. Raises CheckpointError as `from_config`, and where there is none."""
    return from_config(read_json(place(root, "scheduler") / "scheduler_config.json"), prediction)


def from_config(config: dict[str, Any], prediction: str) -> Schedule:
    """The schedule of a diffusers scheduler configuration.

    Whichever scheduler class it names: all those for epsilon and v share the betas, all those for flows the shift.

    Raises:
        CheckpointError: the configuration gives no schedule of falling signal.
    """
    configs.checked(config, "scheduler_config.json")
    try:
        found = _from_config(config, prediction)
    except (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError) as exc:  # NotImplementedError with them
        raise CheckpointError(
            f"scheduler_config.json gives no noise schedule: {exc}.", hint="Fetch the checkpoint again."
        ) from exc
    rising = bool((found.grid[1:] >= found.grid[:-1]).all() & (found.grid >= 0).all()) and len(found.grid) > 0
    # At the last step of a schedule with zero terminal signal an epsilon model has no finite time; elsewhere all have.
    if not rising or not bool(found.grid[:-1].isfinite().all()):
        raise CheckpointError(
            "scheduler_config.json gives a noise schedule in which the signal does not fall.",
            hint="Compare beta_start, beta_end and trained_betas with the publisher's file.",
        )
    return found


def _from_config(config: dict[str, Any], prediction: str) -> Schedule:
    import diffusers

    if prediction == "flow":
        flow = diffusers.FlowMatchEulerDiscreteScheduler.from_config(config)
        count = int(flow.config.num_train_timesteps)
        return Schedule(prediction, torch.arange(1, count + 1, dtype=torch.float64) / count, 0.0, flow)
    if prediction == "edm":
        edm = diffusers.EDMEulerScheduler.from_config(config)
        ends = torch.tensor([edm.config.sigma_min, edm.config.sigma_max], dtype=torch.float64)
        return Schedule(prediction, ends, 0.0, edm)
    scheduler = diffusers.DDIMScheduler.from_config(config, prediction_type=prediction)
    abar = scheduler.alphas_cumprod.double()  # (T,) falling
    c, s = abar.sqrt(), (1 - abar).sqrt()
    grid = s / c if prediction == "epsilon" else s / (c + s)
    first = 0.0 if bool(scheduler.config.set_alpha_to_one) else float(grid[0])
    cls = config.get("_class_name")
    visits = getattr(diffusers, cls).from_config(config) if cls in FEW_STEPS else None
    return Schedule(prediction, grid, first, scheduler, visits=visits)
