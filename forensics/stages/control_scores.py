"""The same search, with the same budget, on every control: scores that are kept from case to case.

Controls run one at a time, so that a score is a function of the control and the parameters alone, and not of the works
that happen to share its batch: stored and fresh scores are then the same numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from forensics import protocol as protocols
from forensics.case import Given
from forensics.controls.cache import Cache, Key, Values
from forensics.device import Device
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, Event
from forensics.inversion import codelength
from forensics.inversion.base import Attempt, Plan, run_many
from forensics.inversion.base import Rung as Method
from forensics.inversion.codelength import Grid, codelengths
from forensics.similarity.base import Similarity
from forensics.stages.rates import Axes, decoded
from forensics.stages.works import ControlGroup, Work

SCORED = ("lpips", "ssim")
"""Measures taken of every picture that a rung makes of a control."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Runs rungs on the controls, or reads what they scored before."""

    group: ControlGroup
    measures: Mapping[str, Similarity]
    """Those of `SCORED` that are at hand."""
    cache: Cache
    device: Device
    emit: Emit
    axes: Axes | None = None
    """Of the rate-distortion curve; none where LPIPS is not at hand."""

    def rung(
        self, method: Method, plans: Sequence[Plan], model: DiffusionModel, places: Sequence[int]
    ) -> tuple[Values, ...]:
        """For each of the works at `places`, with its plan: every measure of every picture, the method's own scores
        as `score <name>`, and `evaluations`."""
        found = []
        for number, (place, plan) in enumerate(zip(places, plans, strict=True)):
            self.emit(Event("controls", number, len(places), method.title))
            work = self.group.works[place]

            def compute(target: Tensor = work.pixels, plan: Plan = plan) -> dict[str, Sequence[float]]:
                return self._scores(run_many(method, [target], [plan], model)[0], target)

            parameters = _parameters(plan) | self._versions | _size(work)
            key = self._key(method.name, method.version, model, place, plan.prompt, parameters)
            found.append(self.cache.values(key, compute, audit=method.given is not Given.SEARCH))
        self.emit(Event("controls", len(places), len(places), method.title))
        return tuple(found)

    def bits(self, prompts: Sequence[str], model: DiffusionModel, grid: Grid) -> tuple[Values, ...]:
        """For each work under its prompt: `bits` to the cut, one a draw; `told`, `distance`, `cosine` and `thumbnail`
        along the curve of the first draw; `evaluations`."""
        found = []
        for number, (work, prompt) in enumerate(zip(self.group.works, prompts, strict=True)):
            self.emit(Event("controls", number, len(prompts), "codelength"))

            def compute(target: Tensor = work.pixels, prompt: str = prompt) -> dict[str, Sequence[float]]:
                length = codelengths([target], [model.condition(prompt, 1.0)], model, grid)[0]
                values: dict[str, Sequence[float]] = {"bits": length.totals.tolist()}
                values["evaluations"] = [float(length.evaluations)]
                if length.estimates is not None and self.axes is not None:
                    near = decoded(length, target, model, self.axes, draws=1)[0]
                    values["told"] = length.told[0].tolist()
                    values["distance"] = [n.distance for n in near]
                    values["thumbnail"] = [float(n.thumbnail) for n in near]
                    if all(n.cosine is not None for n in near):
                        values["cosine"] = [n.cosine for n in near if n.cosine is not None]
                return values

            parameters = {name: repr(value) for name, value in dataclasses.asdict(grid).items()} | self._versions
            parameters |= _size(work)
            if grid.shown and self.axes is not None:
                parameters |= self.axes.versions
            key = self._key("codelength", codelength.VERSION, model, number, prompt, parameters)
            found.append(self.cache.values(key, compute, audit=True))
        self.emit(Event("controls", len(prompts), len(prompts), "codelength"))
        return tuple(found)

    @property
    def _versions(self) -> dict[str, str]:
        return {f"measure {name}": self.measures[name].facts.version for name in SCORED if name in self.measures}

    def _key(
        self, method: str, version: str, model: DiffusionModel, place: int, prompt: str, parameters: dict[str, str]
    ) -> Key:
        return Key(
            method,
            version,
            protocols.VERSION,
            model.checkpoint.digest,
            self.group.digests[place],
            prompt,
            tuple(sorted(parameters.items())),
            f"{self.device.device.type} {self.device.precision}",
        )

    def _scores(self, attempt: Attempt, target: Tensor) -> dict[str, Sequence[float]]:
        values: dict[str, Sequence[float]] = {"evaluations": [float(attempt.evaluations)]}
        values |= {f"score {name}": [value] for name, value in attempt.scores if math.isfinite(value)}
        for name in SCORED:
            if name in self.measures:
                same = target.expand(len(attempt.pictures), -1, -1, -1)
                values[name] = [float(v) for v in self.measures[name](same, attempt.pictures)]
        return values


def _size(work: Work) -> dict[str, str]:
    """The size that a control was brought to where that is not its own: another picture, and other scores."""
    return {"reduced to": work.reduced_to} if work.reduced_to else {}


_NOT_IN_SCORES = ("prompt", "prompt_source", "prompt_kind")
"""Fields of a plan that stand in the key already, or say where a prompt came from, which changes no score."""


def _parameters(plan: Plan) -> dict[str, str]:
    """Every field of a plan that can change a score; where a prompt came from cannot."""
    named = {f.name: getattr(plan, f.name) for f in dataclasses.fields(plan)}
    return {name: repr(value) for name, value in named.items() if name not in _NOT_IN_SCORES}
