"""What is measured of every work and every control: the same two methods as an examination, by the same code.

A score is a function of the picture, the caption, the checkpoint and the parameters alone. Controls go through the
store of their scores (`forensics.controls.cache`), works do not: a store of works would say what was examined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from forensics import diffusion
from forensics.case import Absent, Checkpoint, PromptKind
from forensics.controls.cache import Account, Cache, Values
from forensics.device import Device, session
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit, ignore
from forensics.inversion.base import Plan, run_many
from forensics.inversion.codelength import MAX_SIGMA, Grid, last_level
from forensics.inversion.fidelity import tiled_distance
from forensics.inversion.regeneration import Regeneration
from forensics.pictures.png import png_bytes
from forensics.pictures.tensors import resize, to_picture
from forensics.portfolio import PortfolioWork
from forensics.protocol import Protocol
from forensics.stages.budget import drawn_in
from forensics.stages.control_scores import Scorer
from forensics.stages.open import kept_scores
from forensics.stages.works import ControlGroup, Work

_NONE = Absent("control works", "One work is measured at a time.")
PROMPTED, PLAIN, ELSEWHERE, GENERATED = "prompted", "plain", "elsewhere", "generated"
"""What is measured of a work: bits given its caption, bits given no words, bits given its caption under the control
checkpoint, pictures generated from the caption."""


@dataclass(frozen=True)
class Bench:
    """The checkpoints, each loaded once and when it is first needed."""

    checkpoint: Checkpoint
    control: Checkpoint | None
    device: Device
    protocol: Protocol
    seed: int
    store: Cache
    """Scores of controls kept from earlier surveys and examinations."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is measured, in order."""
        return (PROMPTED, PLAIN, *((ELSEWHERE,) if self.control else ()), GENERATED)

    @cached_property
    def model(self) -> DiffusionModel:
        return diffusion.load(self.checkpoint, self.device)

    @cached_property
    def other(self) -> DiffusionModel:
        """The control checkpoint. Asked for only where there is one."""
        assert self.control is not None
        return diffusion.load(self.control, self.device)

    def take(self, kind: str, work: PortfolioWork, *, control: bool) -> Values:
        """The numbers of one kind: `bits` one a draw, or `score ...` of the pictures; `evaluations`."""
        one = Work.of(work.id, work.picture(), work.caption).at(self.checkpoint.native_px)
        group = ControlGroup(_NONE, (one,), (work.sha256,), (0,), (None,))
        scorer = Scorer(group, {}, self.store if control else Cache(None), self.device, ignore)
        if kind == GENERATED:
            return scorer.rung(Regeneration(), [self._plan(work)], self.model, [0])[0]
        model = self.other if kind == ELSEWHERE else self.model
        return scorer.bits(["" if kind == PLAIN else work.caption], model, grid(self.protocol, model))[0]

    def drawn(self, work: PortfolioWork) -> tuple[Values, bytes, bytes]:
        """The numbers of the generated pictures, the nearest of them, and the work as examined, both as PNG."""
        one = Work.of(work.id, work.picture(), work.caption).at(self.checkpoint.native_px)
        attempt = run_many(Regeneration(), [one.pixels], [self._plan(work)], self.model)[0]
        nearest = int(tiled_distance(attempt.pictures, one.pixels).argmin())
        values: Values = {"evaluations": (float(attempt.evaluations),)}
        values |= {f"score {name}": (value,) for name, value in attempt.scores}
        best = attempt.pictures[nearest : nearest + 1]
        if best.shape != one.pixels.shape:
            best = resize(best, *one.pixels.shape[-2:])
        return values, png_bytes(to_picture(best)), png_bytes(to_picture(one.pixels))

    def _plan(self, work: PortfolioWork) -> Plan:
        seeds = tuple(range(self.seed, self.seed + self.protocol.seeds))
        guidance, steps = self.protocol.guidance, drawn_in(self.protocol, self.checkpoint)
        kind = PromptKind.CLAIMED
        return Plan(work.caption, "the work's own caption", guidance, steps, seeds, 0, prompt_kind=kind)


@dataclass(frozen=True, slots=True)
class Measuring:
    """One kind of measurement of one work."""

    kind: str
    work: PortfolioWork
    control: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What it gave."""

    values: Values
    account: Account
    """What was asked of the store of scores."""
    pictures: tuple[bytes, ...] = ()
    """Of a work of which pictures were generated: the nearest of them, and the work as examined, as PNG."""


def begin(
    checkpoint: Checkpoint, control: Checkpoint | None, device: Device, protocol: Protocol, seed: int, emit: Emit
) -> Callable[[Measuring], Measured]:
    """What measures works one after the other, with every checkpoint loaded once; see `scheduler.Begin`."""
    bench = Bench(checkpoint, control, device, protocol, seed, kept_scores(checkpoint, seed))

    def measure(asked: Measuring) -> Measured:
        before = bench.store.mark()
        with session(device), torch.no_grad():
            if asked.kind == GENERATED and not asked.control:
                values, *pictures = bench.drawn(asked.work)
            else:
                values, pictures = bench.take(asked.kind, asked.work, control=asked.control), []
        return Measured(values, bench.store.since(before), tuple(pictures))

    return measure


def grid(protocol: Protocol, model: DiffusionModel) -> Grid:
    """The noise levels of an examination down to the one at which bits are counted for ranks, and none below.

    The levels, and the noise drawn at each, are those of the examination: the total is the same to rounding, for half
    of the evaluations.
    """
    whole = Grid(
        protocol.codelength_levels, protocol.codelength_cut, protocol.codelength_draws, protocol.codelength_finest
    )
    sigmas = whole.sigmas(min(MAX_SIGMA, model.noise_range[1]))
    last = last_level(sigmas, protocol.codelength_cut)
    end = float(sigmas[last])
    return replace(whole, levels=last, cut=end, finest=end)
