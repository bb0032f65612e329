"""What was examined, as tables of names and values: files received, checkpoint, index, controls, and each inversion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from forensics.case import (
    Absent,
    Case,
    CheckByOthers,
    Checkpoint,
    ControlFacts,
    Fact,
    IndexFacts,
    Item,
    Origin,
    Reconstruction,
    Statement,
)
from forensics.report import words
from forensics.report.charts import strips as charts


@dataclass(frozen=True, slots=True)
class Line:
    """A named value in a two-column table."""

    name: str
    value: str
    style: str = ""
    """`hash` for digests, `verbatim` for text of a file, whose line breaks are kept; empty for words of our own."""


Lines = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ItemView:
    """One file received."""

    id: str
    heading: str
    facts: Lines
    metadata: Lines
    generator: Lines
    provenance: Lines
    origin: Lines
    """Of the disputed image alone: autoencoder, watermark bits, stated recipe, and what follows."""
    checks: tuple[tuple[str, Lines], ...]
    """Checks that others made, each with its tag."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The checkpoint, the index or the controls: facts and files, or the reason for their absence."""

    facts: Lines
    files: tuple[tuple[str, str, str], ...]
    """Path, size, digest."""
    absent: Absent | None


@dataclass(frozen=True, slots=True)
class StatedRows:
    """One table of what a weight file says of its origin."""

    title: str
    id: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str
    """How many rows stand in the exhibit alone, as a sentence; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Statements:
    """What one weight file says of its origin."""

    file: str
    exhibit: str
    sha256: str
    entries: str
    converted_from: str
    tables: tuple[StatedRows, ...]


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
class Method:
    """What was run by one method; its questions and limits are said once."""

    name: str
    title: str
    rungs: tuple[Rung, ...]


def methods(found: tuple[Rung, ...]) -> tuple[Method, ...]:
    """The rungs by method, in the order of first appearance; of those after the first, what differs from it."""
    names = dict.fromkeys(r.method for r in found)
    grouped = {name: _differing([r for r in found if r.method == name]) for name in names}
    return tuple(Method(name, same[0].title, same) for name, same in grouped.items())


def _differing(same: list[Rung]) -> tuple[Rung, ...]:
    first, *rest = same
    return (first, *(replace(r, facts=tuple(f for f in r.facts if f not in first.facts)) for r in rest))


def lines(facts: tuple[Fact, ...]) -> Lines:
    """Facts of the case, verbatim."""
    return tuple(Line(f.name, f.value, "verbatim") for f in facts)


_CONTAINER = ("format", "mode")
"""What the decoder says of the container: no statement that someone embedded."""


def _mode(received: Item) -> str:
    said = next((f.value for f in received.metadata if f.name == "mode"), "")
    return f", colour mode {said}" if said else ""


def item(case: Case, received: Item) -> ItemView:
    """A file received, with its digests and what it states about itself."""
    role = "Disputed image" if received.id == case.disputed else "Original, as put forward"
    copy = case.exhibit(received.exhibit)
    return ItemView(
        received.id,
        role,
        (
            Line("File name", received.file_name, "verbatim"),
            Line("Size", words.file_size(received.size_bytes)),
            Line(
                "Format",
                f"{received.media_type}, {words.pixels(received.width, received.height)} as stored{_mode(received)}",
            ),
            Line("SHA-256 as received", words.groups(received.sha256), "hash"),
            Line("Working copy", f"exhibit {copy.id}, {words.pixels(copy.width, copy.height)}, {copy.media_type}"),
            Line("Steps to the working copy", " ".join(map(words.sentence, received.decoding)) or "none needed"),
            Line("SHA-256 of its bytes", words.groups(copy.sha256), "hash"),
            Line("SHA-256 of its pixels", words.groups(copy.pixel_sha256), "hash"),
        ),
        lines(tuple(f for f in received.metadata if f.name not in _CONTAINER)),
        lines(received.generator),
        lines(received.provenance),
        origin(case.origin) if received.id == case.disputed and isinstance(case.origin, Origin) else (),
        tuple((k.id, check(k)) for k in case.checks if k.item == received.id),
    )


def check(stated: CheckByOthers) -> Lines:
    """What somebody else states of a file, attributed."""
    if isinstance(stated.capture, Absent):
        shown = Line("Capture of the result", stated.capture.reason)
    else:
        kept = f"{words.file_size(stated.capture.size_bytes)}, kept as {stated.capture.path}"
        shown = Line("Capture of the result", f"{stated.file_name}, {kept}", "verbatim")
    digest = "" if isinstance(stated.capture, Absent) else stated.capture.sha256
    which = (
        f"The statement names the SHA-256 of {stated.item} as received."
        if stated.same_bytes
        else f"The statement names no digest; that the file was {stated.item} as received is its word alone."
    )
    return (
        Line("Checked by", stated.by, "verbatim"),
        Line("On", stated.on, "verbatim"),
        Line("With", f"{stated.tool}, {stated.version}", "verbatim"),
        Line("Where", stated.where, "verbatim"),
        Line("Result, as stated", stated.result, "verbatim"),
        Line("Which bytes", which),
        shown,
        *((Line("SHA-256 of the capture", words.groups(digest), "hash"),) if digest else ()),
    )


def origin(found: Origin) -> Lines:
    """What bears on who made the disputed image, in the order of the examination."""
    rows = []
    if isinstance(found.reconstructions, Absent):
        rows.append(Line("Autoencoder reconstruction", f"not measured: {found.reconstructions.reason}"))
    else:
        for r in found.reconstructions:
            rows += _autoencoder(r)
        rows += [
            Line(a.what[:1].upper() + a.what[1:], f"{a.reason} {a.remedy}".strip().replace("`", ""))
            for a in found.left_out
        ]
        if len(found.reconstructions) > 1:
            rows.append(Line("Which of them loses least", _least(found.reconstructions)))
    if isinstance(found.watermarks, Absent):
        rows.append(Line("Watermark bits", f"not read: {found.watermarks.reason}"))
    else:
        rows += [
            Line(
                f"Watermark of {w.name}",
                f"{w.agreeing} of {w.bits} bits agree; chance gives as many with probability {w.p:.2g}, and "
                f"{w.p_given_ones:.2g} with as many ones as were read",
            )
            for w in found.watermarks
        ]
    if isinstance(found.recipe, Absent):
        rows.append(Line("Stated recipe", f"not followed: {found.recipe.reason}"))
    else:
        near = found.recipe.lpips
        distance = f"LPIPS {near:.4f}" if isinstance(near, float) else "LPIPS not measured"
        rows.append(
            Line(
                "Stated recipe",
                f"followed, exhibit {found.recipe.exhibit}: {found.recipe.share_equal:.1%} of the values equal, "
                f"largest difference {found.recipe.largest_difference} of 255 levels, {distance}",
            )
        )
    rows.append(Line("Rule, declared before the run", found.gate.rule))
    rows += [Line("Ground", ground) for ground in found.gate.grounds]
    return (*rows, Line("What follows", found.gate.sentence))


def _autoencoder(r: Reconstruction) -> Lines:
    rank = f"{r.k} of {r.n} control works have a ratio as low" if r.n else "no control work to rank the ratio among"
    said = (
        f"mean squared loss {r.first:.3g} the first time, {r.second:.3g} the second, ratio {r.ratio:.3f}; LPIPS of the "
        f"second feature map {r.layer:.4f}; {rank}"
    )
    digest = (Line("SHA-256 over its files", words.groups(r.digest), "hash"),) if r.digest else ()
    return (Line(f"Autoencoder of {r.autoencoder}", said), *digest)


def _least(tried: tuple[Reconstruction, ...]) -> str:
    """Under which autoencoder the picture loses least, how many control works do so, and what that does not show."""
    own = tried[0]
    by_ratio, by_layer = (min(tried, key=lambda r: r.ratio), min(tried, key=lambda r: r.layer))
    if by_ratio is by_layer is own:
        found = "the checkpoint's gives the lowest ratio and the lowest LPIPS distance"
    else:
        first, second = ("the checkpoint's" if r is own else f"that of {r.autoencoder}" for r in (by_ratio, by_layer))
        found = f"{first} gives the lowest ratio, {second} the lowest LPIPS distance"
    controls = sum(r.least_ratio for r in tried)
    beside = (
        f" Of {controls} control works, {own.least_ratio} have their lowest ratio and {own.least_layer} their lowest "
        "LPIPS distance under the checkpoint's."
        if controls
        else ""
    )
    return (
        f"Of the {len(tried)} autoencoders tried, {found}.{beside} AEROBLADE (Ricker et al. 2024) attributes a picture "
        "to the autoencoder that loses least. An autoencoder that keeps more of every picture can lose least of "
        "pictures that it did not make; those that were not tried are not excluded; checkpoints that share one are not "
        "told apart. The rule below makes no use of this comparison."
    )


def checkpoint(c: Checkpoint | Absent) -> Subject:
    """The generator under examination."""
    if isinstance(c, Absent):
        return Subject((), (), c)
    facts = (
        Line("Name", c.name),
        Line("Location as given", c.location),
        Line("Architecture family", f"{c.family}, {c.layout}"),
        Line("Prediction", c.prediction),
        Line("Native picture size", words.pixels(c.native_px, c.native_px)),
        Line("Parameters of the denoising network", words.count(c.parameters)),
        *lines(c.facts),
        Line("Digest over its files", words.groups(c.digest), "hash"),
    )
    files = tuple((f.path, f"{words.count(f.size_bytes)}", words.groups(f.sha256)) for f in c.files)
    return Subject(facts, files, None)


def statements(c: Checkpoint | Absent) -> tuple[Statements, ...]:
    """What the files of the generator say of themselves."""
    return () if isinstance(c, Absent) else tuple(_statement(n, s) for n, s in enumerate(c.statements, 1))


def _statement(number: int, said: Statement) -> Statements:
    rows = tuple(
        StatedRows(
            f"{table.title}, as {said.file} states them",
            f"tab-stated-{number}-{place}",
            table.columns,
            tuple(tuple(words.public(cell) for cell in row) for row in table.rows),
            f"{words.count(table.left_out)} more rows stand in the exhibit." if table.left_out else "",
        )
        for place, table in enumerate(said.tables, 1)
    )
    return Statements(
        said.file,
        said.exhibit.path,
        words.groups(said.exhibit.sha256),
        words.counted(said.entries, "entry", "entries"),
        words.groups(said.converted_from) if said.converted_from else "",
        rows,
    )


def index(i: IndexFacts | Absent) -> Subject:
    """The training index searched."""
    if isinstance(i, Absent):
        return Subject((), (), i)
    facts = (
        Line("Name", i.name),
        Line("Rows searched", words.count(i.count)),
        Line("Source", i.source),
        Line("Coverage", words.sentence(i.coverage)),
        Line("Embedder", i.embedder),
        Line("Built, as its manifest states", words.moment(i.built)),
        *lines(i.facts),
        Line("SHA-256 of the manifest", words.groups(i.digest), "hash"),
    )
    return Subject(facts, (), None)


def controls(c: ControlFacts | Absent) -> Subject:
    """The control works used."""
    if isinstance(c, Absent):
        return Subject((), (), c)
    facts = (
        Line("Name", c.name),
        Line("Works available", words.count(c.available)),
        Line("Works used", words.count(c.used)),
        Line("Works left out as repeats of another", words.count(c.repeats)),
        Line("Ground for exclusion from training", words.sentence(c.ground)),
        Line("How the works used were chosen", words.sentence(c.selection)),
        Line("Digest of their list", words.groups(c.digest), "hash"),
    )
    files = tuple((w.path, words.count(w.size_bytes), words.groups(w.sha256)) for w in c.works)
    return Subject(facts, files, None)


def rungs(case: Case) -> tuple[Rung, ...]:
    """Every inversion in the order it was run."""
    made = []
    for v in case.inversions:
        facts = (
            Line("guidance", words.plain(v.guidance)),
            Line("steps", words.count(v.steps)),
            Line("seeds", _seeds(v.seeds)),
            Line("evaluations of the network", words.count(v.evaluations)),
            Line("wall time", f"{words.significant(v.seconds, 3)} s"),
            *(Line(f.name, words.tidy(f.value), "verbatim") for f in v.facts),
        )
        prompt = f"“{v.prompt}” (from: {v.prompt_source})" if v.prompt else "none"
        chart = charts.trajectory(v) if len(v.trace) > 1 else None
        made.append(
            Rung(
                v.id,
                v.method,
                v.title,
                words.tidy(words.sentence(v.supplied)),
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
