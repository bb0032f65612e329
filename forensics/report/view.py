"""Case -> what the reader sees, as frozen strings and rows. The templates only print it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from markupsafe import Markup

from forensics import schema
from forensics.case import Absent, Assessment, Case, Checkpoint, ControlFacts, Fact, Grade, IndexFacts, Item
from forensics.report import charts, words
from forensics.report.boards import Boards, Picture, boards, picture
from forensics.report.evidence import Comparing, Summary, comparing, limitations, summary
from forensics.report.measures import Measures, Table


@dataclass(frozen=True, slots=True)
class Line:
    """A named value in a two-column table."""

    name: str
    value: str
    style: str = ""
    """`hash` for digests, `verbatim` for text of a file, whose line breaks are kept; empty for words of our own."""


Lines = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Cover:
    """What the first page says; an empty value is printed as a ruled line for a person to fill in."""

    court: str
    claimant: str
    respondent: str
    title: str
    subject: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ItemView:
    """One file received."""

    id: str
    heading: str
    facts: Lines
    metadata: Lines
    generator: Lines


@dataclass(frozen=True, slots=True)
class Subject:
    """The checkpoint, the index or the controls: facts and files, or the reason for their absence."""

    facts: Lines
    files: tuple[tuple[str, str, str], ...]
    """Path, size, digest."""
    absent: Absent | None


@dataclass(frozen=True, slots=True)
class Rung:
    """One inversion as it was run."""

    id: str
    method: str
    title: str
    supplied: str
    bits: str
    prompt: str
    facts: Lines
    version: str
    chart: Markup | None


@dataclass(frozen=True, slots=True)
class AssessmentView:
    """One work in graded words."""

    id: str
    work: str
    title: str
    grade: str
    grade_says: str
    basis: str
    corresponds: tuple[str, ...]
    differs: tuple[str, ...]
    subject_or_manner: tuple[str, ...]
    cites: str
    disputed: Picture
    compared: Picture


@dataclass(frozen=True, slots=True)
class MetricView:
    """One measure with its protocol."""

    name: str
    title: str
    answers: str
    silent: str
    protocol: str
    direction: str
    version: str
    reference: str


@dataclass(frozen=True, slots=True)
class ExhibitRow:
    """One picture in evidence."""

    id: str
    title: str
    made_by: str
    size: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """One row of the index as it answered."""

    rank: str
    exhibit: str
    similarity: str
    training_id: str
    caption: str
    creator: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CustodyRow:
    """One entry of the chain."""

    seq: str
    utc: str
    actor: str
    action: str
    item: str
    sha256: str
    previous: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the templates may ask for."""

    title: str
    reference: str
    status: str
    demonstration: bool
    compare: bool
    created: str
    created_iso: str
    tool: str
    digest: str
    cover: Cover
    summary: Summary
    items: tuple[ItemView, ...]
    checkpoint: Subject
    index: Subject
    controls: Subject
    boards: Boards
    rungs: tuple[Rung, ...]
    chart: Markup | None
    tables: tuple[Table, ...]
    comparing: Comparing
    assessments: tuple[AssessmentView, ...]
    grades: tuple[tuple[str, str], ...]
    metrics: tuple[MetricView, ...]
    limits: tuple[str, ...]
    custody: tuple[CustodyRow, ...]
    settings: tuple[tuple[str, str, str], ...]
    protocol: Lines
    environment: Lines
    exhibits: tuple[ExhibitRow, ...]
    absences: tuple[Absent, ...]
    neighbours: tuple[NeighbourRow, ...]
    backends: str


def view(case: Case) -> Report:
    """The whole report as strings. Pure; the order of everything is the order of the case."""
    measures = Measures(case)
    reference = case.matter.reference or f"Case {case.id[:8]}"
    status = "DRAFT – NOT SIGNED"
    if case.demonstration:
        status = f"Demonstration checkpoint · {status}"
    digest = hashlib.sha256(schema.canonical(case)).hexdigest()
    return Report(
        title=f"Technical similarity and reconstruction report, {reference}",
        reference=" · ".join(filter(None, (case.matter.title, reference))),
        status=status,
        demonstration=case.demonstration,
        compare=case.command == "compare",
        created=words.moment(case.created),
        created_iso=case.created,
        tool=f"{case.tool.name} {case.tool.value}",
        digest=words.groups(digest),
        cover=_cover(case),
        summary=summary(case),
        items=tuple(_item(case, item) for item in case.items),
        checkpoint=_checkpoint(case.checkpoint),
        index=_index(case.index),
        controls=_controls(case.controls),
        boards=boards(case, measures),
        rungs=_rungs(case),
        chart=measures.chart(),
        tables=measures.tables(),
        comparing=comparing(case),
        assessments=tuple(_assessment(case, a) for a in case.assessments),
        grades=tuple((grade.value, said) for grade, said in words.GRADES.items()),
        metrics=tuple(
            MetricView(
                m.name,
                m.title,
                m.answers,
                m.silent,
                words.sentence(m.protocol),
                f"{words.direction(m.better)}; from {words.plain(m.low)} to {words.plain(m.high)}",
                m.version,
                m.reference,
            )
            for m in case.metrics
        ),
        limits=limitations(case),
        custody=tuple(
            CustodyRow(
                str(c.seq),
                c.utc.replace("T", " ").removesuffix("Z"),
                c.actor,
                c.action,
                c.item,
                words.groups(c.sha256),
                words.short(c.previous),
            )
            for c in case.custody
        ),
        settings=tuple((s.name, s.value, s.source) for s in case.settings),
        protocol=(
            Line("Command", f"forensics {case.command}"),
            Line("Protocol file", f"{case.protocol.path}, {words.file_size(case.protocol.size_bytes)}"),
            Line("SHA-256 of the protocol", words.groups(case.protocol.sha256), "hash"),
            Line("Case identifier", case.id),
        ),
        environment=_lines(case.environment),
        exhibits=tuple(
            ExhibitRow(
                e.id,
                e.title,
                f"made by {e.made_by}" if e.made_by != "received" else "received",
                words.pixels(e.width, e.height),
                words.groups(e.sha256),
            )
            for e in case.exhibits
        ),
        absences=case.absences,
        neighbours=tuple(
            NeighbourRow(
                str(n.rank),
                n.exhibit or "no picture",
                words.number(n.similarity, 4),
                n.training_id,
                n.caption,
                n.creator,
                words.groups(n.source_sha256) or "none recorded",
            )
            for n in case.neighbours
        ),
        backends=", ".join(sorted({n.backend for n in case.neighbours})),
    )


def _lines(facts: tuple[Fact, ...]) -> Lines:
    return tuple(Line(f.name, f.value, "verbatim") for f in facts)


def _cover(case: Case) -> Cover:
    m = case.matter
    subject = (
        "Measured correspondence of a disputed image with works put forward"
        if case.command == "compare"
        else "Measured correspondence of a disputed image with works put forward, with works of a training index and "
        "with what a generative model gives back"
    )
    facts = (
        ("Case reference", m.reference),
        ("Instructed by", m.instructed_by),
        ("Examiner", m.examiner),
        ("Examination completed", words.moment(case.created)),
        ("Software", f"{case.tool.name} {case.tool.value}"),
        ("Case identifier", case.id),
    )
    return Cover(m.court, m.claimant, m.respondent, m.title, subject, facts)


def _item(case: Case, item: Item) -> ItemView:
    role = "Disputed image" if item.id == case.disputed else "Original, as put forward"
    copy = case.exhibit(item.exhibit)
    return ItemView(
        item.id,
        role,
        (
            Line("File name", item.file_name, "verbatim"),
            Line("Size", words.file_size(item.size_bytes)),
            Line("Format", f"{item.media_type}, {words.pixels(item.width, item.height)} as stored"),
            Line("SHA-256 as received", words.groups(item.sha256), "hash"),
            Line("Working copy", f"exhibit {copy.id}, {words.pixels(copy.width, copy.height)}, {copy.media_type}"),
            Line("Steps to the working copy", " ".join(map(words.sentence, item.decoding)) or "none needed"),
            Line("SHA-256 of its bytes", words.groups(copy.sha256), "hash"),
            Line("SHA-256 of its pixels", words.groups(copy.pixel_sha256), "hash"),
        ),
        _lines(item.metadata),
        _lines(item.generator),
    )


def _checkpoint(c: Checkpoint | Absent) -> Subject:
    if isinstance(c, Absent):
        return Subject((), (), c)
    facts = (
        Line("Name", c.name),
        Line("Location as given", c.location),
        Line("Architecture family", f"{c.family}, {c.layout}"),
        Line("Prediction", c.prediction),
        Line("Native picture size", words.pixels(c.native_px, c.native_px)),
        Line("Parameters of the denoising network", words.count(c.parameters)),
        *_lines(c.facts),
        Line("Digest over its files", words.groups(c.digest), "hash"),
    )
    files = tuple((f.path, f"{words.count(f.size_bytes)}", words.groups(f.sha256)) for f in c.files)
    return Subject(facts, files, None)


def _index(i: IndexFacts | Absent) -> Subject:
    if isinstance(i, Absent):
        return Subject((), (), i)
    facts = (
        Line("Name", i.name),
        Line("Rows searched", words.count(i.count)),
        Line("Source", i.source),
        Line("Coverage", words.sentence(i.coverage)),
        Line("Embedder", i.embedder),
        Line("Built, as its manifest states", words.moment(i.built)),
        *_lines(i.facts),
        Line("SHA-256 of the manifest", words.groups(i.digest), "hash"),
    )
    return Subject(facts, (), None)


def _controls(c: ControlFacts | Absent) -> Subject:
    if isinstance(c, Absent):
        return Subject((), (), c)
    facts = (
        Line("Name", c.name),
        Line("Works available", words.count(c.available)),
        Line("Works used", words.count(c.used)),
        Line("Ground for exclusion from training", words.sentence(c.ground)),
        Line("How the works used were chosen", words.sentence(c.selection)),
        Line("Digest of their list", words.groups(c.digest), "hash"),
    )
    files = tuple((w.path, words.count(w.size_bytes), words.groups(w.sha256)) for w in c.works)
    return Subject(facts, files, None)


def _rungs(case: Case) -> tuple[Rung, ...]:
    made = []
    for v in case.inversions:
        facts = (
            Line("guidance", words.plain(v.guidance)),
            Line("steps", words.count(v.steps)),
            Line("seeds", _seeds(v.seeds)),
            Line("evaluations of the network", words.count(v.evaluations)),
            Line("wall time", f"{words.significant(v.seconds, 3)} s"),
            *_lines(v.facts),
        )
        prompt = f"“{v.prompt}” (from: {v.prompt_source})" if v.prompt else "none"
        chart = charts.trajectory(v) if len(v.trace) > 1 else None
        made.append(
            Rung(
                v.id,
                v.method,
                v.title,
                words.sentence(v.supplied),
                words.sentence(words.bits(v.supplied_bits)),
                prompt,
                facts,
                f"Run {v.id}: {v.method}, version {v.version}",
                chart,
            )
        )
    return tuple(made)


def _seeds(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return "none drawn"
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}, {len(seeds)} in all"
    return ", ".join(map(str, seeds))


def _assessment(case: Case, a: Assessment) -> AssessmentView:
    disputed, work = case.exhibit(case.item(case.disputed).exhibit), case.exhibit(a.work)
    return AssessmentView(
        a.id,
        a.work,
        work.title,
        a.grade.value,
        words.GRADES[Grade(a.grade)],
        words.sentence(a.basis),
        tuple(map(words.sentence, a.corresponds)),
        tuple(map(words.sentence, a.differs)),
        tuple(map(words.sentence, a.subject_or_manner)),
        ", ".join(a.cites),
        picture(disputed, 26),
        picture(work, 26),
    )
