"""What a rung of the ladder is: target in, pictures and their price in bits out.

Rungs write no files, print nothing and choose no device. The same rung runs on the disputed image and, with the same
plan, on every control: `many` batches them, so that controls get exactly the same search.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from torch import Tensor

from forensics.case import Absent, Fact, Given, PromptKind, Step
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.families import Family
from forensics.events import Emit, Event, ignore
from forensics.pictures.tensors import Fit, fit
from forensics.protocol import STANDARD_SEARCH, Search

Fidelity = Callable[[Tensor, Tensor], Tensor]
"""(pictures (N, 3, H, W), target (1, 3, H, W)) -> (N,) bool: which of them reproduce the target.

Called at the model's size, with the target as the autoencoder shows it: no rung can show more detail than that.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rung may use, fixed before the run."""

    prompt: str
    """Empty where none is claimed."""
    prompt_source: str
    """Where the prompt came from, in words: "claimed caption", "caption of neighbour N1", "none"."""
    guidance: float
    """>= 1; 1 means none."""
    steps: int
    """Steps of the ODE, >= 1."""
    seeds: tuple[int, ...]
    refinements: int
    """Fixed-point corrections of each inversion step, >= 0."""
    search: Search = STANDARD_SEARCH
    reproduces: Fidelity | None = None
    """What counts as the target come back; None means `fidelity.near_copy`."""
    prompt_kind: PromptKind = PromptKind.NONE


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung as it was run on one target."""

    method: str
    """Row of `INVERSIONS`."""
    title: str
    version: str
    supplied: str
    """What information the method was given, as a sentence."""
    supplied_bits: float | Absent
    prompt: str
    """As the network got it; empty where the method uses none, whatever the plan holds."""
    prompt_source: str
    guidance: float
    steps: int
    seeds: tuple[int, ...]
    """In the order of `pictures`; empty where nothing was drawn."""
    evaluations: int
    """Forward passes of the denoising network for this target, counted."""
    seconds: float
    """Wall time; of a batch, this target's equal share."""
    pictures: Tensor
    """(N, 3, H, W) float32 in [0, 1] on the CPU, at the target's original size."""
    fit: Fit
    trace: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    """Named numbers for ranking among the controls, named alike for every target; see each rung."""

    def score(self, name: str) -> float | None:
        """The score of that name, or None."""
        return dict(self.scores).get(name)


class Need(StrEnum):
    """What a rung takes from the checkpoint beside its denoising network; not every family has it."""

    WORDS = "words"
    AUTOENCODER = "autoencoder"

    def met(self, row: Family) -> bool:
        """Whether checkpoints of the family have it."""
        return row.reads_words if self is Need.WORDS else row.latent

    @property
    def lacking(self) -> str:
        """Why a rung was not run on a checkpoint without it."""
        return _LACKING[self]


_LACKING = {
    Need.WORDS: "The checkpoint is an unconditional model: its network takes no prompt. Captions, where stated, were "
    "not used.",
    Need.AUTOENCODER: "The checkpoint works on pixels and has no autoencoder that a picture could be put through.",
}


class Rung(Protocol):
    """One way of getting the target back; a class that derives from it gets `__call__` from `many`."""

    name: str
    """Row of `INVERSIONS`."""
    title: str
    short: str
    """Two words for the titles of statistics."""
    letter: str
    """Of the exhibits it makes; no other rung has it."""
    given: Given
    version: str
    needs: tuple[Need, ...] = ()
    """What the checkpoint must have for it."""
    inverts: bool = False
    """Whether it follows the ODE out to noise: in the steps of the protocol, whatever those of the checkpoint."""

    def budget(self, plan: Plan, targets: int, model: DiffusionModel) -> int:
        """Evaluations that this many targets will take with this plan, exactly; known before the run."""
        ...

    def __call__(self, target: Tensor, model: DiffusionModel, plan: Plan, emit: Emit = ignore) -> Attempt:
        """One target (1, 3, H, W) in [0, 1]."""
        return self.many([target], [plan], model, emit)[0]

    def many(
        self, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
    ) -> list[Attempt]:
        """Every target with its plan, batched where shapes and budgets agree; results in the order of the targets."""
        ...


def run_many(
    rung: Rung, targets: Sequence[Tensor], plans: Sequence[Plan], model: DiffusionModel, emit: Emit = ignore
) -> list[Attempt]:
    """`rung.many` after checking its arguments.

    Raises:
        ValueError: as many plans as targets are needed; a target is not (1, 3, H, W).
    """
    if len(targets) != len(plans):
        raise ValueError(f"{len(targets)} targets but {len(plans)} plans")
    for target in targets:
        if target.ndim != 4 or target.shape[:2] != (1, 3):
            raise ValueError(f"a target must be (1, 3, H, W), got {tuple(target.shape)}")
    return rung.many(targets, plans, model, emit)


def fit_all(targets: Sequence[Tensor], model: DiffusionModel) -> list[tuple[Tensor, Fit]]:
    """Each target at the model's size: (1, 3, H, W) with sides that are multiples of its stride."""
    return [fit(target, model.native_px, model.stride) for target in targets]


def groups(keys: Sequence[Hashable], size: Callable[[int], int]) -> list[list[int]]:
    """Positions with equal keys together, in batches; `size(position)` says how many go at once for that key."""
    together: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        together.setdefault(key, []).append(position)
    return [
        members[start : start + size(members[0])]
        for members in together.values()
        for start in range(0, len(members), size(members[0]))
    ]


class Progress:
    """Counts the units of one rung and tells the listener after each."""

    def __init__(self, emit: Emit, total: int, title: str, targets: int) -> None:
        self._emit = emit
        self._total = total
        self._note = title if targets == 1 else f"{title}, {targets} pictures"
        self._done = 0

    def advance(self, units: int = 1) -> None:
        self._done += units
        self._emit(Event("invert", self._done, self._total, self._note))
