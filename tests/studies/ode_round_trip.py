"""How far the ODE leads back, family by family: `python -m tests.studies.ode_round_trip [KIND …]`.

Each row gives the error of the latent after inversion and replay, in parts of its norm, under the budgets of the three
profiles and under 40 steps with 8 corrections. What is left is the part of each step's equation that its corrections
have not solved: they shrink by the *contraction* of the field, step length times Lipschitz constant of the network, and
the state of an epsilon model counts what is left at the noisy end in units of its noise over signal, up to 15 for
Stable Diffusion and 157 for DDPM, where the picture itself has a value near one. A network with random weights adds no
noise on the way out: at high noise its input, the state over its scale, shrinks to nothing, where its normalising
layers are as steep as they can be. Contractions near 1 follow, and an error that is a multiple of the norm and says
nothing of the family. Trained networks keep their input at unit variance. So does the field of standard normal data,
known in closed form, which leads back to rounding, and so does that field with a tenth of the same network's output
added.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from forensics import diffusion
from forensics.device import choose
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.schedule import SIGMA_STATES, Schedule, column
from forensics.inversion.solvers import backward_euler, euler, last
from forensics.protocol import PROFILES
from tests.diffusion.families import WRITERS

BUDGETS = (*((p.steps, p.refinements) for p in PROFILES.values()), (40, 8))
"""Steps, corrections a step."""
PART = 0.1
Field = Callable[[Tensor, Tensor], Tensor]


def error(field: Field, start: Tensor, times: Tensor, corrections: int) -> float:
    """Distance of the replay from the start (B, C, h, w), in parts of its norm."""
    end = last(backward_euler(field, start, times, corrections))
    back = last(euler(field, end.state, times.flip(0)))
    return float((back.state - start).norm() / start.norm())


def contraction(field: Field, start: Tensor, times: Tensor) -> float:
    """The greatest factor between two plain corrections of one step, along the way out."""
    state, worst = start, 0.0
    for here, there in pairwise(times):
        span = (there - here).to(state.dtype)
        guess = state + span * field(state, here)
        first = state + span * field(guess, there)
        second = state + span * field(first, there)
        worst = max(worst, float((second - first).norm() / (first - guess).norm()))
        state = second
    return worst


def gaussian(model: DiffusionModel) -> Field:
    """The field of standard normal data under the schedule of a model: of x = c · x0 + s · eps both means are known."""
    schedule: Schedule = model.schedule  # type: ignore[attr-defined]

    def field(state: Tensor, at: Tensor) -> Tensor:
        signal, level = (column(m, state) for m in schedule.mix(at))
        x = state / column(schedule.scale(at), state)
        data, eps = signal * x, level * x  # c² + s² = 1
        return eps if schedule.prediction in SIGMA_STATES else eps - data

    return field


def beside(model: DiffusionModel, network: Field, part: float = PART) -> Field:
    """The closed form with a part of what the real network says added: input of unit variance all the way out."""
    known = gaussian(model)
    return lambda state, at: known(state, at) + part * network(state, at)


def rows(kind: str, folder: Path) -> list[str]:
    """The lines of one family: random weights, beside the closed form, the closed form."""
    model = diffusion.load(diffusion.identify(str(WRITERS[kind](folder))), choose("cpu"))
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    condition, start, lines = model.condition("", 1.0), model.encode(picture), []

    def network(state: Tensor, at: Tensor) -> Tensor:
        return model.velocity(state, at, condition)

    for name, field in (("random", network), ("beside", beside(model, network)), ("closed form", gaussian(model))):
        found = [f"{error(field, start, model.times(n), c):8.1e}" for n, c in BUDGETS]
        lines.append(f"{kind:14} {name:12} {contraction(field, start, model.times(20)):6.2f} {' '.join(found)}")
    return lines


@torch.no_grad()
def main() -> None:
    """The table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(WRITERS), metavar="KIND")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'kind':14} {'field':12} {'factor':6} {' '.join(f'{n}/{c}'.rjust(8) for n, c in BUDGETS)}")
    with tempfile.TemporaryDirectory() as root:
        for kind in given.kinds:
            print("\n".join(rows(kind, Path(root) / kind)), flush=True)


if __name__ == "__main__":
    main()
