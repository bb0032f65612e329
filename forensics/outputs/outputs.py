"""`forensics outputs`: read log, files and plan, lay every picture over the works, count, and write what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from forensics import __version__, files, foreign, portfolio
from forensics.case import Absent, Fact, Outcome
from forensics.controls import works as control_works
from forensics.device import choose, session
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from forensics.errors import CaseError, SettingsError
from forensics.events import Emit, Event, ignore
from forensics.folder.layout import sha256
from forensics.outputs import check, log, plan, rates, received, said
from forensics.outputs.check import Beside, Checked, Placed
from forensics.outputs.compare import Table
from forensics.outputs.log import Log
from forensics.outputs.plan import Fixed
from forensics.outputs.received import Received
from forensics.outputs.results import (
    COPY,
    FILE,
    SCHEMA,
    Judged,
    NotUsed,
    Outputs,
    PlanFacts,
    Shown,
    Try,
)
from forensics.overlay import correspondence, judge, outcome
from forensics.pictures.png import png_bytes
from forensics.portfolio import Portfolio, PortfolioWork
from forensics.registry import nearest
from forensics.schema import canonical
from forensics.stages import word_rates
from forensics.validation.journal import Journal

JOURNAL, EXHIBITS, DIGESTS = "comparisons.jsonl", "exhibits", "manifest-sha256.txt"
_SIDE = 512
"""Pixels of the longer side of pictures that are kept to be shown; what was examined is the file itself."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is examined, and against what."""

    folder: Path
    """The pictures, with the log."""
    originals: str
    command: str
    controls: Path | None = None
    log: Path | None = None
    """None takes `log.csv` or `log.jsonl` of the folder."""
    plan: Path | None = None
    trust: tuple[Path, ...] = ()
    candidates: int | None = None
    """None takes those of the plan, else three."""
    device: str = "auto"
    precision: str = "auto"
    """Of the copy descriptor: nothing else runs on the device."""


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Everything that was read, before anything is compared."""

    works: Portfolio
    controls: Portfolio | None
    grounds: str
    log: Log
    fixed: Fixed | None
    files: Mapping[str, Received]
    checked: Checked
    candidates: int

    @property
    def everything(self) -> tuple[PortfolioWork, ...]:
        return (*self.works.works, *(self.controls.works if self.controls else ()))


def outputs(request: Request, out: Path, *, resume: bool = False, emit: Emit = ignore) -> Outputs:
    """Check the log, compare what is not compared yet, count, and write `outputs.json` and the pictures shown.

    Raises:
        CaseError: `out` holds something and `resume` is not set, or lies in the folder examined.
        SettingsError: the log cannot be read, or `out` was begun with other works.
        VerificationError: the plan was changed.
        IndexError_: the works cannot be read.
        ControlsError: the controls cannot be read.
    """
    if out.exists() and not resume and any(out.iterdir()):
        raise CaseError(f"{out} exists already.", hint="Pass --resume to go on, or choose another folder.")
    if foreign.resolved(out).is_relative_to(foreign.resolved(request.folder)):
        raise CaseError(f"{out} lies in the folder examined.", hint="Choose a folder elsewhere.")
    inputs = _read(request, emit)
    device = choose(request.device, request.precision)
    descriptor = open_descriptor(None, device)
    copies = None if isinstance(descriptor, Absent) else descriptor
    made_with = {
        "works": inputs.works.digest,
        "controls": inputs.controls.digest if inputs.controls else "",
        "comparison": " ".join((correspondence.VERSION, judge.VERSION, outcome.VERSION)),
        "descriptor": copies.digest if copies else "",
        "candidates": str(inputs.candidates),
    }
    journal = Journal(out / JOURNAL, made_with, resume=resume)
    if "created" not in journal:
        journal.add("created", files.utc_now())
    table = Table(inputs.everything, copies)
    with session(device), torch.no_grad():
        judged = _compare(request, inputs, table, journal, emit)
    found = _gathered(request, inputs, journal, _Found(judged, copies, out))
    files.write(out / FILE, canonical(found))
    return found


def seal(out: Path) -> None:
    """Write the digests of every file of the folder, as `sha256sum -c` reads them."""
    files.seal(out, DIGESTS)


def _read(request: Request, emit: Emit) -> _Inputs:
    emit(Event("outputs", 0, 0, "works and log"))
    if not request.folder.is_dir():
        raise SettingsError(f"{request.folder} is not a folder.", hint="Name the folder of the pictures.")
    fixed = plan.load(request.plan, request.trust) if request.plan else None
    place = request.log or log.find(request.folder)
    logged = log.read(place, planned=fixed is not None)
    works = portfolio.read(request.originals)
    source = control_works.load(request.controls) if request.controls else None
    controls = portfolio.of_controls(source) if source else None
    _distinct(works, controls)
    known = [work.id for work in (*works.works, *(controls.works if controls else ()))]
    if fixed is None:
        _known(logged, place, known)
    else:
        _planned(fixed, known)
    found = _files(request, logged, place, emit)
    changed = plan.works_of(fixed.plan, (works, controls)) if fixed else []
    beside = Beside(found, fixed.plan if fixed else None, fixed.moment if fixed else "", tuple(changed))
    grounds = source.grounds if source else ""
    checked = check.check(logged.rows, beside)
    return _Inputs(works, controls, grounds, logged, fixed, found, checked, _candidates(request, fixed))


def _candidates(request: Request, fixed: Fixed | None) -> int:
    """How many, which a plan fixes."""
    if fixed is None:
        return plan.CANDIDATES if request.candidates is None else request.candidates
    if request.candidates not in (None, fixed.plan.candidates):
        raise SettingsError(
            f"The plan states {fixed.plan.candidates} candidates, not {request.candidates}.",
            hint="Leave --candidates out: what was planned is what is done.",
        )
    return fixed.plan.candidates


def _distinct(works: Portfolio, controls: Portfolio | None) -> None:
    both = {w.id for w in works.works} & {w.id for w in (controls.works if controls else ())}
    if both:
        raise SettingsError(
            f"{min(both)!r} names a work and a control work.", hint="Give them distinct identifiers, and log those."
        )


def _planned(fixed: Fixed, known: Sequence[str]) -> None:
    """Raises SettingsError where a prompt of the plan aims at a work that is not at hand: it could not be a hit."""
    aims = {name for prompt in fixed.plan.prompts for name in prompt.works}
    if missing := sorted(aims - set(known)):
        control = missing[0] in {w.id for w in fixed.plan.controls}
        raise SettingsError(
            f"The plan aims at {missing[0]!r}, which is not among the works and controls named.",
            hint="Pass the control works with --controls." if control else "Pass the works of the plan as --originals.",
        )


def _known(logged: Log, place: Path, known: Sequence[str]) -> None:
    for row in logged.rows:
        if unknown := [name for name in row.works if name not in known]:
            raise SettingsError(
                f"{place}, line {row.line}: {unknown[0]!r} is neither a work nor a control work.",
                hint=nearest(unknown[0], known),
            )


def _files(request: Request, logged: Log, place: Path, emit: Emit) -> dict[str, Received]:
    """Every file of the folder, and every picture of a capture that the log names by its address."""
    own = [place]
    if request.plan:
        own += [*plan.beside(request.plan), request.plan.with_suffix(".toml")]
    names = received.names(request.folder, own)
    found: dict[str, Received] = {}
    by_address = {row.picture: row for row in logged.rows if row.url and row.file in names}
    whole = {row.file for row in logged.rows if not row.url}
    alone = [name for name in names if name in whole or name not in {row.file for row in by_address.values()}]
    wanted = [(name, name, "") for name in alone]
    wanted += [(picture, row.file, row.url) for picture, row in by_address.items()]
    for number, (key, name, url) in enumerate(wanted):
        emit(Event("outputs", number, len(wanted), f"reading {name}"))
        found[key] = received.read(request.folder, name, url)[0]
    return found


def _compare(
    request: Request, inputs: _Inputs, table: Table, journal: Journal, emit: Emit
) -> dict[tuple[str, tuple[str, ...]], tuple[Judged, ...]]:
    """(file, works aimed at) -> what it was laid over; what the journal has is not done again."""
    wanted = {(p.file, p.works): p for p in inputs.checked.tries if p.file}
    found: dict[tuple[str, tuple[str, ...]], tuple[Judged, ...]] = {}
    began, done = time.monotonic(), 0
    for number, ((name, aimed), one) in enumerate(wanted.items()):
        key = f"{inputs.files[name].pixels}|{'|'.join(aimed)}"
        if key not in journal:
            left = (time.monotonic() - began) / done * (len(wanted) - number) if done else None
            emit(Event("outputs", number, len(wanted), f"comparing {name}", left))
            picture = _picture(request, one)
            journal.add(key, [_plain(j) for j in table.judge(picture, aimed, inputs.candidates)])
            done += 1
        found[name, aimed] = tuple(_judged(values) for values in journal[key])
    emit(Event("outputs", len(wanted), len(wanted), "compared"))
    return found


def _picture(request: Request, one: Placed) -> Image.Image:
    picture = received.read(request.folder, one.row.file, one.row.url)[1]
    if picture is None:
        raise CaseError(
            f"{one.row.file} changed while it was examined.", hint="Keep the folder still, and start again."
        )
    return picture


def _plain(one: Judged) -> list[Any]:
    return [one.work, one.outcome.value, one.agreement, one.cosine, one.aimed]


def _judged(values: Sequence[Any]) -> Judged:
    work, word, agreement, cosine, aimed = values
    return Judged(work, Outcome.named(word), agreement, cosine, aimed)


@dataclass(frozen=True, slots=True)
class _Found:
    judged: Mapping[tuple[str, tuple[str, ...]], tuple[Judged, ...]]
    copies: CopyDescriptor | None
    out: Path


def _gathered(request: Request, inputs: _Inputs, journal: Journal, found: _Found) -> Outputs:
    controls = frozenset(w.id for w in inputs.controls.works) if inputs.controls else frozenset()
    tries = tuple(_try(request, inputs, one, found) for one in inputs.checked.tries)
    pooled = rates.pooled(tries, controls)
    deviations = inputs.checked.deviations
    unread = [NotUsed(f.name, f.problem) for _, f in sorted(inputs.files.items()) if f.problem]
    left_out = [NotUsed(one.id, one.reason) for one in inputs.works.left_out]
    return Outputs(
        schema=SCHEMA,
        tool=Fact("forensics", __version__),
        created=journal["created"],
        command=request.command,
        folder=foreign.resolved(request.folder).name,
        log=inputs.log.name,
        log_sha256=inputs.log.sha256,
        unknown_columns=inputs.log.unknown,
        plan=_plan(inputs.fixed),
        source=inputs.works.name,
        source_digest=inputs.works.digest,
        controls=_controls(inputs.controls),
        grounds=inputs.grounds,
        candidates=inputs.candidates,
        protocol=_protocol(inputs, found.copies),
        word_errors=word_rates.rates().said,
        works=_shown(inputs, tries, controls, found.out),
        tries=tries,
        cells=rates.cells(tries, controls),
        pooled=pooled,
        given=rates.given(tries, controls),
        off_aim=rates.off_aim(tries, controls),
        deviations=deviations,
        explanations=said.explanations(tries, pooled, deviations, controls),
        not_used=(*unread, *left_out),
        limits=said.LIMITS,
    )


def _try(request: Request, inputs: _Inputs, one: Placed, found: _Found) -> Try:
    row = one.row
    judged = found.judged.get((one.file, one.works), ()) if one.file else ()
    picture = ""
    if any(j.outcome in COPY for j in judged):
        picture = _kept(_picture(request, one), found.out)
    return Try(
        line=row.line,
        number=row.number,
        time=row.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        service=row.service,
        version=row.version,
        account=row.account,
        seed=row.seed,
        prompt=row.prompt,
        prompt_id=one.prompt,
        prompt_class=one.prompt_class,
        image_prompt=row.image_prompt,
        works=one.works,
        result=row.result,
        file=one.file,
        sha256=inputs.files[one.file].sha256 if one.file else "",
        counts=one.counts,
        why_not=one.why_not,
        judged=judged,
        picture=picture,
    )


def _kept(picture: Image.Image, out: Path) -> str:
    """Where a picture to be shown lies in the folder."""
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    data = png_bytes(small)
    name = f"{EXHIBITS}/{sha256(data)}.png"
    if not (out / name).exists():
        files.write(out / name, data)
    return name


def _shown(inputs: _Inputs, tries: Sequence[Try], controls: frozenset[str], out: Path) -> tuple[Shown, ...]:
    hit = {name for one in tries for name in one.hits}
    return tuple(
        Shown(w.id, w.caption, w.sha256, w.id in controls, _kept(w.picture(), out) if w.id in hit else "")
        for w in inputs.everything
    )


def _plan(fixed: Fixed | None) -> PlanFacts | Absent:
    if fixed is None:
        return Absent(
            "plan",
            "No plan made before the first try was named.",
            "Write one with `forensics outputs plan` before the next collection.",
        )
    made, stop = fixed.plan, fixed.plan.stop
    rules = ["the last try planned"]
    if stop.refusals_in_a_row:
        rules.append(f"for a prompt on a version, {stop.refusals_in_a_row} refusals in a row")
    if stop.not_after:
        rules.append(f"for all, {stop.not_after}")
    return PlanFacts(
        made.title,
        made.digest,
        fixed.sha256,
        fixed.moment,
        fixed.shown_by,
        fixed.signed,
        len(made.order),
        made.seed,
        "; ".join(rules),
    )


def _controls(controls: Portfolio | None) -> Fact | Absent:
    if controls is None:
        return Absent(
            "control works",
            "No control works were named, so nothing says how often works of this kind come by the same protocol.",
            "Put control works through the same service and pass --controls.",
        )
    return Fact(f"{controls.name}, {len(controls.works)} works", controls.digest)


def _protocol(inputs: _Inputs, copies: CopyDescriptor | None) -> tuple[Fact, ...]:
    words = f"“{Outcome.THROUGHOUT.said}” or “{Outcome.PARTLY.said}”"
    nearest_by = (
        f"{inputs.candidates} others, those nearest to it by the descriptor {copies.name}, version {copies.version}; "
        "where the prompt aims at none, at least the nearest"
        if copies
        else "all others, for no copy descriptor is at hand"
    )
    minutes = round(check.TOLERANCE.total_seconds() / 60)
    return (
        Fact("a picture is laid over", f"the works and controls its prompt aims at, and {nearest_by}"),
        Fact("a hit", f"{words} by {correspondence.VERSION}, {judge.VERSION}, {outcome.VERSION}"),
        Fact(
            "a try counts",
            "where it is logged once and, with a plan, has a place in it and was made after it and before its end; one "
            "file is the picture of one try",
        ),
        Fact("times", f"of log and file are held to agree within {minutes} minutes"),
    )
