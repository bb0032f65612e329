"""The inversion ladder: each rung tries to get one picture back, and every control alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from forensics.case import (
    Absent,
    Checkpoint,
    CurveKind,
    Fact,
    Given,
    Hits,
    Inversion,
    Item,
    PromptKind,
    RateCurve,
    Setting,
)
from forensics.controls.cache import Values
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.families import family
from forensics.events import Emit, Event
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Attempt, Need, Plan
from forensics.inversion.base import Rung as Method
from forensics.inversion.codelength import Codelength, Grid, codelengths
from forensics.inversion.gap import DRAWS as GAP_DRAWS
from forensics.inversion.gap import Gap, score_gaps
from forensics.inversion.hits import HitRate
from forensics.pictures import codecs
from forensics.pictures.tensors import to_picture
from forensics.protocol import Protocol
from forensics.stages import budget, rates
from forensics.stages.context import Context, Models, Received
from forensics.stages.control_scores import SCORED, Scorer
from forensics.stages.kept import Kept
from forensics.stages.prompts import Prompt, choose_prompts, control_prompts
from forensics.stages.region import with_maps
from forensics.stages.search import Found, descriptor
from forensics.stages.works import ControlGroup, Work, common_side

_SCORES = tuple[Values, ...]
"""What scorers give."""
NO_PROMPT = Absent(
    "regeneration from a prompt",
    "No caption was claimed, no training index offers one, and the file states no prompt that could be tried.",
    "Pass --caption with the words that the work is known by.",
)

NO_WORDS = Absent("measurements under a prompt", Need.WORDS.lacking)


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
    gaps: tuple[Gap, ...] = ()
    """Score gap of the first prompt and then of the controls' prompts; empty where the controls have none."""
    untold: Absent | None = None
    """Why nothing could be measured under a prompt of picture and controls alike; None where it could."""
    asked: Work | None = None
    """The picture that retention was measured on, at the size of the examination; None where nothing was run."""

    def rung(self, method: str) -> Rung | None:
        """The first rung of a method that was also run on the controls, or None."""
        return next((r for r in self.rungs if r.inversion.method == method), None)


def climb(received: Received, asked: Work, models: Models, found: Found, context: Context) -> Ladder:
    """Run every rung on the picture that retention is asked of and on the controls, one model in memory at a time.

    Args:
        asked: the picture that retention is asked of: the disputed image, or the one that the gate names. It and the
            controls are brought down to one size first, the checkpoint's own or the picture's where that is smaller.

    Raises:
        CheckpointError: the weights do not fit what the header said.
    """
    side = common_side(asked, models.checkpoint.native_px)
    asked, context = asked.at(side), replace(context, controls=context.controls.at(side))
    row = family(models.checkpoint.family)
    told = _told(received.item, found, context) if row.reads_words else _Told((), (), NO_WORDS)
    protocol, unmet = budget.runnable(context.protocol, row)
    axes = _axes(context)
    scored = {name: measure for name, measure in context.instruments.at_hand.items() if name in SCORED}
    scorer = Scorer(context.controls, scored, context.cache, context.device, context.emit, axes)
    model = context.workshop.model(models.checkpoint, context.device, told.asked(protocol.guidance))
    steps = budget.drawn_in(protocol, models.checkpoint)
    tasks = _tasks(protocol, told, context, steps)
    # (1) The budget is stated before anything is spent, and a time for it after the first codelength.
    first = next((task.plans[0] for task in tasks if task.method == "regeneration"), None)
    both = first if models.control is not None else None
    planned = budget.plan(tasks, context.protocol, len(context.controls.works), both, model)
    context.emit(Event("budget", 0, 1, planned.sentence))
    coder = _Coder(asked, _grid(context.protocol), axes, context.kept)
    began, before = time.perf_counter(), model.evaluations
    plain = coder.own(model, "", models.checkpoint.name, CurveKind.PLAIN)
    rate = (model.evaluations - before) / max(time.perf_counter() - began, 1e-9)
    timed = f" {planned.time(rate)}" if rate else ""  # nothing was evaluated where the result was kept
    context.emit(Event("budget", 1, 1, f"{planned.sentence}{timed}"))
    # (2) The rungs, on the picture and on every control with the same budget.
    climber = _Climber(asked, context, scorer)
    rungs = [rung for task in tasks for rung in climber.task(task, told, model)]
    _map_region(rungs, asked, model, context)
    # (3) What the first prompt does beside other captions, without any picture.
    captions = [told.prompts[0].text, *told.texts] if told.texts else []
    gaps = _gaps(captions, model, context)
    # (4) Codelengths, of the picture and of the controls, with the prompt and without.
    prompted = None
    if told.prompts:
        prompted = coder.own(model, told.prompts[0].text, models.checkpoint.name, CurveKind.PROMPTED)
    everyone = len(context.controls.works)
    # The curve of the controls is drawn under their prompts; decoding costs more than counting bits.
    counted = replace(coder.grid, shown=0)
    on_plain = _bits("without prompt", scorer, [""] * everyone, model, counted, context)
    on_prompted = _bits("with prompts", scorer, told.texts if prompted else (), model, coder.grid, context)
    if prompted and on_prompted and all("told" in row for row in on_prompted):
        charged = [model.condition(text, 1.0).bits for text in told.texts]
        coder.curves.append(rates.of_controls(on_prompted, charged, prompted))
    del model
    # (5) The same prompt under a checkpoint that cannot have seen the work, once the first one is gone from memory.
    elsewhere: tuple[float, ...] = ()
    if models.control is not None and told.prompts:
        other = context.workshop.model(models.control, context.device, told.asked(protocol.guidance))
        rungs.append(climber.elsewhere(told.prompts[0], models.control, other))
        there = coder.own(other, told.prompts[0].text, models.control.name, CurveKind.CONTROL_CHECKPOINT)
        on_other = _bits("under the control checkpoint", scorer, told.texts, other, counted, context)
        elsewhere = _totals(there, on_other) if told.texts else ()
        del other
    coder.codecs(context.emit)
    bits = None
    if everyone:
        with_prompt = _totals(prompted, on_prompted) if prompted and on_prompted else ()
        bits = Bits(with_prompt, _totals(plain, on_plain), elsewhere)
    said = told.absent if not told.prompts and row.reads_words else None
    absences = (*unmet, *((said,) if said is not None else ()))
    return Ladder(
        tuple(rungs),
        bits,
        absences,
        tuple(coder.curves),
        (*planned.settings, *_stepped(protocol, steps), _sized(side, asked, context)),
        gaps,
        told.absent,
        asked,
    )


def _gaps(captions: Sequence[str], model: DiffusionModel, context: Context) -> tuple[Gap, ...]:
    if not captions:
        return ()
    return context.kept.stage(
        "ladder, score gap",
        tuple[Gap, ...],
        lambda: tuple(score_gaps(captions, model, context.protocol.steps, GAP_DRAWS, emit=context.emit)),
    )


def _bits(
    name: str, scorer: Scorer, prompts: Sequence[str], model: DiffusionModel, grid: Grid, context: Context
) -> tuple[Values, ...]:
    """What the controls cost under these prompts, one each; nothing where there are none."""
    if not prompts:
        return ()
    return context.kept.stage(
        f"ladder, bits of the controls {name}", _SCORES, lambda: scorer.bits(prompts, model, grid)
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """The prompts of the picture, and for each control one of the same kind."""

    prompts: tuple[Prompt, ...]
    texts: tuple[str, ...]
    """One a control; empty where there are no controls, or not every one has a prompt."""
    absent: Absent | None
    """Why the controls cannot be put through the same search, or why there is no prompt at all."""

    def asked(self, guidance: float) -> list[tuple[str, float]]:
        """Every prompt with its guidance that the rungs and the codelengths ask for; a search asks for more."""
        words = list(dict.fromkeys([*(prompt.text for prompt in self.prompts), *self.texts]))
        return [("", 1.0), *((text, g) for text in words for g in (1.0, guidance))]


def _told(item: Item, found: Found, context: Context) -> _Told:
    prompts = choose_prompts(context.settings, item, found)
    if not prompts:
        return _Told((), (), NO_PROMPT)
    texts = control_prompts(prompts[0], context.controls, found)
    return _Told(prompts, (), texts) if isinstance(texts, Absent) else _Told(prompts, tuple(texts), None)


def _axes(context: Context) -> rates.Axes | None:
    """What the rate-distortion curves are drawn along; None without LPIPS."""
    lpips = context.instruments.at_hand.get("lpips")
    copies = descriptor(None, context.device, context.workshop)
    return None if lpips is None else rates.Axes(lpips, None if isinstance(copies, Absent) else copies)


def _stepped(protocol: Protocol, steps: int) -> tuple[Setting, ...]:
    """That pictures are drawn in other steps than the protocol's."""
    if steps == protocol.steps:
        return ()
    told = f"{steps}, the checkpoint's own, in place of the {protocol.steps} of the protocol"
    return (Setting("steps of pictures from words", told, "checkpoint"),)


def _sized(side: int, asked: Work, context: Context) -> Setting:
    height, width = asked.pixels.shape[-2:]
    how = "reduced to" if asked.reduced_to else "used at its own"
    smaller = sum(bool(work.reduced_to) for work in context.controls.works)
    return Setting(
        "size of the examination",
        f"at most {side}² pixels: {asked.id} was {how} {width} × {height}, {smaller} of {len(context.controls.works)} "
        "control works were reduced, nothing was enlarged",
        "checkpoint",
    )


def _grid(protocol: Protocol) -> Grid:
    return Grid(
        protocol.codelength_levels,
        protocol.codelength_cut,
        protocol.codelength_draws,
        protocol.codelength_finest,
        protocol.codelength_shown,
    )


def _map_region(rungs: list[Rung], asked: Work, model: DiffusionModel, context: Context) -> None:
    """Put the maps of what comes back where into the first rung drawn from the prompt."""
    shown = next((i for i, r in enumerate(rungs) if r.inversion.method == "regeneration"), None)
    if shown is not None:
        drawn = rungs[shown]
        mapped = context.kept.stage(
            "ladder, region",
            Inversion,
            lambda: with_maps(drawn.inversion, drawn.outputs, asked.pixels, model, context.ledger),
        )
        rungs[shown] = replace(drawn, inversion=mapped)


def _tasks(protocol: Protocol, told: _Told, context: Context, steps: int) -> list[budget.Task]:
    """The rungs of the protocol with their plans, and how many controls go through each."""
    controls = len(context.controls.works)
    return budget.tasks(protocol, context.settings.seed, told.prompts, controls, ranked=bool(told.texts), steps=steps)


def _places(task: budget.Task, controls: ControlGroup) -> tuple[int, ...]:
    """Positions of the controls that go through a rung: all of them, or those drawn first."""
    if task.controls == len(controls.works):
        return tuple(range(task.controls))
    return tuple(sorted(controls.drawn[: task.controls]))


def _totals(own: Codelength, controls: Sequence[Values]) -> tuple[float, ...]:
    return (own.total, *(sum(row["bits"]) / len(row["bits"]) for row in controls))


@dataclass(slots=True)
class _Coder:
    """Takes the codelengths of one picture and draws their curves."""

    target: Work
    grid: Grid
    axes: rates.Axes | None
    """None where LPIPS is not at hand: then there are bits and no curves."""
    kept: Kept
    curves: list[RateCurve] = field(default_factory=list)

    def own(self, model: DiffusionModel, prompt: str, name: str, kind: CurveKind) -> Codelength:
        length, curve = self.kept.stage(
            f"ladder, codelength {kind.value}",
            tuple[Codelength, RateCurve | None],
            lambda: self._own(model, prompt, name, kind),
        )
        if curve is not None:
            self.curves.append(curve)
        return length

    def _own(
        self, model: DiffusionModel, prompt: str, name: str, kind: CurveKind
    ) -> tuple[Codelength, RateCurve | None]:
        condition = model.condition(prompt, 1.0)
        length = codelengths([self.target.pixels], [condition], model, self.grid)[0]
        if self.axes is None:
            return length, None
        told = f"{name}, {'given the prompt' if prompt else 'given nothing'}"
        return length, rates.of_checkpoint(told, kind, length, condition, self.target.pixels, model, self.axes)

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
    context: Context
    scorer: Scorer
    rungs: int = 0
    pictures: dict[str, int] = field(default_factory=dict)

    def task(self, task: budget.Task, told: _Told, model: DiffusionModel) -> list[Rung]:
        """A rung of the protocol with each of its plans; the first plan alone is ranked among controls."""
        made = []
        words = INVERSIONS.load(task.method).given is Given.WORDS
        for number, plan in enumerate(task.plans):
            # Further prompts are shown; the first alone is the pre-declared one that is ranked.
            places = _places(task, self.context.controls) if number == 0 else ()
            plans = [replace(plan, prompt=told.texts[i]) if words else plan for i in places]
            made.append(self.run(task.method, plan, model, places, plans))
        return made

    def elsewhere(self, prompt: Prompt, checkpoint: Checkpoint, model: DiffusionModel) -> Rung:
        """What the control checkpoint draws for the same prompt and seeds; shown, and ranked among nothing."""
        protocol, seed = self.context.protocol, self.context.settings.seed
        seeds = tuple(range(seed, seed + protocol.seeds))
        steps = budget.drawn_in(protocol, checkpoint)
        plan = Plan(prompt.text, prompt.source, protocol.guidance, steps, seeds, 0, prompt_kind=prompt.kind)
        rung = self.run("regeneration", plan, model, (), [])
        title = f"{rung.inversion.title}, control checkpoint {checkpoint.name}"
        facts = (*rung.inversion.facts, Fact("control checkpoint digest", checkpoint.digest))
        return replace(rung, inversion=replace(rung.inversion, title=title, facts=facts, checkpoint=checkpoint.name))

    def run(self, method: str, plan: Plan, model: DiffusionModel, places: Sequence[int], plans: Sequence[Plan]) -> Rung:
        self.rungs += 1
        made = self.context.kept.stage(
            f"ladder, rung {self.rungs}", Rung, lambda: self._run(method, plan, model, places, plans)
        )
        self.pictures[method] = self.pictures.get(method, 0) + len(made.outputs)
        return made

    def _run(
        self, method: str, plan: Plan, model: DiffusionModel, places: Sequence[int], plans: Sequence[Plan]
    ) -> Rung:
        rung = INVERSIONS.load(method)()
        attempt = rung(self.target.pixels, model, plan, self.context.emit)
        scores = self.scorer.rung(rung, plans, model, places) if places else ()
        inversion, outputs = self._enter(rung, plan, attempt)
        return Rung(inversion, outputs, scores, tuple(places), attempt.scores)

    def _enter(self, rung: Method, plan: Plan, attempt: Attempt) -> tuple[Inversion, tuple[Tensor, ...]]:
        outputs, ids = [], []
        first = self.pictures.get(rung.name, 0) + 1
        for i, picture in enumerate(attempt.pictures.split(1)):
            tag = f"{rung.letter}{first + i}"
            seed = attempt.seeds[i] if attempt.seeds else None
            exhibit = self.context.ledger.put(
                to_picture(picture), tag, attempt.title, f"inversion.{rung.name}@{attempt.version}", seed=seed
            )
            outputs.append(picture)
            ids.append(exhibit.id)
        return Inversion(
            id=f"L{self.rungs}",
            method=rung.name,
            title=attempt.title,
            version=attempt.version,
            supplied=attempt.supplied,
            supplied_bits=attempt.supplied_bits,
            prompt=attempt.prompt,
            prompt_source=attempt.prompt_source,
            prompt_kind=PromptKind.SEARCHED if rung.given is Given.SEARCH else plan.prompt_kind,
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
            given=rung.given,
            hits=_hits(attempt),
            made_px=(attempt.fit.fitted[1], attempt.fit.fitted[0]),
        ), tuple(outputs)


def _hits(attempt: Attempt) -> Hits | None:
    """How often the target came back, for a rung that draws."""
    hits, draws = attempt.score("hits"), attempt.score("draws")
    if hits is None or not draws:
        return None
    rate = HitRate(int(hits), int(draws))
    return Hits(rate.hits, rate.draws, *rate.interval)
