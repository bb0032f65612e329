"""`forensics validate`: measure works of known status, write the record and its PDF.

Halves, works, edits, numbers and questions are fixed in this package before anything is measured. The test half enters
the record through `assess` alone, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forensics import __version__, diffusion, retrieval
from forensics.case import Absent, Checkpoint, Fact, Pair
from forensics.defaults import Filled
from forensics.diffusion.families import need_words
from forensics.errors import SettingsError
from forensics.events import Emit, Event, ignore
from forensics.protocol import Protocol
from forensics.stages.budget import drawn_in
from forensics.statistics.record import (
    SCHEMA,
    PropositionRecord,
    Propositions,
    ValidationRecord,
    save,
)
from forensics.validation import bench, edits, ladder_rows, material, works
from forensics.validation import journal as journals
from forensics.validation.assess import RESAMPLES, assess
from forensics.validation.bench import Plan
from forensics.validation.journal import Journal
from forensics.validation.works import KnownWork

JOURNAL, RECORD = "measurements.jsonl", "validation.json"
NEIGHBOURS = 100
"""Controls of each half, by id, that are also prompted with the caption of their first neighbour: as many as a p
of 0.01 needs."""
COMPARED = 160
"""Controls of each half, by id, from which pairs for the question of derivation are made."""
REPEATED = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is validated."""

    plan: Plan
    protocol: Protocol
    name: str
    command: str
    rows: Path | None = None
    """Folder of the ladder study with codelength rows measured before, by digest of the checkpoint."""
    resamples: int = RESAMPLES
    remembered: Filled | None = None
    """What of the plan comes from the user's configuration."""
    questions: frozenset[Pair] = frozenset(Pair)
    """The proposition pairs that are validated; of the others the record says that they were not."""


def validate(request: Request, out: Path, *, resume: bool = False, jobs: int = 1, emit: Emit = ignore) -> Path:
    """Measure what is missing, assess, and write the record; its path.

    Raises:
        SettingsError: the manifest cannot be used, or `out` holds results of another validation.
        CaseError: `out` holds results and `resume` is not set.
        ForensicsError: from the measurements.
    """
    plan = request.plan
    known = works.read(plan.manifest)
    checkpoint = plan.identify()
    if request.questions & {Pair.RETENTION, Pair.ORIGIN}:
        need_words(checkpoint, "a validation of retention or origin")
    other = diffusion.identify(plan.control_checkpoint) if plan.control_checkpoint else None
    _as_remembered(request, checkpoint, other)
    protocol = request.protocol
    plan = replace(plan, steps=drawn_in(protocol, checkpoint), guidance=protocol.guidance)
    data = works.digests(plan.manifest, known)
    made_with = {
        "checkpoint": checkpoint.digest,
        "control checkpoint": other.digest if other else "",
        "manifest": data[0].sha256,
        "pictures": data[1].sha256,
        "device": f"{plan.device} {plan.precision}",
    }
    journal = Journal(out / JOURNAL, made_with, resume=resume)
    if request.rows is not None:
        _adopt(journal, request.rows, checkpoint, other, known)
    missing = [key for key in tasks(plan, known, request.questions) if key not in journal]
    for number, (key, values) in enumerate(bench.run(plan, missing, jobs), 1):
        journal.add(key, values)
        emit(Event("validate", number, len(missing), key.replace("|", " ")))
    emit(Event("assess", 0, 1, "calibration half, then test half"))
    record = _record(request, known, checkpoint, other, journal, data)
    path = out / RECORD
    save(record, path)
    emit(Event("assess", 1, 1, path.name))
    return path


def _as_remembered(request: Request, checkpoint: Checkpoint, other: Checkpoint | None) -> None:
    """Raises SettingsError where something taken from the configuration is another by now."""
    if (kept := request.remembered) is None or not kept.taken:
        return
    now = {"checkpoint": checkpoint.digest}
    if other is not None:
        now["control_checkpoint"] = other.digest
    if "index" in kept.taken:
        now["index"] = retrieval.open(str(request.plan.index)).info().facts.digest
    if "clip" in kept.taken:
        now["clip"] = _embedder(request.plan)
    if request.plan.lora or request.plan.embeddings:
        del now["checkpoint"]  # its digest holds theirs, and what is remembered is of the checkpoint alone
    kept.compare(now)


def tasks(plan: Plan, known: Sequence[KnownWork], questions: frozenset[Pair] = frozenset(Pair)) -> list[str]:
    """Every task of the questions, in the order in which they are taken."""
    found = [f"{bench.LOOK}|{bench.OWN}|{w.id}" for w in known]
    if Pair.DERIVATION in questions:
        found += _derivation_tasks(plan, known)
    if Pair.RETENTION in questions:
        found += _retention_tasks(plan, known)
    return found + (_origin_tasks(plan, known) if Pair.ORIGIN in questions else [])


def _derivation_tasks(plan: Plan, known: Sequence[KnownWork]) -> list[str]:
    _, controls = material.split(known)
    found: list[str] = []
    if plan.index is not None and plan.clip:
        paired = [w for half in works.HALVES for w in [c for c in controls if c.half == half][:COMPARED]]
        for kind in bench.PAIR_MEASURES:
            found += [f"{kind}|{name}|{w.id}" for w, name in zip(paired, _turns(paired), strict=True)]
            found += [f"{kind}|{bench.INDEPENDENT}|{w.id}" for w in paired]
    return found


def _retention_tasks(plan: Plan, known: Sequence[KnownWork]) -> list[str]:
    members, controls = material.split(known)
    near = plan.index is not None and plan.clip
    found = [f"{bench.NEAR}|{bench.OWN}|{w.id}" for w in members] if near else []
    variants = [bench.OWN, *([bench.ELSEWHERE] if plan.control_checkpoint else [])]
    found += [f"{bench.ROWS}|{variant}|{w.id}" for variant in variants for w in known if w.caption]
    if near:
        for half in works.HALVES:
            chosen = [w for w in controls if w.half == half and w.caption][:NEIGHBOURS]
            found += [f"{bench.ROWS}|{bench.NEIGHBOUR}|{w.id}" for w in chosen]
            if plan.control_checkpoint:
                found += [f"{bench.ROWS}|{bench.NEIGHBOUR_ELSEWHERE}|{w.id}" for w in chosen]
    chosen = material.changed(known)
    found += [f"{bench.ROWS}|{name}|{w.id}" for name in edits.ROBUSTNESS for w in chosen]
    if plan.control_checkpoint:
        # Each form of a ratio is put through the changes itself: what holds for one says nothing of the other.
        found += [f"{bench.ROWS}|{bench.ELSEWHERE_OF}{name}|{w.id}" for name in edits.ROBUSTNESS for w in chosen]
    few = chosen[:: 2 * material.CHANGED // REPEATED]
    return found + [f"{bench.ROWS}|{name}|{w.id}" for name in (bench.AGAIN, bench.HALF_PRECISION) for w in few]


def _origin_tasks(plan: Plan, known: Sequence[KnownWork]) -> list[str]:
    found = []
    for half in works.HALVES:
        captions, shown = material.origin_works(known, half)
        found += [f"{bench.ORIGIN}|{bench.MADE}|{w.id}" for w in captions]
        found += [f"{bench.ORIGIN}|{bench.OWN}|{w.id}" for w in shown]
        found += [f"{bench.ORIGIN}|{bench.ANOTHER}|{w.id}" for w in shown[: material.GIVEN_BACK]]
        if half == "test":
            if plan.control_checkpoint:
                found += [f"{bench.ORIGIN}|{bench.MADE_ELSEWHERE}|{w.id}" for w in captions if not w.member]
            pairs = [(bench.MADE, captions), (bench.OWN, shown)]
            found += [
                f"{bench.ORIGIN}|{kind}, {name}|{w.id}"
                for name in edits.ROBUSTNESS
                for kind, group in pairs
                for w in group[: material.CHANGED]
            ]
    return found


def _turns(controls: Sequence[KnownWork]) -> list[str]:
    """One edit a work in turn, within each half."""
    names, seen, found = list(edits.DERIVED), dict.fromkeys(works.HALVES, 0), []
    for work in controls:
        found.append(names[seen[work.half] % len(names)])
        seen[work.half] += 1
    return found


def _adopt(
    journal: Journal, folder: Path, checkpoint: Checkpoint, other: Checkpoint | None, known: Sequence[KnownWork]
) -> None:
    wanted = {w.id for w in known}
    for made, variant in ((checkpoint, bench.OWN), (other, bench.ELSEWHERE)):
        if made is None:
            continue
        for row in journals.rows(folder / f"{made.digest[:16]}.jsonl"):
            key = f"{bench.ROWS}|{variant}|{row['work']}"
            if row["work"] in wanted and key not in journal:
                journal.add(key, row)


def _record(
    request: Request,
    known: Sequence[KnownWork],
    checkpoint: Checkpoint,
    other: Checkpoint | None,
    journal: Journal,
    data: Any,
) -> ValidationRecord:
    results = material.Results(
        journal, request.protocol, known, frozenset(tasks(request.plan, known, request.questions))
    )
    baselines = material.baselines(journal, known)
    refused = "".join(
        f"Without the model, {b.inputs.split(':')[0]}, members and controls are told apart with an area of "
        f"{b.auc.value:.2f}; above {b.limit:.2f} calibrated statements are refused. "
        for b in baselines
        if b.exceeded
    ).strip()
    properties, centre = material.look_of(results)
    forms: dict[str, PropositionRecord | Absent] = {}
    for name, question, found in (
        ("derivation", material.derivation_question(), material.derivation(results)),
        ("retention", material.retention_question(False, results), material.retention(results, False)),
        (
            "retention_with_control_checkpoint",
            material.retention_question(True, results),
            material.retention(results, True),
        ),
        ("origin", material.origin_question(), material.origin(results)),
    ):
        if isinstance(found, Absent):
            forms[name] = found
            continue
        # Members enter retention alone: derivation is asked of works and their edits.
        hindrance = refused if name.startswith("retention") else ""
        found = replace(found, domain=found.domain or properties)
        forms[name] = assess(question, found, hindrance, resamples=request.resamples)
    evaluations = sum(journal[k]["evaluations"] for k in journal if k.startswith(f"{bench.ROWS}|") and k in results)
    made = sum(k.startswith(f"{bench.ORIGIN}|{bench.MADE}") and k in results for k in journal)
    protocol = request.protocol
    evaluations += made * protocol.steps * (2 if protocol.guidance > 1 else 1)
    return ValidationRecord(
        schema=SCHEMA,
        name=request.name,
        tool=Fact("forensics", __version__),
        command=request.command,
        protocol_version=request.protocol.version,
        protocol_digest=request.protocol.digest,
        parameters=material.parameters(request.protocol),
        checkpoint_name=checkpoint.name,
        checkpoint_digest=checkpoint.digest,
        control_checkpoint_digest=other.digest if other else "",
        data=data,
        propositions=Propositions(**forms),
        baselines=baselines,
        repeatability=material.repeats(results),
        embedder=_embedder(request.plan),
        centre=centre,
        cost=(
            Fact("evaluations of the denoising network", str(evaluations)),
            *(request.remembered.facts if request.remembered else ()),
        ),
        limits=material.LIMITS,
    )


def _embedder(plan: Plan) -> str:
    if not plan.clip:
        return ""
    from forensics.device import choose
    from forensics.embedders.open_clip import Embedder

    return Embedder.open(plan.clip, choose(plan.device, plan.precision)).digest


def check_profile(protocol: Protocol) -> None:
    """Raises SettingsError where the draws of the profile exceed those of the rows."""
    if protocol.codelength_draws > ladder_rows.STUDY_GRID.draws:
        raise SettingsError(
            f"The profile {protocol.profile!r} takes {protocol.codelength_draws} draws of noise; validation takes "
            f"{ladder_rows.STUDY_GRID.draws}.",
            hint="Validate the profile standard or quick.",
        )
