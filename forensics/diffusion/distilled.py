"""Checkpoints that were distilled to draw in a few steps: how many are their own, and what says so.

Latent consistency models (Luo et al. 2023), trajectory consistency (Zheng et al. 2024), adversarial distillation
(Turbo, Sauer et al. 2023), Lightning (Lin et al. 2024), FLUX.1 schnell. In more steps than it was made for such a
network draws what it was never trained to draw: the number is the checkpoint's and not the protocol's. A name is a
statement that nobody checked, and is said to be one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forensics.case import Checkpoint, Fact

FEW = 4
"""Steps where nothing states a number: what the publishers of all these kinds show."""
FEW_STEPS = ("LCMScheduler", "TCDScheduler")
"""Schedulers of checkpoints that were distilled to draw in a few steps."""
_ANCESTRAL = "EulerAncestralDiscreteScheduler"
_MOST = 16
"""Steps of a name above which it says nothing of distillation."""
_KINDS = re.compile(r"(?<![a-z])(turbo|lcm|dmd2|tcd|schnell|lightning|hyper(?:-?sd)?)(?![a-z])", re.IGNORECASE)
_NUMBERED = ("lightning", "hyper")
"""Words that name subjects and manners too, and count only beside a number of steps."""
_NUMBER = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Own:
    """The steps in which a checkpoint draws."""

    steps: int
    """>= 1."""
    source: str
    """What says so, as the end of a sentence."""

    @property
    def fact(self) -> Fact:
        """As the report has it."""
        return Fact(
            "own steps",
            f"{self.steps}: {self.source}. Pictures from words are drawn in so many steps; the ODE is followed in the "
            "steps of the protocol. Codelengths are those of this network and not of the one it was distilled from",
        )


def own_steps(names: Sequence[str], schedule: Mapping[str, Any], network: Mapping[str, Any], family: str) -> Own | None:
    """The steps of a distilled checkpoint, or None for one that was not distilled as far as can be seen.

    Args:
        names: of the checkpoint and of what is merged into it.
        schedule: configuration of the scheduler; empty where there is none.
        network: configuration of the denoising network; what it does not hold says nothing.
    """
    stated = next((found for name in names if (found := _of_name(name)) is not None), None)
    number = stated.steps if stated is not None else FEW
    cls = str(schedule.get("_class_name", ""))
    if cls in FEW_STEPS:
        return Own(number, f"its scheduler is {cls}")
    if network.get("time_cond_proj_dim") is not None:
        return Own(number, "its network takes the guidance as an input, as latent consistency models do")
    if family == "flux" and network.get("guidance_embeds") is False:
        return Own(number, "its network takes no guidance, as FLUX.1 schnell")
    if cls == _ANCESTRAL and schedule.get("timestep_spacing") == "trailing":
        return Own(number, f"its scheduler is {cls} with trailing steps, as Turbo checkpoints have it")
    return stated


def _of_name(name: str) -> Own | None:
    kind = _KINDS.search(name)
    if kind is None:
        return None
    number = _NUMBER.search(name)
    if number is None and kind[1].lower().startswith(_NUMBERED):
        return None
    steps = int(number[1]) if number and 1 <= int(number[1]) <= _MOST else FEW
    return Own(steps, f"ASSUMED from the name {name[:80]!r}, which says “{kind[0]}”")


def names_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names that say something of a checkpoint: its own, its files', and those of what is merged into it."""
    # A hub repository is often called after the kind; a folder on the way to it says nothing.
    return (checkpoint.name.rpartition("/")[2], *(file.path.rpartition("/")[2] for file in checkpoint.files))
