"""A time to plan by: what an examination will ask of this machine, told before anything of it is begun.

The network's pace is measured, with this checkpoint on this machine: one picture and one batch. The evaluations are
those that the rungs state themselves (`stages.budget`). Scores of controls that are stored take no time and are counted
from the cache. What the network does not do (search, overlays, measures, report) is a fixed share, measured on the
demonstration. Nothing here enters a case: a plan changes no number, only which profile is chosen where that is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from forensics import hands
from forensics.case import Checkpoint, Given, Setting
from forensics.controls.cache import Cache
from forensics.device import Device, choose, memory_gib, peak_memory_gib, session
from forensics.diffusion.base import DiffusionModel
from forensics.diffusion.families import family
from forensics.errors import SettingsError
from forensics.events import Emit, Event, duration
from forensics.files import sha256
from forensics.inversion import INVERSIONS
from forensics.pictures import bounded, intake
from forensics.protocol import PROFILES, Protocol
from forensics.settings import Resolved, Settings
from forensics.stages import budget, works
from forensics.stages import open as opened
from forensics.stages.prompts import Prompt, in_order, of_neighbour
from forensics.stages.workshop import Workshop

ASK_ABOVE_MINUTES = 60.0
"""A person is asked for `--yes` before an examination that is expected to take longer."""
BEFORE = (("search", 4.0), ("overlay", 2.0), ("origin", 5.0))
AFTER = (("compare", 6.0), ("align", 3.0), ("style", 1.0), ("report", 6.0))
"""Stages before the ladder and after it, with their seconds in the demonstration on two cores: not the network's."""
_LONG_S = 2.0
"""Seconds of one evaluation above which a batch is not timed: there a batch gains nothing and would cost minutes."""
_TIMED_S = 3.0
"""Seconds after which a phase is timed by its own count."""
_CODELENGTH = ("codelength without prompt", "codelength with prompt")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an examination is given, as far as it decides how much is computed."""

    seed: int
    prompts: tuple[Prompt, ...]
    controls: int
    """Control works that could be used, at most."""
    elsewhere: bool
    """Whether there is a control checkpoint."""
    chosen: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Profile -> SHA-256 of the control works that it may use, and how likely each is: only their stored scores spare
    anything. Of a profile that is absent nothing is known, and any stored score counts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured on this machine with this checkpoint."""

    single: float
    """Evaluations a second of one picture at a time."""
    batch: float
    """The same of a full batch."""
    picture_s: float
    """Seconds to decode a picture of the checkpoint's size."""
    peak_gib: float
    """Memory of the device at its greatest, with the checkpoint loaded and a batch run."""
    free_gib: float
    """Memory of the device that is free beside that."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the examination that takes time."""

    stage: str
    """As its events name it."""
    note: str
    """Beginning of the note of its events; empty for any."""
    seconds: float
    """Expected."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one profile will take."""

    profile: str
    own: int
    """Evaluations for the picture examined."""
    of_controls: int
    """Evaluations for all controls, were none of their scores stored."""
    controls: int
    to_compute: float
    """Share of the controls' evaluations whose scores are not stored, 0 to 1."""
    phases: tuple[Phase, ...]
    """In their order."""
    pace: Pace

    @property
    def seconds(self) -> float:
        """Expected, for the whole examination."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    @property
    def sentence(self) -> str:
        """What it takes, in three sentences."""
        stored = ""
        if self.controls:
            stored = f" and {self.of_controls:,} for {self.controls} controls"
            if self.to_compute < 1:
                stored += f", of which {1 - self.to_compute:.0%} are stored from before"
        return (
            f"Plan, profile {self.profile}: {self.own:,} evaluations of the network for the disputed image{stored}. "
            f"At {_rate(self.pace.batch)} evaluations a second, timed with this checkpoint on this machine, the whole "
            f"examination takes about {duration(self.seconds)}. Memory: {self.pace.peak_gib:.1f} GiB at the peak of a "
            f"batch, and {self.pace.free_gib:.1f} GiB are free."
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What every profile would take, from one measurement."""

    forecasts: Mapping[str, Forecast]
    """Profile -> forecast, from the least to the most searched."""

    def deepest(self, minutes: float) -> Forecast:
        """The most searched profile that fits into so many minutes.

        Raises:
            SettingsError: none does.
        """
        fitting = [f for f in self.forecasts.values() if f.minutes <= minutes]
        if not fitting:
            least = min(self.forecasts.values(), key=lambda f: f.seconds)
            raise SettingsError(
                f"No profile fits into {minutes:g} minutes: {least.profile} would take about "
                f"{duration(least.seconds)} on this machine.",
                hint="Allow more time, name fewer controls, or use a faster machine.",
            )
        return fitting[-1]


def outlook(
    image: Path, settings: Settings, emit: Emit, workshop: Workshop | None = None, *, deepest: bool = False
) -> Outlook:
    """Load the checkpoint, time it, and count what every profile asks of it; then the checkpoint is let go.

    Args:
        deepest: whether any profile may be taken. Else only that of the settings is told which control works this image
            will be given, and so what stored scores spare.

    Raises:
        ForensicsError: its subclasses, where the examination itself could not begin.
    """
    device = choose(settings.device, settings.precision)
    emit(Event("plan", 0, 1, "a batch is timed"))
    workshop = workshop or Workshop()
    checkpoint = opened.identify(settings, workshop)
    control = opened.open_control_checkpoint(settings, checkpoint, workshop)
    controls = works.available(settings, checkpoint)
    cache = opened.kept_scores(checkpoint, settings.seed)
    prompts = expected_prompts(image, settings, checkpoint)
    chosen: dict[str, Mapping[str, float]] = {}
    if next(cache.keys(checkpoint.digest), None):
        disputed = works.Work.of(image.name, bounded.read(image).picture)
        digests = frozenset(map(sha256, (image, *map(Path, settings.originals))))
        for name in PROFILES if deepest else (settings.profile,):
            chosen[name] = works.expected(settings, checkpoint, PROFILES[name], disputed, digests)
    asked = Asked(settings.seed, prompts, controls, control is not None, chosen)
    with session(device), hands.two(where=hands.suits(device, checkpoint)):
        model = workshop.model(checkpoint, device, prompts=[("", 1.0)])
        pace = timed(model, device)
        found = {n: forecast(protocol, asked, cache, model, pace, device) for n, protocol in PROFILES.items()}
        del model
    emit(Event("plan", 1, 1, found[settings.profile].sentence))
    return Outlook(found)


def expected_prompts(image: Path, settings: Settings, checkpoint: Checkpoint) -> tuple[Prompt, ...]:
    """As many prompts as the examination will have, as far as can be said before the index is searched."""
    if not family(checkpoint.family).reads_words:
        return ()
    # The caption of the nearest training picture is not known yet, only that there will be one.
    near = of_neighbour("not known yet") if settings.index or checkpoint.demonstration else None
    return in_order(settings, intake.prompt_stated(bounded.read(image).generator), near)


@torch.no_grad()
def timed(model: DiffusionModel, device: Device) -> Pace:
    """The pace of the network: of one picture, of one batch, and of decoding."""
    side = max(model.stride, model.native_px // model.stride * model.stride)
    shape, condition = model.latent_shape(side, side), model.condition("", 1.0)
    before = model.evaluations

    def pace(rows: int) -> float:
        state = torch.zeros(rows, *shape)
        times = model.times(1)[-1].expand(rows)
        return rows / _seconds(lambda: model.velocity(state, times, condition), device)

    once = pace(1)  # the first pass also prepares kernels and memory
    single = pace(1) if 1 / once < _LONG_S else once
    rows = 2 * model.capacity(side, side)
    batch = single
    if 1 / single < _LONG_S:
        pace(rows)
        batch = pace(rows)
    picture_s = _seconds(lambda: model.decode(torch.zeros(1, *shape)), device)
    model.evaluations = before
    return Pace(single, batch, picture_s, peak_memory_gib(device), memory_gib(device))


def forecast(
    protocol: Protocol, asked: Asked, cache: Cache, model: DiffusionModel, pace: Pace, device: Device
) -> Forecast:
    """What one protocol takes, where `cache` holds what controls scored before."""
    used = min(protocol.controls, asked.controls)
    ranked = bool(asked.prompts and used and asked.prompts[0].kind.ranked)
    usable, _ = budget.runnable(protocol, family(model.checkpoint.family))
    steps = budget.drawn_in(protocol, model.checkpoint)
    tasks = budget.tasks(usable, asked.seed, asked.prompts, used, ranked=ranked, steps=steps)
    shown = next((t.plans[0] for t in tasks if INVERSIONS.load(t.method).given is Given.WORDS), None)
    planned = budget.plan(tasks, protocol, used, shown if asked.elsewhere else None, model)
    arithmetic = f"{device.device.type} {device.precision}"
    stored = _stored(cache, model.checkpoint.digest, arithmetic, protocol, asked.chosen.get(protocol.profile))
    phases = [Phase(stage, "", seconds) for stage, seconds in BEFORE]
    left = 0.0
    for name, own, of_controls in planned.rows:
        method = "codelength" if name in _CODELENGTH or name == "control checkpoint" else name
        rate = pace.single if name in INVERSIONS and _one_at_a_time(name) else pace.batch
        task = next((t for t in tasks if t.method == name), None)
        count = task.controls if task else used
        missing = max(0.0, 1 - stored.get(method, 0) / count) if count else 0.0
        left += of_controls * missing
        pictures = sum(max(1, len(plan.seeds)) for plan in task.plans) if task else 0
        title = INVERSIONS.load(name).title if name in INVERSIONS else method
        phases.append(Phase("invert" if task else name, title, own / rate + pictures * pace.picture_s))
        if of_controls or count:
            each = max(1, len(task.plans[0].seeds)) if task else 0
            spent = (of_controls / rate + count * each * pace.picture_s) * missing
            phases.append(Phase("controls", title, spent))
    phases += [Phase(stage, "", seconds) for stage, seconds in AFTER]
    share = left / planned.of_controls if planned.of_controls else 0.0
    return Forecast(protocol.profile, planned.own, planned.of_controls, used, share, tuple(phases), pace)


def chosen(resolved: Resolved, profile: str, minutes: float) -> Resolved:
    """The settings with the profile that was chosen for the time allowed, and where it came from."""
    rows = tuple(
        Setting(row.name, profile, f"deepest that fits into {minutes:g} minutes") if row.name == "profile" else row
        for row in resolved.rows
    )
    return replace(resolved, settings=replace(resolved.settings, profile=profile), rows=rows)


@dataclass(slots=True)
class Clock:
    """Puts the time left for the whole examination into the events of its stages.

    The phases of the forecast are followed as their events come; the pace so far corrects what is still to come, within
    a factor of four either way. A phase that has run for a while is timed by its own count, however long it was thought
    to take: what is compared is seldom as large, and seldom as often on record, as in the demonstration.
    """

    forecast: Forecast
    emit: Emit
    now: Callable[[], float] = time.monotonic
    _began: float | None = field(default=None, init=False)
    _place: int = field(default=0, init=False)
    _done: float = field(default=0.0, init=False)
    _entered: tuple[float, float] = field(default=(0.0, 0.0), init=False)
    """When the present count began, and with which share of it done."""

    def __call__(self, event: Event) -> None:
        """Pass the event on, with `left_s`."""
        at = self.now()
        if self._began is None:
            self._began = at
            self._entered = at, 0.0
        phases = self.forecast.phases
        share = event.done / event.total if event.total else 0.0
        # A stage that counts anew has begun its next phase of the same name, if there is one.
        first = self._place + (share < self._done)
        for place in range(first, len(phases)):
            if phases[place].stage == event.stage and event.note.startswith(phases[place].note):
                if place != self._place:
                    self._entered = at, share
                self._place, self._done = place, share
                break
        else:
            if phases and phases[self._place].stage == event.stage:  # more to count in the same phase
                self._done, self._entered = share, (at, share)
        self.emit(replace(event, left_s=self._left(at)))

    def _left(self, at: float) -> float:
        phases, elapsed = self.forecast.phases, at - (at if self._began is None else self._began)
        here = phases[self._place].seconds
        passed = sum(p.seconds for p in phases[: self._place]) + self._done * here
        ahead = max(0.0, self.forecast.seconds - passed)
        correction = min(4.0, max(0.25, elapsed / passed if passed > 1 else 1.0))
        since, share = at - self._entered[0], self._done - self._entered[1]
        if since < _TIMED_S or share <= 0:
            return ahead * correction
        rest = min(ahead, (1 - self._done) * here)
        return (ahead - rest) * correction + since / share * (1 - self._done)


def _one_at_a_time(method: str) -> bool:
    """Whether a control's evaluations come one after the other: an ODE has no two steps to do at once."""
    return INVERSIONS.load(method).given is Given.PICTURE


def _stored(
    cache: Cache, checkpoint: str, arithmetic: str, protocol: Protocol, among: Mapping[str, float] | None
) -> dict[str, int]:
    """Method -> works whose scores with these parameters are stored, whatever the prompt; of those that may be used, as
    many as will be, on average."""
    asked = {
        "steps": repr(protocol.steps),
        "levels": repr(protocol.codelength_levels),
        "draws": repr(protocol.codelength_draws),
    }
    found: dict[str, set[str]] = {}
    for key in cache.keys(checkpoint):
        given = dict(key.parameters)
        same = (key.protocol, key.arithmetic) == (protocol.version, arithmetic)
        if same and all(given.get(n, v) == v for n, v in asked.items()):
            found.setdefault(key.method, set()).add(key.control)
    share = {control: 1.0 for named in found.values() for control in named} if among is None else among
    return {method: round(sum(share.get(control, 0) for control in named)) for method, named in found.items()}


def _seconds(call: Callable[[], object], device: Device) -> float:
    if device.is_cuda:
        torch.cuda.synchronize(device.device)
    began = time.perf_counter()
    call()
    if device.is_cuda:
        torch.cuda.synchronize(device.device)
    return max(time.perf_counter() - began, 1e-6)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
