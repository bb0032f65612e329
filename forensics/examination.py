"""The order of the examination, readable from top to bottom, and nothing else.

Stages return pictures and numbers; the case folder is written through the ledger alone, so that whatever stops the
examination leaves what was gathered, with a custody log that says where it stopped.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from forensics import __version__, documents, draughtsman, hands, inputs, others
from forensics.case import SCHEMA, Absent, Case, Correspondence, Fact, Style
from forensics.controls import works as control_works
from forensics.device import Device, choose, facts, session
from forensics.embedders.copies import CopyDescriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import SettingsError
from forensics.events import Emit, Event, ignore
from forensics.findings.conclude import conclude
from forensics.findings.evidence import NO_CHECKPOINT, Evidence
from forensics.folder import Ledger, stops_on_record
from forensics.folder.layout import EXHIBITS
from forensics.overlay import learned
from forensics.overlay.glued import Glued
from forensics.path_names import printable
from forensics.pictures import bounded
from forensics.pictures.metadata import trust
from forensics.protocol import PROFILES, Protocol
from forensics.settings import Resolved, Settings
from forensics.similarity.inputs import held
from forensics.stages import belonging, correspond, evaluate, ladder, measure, origin, search, standing, style, works
from forensics.stages import open as opened
from forensics.stages.asked import asked_for
from forensics.stages.context import Context, Received
from forensics.stages.declared import declared
from forensics.stages.identity import case_id, parts
from forensics.stages.instruments import Instruments
from forensics.stages.kept import Kept, means
from forensics.stages.results import Results
from forensics.stages.stated import stated
from forensics.stages.works import Work
from forensics.stages.workshop import Workshop
from forensics.statistics import record as records

_NO_INDEX = Absent("training index", "No training index was searched: this is a comparison of pictures.")


def analyze(
    image: Path,
    out: Path,
    resolved: Resolved,
    *,
    force: bool = False,
    emit: Emit = ignore,
    resume: bool = False,
    ledger: Ledger | None = None,
) -> Path:
    """Examine a disputed image against a checkpoint and write the case folder with its report.

    Args:
        image: the disputed image; its bytes go into the folder as they are, with their digest. Never modified.
        out: the case folder to create.
        resolved: settings, matter and their sources.
        force: keep an existing folder aside and start anew.
        emit: told of progress.
        resume: go on in `out`, where the same examination was stopped.
        ledger: of the folder, where it was opened already; `force` and `resume` were then its.

    Returns:
        Path of the PDF.

    Raises:
        ForensicsError: its subclasses say what failed, what to do and with which exit code.
    """
    ledger = ledger or Ledger(out, force=force, asked=asked_for(image, resolved), resume=resume)
    return analyzed(image, ledger, resolved, emit)


def analyzed(
    image: Path, ledger: Ledger, resolved: Resolved, emit: Emit = ignore, workshop: Workshop | None = None
) -> Path:
    """As `analyze`, in a folder whose ledger was opened already.

    Args:
        workshop: what examinations one after the other share; by default this one shares nothing.
    """
    measured(image, ledger, resolved, emit, workshop)
    return reported(ledger, resolved.settings, emit)


def measured(
    image: Path, ledger: Ledger, resolved: Resolved, emit: Emit = ignore, workshop: Workshop | None = None
) -> None:
    """As `analyzed`, up to the frozen case."""
    with stops_on_record(ledger):
        examined(image, ledger, resolved, ledger.watched(emit), workshop)


def reported(ledger: Ledger, settings: Settings, emit: Emit = ignore) -> Path:
    """The report of what was measured, drawn in a process of its own where one was begun; the path of the PDF."""
    with stops_on_record(ledger):
        return _rendered(ledger, settings, emit)


@inputs.watched
def examined(
    image: Path,
    ledger: Ledger,
    resolved: Resolved,
    emit: Emit,
    workshop: Workshop | None = None,
    *,
    further: bool = True,
) -> Case:
    """The examination up to the frozen case, without documents. Raises as `analyze`.

    Args:
        further: whether the further source of alignments is used where it was fetched.
    """
    settings, protocol = resolved.settings, _protocol(resolved.settings)
    # (1) What would fail later fails now, before anything is received: device, headers and digests, index, embedder.
    device = choose(settings.device, settings.precision)
    if settings.controls:
        control_works.load(Path(settings.controls))
    if settings.validation:
        records.load(Path(settings.validation))
    workshop = workshop or Workshop()
    models = opened.models(settings, emit, workshop)
    emit(Event("identify", 1, 2, "index and embedder"))
    sources = search.open_sources(settings, models.checkpoint, device, workshop)
    belonging.as_remembered(resolved, models, sources)
    resolved = belonging.with_fetched(resolved, sources.fetched)
    emit(Event("identify", 2, 2, models.checkpoint.name))

    with session(device), hands.two(where=hands.suits(device, models.checkpoint)):
        # (2) The protocol is fixed and hashed before any measurement.
        protocol_file = ledger.fix(protocol.file.path, protocol.canonical)
        # (3) Hash the bytes as received, then decode copies; choose the controls.
        received = _receive(ledger, image, settings, emit)
        models = stated(models, ledger)
        demonstration = models.checkpoint.demonstration
        copies = search.open_copies(device, demonstration=demonstration, workshop=workshop)
        source = search.further_source(wanted=further, demonstration=demonstration, workshop=workshop)
        instruments = _instruments(sources.embedder, copies, source, device, workshop)
        controls = works.control_group(
            settings,
            models.checkpoint,
            protocol,
            list(received.pictures),
            received.digests,
            None if isinstance(copies, Absent) else copies,
        )
        known = sources.embedder if isinstance(sources.embedder, Embedder) else None
        controls = standing.stand(received.disputed, received.item, controls, known)
        cache = opened.kept_scores(models.checkpoint, settings.seed)
        context = Context(settings, protocol, device, ledger, instruments, emit, controls, cache)
        # What a stage gave before a stop counts only for the same question, bytes and means.
        index_facts = sources.index if isinstance(sources.index, Absent) else sources.index.info().facts
        identity = (*parts("analyze", received, context, models, index_facts), *means(device))
        kept = Kept.of(ledger, cache, identity)
        context = replace(context, kept=kept, workshop=workshop)
        # (4) Nearest training images, of the disputed image and of every control, in the same index.
        found = kept.stage("search", search.Found, lambda: search.search(received, sources, context))
        # (5) What the disputed image is an altered copy of, who made it, and of which picture retention is asked.
        at_hand = [*received.put_forward, *(Work(i, pixels, "") for i, pixels in found.pictures.items())]
        table = correspond.light_table(instruments)
        overlaid = functools.cache(lambda: correspond.lay_over(received.disputed, at_hand, emit, table))
        copies_found = functools.cache(lambda: overlaid().copies(received.disputed, at_hand))
        traced = kept.stage(
            "origin",
            origin.Traced,
            lambda: origin.trace(received, models, found, copies_found(), context, overlaid().otherwise(at_hand)),
        )
        # (6) The inversion ladder, with the same budget for every control.
        rungs = kept.stage(
            "ladder",
            ladder.Ladder,
            lambda: ladder.climb(
                received, traced.target, models, replace(found, copy_of=tuple(copies_found())), context
            ),
        )
        # (7) Every measure on every pair, and the same statistics on the controls.
        primary = protocol.retention(controlled=models.control is not None)
        measured = kept.stage(
            "measure", measure.Measured, lambda: measure.measure(received, found, rungs, primary, context)
        )
        compared = (*(work.id for work in received.put_forward), *found.pictures)
        evaluated = evaluate.evaluate(received.disputed, compared, measured, traced, models, known, context)
        shared = functools.partial(search.companions, sources=sources, found=found)
        beside = correspond.Beside(shared, controls.works, "control works", traced.round_trips)
        drawn = 1 + len(received.originals)
        laid = kept.stage(
            "correspond",
            tuple[Correspondence, ...],
            lambda: correspond.correspond(
                received.disputed, at_hand, context, figures=drawn, beside=beside, overlaid=overlaid()
            ),
        )
        nearest = kept.stage(
            "nearest control",
            Correspondence | None,
            lambda: correspond.nearest_control(measured.comparisons, received.put_forward, found, context),
        )
        manner = kept.stage(
            "style",
            Style | Absent,
            lambda: style.resemble(received.disputed, at_hand, found, sources.index, context),
        )
        # (8) Measurements become graded words and findings: pure, from fixed templates.
        results = Results(models, found, traced, rungs, measured, evaluated, laid, nearest, manner)
        evidence = results.evidence(received, context)
        # (9) Freeze, then render: the report is a function of what was frozen.
        identifier = case_id("analyze", received, context, models, found.facts, evaluated.facts)
        case = replace(_case("analyze", received, context, resolved), id=identifier, protocol=protocol_file)
        return _frozen(ledger, results.put_into(case, evidence, conclude(evidence), context))


def compare(
    disputed: Path,
    originals: tuple[Path, ...],
    out: Path,
    resolved: Resolved,
    *,
    force: bool = False,
    emit: Emit = ignore,
) -> Path:
    """Compare a disputed image with one or more works; no checkpoint is examined.

    Raises:
        SettingsError: no original was given.
        ForensicsError: as for `analyze`.
    """
    if not originals:
        raise SettingsError("There is no work to compare with.", hint="Name at least one original.")
    choose(resolved.settings.device, resolved.settings.precision)  # what would fail later fails before a folder is made
    ledger = Ledger(out, force=force, command="compare")
    with stops_on_record(ledger):
        compared(disputed, originals, ledger, resolved, ledger.watched(emit))
        return _rendered(ledger, resolved.settings, emit)


@inputs.watched
def compared(
    disputed: Path,
    originals: tuple[Path, ...],
    ledger: Ledger,
    resolved: Resolved,
    emit: Emit,
    *,
    further: bool = True,
) -> Case:
    """The comparison up to the frozen case, without documents. Raises as `compare`.

    Args:
        further: as in `examined`.
    """
    settings, protocol = resolved.settings, _protocol(resolved.settings)
    device = choose(settings.device, settings.precision)
    fetched = "" if settings.clip else search.fetched_model()
    resolved = belonging.with_fetched(resolved, fetched)
    with session(device), hands.two(where=hands.suits(device)):
        protocol_file = ledger.put_file(protocol.file.path, protocol.canonical)
        received = _receive(ledger, disputed, replace(settings, originals=tuple(map(str, originals))), emit)
        embedder = search.open_embedder(settings.clip or fetched or None, device)
        belonging.compared_as_remembered(resolved, embedder)
        copies = search.open_copies(device, demonstration=False)
        source = search.further_source(wanted=further, demonstration=False)
        instruments = _instruments(embedder, copies, source, device, Workshop())
        context = Context(settings, protocol, device, ledger, instruments, emit)
        # One core lays the first work over the disputed image while another takes what needs no alignment.
        table, pictures = correspond.light_table(instruments), received.pictures
        with held(work.pixels for work in pictures):
            with table.laid_ahead(received.disputed.pixels, received.put_forward[0].pixels):
                learned.load()  # it is wanted there next
                unrelated = works.background(settings, list(pictures))
                measured = measure.measure(received, search.Found(_NO_INDEX), ladder.Ladder(), None, context)
            ground = "control works named" if settings.controls else "works of the package (clip art)"
            beside = correspond.Beside(unrelated=unrelated, ground=ground)
            laid = correspond.correspond(received.disputed, received.put_forward, context, beside=beside)
        works_compared = tuple(work.id for work in received.put_forward)
        concluded = conclude(
            Evidence(
                received.item, ledger.exhibits, works_compared, measured.measurements, protocol, correspondences=laid
            )
        )
        case = _case("compare", received, context, resolved)
        return _frozen(
            ledger,
            replace(
                case,
                protocol=protocol_file,
                exhibits=ledger.exhibits,
                metrics=measured.metrics,
                measurements=measured.measurements,
                assessments=concluded.assessments,
                findings=concluded.findings,
                absences=(*measured.absences, *concluded.absences),
                correspondences=laid,
            ),
        )


def _protocol(settings: Settings) -> Protocol:
    """The protocol of the profile, with every constant of the program that can change a number or a word."""
    trusted = trust.lists(settings.c2pa_trust)
    bounded.use(bounded.Limits(settings.max_pixels, settings.max_seconds, url=settings.url or "", trust=trusted))
    return declared(PROFILES[settings.profile])


def _receive(ledger: Ledger, image: Path, settings: Settings, emit: Emit) -> Received:
    originals = settings.originals
    total = 1 + len(originals)
    stated = others.asked(settings)
    emit(Event("intake", 0, total, printable(image.name)))
    item, picture = ledger.receive(image, "Q1", "disputed")
    received = []
    for number, name in enumerate(originals, 1):
        emit(Event("intake", number, total, printable(Path(name).name)))
        original, pixels = ledger.receive(Path(name), f"R{number}", "original")
        received.append((original, Work.of(original.exhibit, pixels)))
    emit(Event("intake", total, total, f"{total} files received"))
    checks = others.enter(stated, (item, *(original for original, _ in received)), ledger)
    lists = tuple(
        ledger.put_file(f"{EXHIBITS}/{one.digest}{one.suffix}", one.data.encode("latin-1"))
        for one in bounded.limits().trust
    )
    return Received(item, Work.of(item.exhibit, picture), tuple(received), checks, lists)


def _instruments(
    embedder: Embedder | Absent,
    copies: CopyDescriptor | Absent,
    source: Glued | Absent,
    device: Device,
    workshop: Workshop,
) -> Instruments:
    meaning = None if isinstance(embedder, Absent) else embedder
    edited = None if isinstance(copies, Absent) else copies
    names = meaning.digest if meaning else "", edited.digest if edited else ""
    proposing = source.digest if isinstance(source, Glued) else source.reason
    key = ("instruments", *names, proposing, device)
    return workshop.once(key, lambda: Instruments.prepare(meaning, edited, source))


def _case(command: str, received: Received, context: Context, resolved: Resolved) -> Case:
    """What is known of a case before anything is measured; the rest is put in when it is."""
    return Case(
        schema=SCHEMA,
        id=case_id(command, received, context),
        created=context.ledger.custody[0].utc,
        tool=Fact("forensics", __version__),
        command=command,
        protocol=context.protocol.file,
        matter=resolved.matter,
        disputed=received.disputed.id,
        items=received.items,
        checks=received.checks,
        trust=received.trust,
        checkpoint=NO_CHECKPOINT,
        index=_NO_INDEX,
        controls=context.controls.facts,
        exhibits=context.ledger.exhibits,
        neighbours=(),
        inversions=(),
        metrics=(),
        measurements=(),
        comparisons=(),
        assessments=(),
        findings=(),
        absences=(),
        settings=(*resolved.rows, *context.protocol.rows),
        environment=(*facts(context.device), *context.instruments.means),
        custody=context.ledger.custody,
    )


def _frozen(ledger: Ledger, case: Case) -> Case:
    inputs.check()  # what was measured is what was hashed, or there is no case
    letters = documents.letters(case)
    for typeface in letters.typefaces:
        ledger.put_file(typeface.path, typeface.data)
    frozen = replace(
        case, environment=(*case.environment, *documents.drawing(), *letters.facts), custody=ledger.custody
    )
    ledger.close(frozen)
    return frozen


def _rendered(ledger: Ledger, settings: Settings, emit: Emit) -> Path:
    emit(Event("report", 0, 1, "rendering the report"))
    language = settings.language
    pdf = documents.render(ledger.folder, paper=settings.paper, language=language, elsewhere=draughtsman.draw)
    emit(Event("report", 1, 1, pdf.name))
    return pdf
