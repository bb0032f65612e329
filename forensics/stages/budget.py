"""The budget of the ladder in evaluations of the denoising network, stated before the start and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forensics.case import Absent, Checkpoint, Given, Setting
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.checkpoint import own_steps, resolve
from forensics.diffusion.families import Family
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Plan
from forensics.inversion.gap import DRAWS, gap_evaluations
from forensics.inversion.where import where_evaluations
from forensics.protocol import Protocol
from forensics.stages.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Budget:
    """Evaluations by rung, of the disputed image and of one control."""

    rows: tuple[tuple[str, int, int], ...]
    """Rung, evaluations for the disputed image, evaluations for all controls together."""
    controls: int

    @property
    def own(self) -> int:
        """Evaluations for the disputed image."""
        return sum(row[1] for row in self.rows)

    @property
    def of_controls(self) -> int:
        """Evaluations for all controls, where none of their scores is stored."""
        return sum(row[2] for row in self.rows)

    @property
    def sentence(self) -> str:
        """The whole budget in one sentence."""
        return (
            f"Budget: {self.own:,} evaluations of the network for the disputed image and {self.of_controls:,} for "
            f"{self.controls} controls."
        )

    def time(self, rate: float) -> str:
        """How long that takes at so many evaluations a second; stored scores of controls take no time."""
        least, most = self.own / rate / 60, (self.own + self.of_controls) / rate / 60
        return (
            f"At {rate:,.0f} a second that is {least:.1f} minutes with stored control scores, and up to {most:.1f} "
            "minutes without."
        )

    @property
    def settings(self) -> tuple[Setting, ...]:
        """For the report: one row a rung."""
        return tuple(
            Setting(
                f"budget, {name}",
                f"{own:_} evaluations for the disputed image, {controls:_} for the controls".replace("_", "\u202f"),
                "protocol",
            )
            for name, own, controls in self.rows
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One rung with the plans of the disputed image and the number of controls that get the first of them."""

    method: str
    plans: tuple[Plan, ...]
    controls: int


def drawn_in(protocol: Protocol, checkpoint: Checkpoint) -> int:
    """Steps in which pictures are drawn: the protocol's, or those of a distilled checkpoint. Raises CheckpointError."""
    own = own_steps(checkpoint, resolve(checkpoint.location))
    return protocol.steps if own is None else own.steps


def runnable(protocol: Protocol, row: Family) -> tuple[Protocol, tuple[Absent, ...]]:
    """The protocol with the rungs that a family has what they need for, and why the others are not run."""
    kept, absent = [], []
    for method in protocol.rungs:
        rung = INVERSIONS.load(method)
        unmet = next((need for need in rung.needs if not need.met(row)), None)
        if unmet is None:
            kept.append(method)
        else:
            absent.append(Absent(rung.title.lower(), unmet.lacking))
    return replace(protocol, rungs=tuple(kept)), tuple(absent)


def tasks(
    protocol: Protocol, seed: int, prompts: Sequence[Prompt], controls: int, *, ranked: bool, steps: int = 0
) -> list[Task]:
    """The rungs of the protocol with their plans, and how many controls go through each.

    Args:
        seed: of the examination.
        prompts: those of the picture, in the order fixed by the protocol.
        controls: control works in use.
        steps: in which pictures are drawn; 0 for those of the protocol.
        ranked: whether every control has a prompt of the same kind, so that generation from one is ranked.
    """
    seeds, steps = tuple(range(seed, seed + protocol.seeds)), steps or protocol.steps
    search = replace(protocol.search, seed=seed, cut=protocol.codelength_cut)
    found = []
    for method in protocol.rungs:
        rung = INVERSIONS.load(method)
        given, drawn = rung.given, protocol.steps if rung.inverts else steps
        if given is Given.WORDS:
            shared = Plan("", "", protocol.guidance, drawn, seeds, 0, search)
            plans = tuple(
                replace(shared, prompt=prompt.text, prompt_source=prompt.source, prompt_kind=prompt.kind)
                for prompt in prompts
            )
            if plans:
                found.append(Task(method, plans, controls if ranked else 0))
        elif given is Given.SEARCH:
            plan = Plan("", "none", protocol.guidance, drawn, seeds, protocol.refinements, search)
            found.append(Task(method, (plan,), min(protocol.search_controls, controls)))
        else:
            plan = Plan("", "none", 1.0, protocol.steps, (), protocol.refinements)
            found.append(Task(method, (plan,), controls))
    return found


def plan(
    tasks: Sequence[Task], protocol: Protocol, controls: int, elsewhere: Plan | None, model: DiffusionModel
) -> Budget:
    """What the protocol asks for, rung by rung, in the counts that the rungs state themselves.

    Args:
        controls: control works in use.
        elsewhere: plan of regeneration under the control checkpoint; None without one or without a prompt.
    """
    rows = []
    for task in tasks:
        rung = INVERSIONS.load(task.method)()
        own = sum(rung.budget(one, 1, model) for one in task.plans)
        rows.append((task.method, own, rung.budget(task.plans[0], task.controls, model) if task.controls else 0))
    length = protocol.codelength_levels * protocol.codelength_draws
    prompted = next((task for task in tasks if task.method == "regeneration"), None)
    rows.append(("codelength without prompt", length, controls * length))
    if prompted is not None:
        rows.append(("codelength with prompt", length, prompted.controls * length))
        rows.append(("map of the region", where_evaluations(model), 0))
        if prompted.controls:
            rows.append(("score gap", gap_evaluations(1, DRAWS), DRAWS * prompted.controls))
    if elsewhere is not None and prompted is not None:
        own = length + INVERSIONS.load("regeneration")().budget(elsewhere, 1, model)
        rows.append(("control checkpoint", own, prompted.controls * length))
    return Budget(tuple(rows), controls)
