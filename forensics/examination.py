"""The order of the examination, readable from top to bottom, and nothing else.

Stages return pictures and numbers; the case folder is written through the ledger alone, so that whatever stops the
examination leaves what was gathered, with a custody log that says where it stopped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forensics import __version__, documents
from forensics.case import SCHEMA, Absent, Case, Fact, Item
from forensics.device import choose, facts, session
from forensics.diffusion import autoencoder
from forensics.errors import SettingsError
from forensics.events import Emit, Event, ignore
from forensics.findings.conclude import conclude
from forensics.findings.evidence import NO_CHECKPOINT, Evidence
from forensics.folder import Ledger
from forensics.protocol import PROFILES
from forensics.settings import Resolved, Settings
from forensics.stages import bit_ledger as account
from forensics.stages import correspond, evaluate, ladder, measure, origin, search, style, works
from forensics.stages.instruments import Instruments
from forensics.stages.open import identify, kept_scores, open_control_checkpoint, published
from forensics.stages.works import Work

_NO_INDEX = Absent("training index", "No training index was searched: this is a comparison of pictures.")
_NO_CONTROLS = Absent("control works", "No control works were used: this is a comparison of pictures.")


def analyze(image: Path, out: Path, resolved: Resolved, *, force: bool = False, emit: Emit = ignore) -> Path:
    """Examine a disputed image against a checkpoint and write the case folder with its report.

    Args:
        image: the disputed image; read once, never modified.
        out: the case folder to create.
        resolved: settings, matter and their sources.
        force: keep an existing folder aside and start anew.
        emit: told of progress.

    Returns:
        Path of the PDF.

    Raises:
        ForensicsError: its subclasses say what failed, what to do and with which exit code.
    """
    settings, protocol = resolved.settings, PROFILES[resolved.settings.profile]
    # (1) What would fail later fails now, before a folder is made: device, headers and digests, index, embedder.
    device = choose(settings.device, settings.precision)
    emit(Event("identify", 0, 2, "checkpoint headers and digests"))
    checkpoint = identify(settings)
    control_checkpoint = open_control_checkpoint(settings, checkpoint)
    others = autoencoder.beside(checkpoint, control_checkpoint, settings.autoencoders)
    emit(Event("identify", 1, 2, "index and embedder"))
    sources = search.open_sources(settings, checkpoint, device)
    emit(Event("identify", 2, 2, checkpoint.name))

    ledger = Ledger(out, force=force)
    with _stops_on_record(ledger):
        # (2) The protocol is fixed and hashed before any measurement.
        protocol_file = ledger.put_file(protocol.file.path, protocol.canonical)
        # (3) Hash the bytes as received, then decode copies; choose the controls.
        (disputed, target), originals = _receive(ledger, image, settings.originals, emit)
        examined = frozenset(item.sha256 for item in (disputed, *(item for item, _ in originals)))
        pictures = [target, *(work for _, work in originals)]
        controls = works.control_group(settings, checkpoint, protocol, pictures, examined)
        with session(device):
            cache = kept_scores(checkpoint)
            # (4) Nearest training images, of the disputed image and of every control, in the same index.
            found = search.search(
                target,
                controls,
                sources,
                protocol,
                ledger,
                emit,
                disputed.sha256,
                originals,
                cache,
            )
            # (5) Who made the disputed image, what it is an altered copy of, and of which picture retention is
            # therefore asked; then the inversion ladder, with the same budget for every control.
            embedder = None if isinstance(sources.embedder, Absent) else sources.embedder
            copies = search.open_copies(device, demonstration=checkpoint.demonstration)
            instruments = Instruments.prepare(embedder, None if isinstance(copies, Absent) else copies)
            put_forward = [work for _, work in originals]
            at_hand = [*put_forward, *(Work(i, pixels, "") for i, pixels in found.pictures.items())]
            overlaid = correspond.lay_over(target, at_hand, emit, correspond.light_table(instruments.at_hand))
            traced = origin.trace(
                target,
                disputed,
                checkpoint,
                put_forward,
                found,
                controls,
                protocol,
                device,
                instruments.at_hand,
                ledger,
                emit,
                overlaid.copies(target, at_hand),
                others,
            )
            rungs = ladder.climb(
                target,
                disputed,
                checkpoint,
                control_checkpoint,
                found,
                controls,
                settings,
                protocol,
                device,
                instruments.at_hand,
                cache,
                ledger,
                emit,
                traced.target,
            )
            # (6) Every measure on every pair, and the same statistics on the controls.
            measured = measure.measure(
                target,
                put_forward,
                found,
                rungs,
                controls,
                instruments,
                emit,
                protocol.retention(controlled=control_checkpoint is not None),
                traced.target,
                cache,
            )
            compared = (*(w.id for _, w in originals), *found.pictures)
            evaluated = evaluate.evaluate(
                target,
                traced.target,
                compared,
                measured,
                checkpoint,
                control_checkpoint,
                protocol,
                settings.validation,
                embedder,
                ledger,
                traced.comparisons,
            )
            laid = correspond.correspond(
                target,
                at_hand,
                instruments.at_hand,
                ledger,
                emit,
                figures=1 + len(originals),
                beside=correspond.Beside(
                    lambda pixels: search.companions(pixels, sources, found),
                    controls.works,
                    "control works",
                    traced.round_trips,
                ),
                overlaid=overlaid,
            )
            beside = correspond.nearest_control(
                measured.comparisons, put_forward, found, controls.works, instruments.at_hand, ledger
            )
            manner = style.resemble(
                target,
                at_hand,
                found,
                sources.index,
                controls.works,
                instruments.at_hand,
                emit,
            )
        comparisons = (*measured.comparisons, *traced.comparisons)
        rows = account.ledger(rungs, measured.inversions, measured.measurements, protocol.rank_level)
        # (7) Measurements become graded words and findings: pure, from fixed templates.
        concluded = conclude(
            Evidence(
                disputed,
                ledger.exhibits,
                compared,
                measured.measurements,
                protocol,
                comparisons,
                found.neighbours,
                measured.inversions,
                checkpoint,
                rows,
                evaluated.ratios,
                traced.facts,
                laid,
            )
        )
        # (8) Freeze, then render: the report is a function of what was frozen.
        absent = [found.facts] if isinstance(found.facts, Absent) else []
        case = Case(
            schema=SCHEMA,
            id=_case_id("analyze", examined, checkpoint.digest, protocol.digest, resolved),
            created=ledger.custody[0].utc,
            tool=Fact("forensics", __version__),
            command="analyze",
            protocol=protocol_file,
            matter=resolved.matter,
            disputed=disputed.id,
            items=(disputed, *(item for item, _ in originals)),
            checkpoint=published(checkpoint),
            index=found.facts,
            controls=controls.facts,
            exhibits=ledger.exhibits,
            neighbours=found.neighbours,
            inversions=measured.inversions,
            metrics=measured.metrics,
            measurements=measured.measurements,
            comparisons=comparisons,
            assessments=concluded.assessments,
            findings=concluded.findings,
            absences=(*absent, *traced.absences, *rungs.absences, *measured.absences, *concluded.absences),
            settings=(*resolved.rows, *protocol.rows, *rungs.settings),
            environment=(*facts(device), *rungs.facts),
            custody=ledger.custody,
            curves=rungs.curves,
            origin=traced.facts,
            ledger=rows,
            validation=evaluated.facts,
            correspondences=laid,
            control_correspondence=beside,
            style=manner,
            search=found.said,
        )
        return _finish(ledger, case, settings, emit)


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
    settings, protocol = resolved.settings, PROFILES[resolved.settings.profile]
    if not originals:
        raise SettingsError("There is no work to compare with.", hint="Name at least one original.")
    device = choose(settings.device, settings.precision)
    ledger = Ledger(out, force=force)
    with _stops_on_record(ledger):
        protocol_file = ledger.put_file(protocol.file.path, protocol.canonical)
        (item, target), received = _receive(ledger, disputed, tuple(map(str, originals)), emit)
        with session(device):
            embedder = search.open_embedder(settings.clip, device)
            copies = search.open_copies(device, demonstration=False)
            instruments = Instruments.prepare(
                None if isinstance(embedder, Absent) else embedder, None if isinstance(copies, Absent) else copies
            )
            measured = measure.measure(
                target,
                [w for _, w in received],
                search.Found(_NO_INDEX),
                ladder.Ladder(),
                works.ControlGroup(_NO_CONTROLS),
                instruments,
                emit,
            )
            unrelated = works.background(settings, [target, *(w for _, w in received)])
            laid = correspond.correspond(
                target,
                [w for _, w in received],
                instruments.at_hand,
                ledger,
                emit,
                beside=correspond.Beside(
                    unrelated=unrelated,
                    ground="control works named" if settings.controls else "works of the package (clip art)",
                ),
            )
        concluded = conclude(
            Evidence(
                item,
                ledger.exhibits,
                tuple(w.id for _, w in received),
                measured.measurements,
                protocol,
                correspondences=laid,
            )
        )
        examined = frozenset(i.sha256 for i in (item, *(i for i, _ in received)))
        case = Case(
            schema=SCHEMA,
            id=_case_id("compare", examined, "", protocol.digest, resolved),
            created=ledger.custody[0].utc,
            tool=Fact("forensics", __version__),
            command="compare",
            protocol=protocol_file,
            matter=resolved.matter,
            disputed=item.id,
            items=(item, *(i for i, _ in received)),
            checkpoint=NO_CHECKPOINT,
            index=_NO_INDEX,
            controls=_NO_CONTROLS,
            exhibits=ledger.exhibits,
            neighbours=(),
            inversions=(),
            metrics=measured.metrics,
            measurements=measured.measurements,
            comparisons=(),
            assessments=concluded.assessments,
            findings=concluded.findings,
            absences=(*measured.absences, *concluded.absences),
            settings=(*resolved.rows, *protocol.rows),
            environment=facts(device),
            custody=ledger.custody,
            correspondences=laid,
        )
        return _finish(ledger, case, settings, emit)


def _receive(
    ledger: Ledger, image: Path, originals: tuple[str, ...], emit: Emit
) -> tuple[tuple[Item, Work], list[tuple[Item, Work]]]:
    total = 1 + len(originals)
    emit(Event("intake", 0, total, image.name))
    item, picture = ledger.receive(image, "Q1", "disputed")
    received = []
    for number, name in enumerate(originals, 1):
        emit(Event("intake", number, total, Path(name).name))
        original, pixels = ledger.receive(Path(name), f"R{number}", "original")
        received.append((original, Work.of(original.exhibit, pixels)))
    emit(Event("intake", total, total, f"{total} files received"))
    return (item, Work.of(item.exhibit, picture)), received


def _finish(ledger: Ledger, case: Case, settings: Settings, emit: Emit) -> Path:
    emit(Event("report", 0, 1, "rendering the report"))
    ledger.close(case)
    pdf = documents.render(ledger.folder, paper=settings.paper)
    emit(Event("report", 1, 1, pdf.name))
    return pdf


@contextmanager
def _stops_on_record(ledger: Ledger) -> Iterator[None]:
    """Whatever ends the examination early, the custody log says so; the exhibits gathered stay."""
    try:
        yield
    except BaseException as exc:
        ledger.log(f"examination stopped: {type(exc).__name__}", ledger.folder.name, "")
        raise


def _case_id(command: str, examined: frozenset[str], checkpoint: str, protocol: str, resolved: Resolved) -> str:
    """The same question put to the same files has the same id, on every machine."""
    shown = [f"{row.name}={row.value}" for row in resolved.rows if row.name in ("profile", "seed", "captions")]
    name = "/".join([command, *sorted(examined), checkpoint, protocol, *shown])
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
