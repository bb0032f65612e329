"""The inversion ladder: each rung tries to get the picture back, for the disputed image and for every control alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from forensics import diffusion
from forensics.case import Absent, Checkpoint, Fact, Inversion, Item
from forensics.casefile import Ledger
from forensics.device import Device
from forensics.diffusion.base import DiffusionModel
from forensics.events import Emit
from forensics.images import to_picture
from forensics.intake import prompt_stated
from forensics.inversion import INVERSIONS
from forensics.inversion.base import Attempt, Plan, run_many
from forensics.inversion.codelength import Grid, codelengths
from forensics.protocol import Protocol
from forensics.settings import Settings
from forensics.stages.search import Found
from forensics.stages.works import ControlGroup, Work

TAGS = {"autoencoder": "A", "ode": "I", "regeneration": "G"}
"""Letter of the exhibits each rung produces."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and how it was chosen."""

    text: str
    source: str
    kind: str
    """`claimed`, `file` or `neighbour`: controls get a prompt of the same kind."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung as run: the inversion of the disputed image and the attempts on the controls."""

    inversion: Inversion
    outputs: tuple[Tensor, ...]
    """(1, 3, H, W) each, in the order of `inversion.outputs`."""
    controls: tuple[Attempt, ...] = ()
    """The same rung with the same budget, in the order of the controls."""


@dataclass(frozen=True, slots=True)
class Bits:
    """Codelengths in bits, of the disputed image first and then of the controls in their order."""

    prompted: tuple[float, ...]
    """Under the checkpoint, given the prompt."""
    plain: tuple[float, ...]
    """Under the checkpoint, given nothing."""
    elsewhere: tuple[float, ...]
    """Under the control checkpoint, given the prompt; empty without one."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """All rungs."""

    rungs: tuple[Rung, ...] = ()
    bits: Bits | None = None
    """None where there is no prompt, or a control has none."""
    absences: tuple[Absent, ...] = field(default=())

    def rung(self, method: str) -> Rung | None:
        """The first rung of a method that was also run on the controls, or None."""
        return next((r for r in self.rungs if r.inversion.method == method), None)


def choose_prompts(settings: Settings, disputed: Item, found: Found) -> tuple[Prompt, ...]:
    """The prompts, in the order fixed by the protocol: claimed captions, what the file states, the nearest caption."""
    if settings.captions:
        return tuple(Prompt(text, "claimed caption", "claimed") for text in settings.captions)
    if stated := prompt_stated(disputed.generator):
        return (Prompt(stated, "prompt stated in the file", "file"),)
    if found.neighbours and found.neighbours[0].caption:
        return (Prompt(found.neighbours[0].caption, "caption of neighbour N1", "neighbour"),)
    return ()


def climb(
    disputed: Work, item: Item, checkpoint: Checkpoint, control_checkpoint: Checkpoint | None, found: Found,
    controls: ControlGroup, settings: Settings, protocol: Protocol, device: Device, ledger: Ledger, emit: Emit,
) -> Ladder:  # fmt: skip
    """Run every rung on the disputed image and on the controls, one model in memory at a time."""
    prompts = choose_prompts(settings, item, found)
    plain = Plan("", "none", 1.0, protocol.steps, (), protocol.refinements)
    seeds = tuple(range(settings.seed, settings.seed + protocol.seeds))
    model = diffusion.load(checkpoint, device)
    climber = _Climber(disputed, ledger, emit)
    rungs: list[Rung] = []
    for method in ("autoencoder", "ode"):
        rungs.append(climber.run(method, plain, model, controls.works, [plain] * len(controls.works)))
    for number, prompt in enumerate(prompts):
        plan = Plan(prompt.text, prompt.source, protocol.guidance, protocol.steps, seeds, 0)
        # Further prompts are shown; the first alone is the pre-declared one that is ranked among the controls.
        same = [replace(plan, prompt=text) for text in control_prompts(prompt, controls, found)] if number == 0 else []
        rungs.append(climber.run("regeneration", plan, model, controls.works if same else (), same))
    grid = Grid(protocol.codelength_levels, protocol.codelength_cut, protocol.codelength_draws)
    works = (disputed, *controls.works)
    texts = [p.text for p in prompts[:1]] + (control_prompts(prompts[0], controls, found) if prompts else [])
    complete = bool(controls.works) and len(texts) == len(works)
    prompted = _bits(works, texts, model, grid, emit) if complete else ()
    plain_bits = _bits(works, [""] * len(works), model, grid, emit) if complete else ()
    elsewhere: tuple[float, ...] = ()
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
    if control_checkpoint is not None and prompts:
        other = diffusion.load(control_checkpoint, device)
        plan = Plan(prompts[0].text, prompts[0].source, protocol.guidance, protocol.steps, seeds, 0)
        rung = climber.run("regeneration", plan, other, (), [])
        title = f"{rung.inversion.title}, control checkpoint {control_checkpoint.name}"
        facts = (*rung.inversion.facts, Fact("control checkpoint digest", control_checkpoint.digest))
        rungs.append(replace(rung, inversion=replace(rung.inversion, title=title, facts=facts)))
        elsewhere = _bits(works, texts, other, grid, emit) if complete else ()
    bits = Bits(prompted, plain_bits, elsewhere) if complete else None
    return Ladder(tuple(rungs), bits, tuple(absences))


def _bits(
    works: Sequence[Work], prompts: Sequence[str], model: DiffusionModel, grid: Grid, emit: Emit
) -> tuple[float, ...]:
    conditions = [model.condition(prompt, 1.0) for prompt in prompts]
    return tuple(found.total for found in codelengths([w.pixels for w in works], conditions, model, grid, emit))


def control_prompts(prompt: Prompt, controls: ControlGroup, found: Found) -> list[str]:
    """For every control a prompt of the same kind as the disputed image's."""
    if prompt.kind == "neighbour":
        return [hit.row.caption for hit in found.control_top]
    captions = [work.caption for work in controls.works]
    return captions if all(captions) else []


@dataclass(slots=True)
class _Climber:
    """Runs rungs and enters their pictures as exhibits, numbering rungs and pictures as they come."""

    disputed: Work
    ledger: Ledger
    emit: Emit
    rungs: int = 0
    pictures: dict[str, int] = field(default_factory=dict)

    def run(self, method: str, plan: Plan, model: DiffusionModel, works: Sequence[Work], plans: Sequence[Plan]) -> Rung:
        rung = INVERSIONS.load(method)()
        attempt = rung(self.disputed.pixels, model, plan, self.emit)
        on_controls = run_many(rung, [w.pixels for w in works], plans, model, self.emit) if works else []
        self.rungs += 1
        inversion, outputs = self._enter(method, attempt)
        return Rung(inversion, outputs, tuple(on_controls))

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
            id=f"L{self.rungs}", method=method, title=attempt.title, version=attempt.version,
            supplied=attempt.supplied, supplied_bits=attempt.supplied_bits, prompt=attempt.prompt,
            prompt_source=attempt.prompt_source, guidance=attempt.guidance, steps=attempt.steps, seeds=attempt.seeds,
            evaluations=attempt.evaluations, seconds=round(attempt.seconds, 3), outputs=tuple(ids), best=None,
            median=None, trace=attempt.trace, facts=attempt.facts,
        ), tuple(outputs)  # fmt: skip
