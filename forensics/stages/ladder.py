"""The inversion ladder: each rung tries to get one picture back, and every control alike."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from forensics import diffusion
from forensics.case import Absent, Checkpoint, CurveKind, Fact, Inversion, Item, RateCurve, Setting
from forensics.controls.cache import Cache, Values
from forensics.device import Device
from forensics.diffusion.base import DiffusionModel
from forensics.embedders.copies import open_descriptor
from forensics.events import Emit, Event
from forensics.folder import Ledger
from forensics.inversion import INVERSIONS
from forensics.inversion.base import DEEP, Attempt, Plan, Search
from forensics.inversion.codelength import Codelength, Grid, codelengths
from forensics.inversion.gap import DRAWS as GAP_DRAWS
from forensics.inversion.gap import Gap, score_gaps
from forensics.pictures import codecs
from forensics.pictures.tensors import to_picture
from forensics.protocol import Protocol
from forensics.settings import Settings
from forensics.similarity.base import Similarity
from forensics.stages import budget, rates
from forensics.stages.control_scores import SCORED, Scorer
from forensics.stages.prompts import Prompt, choose_prompts, control_prompts
from forensics.stages.region import with_maps
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup, Work

TAGS = {
    "autoencoder": "A",
    "ode": "I",
    "regeneration": "G",
    "hard_prompt": "H",
    "soft_prompt": "V",
    "noise": "Z",
    "latent": "T",
}
"""Letter of the exhibits each rung produces."""
SEARCHES = ("hard_prompt", "soft_prompt", "noise", "latent")
"""Rungs that search with the target in hand: dear, so that fewer controls go through them."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung as run: the inversion of the picture asked of and what the controls scored."""

    inversion: Inversion
    outputs: tuple[Tensor, ...]
    """(1, 3, H, W) each, in the order of `inversion.outputs`."""
    controls: tuple[Values, ...] = ()
    """What the same rung with the same budget scored on each control in `places`."""
    places: tuple[int, ...] = ()
    """Positions among the controls."""
    scores: tuple[tuple[str, float], ...] = ()
    """The method's own scores on that picture."""


@dataclass(frozen=True, slots=True)
class Bits:
    """Codelengths in bits, of the picture asked of first and then of the controls in their order."""

    prompted: tuple[float, ...]
    """Under the checkpoint, given the prompt; empty where there is none, or a control has none."""
    plain: tuple[float, ...]
    """Under the checkpoint, given nothing."""
    elsewhere: tuple[float, ...]
    """Under the control checkpoint, given the prompt; empty without one."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """All rungs."""

    rungs: tuple[Rung, ...] = ()
    bits: Bits | None = None
    """None without controls."""
    absences: tuple[Absent, ...] = field(default=())
    curves: tuple[RateCurve, ...] = ()
    settings: tuple[Setting, ...] = ()
    """The budget, fixed before the start."""
    facts: tuple[Fact, ...] = ()
    """How many control scores were stored ones."""
    gaps: tuple[Gap, ...] = ()
    """Score gap of the first prompt and then of the controls' prompts; empty where the controls have none."""

    def rung(self, method: str) -> Rung | None:
        """The first rung of a method that was also run on the controls, or None."""
        return next((r for r in self.rungs if r.inversion.method == method), None)


def climb(
    disputed: Work,
    item: Item,
    checkpoint: Checkpoint,
    control_checkpoint: Checkpoint | None,
    found: Found,
    controls: ControlGroup,
    settings: Settings,
    protocol: Protocol,
    device: Device,
    measures: Mapping[str, Similarity],
    cache: Cache,
    ledger: Ledger,
    emit: Emit,
    retention: Work | None = None,
) -> Ladder:
    """Run every rung on the picture that retention is asked of and on the controls, one model in memory at a time.

    Args:
        measures: the measures of likeness at hand, by name.
        cache: what controls scored in earlier cases.
        retention: the picture that retention is asked of, where it is not the disputed image.
    """
    asked = retention or disputed
    prompts = choose_prompts(settings, item, found)
    texts = control_prompts(prompts[0], controls, found) if prompts else []
    scored = {name: measures[name] for name in SCORED if name in measures}
    copies = open_descriptor(None, device)
    axes = None
    if "lpips" in scored:
        axes = rates.Axes(scored["lpips"], None if isinstance(copies, Absent) else copies)
    scorer = Scorer(controls, scored, cache, device, emit, axes)
    model = diffusion.load(checkpoint, device)
    tasks = _tasks(prompts, texts, controls, settings, protocol)
    seeds = tuple(range(settings.seed, settings.seed + protocol.seeds))
    first = next((task.plans[0] for task in tasks if task.method == "regeneration"), None)
    both = first if control_checkpoint is not None else None
    planned = budget.plan(tasks, protocol, len(controls.works), both, model)
    emit(Event("budget", 0, 1, planned.sentence))

    grid = Grid(
        protocol.codelength_levels,
        protocol.codelength_cut,
        protocol.codelength_draws,
        protocol.codelength_finest,
        protocol.codelength_shown,
    )
    coder = _Coder(asked, grid, axes)
    began, before = time.perf_counter(), model.evaluations
    plain = coder.own(model, "", checkpoint.name, CurveKind.PLAIN)
    rate = (model.evaluations - before) / max(time.perf_counter() - began, 1e-9)
    emit(Event("budget", 1, 1, f"{planned.sentence} {planned.time(rate)}"))

    climber = _Climber(asked, ledger, scorer, emit)
    rungs: list[Rung] = []
    everyone = tuple(range(len(controls.works)))
    for task in tasks:
        for number, plan in enumerate(task.plans):
            # Further prompts are shown; the first alone is the pre-declared one that is ranked.
            places = _places(task, controls) if number == 0 else ()
            words = [texts[i] for i in places] if task.method == "regeneration" else [plan.prompt] * len(places)
            plans = [replace(plan, prompt=text) for text in words]
            rungs.append(climber.run(task.method, plan, model, places, plans))

    # What the first prompt does where: in the picture, and beside other captions without any picture.
    shown = next((i for i, r in enumerate(rungs) if r.inversion.method == "regeneration"), None)
    if shown is not None:
        drawn = rungs[shown]
        mapped = with_maps(drawn.inversion, drawn.outputs, asked.pixels, model, ledger)
        rungs[shown] = replace(drawn, inversion=mapped)
    captions = [prompts[0].text, *texts] if texts else []
    gaps = tuple(score_gaps(captions, model, protocol.steps, GAP_DRAWS, emit=emit)) if captions else ()

    prompted = coder.own(model, prompts[0].text, checkpoint.name, CurveKind.PROMPTED) if prompts else None
    # The curve of the controls is drawn under their prompts; decoding costs more than counting bits.
    counted = replace(grid, shown=0)
    on_plain = scorer.bits([""] * len(everyone), model, counted) if everyone else ()
    on_prompted = scorer.bits(texts, model, grid) if texts and prompted else ()
    if prompted and all("told" in row for row in on_prompted) and on_prompted:
        charged = [model.condition(text, 1.0).tokens * math.log2(model.vocabulary) for text in texts]
        coder.curves.append(rates.of_controls(on_prompted, charged, prompted))
    del model

    absences = []
    if not prompts:
        absences.append(
            Absent(
                "regeneration from a prompt",
                "No caption was claimed, the file states no prompt and no training index offers one.",
                "Pass --caption with the words that the work is known by.",
            )
        )
    elsewhere: tuple[float, ...] = ()
    if control_checkpoint is not None and prompts:
        other = diffusion.load(control_checkpoint, device)
        plan = Plan(prompts[0].text, prompts[0].source, protocol.guidance, protocol.steps, seeds, 0)
        rung = climber.run("regeneration", plan, other, (), [])
        title = f"{rung.inversion.title}, control checkpoint {control_checkpoint.name}"
        facts = (*rung.inversion.facts, Fact("control checkpoint digest", control_checkpoint.digest))
        rungs.append(replace(rung, inversion=replace(rung.inversion, title=title, facts=facts)))
        there = coder.own(other, prompts[0].text, control_checkpoint.name, CurveKind.CONTROL_CHECKPOINT)
        elsewhere = _totals(there, scorer.bits(texts, other, counted)) if texts else ()
        del other
    coder.codecs(emit)
    bits = None
    if everyone:
        bits = Bits(
            _totals(prompted, on_prompted) if prompted and on_prompted else (), _totals(plain, on_plain), elsewhere
        )
    return Ladder(tuple(rungs), bits, tuple(absences), tuple(coder.curves), planned.settings, _stored(cache), gaps)


def _tasks(
    prompts: Sequence[Prompt], texts: Sequence[str], controls: ControlGroup, settings: Settings, protocol: Protocol
) -> list[budget.Task]:
    """The rungs of the protocol with their plans, and how many controls go through each."""
    seeds = tuple(range(settings.seed, settings.seed + protocol.seeds))
    search = replace(DEEP if protocol.profile == "deep" else Search(), seed=settings.seed, cut=protocol.codelength_cut)
    tasks = []
    for method in protocol.rungs:
        if method == "regeneration":
            plans = tuple(
                Plan(prompt.text, prompt.source, protocol.guidance, protocol.steps, seeds, 0, search)
                for prompt in prompts
            )
            if plans:
                tasks.append(budget.Task(method, plans, len(controls.works) if texts else 0))
        elif method in SEARCHES:
            plan = Plan("", "none", protocol.guidance, protocol.steps, seeds, protocol.refinements, search)
            tasks.append(budget.Task(method, (plan,), min(protocol.search_controls, len(controls.works))))
        else:
            plan = Plan("", "none", 1.0, protocol.steps, (), protocol.refinements)
            tasks.append(budget.Task(method, (plan,), len(controls.works)))
    return tasks


def _places(task: budget.Task, controls: ControlGroup) -> tuple[int, ...]:
    """Positions of the controls that go through a rung: all of them, or those drawn first."""
    if task.controls == len(controls.works):
        return tuple(range(task.controls))
    return tuple(sorted(controls.drawn[: task.controls]))


def _totals(own: Codelength, controls: Sequence[Values]) -> tuple[float, ...]:
    return (own.total, *(sum(row["bits"]) / len(row["bits"]) for row in controls))


def _stored(cache: Cache) -> tuple[Fact, ...]:
    rows = [Fact("control scores", f"{cache.hits} read from the cache, {cache.misses} computed")]
    rows += [Fact("control cache", note) for note in cache.notes[:3]]
    return tuple(rows)


@dataclass(slots=True)
class _Coder:
    """Takes the codelengths of one picture and draws their curves."""

    target: Work
    grid: Grid
    axes: rates.Axes | None
    """None where LPIPS is not at hand: then there are bits and no curves."""
    curves: list[RateCurve] = field(default_factory=list)

    def own(self, model: DiffusionModel, prompt: str, name: str, kind: CurveKind) -> Codelength:
        condition = model.condition(prompt, 1.0)
        length = codelengths([self.target.pixels], [condition], model, self.grid)[0]
        if self.axes is not None:
            told = "given the prompt" if prompt else "given nothing"
            self.curves.append(
                rates.of_checkpoint(f"{name}, {told}", kind, length, condition, self.target.pixels, model, self.axes)
            )
        return length

    def codecs(self, emit: Emit) -> None:
        if self.axes is None:
            return
        at_hand = [codec for codec in codecs.CODECS if codec.at_hand]
        for number, codec in enumerate(at_hand):
            emit(Event("codecs", number, len(at_hand), codec.name))
            self.curves.append(rates.of_codec(codec, self.target.pixels, self.axes))
        emit(Event("codecs", len(at_hand), len(at_hand), "bits at equal nearness"))


@dataclass(slots=True)
class _Climber:
    """Runs rungs and enters their pictures as exhibits, numbering rungs and pictures as they come."""

    target: Work
    ledger: Ledger
    scorer: Scorer
    emit: Emit
    rungs: int = 0
    pictures: dict[str, int] = field(default_factory=dict)

    def run(self, method: str, plan: Plan, model: DiffusionModel, places: Sequence[int], plans: Sequence[Plan]) -> Rung:
        rung = INVERSIONS.load(method)()
        attempt = rung(self.target.pixels, model, plan, self.emit)
        scores = self.scorer.rung(rung, plans, model, places) if places else ()
        self.rungs += 1
        inversion, outputs = self._enter(method, attempt)
        return Rung(inversion, outputs, scores, tuple(places), attempt.scores)

    def _enter(self, method: str, attempt: Attempt) -> tuple[Inversion, tuple[Tensor, ...]]:
        outputs, ids = [], []
        for i, picture in enumerate(attempt.pictures.split(1)):
            self.pictures[method] = self.pictures.get(method, 0) + 1
            tag = f"{TAGS[method]}{self.pictures[method]}"
            seed = attempt.seeds[i] if attempt.seeds else None
            exhibit = self.ledger.put(
                to_picture(picture), tag, attempt.title, f"inversion.{method}@{attempt.version}", seed=seed
            )
            outputs.append(picture)
            ids.append(exhibit.id)
        return Inversion(
            id=f"L{self.rungs}",
            method=method,
            title=attempt.title,
            version=attempt.version,
            supplied=attempt.supplied,
            supplied_bits=attempt.supplied_bits,
            prompt=attempt.prompt,
            prompt_source=attempt.prompt_source,
            guidance=attempt.guidance,
            steps=attempt.steps,
            seeds=attempt.seeds,
            evaluations=attempt.evaluations,
            seconds=round(attempt.seconds, 3),
            outputs=tuple(ids),
            best=None,
            median=None,
            trace=attempt.trace,
            facts=attempt.facts,
        ), tuple(outputs)
