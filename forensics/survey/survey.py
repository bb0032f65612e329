"""`forensics survey`: measure every work and every control once, resumably, and write what was found."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from forensics import __version__, defaults, diffusion, files, resources, retrieval
from forensics.case import Absent, Checkpoint, Fact, Statistic
from forensics.controls import works as control_works
from forensics.controls.cache import Values
from forensics.device import choose, session
from forensics.diffusion.comparable import comparable
from forensics.diffusion.families import need_words
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from forensics.errors import CaseError, ControlsError, SettingsError
from forensics.events import Emit, Event, ignore
from forensics.folder.layout import sha256
from forensics.pictures.tensors import reduced, to_tensor
from forensics.portfolio import Portfolio, PortfolioWork, of_controls, read
from forensics.protocol import PROFILES, Protocol
from forensics.retrieval import duplicates
from forensics.retrieval.readers.native import LanceIndex
from forensics.scheduler import Clock, Where, run
from forensics.schema import canonical
from forensics.stages import domain
from forensics.stages.distinct import Distinct
from forensics.stages.open import kept_scores
from forensics.statistics import blind
from forensics.statistics.blind import Told
from forensics.statistics.ranks import rank_p
from forensics.survey import assess
from forensics.survey.bench import GENERATED, Bench, Measuring, begin
from forensics.survey.results import FILE, SCHEMA, ControlsUsed, NotAsked, Ranked, Survey, Surveyed
from forensics.validation.journal import Journal

JOURNAL, EXHIBITS, BYTES, DIGESTS = "measurements.jsonl", "exhibits", "works", "manifest-sha256.txt"
CASES = "cases.toml"
"""The works set apart, as `forensics batch` takes them."""
LEAST_CONTROLS = 19
"""Controls below which no rank is worth its name: the smallest p is then above 0.05."""
LIMITS = (
    "Nothing is claimed of a single work that is not set apart. That a work ranks among the controls says that these "
    "measurements do not tell it from works that the checkpoint cannot have seen; it does not say that the checkpoint "
    "was not trained on it. Works seen a few times are mostly not told apart by any measurement known.",
    "The false discovery rate speaks of the list of works set apart as a whole: of such lists, on average no more than "
    "the stated share of the works is there by chance. It is no probability that one named work of the list was "
    "trained on. Each work that matters is to be examined by itself, with the command given beside it.",
    "The ranks hold as far as the controls are like the works in everything but the training. The best controls are "
    "later works by the same hand. What a classifier sees of the difference is printed; what it does not see is not.",
    "The figures hold for the checkpoint with the digest stated, and for the captions as given.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is surveyed, with which checkpoint, beside which controls."""

    works: str
    checkpoint: str
    command: str
    control_checkpoint: str = ""
    controls: Path | None = None
    """None takes the embedded ones, which serve the embedded checkpoint alone."""
    index: str = ""
    profile: str = "quick"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    remembered: defaults.Filled | None = None
    """What of this comes from the user's configuration."""
    where: Where = field(default_factory=Where)
    """Where works and controls are measured; the numbers do not depend on it."""


@dataclass(frozen=True, slots=True)
class _Sets:
    """The works and controls that take part."""

    works: tuple[PortfolioWork, ...]
    controls: tuple[PortfolioWork, ...]
    not_asked: tuple[NotAsked, ...]
    controls_left_out: tuple[NotAsked, ...]


def survey(request: Request, out: Path, *, resume: bool = False, emit: Emit = ignore) -> Survey:
    """Measure what is missing, assess, and write `survey.json`, the pictures and the bytes of works set apart.

    Raises:
        CaseError: `out` holds a survey and `resume` is not set.
        SettingsError: `out` was begun with other inputs.
        ControlsError: there are no controls, or too few.
        IndexError_: the works or the index cannot be read.
        CheckpointError: a checkpoint cannot be used.
    """
    reference = resources.samples() / "reference"
    protocol = PROFILES[request.profile]
    checkpoint, other = _checkpoints(request, reference)
    need_words(checkpoint, "a survey")
    source = control_works.load(request.controls) if request.controls else _embedded(checkpoint, reference)
    if out.exists() and not resume and any(out.iterdir()):
        raise CaseError(f"{out} exists already.", hint="Pass --resume to go on, or choose another folder.")
    _as_remembered(request, checkpoint, other, source)
    emit(Event("survey", 0, 0, "works and controls"))
    portfolio, beside = read(request.works), of_controls(source)
    device = choose(request.device, request.precision)
    descriptor = open_descriptor(None, device)
    copies = None if isinstance(descriptor, Absent) else descriptor
    sets = _sets(portfolio, beside, copies)
    made_with = {
        "checkpoint": checkpoint.digest,
        "control checkpoint": other.digest if other else "",
        "works": portfolio.digest,
        "controls": beside.digest,
        "protocol": protocol.digest,
        "seed": str(request.seed),
        "device": f"{device.device.type} {device.precision}",
    }
    journal = Journal(out / JOURNAL, made_with, resume=resume)
    if "created" not in journal:
        journal.add("created", files.utc_now())
    bench = Bench(checkpoint, other, device, protocol, request.seed, kept_scores(checkpoint, request.seed))
    _measure(request, bench, sets, journal, out, emit)
    with session(device), torch.no_grad():
        emit(Event("survey", 0, 0, "ranks"))
        looks = [_looks(group, copies, checkpoint.native_px) for group in (sets.works, sets.controls)]
        found = _assessed(_Run(request, out, protocol, bench, source.name, beside, portfolio), sets, journal, looks)
    for work in found.flagged:
        one = next(w for w in sets.works if w.id == work.id)
        files.write(out / _stored(one), one.data)
    flagged = {w.id for w in found.flagged}
    if apart := [w for w in sets.works if w.id in flagged]:
        files.write(out / CASES, cases(request, apart).encode())
    files.write(out / FILE, canonical(found))
    return found


def seal(out: Path) -> None:
    """Write the digests of every file of the folder, as `sha256sum -c` reads them."""
    files.seal(out, DIGESTS)


def _as_remembered(
    request: Request, checkpoint: Checkpoint, other: Checkpoint | None, source: control_works.Controls
) -> None:
    """Raises SettingsError where something taken from the configuration is another by now."""
    if (kept := request.remembered) is None or not kept.taken:
        return
    now = {"checkpoint": checkpoint.digest, "controls": source.digest}
    if other is not None:
        now["control_checkpoint"] = other.digest
    if request.index:
        now["index"] = retrieval.open(request.index).info().facts.digest
    kept.compare(now)


def _checkpoints(request: Request, reference: Path) -> tuple[Checkpoint, Checkpoint | None]:
    embedded = [(reference / f"twin-{twin}").resolve() for twin in "ab"]
    found = [
        diffusion.identify(place, demonstration=Path(place).resolve() in embedded)
        for place in (request.checkpoint, request.control_checkpoint)
        if place
    ]
    if len(found) == 2 and (why := comparable(*found)) is not None:
        raise SettingsError(why.reason, hint=why.remedy)
    return found[0], found[1] if len(found) == 2 else None


def _embedded(checkpoint: Checkpoint, reference: Path) -> control_works.Controls:
    if checkpoint.demonstration:
        return control_works.embedded(reference)
    raise ControlsError(
        "A survey needs control works, and none were named.",
        hint="Name them with --controls DIR. The best are works by the same hand made after the checkpoint was "
        "published; `forensics controls build` makes the table. Without them no rank, no p and no rate exists.",
    )


def _sets(portfolio: Portfolio, beside: Portfolio, copies: CopyDescriptor | None) -> _Sets:
    """Works and controls without repeats, without captions missing, and without a work among the controls."""
    not_asked = [NotAsked(one.id, _sentence(one.reason)) for one in portfolio.left_out]
    left_out: list[NotAsked] = []
    distinct = Distinct(copies)
    works, controls = [], []
    for work in portfolio.works:
        if not work.caption.strip():
            not_asked.append(NotAsked(work.id, "It has no caption, and the checkpoint is asked with the caption."))
        elif distinct.accept(work.sha256, to_tensor(work.picture())):
            works.append(work)
        else:
            not_asked.append(NotAsked(work.id, "It shows what a work before it shows, and counts once."))
    for control in beside.works:
        if not control.caption.strip():
            left_out.append(NotAsked(control.id, "It has no caption."))
        elif distinct.accept(control.sha256, to_tensor(control.picture())):
            controls.append(control)
        else:
            left_out.append(NotAsked(control.id, "It shows what a work surveyed, or a control before it, shows."))
    if not works:
        raise SettingsError(
            "No work can be surveyed: none has a caption and shows what no other shows.",
            hint="Put captions into side files (picture.txt beside picture.png), or into the column caption.",
        )
    if len(controls) < LEAST_CONTROLS:
        raise ControlsError(
            f"{len(controls)} distinct controls with a caption are left, and a survey needs {LEAST_CONTROLS}.",
            hint="Add controls; from 59 on works can be set apart at the level 0.05.",
        )
    return _Sets(tuple(works), tuple(controls), tuple(not_asked), tuple(left_out))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _key(kind: str, work: PortfolioWork) -> str:
    return f"{kind}|{work.sha256}|{hashlib.sha256(work.caption.encode()).hexdigest()[:16]}"


def _measure(request: Request, bench: Bench, sets: _Sets, journal: Journal, out: Path, emit: Emit) -> None:
    """Everything that the journal lacks; the cheap kinds of all works first, so that a stop leaves most."""
    tasks = [
        Measuring(kind, work, control)
        for kind in bench.kinds
        for control, group in ((False, sets.works), (True, sets.controls))
        for work in group
        if _key(kind, work) not in journal
    ]
    clock = Clock([4.0 if task.kind == GENERATED else 1.0 for task in tasks])
    opened = partial(begin, bench.checkpoint, bench.control, bench.device, bench.protocol, bench.seed)
    where = replace(request.where, gpu=bench.device.is_cuda)
    emit(Event("survey", 0, len(tasks), "works and controls are measured"))
    for number, outcome in enumerate(run(opened, tasks, where), 1):
        task, measured = tasks[outcome.place], outcome.given()
        for data in measured.pictures:
            files.write(out / _exhibit(data), data)
        if measured.pictures:
            best, own = measured.pictures
            journal.add(_key("pictures", task.work), [_exhibit(own), _exhibit(best)])
        journal.add(_key(task.kind, task.work), {name: list(numbers) for name, numbers in measured.values.items()})
        bench.store.add(measured.account)
        clock.done(outcome.place)
        emit(Event("survey", number, len(tasks), f"{task.kind}: {task.work.id}", clock.left()))


def _exhibit(data: bytes) -> str:
    return f"{EXHIBITS}/{sha256(data)}.png"


def _stored(work: PortfolioWork) -> str:
    """Where the bytes of a work set apart lie in the folder."""
    suffix = {b"\x89PNG": ".png", b"\xff\xd8\xff\xe0": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}.get(work.data[:4])
    if suffix is None:
        suffix = ".jpg" if work.data[:2] == b"\xff\xd8" else ".picture"
    return f"{BYTES}/{work.sha256[:16]}{suffix}"


def _looks(group: Sequence[PortfolioWork], copies: CopyDescriptor | None, side: int) -> NDArray[np.float64]:
    """(n, d) what a picture shows without any checkpoint: size, complexity, white, and the copy descriptor."""
    rows = []
    for work in group:
        pixels = reduced(to_tensor(work.picture()), side)
        row = list(domain.properties(pixels).values())
        rows.append(row if copies is None else [*row, *copies.embed(pixels)[0].tolist()])
    return np.array(rows, dtype=np.float64)


PROPERTIES = 3
"""Columns of `_looks` before the descriptor: those by which works and controls are matched."""


@dataclass(frozen=True, slots=True)
class _Run:
    request: Request
    out: Path
    protocol: Protocol
    bench: Bench
    controls: str
    beside: Portfolio
    portfolio: Portfolio


def _assessed(run: _Run, sets: _Sets, journal: Journal, looks: Sequence[NDArray[np.float64]]) -> Survey:
    bench, protocol, request = run.bench, run.protocol, run.request
    taken = {w.sha256 + w.caption: _taken(journal, bench, w) for w in (*sets.works, *sets.controls)}
    own, theirs = ([assess.scores(taken[w.sha256 + w.caption]) for w in group] for group in (sets.works, sets.controls))
    primary = protocol.retention(controlled=bench.control is not None)
    among = assess.Among(theirs, primary)
    ranks = [{s: among.rank(s, value) for s, value in scores.items()} for scores in own]
    q_values = assess.benjamini_hochberg([rank[primary].p for rank in ranks])
    smallest = rank_p(0, len(theirs))
    announced = protocol.announces(smallest, len(theirs))
    near = _near(request.index, sets.works)
    works = tuple(
        Surveyed(
            id=work.id,
            caption=work.caption,
            sha256=work.sha256,
            stated=work.repetitions if work.repetitions is not None else near[n][1],
            near=near[n][0],
            primary=rank[primary],
            q=q,
            flagged=(flagged := announced and q <= assess.LEVEL),
            secondary=_secondary(rank, primary),
            hits=assess.hits(taken[work.sha256 + work.caption]),
            enlarged=work.picture().width * work.picture().height < bench.checkpoint.native_px**2,
            picture=journal[_key("pictures", work)][0],
            best=journal[_key("pictures", work)][1],
            command=analyze_command(request, work) if flagged else "",
        )
        for n, (work, rank, q) in enumerate(zip(sets.works, ranks, q_values, strict=True))
    )
    pairs = blind.matched(looks[0][:, :PROPERTIES], looks[1][:, :PROPERTIES])
    first, second = [own[a] for a, _ in pairs], [theirs[b] for _, b in pairs]
    paired = _told(sets, looks, [a for a, _ in pairs], [b for _, b in pairs], request.seed, paired=True)
    everyone = _told(sets, looks, list(range(len(own))), list(range(len(theirs))), request.seed)
    evaluations = sum(v["evaluations"][0] for t in taken.values() for v in t.values())
    checkpoint, other = bench.checkpoint, bench.control
    return Survey(
        schema=SCHEMA,
        tool=Fact("forensics", __version__),
        created=journal["created"],
        command=request.command,
        checkpoint=checkpoint.name,
        checkpoint_digest=checkpoint.digest,
        native_px=checkpoint.native_px,
        demonstration=checkpoint.demonstration,
        control_checkpoint=other.name if other else "",
        control_checkpoint_digest=other.digest if other else "",
        protocol=Fact(protocol.version, protocol.profile),
        protocol_digest=protocol.digest,
        parameters=(*_parameters(protocol, request.seed), *(request.remembered.facts if request.remembered else ())),
        source=run.portfolio.name,
        source_kind=run.portfolio.kind,
        source_digest=run.portfolio.digest,
        index=_index(request.index),
        level=assess.LEVEL,
        smallest_p=smallest,
        least_together=assess.least_together(len(works), smallest),
        announced=announced,
        works=works,
        not_asked=sets.not_asked,
        controls=ControlsUsed(
            run.controls,
            len(run.beside.works),
            len(sets.controls),
            control_works.load(request.controls).grounds if request.controls else _EMBEDDED,
            run.beside.digest,
            sets.controls_left_out,
        ),
        blind=everyone,
        blind_matched=paired,
        set_test=assess.set_test(first, second, paired, request.seed),
        by_repeats=assess.by_repeats(works),
        scores=bench.store.account(),
        cost=(
            Fact("evaluations of the denoising network", f"{evaluations:.0f}"),
            Fact("works and controls measured", f"{len(works)} and {len(theirs)}"),
        ),
        limits=LIMITS,
    )


_EMBEDDED = "Held out: the manifest of the training run lists them as controls, never trained on."


def _taken(journal: Journal, bench: Bench, work: PortfolioWork) -> dict[str, Values]:
    return {kind: {name: tuple(v) for name, v in journal[_key(kind, work)].items()} for kind in bench.kinds}


def _secondary(rank: dict[Statistic, Ranked], primary: Statistic) -> tuple[Ranked, ...]:
    return tuple(one for statistic, one in rank.items() if statistic is not primary)


def _told(
    sets: _Sets,
    looks: Sequence[NDArray[np.float64]],
    first: list[int],
    second: list[int],
    seed: int,
    *,
    paired: bool = False,
) -> tuple[Told, ...]:
    """How well the chosen works and controls are told apart by their pictures alone and by their captions alone."""
    pictures = blind.standard(np.vstack([looks[0][first], looks[1][second]]))
    captions = blind.words([*(sets.works[i].caption for i in first), *(sets.controls[i].caption for i in second)])
    rows = (
        ("their pictures alone (size, complexity, white, copy descriptor)", pictures),
        ("their captions alone (letters, length)", captions),
    )
    found = [blind.told(name, x[: len(first)], x[len(first) :], seed, paired=paired) for name, x in rows]
    return tuple(one for one in found if one is not None)


def _near(location: str, works: Sequence[PortfolioWork]) -> list[tuple[int | None, int | None]]:
    """Near-duplicates in the index, and how often its source states that they stood in the training set."""
    if not location:
        return [(None, None)] * len(works)
    index = retrieval.open(location)
    if not isinstance(index, LanceIndex):
        return [(None, None)] * len(works)
    targets = [duplicates.of_picture(w.id, w.picture(), w.sha256) for w in works]
    return [(found.near, found.stated) for found in duplicates.count(index, targets)]


def _index(location: str) -> Fact | Absent:
    if not location:
        return Absent(
            "training index",
            "No training index was named, so repeats of the works in the training set were not counted.",
            "Pass --index.",
        )
    index = retrieval.open(location)
    facts = index.info().facts
    if not isinstance(index, LanceIndex):
        return Absent(
            "training index",
            f"Repeats were not counted: {facts.name} keeps no pictures that works could be laid beside.",
            "Build an index of this program's own from the pictures with `forensics index build`.",
        )
    return Fact(facts.name, f"{facts.count} images. {duplicates.RULE}")


def _parameters(protocol: Protocol, seed: int) -> tuple[Fact, ...]:
    return (
        Fact(
            "codelength",
            f"{protocol.codelength_levels} levels to {protocol.codelength_finest}, counted down to noise "
            f"over signal {protocol.codelength_cut}; {protocol.codelength_draws} draws",
        ),
        Fact(
            "pictures generated of each work",
            f"{protocol.seeds}, {protocol.steps} steps, guidance {protocol.guidance}, seeds from {seed}",
        ),
    )


def analyze_command(request: Request, work: PortfolioWork) -> str:
    """The command that makes a case of a work set apart, to be given in the folder of the survey."""
    words = ["forensics", "analyze", _stored(work), "--caption", work.caption]
    for name, value in _further(request).items():
        words += [f"--{name}", value]
    return shlex.join([*words, "-o", f"case-{work.sha256[:16]}"])


def cases(request: Request, works: Sequence[PortfolioWork]) -> str:
    """The file that makes a case of each of these works with one `forensics batch`; paths count from the survey."""
    lines = ["[defaults]", *(f"{name} = {_toml(value)}" for name, value in _further(request).items())]
    for work in works:
        lines += ["", "[[case]]", f"image = {_toml(_stored(work))}", f"name = {_toml(work.id)}"]
        lines.append(f"caption = {_toml(work.caption)}")
    return "\n".join([*lines, ""])


def _further(request: Request) -> dict[str, str]:
    """Options of an examination that are the same for every work of the survey, without their dashes."""
    found = {
        "checkpoint": request.checkpoint,
        "control-checkpoint": request.control_checkpoint,
        "controls": str(request.controls) if request.controls else "",
        "index": request.index,
    }
    return {name: _absolute(place) for name, place in found.items() if place} | {"profile": "standard"}


def _toml(text: str) -> str:
    """A basic string of TOML: that of JSON, in which the delete character needs no escape."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _absolute(place: str) -> str:
    return str(Path(place).absolute()) if Path(place).exists() else place
