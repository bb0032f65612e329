"""Case -> what the reader sees, as frozen strings and rows. The templates only print it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forensics import jurisdictions, schema
from forensics.case import Absent, Assessment, Case, Grade, Origin, Pair
from forensics.report import words
from forensics.report.sections import Printed, levels, printed
from forensics.report.sections import appendices as records
from forensics.report.sections.answers import Card, cards
from forensics.report.sections.bits import Bits, bits
from forensics.report.sections.controls import Comparing, comparing
from forensics.report.sections.correspondence import Apart, Entry, Laid, apart, control, correspondences, side_by_side
from forensics.report.sections.exhibits import Boards, boards
from forensics.report.sections.explanations import Explained, explanations
from forensics.report.sections.items import (
    ItemView,
    Line,
    Lines,
    Method,
    Rung,
    Statements,
    Subject,
    checkpoint,
    controls,
    index,
    item,
    lines,
    methods,
    rungs,
    statements,
)
from forensics.report.sections.limitations import absences, limitations, third_source
from forensics.report.sections.measurements import Measures, Table
from forensics.report.sections.model import Searched, searched
from forensics.report.sections.plates import Plates, plates
from forensics.report.sections.rules import Factor, factors
from forensics.report.sections.sensitivity import SensitivityRow, sensitivity
from forensics.report.sections.summary import Summary, summary
from forensics.report.sections.sure import Against, Sure, against, sure
from forensics.report.sections.tries import Tries, tries
from forensics.report.sections.validation import Validation, validation

HEADER = 60
"""Characters that stand on one line of the running header."""
DESCRIBED = "correspondence/3, outcome/5"
"""The versions of the comparison whose steps and bounds the method card states; others are named, not described."""


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
class AssessmentView:
    """One work in graded words."""

    id: str
    work: str
    title: str
    grade: str
    basis: str
    corresponds: tuple[str, ...]
    differs: tuple[str, ...]
    subject_or_manner: tuple[str, ...]
    cites: str


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
class Stated:
    """A field that a person fills in: what the case file says, or a ruled line."""

    label: str
    value: str


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
    cards: tuple[Card, ...]
    plates: Plates
    sure: Sure
    against: tuple[Against, ...]
    propositions: tuple[tuple[str, str, str], ...]
    """Name, first and second of every pair that was asked."""
    tries: Tries
    explanations: tuple[Explained, ...]
    explanations_more: str
    """The works whose explanations stand in the record."""
    factors: tuple[Factor, ...]
    asked: str
    """How many questions the case file puts, as a noun phrase."""
    by_grade: tuple[tuple[str, str], ...]
    """Graded word, and the works that received it."""
    assessed_apart: str
    """The works that do not correspond, in one sentence."""
    items: tuple[ItemView, ...]
    checkpoint: Subject
    statements: tuple[Statements, ...]
    index: Subject
    controls: Subject
    boards: Boards
    rungs: tuple[Rung, ...]
    methods: tuple[Method, ...]
    tables: tuple[Table, ...]
    correspondences: tuple[Entry, ...]
    """The first, and every other with a region."""
    apart: Apart | None
    """Those after the first without any region, which share a paragraph."""
    laid: tuple[Laid, ...]
    """What was measured on the overlays, work beside work; empty where one work alone was laid."""
    moved: str
    """Where retention is asked of another picture than the disputed image: what stands in its place, and where."""
    laid_by: str
    """Versions of the comparison and of its bounds."""
    comparing_laid: bool
    """Whether the method card describes these versions."""
    origin: bool
    """Whether the origin of the disputed image was measured."""
    outputs: Table | None
    """What came of each run of several outputs; every single one stands in the attached measurements.csv."""
    control_correspondence: Entry | None
    comparing: Comparing
    sensitivity: tuple[SensitivityRow, ...]
    third: str
    """The search for a third work as common source."""
    bits: Bits
    validation: Validation
    assessments: tuple[AssessmentView, ...]
    grades: tuple[tuple[str, str], ...]
    metrics: tuple[MetricView, ...]
    limits: tuple[str, ...]
    custody: records.Custody
    settings: tuple[records.SettingsGroup, ...]
    constants: str
    """How many values of single parts stand in the protocol file alone."""
    protocol: Lines
    environment: Lines
    exhibits: tuple[records.ExhibitGroup, ...]
    absences: tuple[Absent, ...]
    searched: Searched
    pack: jurisdictions.Pack | None
    elements: bool
    """Whether the comparison element by element is printed."""
    person: tuple[Stated, ...]
    opinion: tuple[Stated, ...]
    """The range of opinion: a field of its own, which no file fills in."""
    sections: tuple[Printed, ...] = ()
    """What is printed, in order."""


def view(case: Case, signatory: str = "") -> Report:
    """The whole report as strings. Pure; the order of everything is the order of the case."""
    report = _view(case, signatory)
    return replace(report, sections=printed(case, report))


def _view(case: Case, signatory: str) -> Report:
    measures = Measures(case)
    laid = correspondences(case)
    alone = tuple(c for c in laid[1:] if not c.pictures and not c.elements)
    explained = explanations(case)
    asked = (Pair.DERIVATION,) if case.command == "compare" else tuple(Pair)
    reference = case.matter.reference or f"Case {case.id[:8]}"
    status = f"Signed electronically by {words.cut(signatory, 60)}" if signatory else "DRAFT – NOT SIGNED"
    if case.demonstration:
        status = f"Demonstration checkpoint · {status}"
    digest = hashlib.sha256(schema.canonical(case)).hexdigest()
    pack = jurisdictions.load(case.matter.jurisdiction) if case.matter.jurisdiction else None
    return Report(
        title=f"Technical similarity and reconstruction report, {reference}",
        reference=_running(case.matter.title, reference),
        status=status,
        demonstration=case.demonstration,
        compare=case.command == "compare",
        created=words.moment(case.created),
        created_iso=case.created,
        tool=f"{case.tool.name} {case.tool.value}",
        digest=words.groups(digest),
        cover=_cover(case),
        summary=summary(case),
        cards=cards(case),
        plates=plates(case),
        sure=sure(case),
        against=against(case),
        propositions=tuple(words.PAIRS[pair] for pair in asked),
        tries=tries(case),
        explanations=explained,
        explanations_more=words.listed([e.work for e in explained[1:]]),
        factors=factors(case),
        asked=words.counted(len(case.matter.questions), "question", "questions"),
        by_grade=_by_grade(case.assessments),
        assessed_apart=_assessed_apart(case),
        items=tuple(item(case, i) for i in case.items),
        checkpoint=checkpoint(case.checkpoint),
        statements=statements(case.checkpoint),
        index=index(case.index),
        controls=controls(case.controls),
        boards=boards(case),
        rungs=rungs(case),
        methods=methods(rungs(case)),
        tables=measures.tables(),
        correspondences=tuple(c for c in laid if c not in alone),
        apart=apart(alone),
        laid=side_by_side(laid),
        moved=_moved(case),
        laid_by=words.listed(sorted({c.protocol for c in case.correspondences})),
        comparing_laid={c.protocol for c in case.correspondences} == {DESCRIBED},
        origin=isinstance(case.origin, Origin) and not isinstance(case.origin.reconstructions, Absent),
        outputs=measures.outputs(),
        control_correspondence=control(case),
        comparing=comparing(case),
        sensitivity=sensitivity(case),
        third=third_source(case),
        bits=bits(case),
        validation=validation(case),
        assessments=tuple(_assessment(case, a) for a in case.assessments),
        grades=tuple(
            (grade.value, said)
            for grade, said in (words.GRADES if case.correspondences else words.GRADES_UNALIGNED).items()
        ),
        metrics=tuple(
            MetricView(
                m.name,
                m.title,
                m.answers,
                m.silent,
                words.sentence(m.protocol),
                f"{words.direction(m.better)}; from {words.plain(m.low)} to {words.plain(m.high)}",
                m.version,
                words.sentence(m.reference),
            )
            for m in case.metrics
        ),
        limits=limitations(case),
        custody=records.custody(case),
        settings=records.settings(case.settings),
        constants=records.constants(case.settings),
        protocol=(
            Line("Command", f"forensics {case.command}"),
            Line("Protocol file", f"{case.protocol.path}, {words.file_size(case.protocol.size_bytes)}"),
            Line("SHA-256 of the protocol", words.groups(case.protocol.sha256), "hash"),
            Line("Case identifier", case.id),
        ),
        environment=lines(case.environment),
        exhibits=records.exhibits(case.exhibits),
        absences=absences(case),
        searched=searched(case),
        pack=pack,
        elements=pack is None or pack.element_comparison,
        person=_person(case),
        opinion=(
            Stated("Range of opinion on the matters dealt with, and whose", ""),
            Stated(
                "Reasons for the opinion held within that range; where no opinion can be given without qualification, "
                "the qualification",
                "",
            ),
        ),
    )


def _running(title: str, reference: str) -> str:
    """One line for the head of every page: the reference in full where it is short, and what fits of the title."""
    kept = words.cut(reference, 40)
    spare = HEADER - len(kept) - 3
    return f"{words.cut(title, spare)} · {kept}" if title and spare > 8 else kept


def _moved(case: Case) -> str:
    disputed = case.item(case.disputed).exhibit
    if case.asked == disputed:
        return ""
    return (
        f"Retention is asked of {case.asked} in place of {disputed}: the origin of {disputed} gives the reason. "
        f"What the sections below say of the disputed image in questions of retention was measured on {case.asked}."
    )


def _cover(case: Case) -> Cover:
    m = case.matter
    subject = (
        "Measured correspondence of a disputed image with works put forward"
        if case.command == "compare"
        else "Measured correspondence of a disputed image with works put forward, with works of a training index and "
        "with what a generative model gives back"
    )
    facts: tuple[tuple[str, str], ...] = (
        ("Case reference", m.reference),
        ("Instructed by", m.instructed_by),
        ("Examiner", m.examiner),
        ("Examination begun", words.moment(case.created)),
        ("Examination completed", words.moment(case.custody[-1].utc) if case.custody else ""),
        ("Software", f"{case.tool.name} {case.tool.value}"),
        ("Case identifier", case.id),
    )
    if m.jurisdiction:
        pack = jurisdictions.load(m.jurisdiction)
        facts += (("Jurisdiction pack", f"{pack.title}, edition {pack.edition}"),)
    return Cover(m.court, m.claimant, m.respondent, m.title, subject, facts)


def _person(case: Case) -> tuple[Stated, ...]:
    m, p = case.matter, case.matter.person
    return (
        Stated("How, when and from whom each item was obtained; custody before the log begins", m.provenance),
        Stated("Instructions received, assumptions, and material considered", m.instructions),
        Stated("Qualifications of the examiner", p.qualifications),
        Stated("Publications and testimony, where the court asks for them", _joined(p.publications, p.testimony)),
        Stated(
            "Compensation, and anything that could give rise to doubt about impartiality",
            _joined(p.compensation, p.conflicts),
        ),
        Stated("Who ran the program, and under whose supervision", _joined(p.operator, p.supervision)),
        Stated("Technical opinion adopted, and deviations from the method with their reasons", ""),
    )


def _joined(*parts: str) -> str:
    return " ".join(words.sentence(part) for part in parts if part)


def _by_grade(rows: Sequence[Assessment]) -> tuple[tuple[str, str], ...]:
    by_grade: dict[Grade, list[str]] = {}
    for a in rows:
        by_grade.setdefault(a.grade, []).append(a.work)
    return tuple((grade.value, words.listed(works)) for grade, works in by_grade.items())


def _assessed_apart(case: Case) -> str:
    """What was found of the works after the first, a part of a sentence for each graded word."""
    said = [f"{works}: {grade}" for grade, works in _by_grade(case.assessments[1:])]
    return words.sentence(f"The other works compared. {'; '.join(said)}") if said else ""


def _assessment(case: Case, a: Assessment) -> AssessmentView:
    work = case.exhibit(a.work)
    laid = next((c for c in case.correspondences if c.work == a.work), None)
    corresponds = tuple(map(words.sentence, a.corresponds))
    if laid is not None and laid.regions and a.grade in words.CORRESPONDING and a.grade is not Grade.SAME_PIXELS:
        # The level of detail is never given above what the smaller of the two can show.
        shown = tuple(levels.sentence(case, r, a.work) for r in laid.regions)
        corresponds = (*shown, *filter(None, (laid.containment,)))
    return AssessmentView(
        a.id,
        a.work,
        work.title,
        a.grade.value,
        words.sentence(a.basis),
        corresponds,
        tuple(map(words.sentence, a.differs)),
        tuple(map(words.sentence, a.subject_or_manner)),
        ", ".join(a.cites),
    )
