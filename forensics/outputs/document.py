"""A collection as a PDF of at most twelve pages, a table that a browser sorts, and CSV; all from `outputs.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from forensics import foreign
from forensics.case import Absent
from forensics.errors import CaseError, RenderingError
from forensics.outputs import said
from forensics.outputs.check import Deviation, Kind
from forensics.outputs.results import FILE, Cell, Outputs, Try
from forensics.report import html, pdf, words
from forensics.report.attachments import Attached
from forensics.report.sections.explanations import Explanation
from forensics.report.sections.items import Line, Lines
from forensics.report.tables import as_csv, plain
from forensics.schema import decode
from forensics.statistics.discrimination import Rate
from forensics.statistics.record import digest_of

PDF, TABLE, RATES, TRIES = "outputs.pdf", "outputs.html", "rates.csv", "tries.csv"
PAGES = 12
_LARGEST = 512 * foreign.MIB
_SHOWN, _EXAMPLES, _LEFT_OUT, _OFF, _VERSIONS, _POOLED = 24, 3, 12, 20, 12, 30
"""Rows and pictures that the pages show; all stand in the tables and in the attached file."""
_CELLS = (100, 50, 20)
"""Rates that the pages show: as many as leave them few enough."""
_NAME = 24
"""Letters of a name in a table."""


@dataclass(frozen=True, slots=True)
class CellSort:
    """By what a browser sorts a row of the rates."""

    hits: int
    share: float
    of_pictures: int
    expected: float | None
    """None, without a hit, comes last."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """One row of the rates."""

    version: str
    prompt_class: str
    work: str
    control: str
    hits: str
    throughout: str
    interval: str
    pictures: str
    expected: str
    refused: str
    sort: CellSort


@dataclass(frozen=True, slots=True)
class TryRow:
    """One try in the table."""

    number: str
    moment: str
    """As logged, ISO 8601; `time` is for readers."""
    time: str
    version: str
    prompt_class: str
    prompt: str
    works: str
    result: str
    file: str
    word: str
    """How far it corresponds to the first of them."""
    found: str
    counts: str
    picture: str
    beside: str
    """Picture of the first work that it corresponds to."""


@dataclass(frozen=True, slots=True)
class KindRow:
    """The deviations of one kind."""

    kind: str
    count: str
    examples: str


@dataclass(frozen=True, slots=True)
class View:
    """The document in words."""

    title: str
    answer: tuple[str, ...]
    facts: Lines
    foot: str
    digest: str
    tool: str
    given: tuple[tuple[str, ...], ...]
    given_more: str
    pooled: tuple[tuple[str, ...], ...]
    pooled_more: str
    cells: tuple[CellRow, ...]
    cells_shown: int
    cells_more: str
    off_aim: tuple[tuple[str, ...], ...]
    off_more: str
    deviations: tuple[KindRow, ...]
    deviations_said: str
    explanations: tuple[Explanation, ...]
    protocol: Lines
    word_errors: str
    limits: tuple[str, ...]
    sheet: tuple[TryRow, ...]
    sheet_more: str
    tries: tuple[TryRow, ...]
    left_out: Lines
    left_out_more: str
    sealed: str


def load(folder: Path) -> tuple[Outputs, bytes]:
    """The result of a folder, and its bytes. Raises CaseError where there is none that can be read."""
    try:
        data = foreign.read(folder / FILE, _LARGEST)
        return decode(Outputs, foreign.parse(data, values=20_000_000), "outputs"), data
    except foreign.Unreadable as exc:
        raise CaseError(f"{folder / FILE} {exc}.", hint="Name the folder that `forensics outputs` wrote.") from exc


def write(folder: Path, *, paper: str = "A4") -> Path:
    """Render the PDF, the table and the CSV of a folder from its `outputs.json`; the path of the PDF.

    Raises:
        CaseError: there is no result that can be read.
        RenderingError: something could not be drawn, or it would be longer than `PAGES` pages.
    """
    found, data = load(folder)
    made, tables = b"", {RATES: rates_csv(found), TRIES: tries_csv(found)}
    for name, content in tables.items():
        (folder / name).write_bytes(content)
    shown = view(found, data)
    (folder / TABLE).write_text(html.render(shown, "outputs-table.html.j2"), encoding="utf-8")
    names = {name for row in shown.sheet for name in (row.picture, row.beside)}
    pictures = {name: foreign.read(folder / name, _LARGEST) for name in sorted(names)}
    attached = (
        Attached(FILE, data, "Everything logged, checked, measured and counted.", "Source"),
        Attached(RATES, tables[RATES], "Hit rates by version, class of prompt and work.", "Data"),
        Attached(TRIES, tables[TRIES], "Every try, and what came of it.", "Data"),
    )
    size = cast("Literal['A4', 'Letter']", paper)
    for count in _CELLS:
        text = html.render(view(found, data, count), "outputs.html.j2")
        made = pdf.write(text, pictures, attached=attached, created=found.created, paper=size)
        if pdf.pages(made) <= PAGES:
            break
    else:
        raise RenderingError(
            f"The report takes {pdf.pages(made)} pages, and no more than {PAGES} are printed.",
            hint="outputs.html and outputs.json hold all of it; very long prompts or names take the room.",
        )
    path = folder / PDF
    path.write_bytes(made)
    return path


def answer(found: Outputs) -> tuple[str, ...]:
    """What the first page says, as sentences."""
    controls = frozenset(w.id for w in found.works if w.control)
    return said.answer(found.given, found.tries, found.plan, found.deviations, controls)


def view(found: Outputs, data: bytes, count: int = _CELLS[0]) -> View:
    """The result in words, with so many rates on the pages."""
    controls = frozenset(w.id for w in found.works if w.control)
    pictures = {w.id: w.picture for w in found.works}
    hits = sorted(
        (t for t in found.tries if t.counts and t.hits),
        key=lambda t: (all(w in controls for w in t.hits), t.service, t.version, t.hits, t.line),
    )
    cells = tuple(_cell(c) for c in found.cells)
    versions = {said.version(g.service, g.version) for g in found.given}
    return View(
        title=f"What {_services(found)} gave in {words.counted(len(found.tries), 'try', 'tries')}",
        tool=f"{found.tool.name} {found.tool.value}",
        digest=digest_of(data),
        foot=words.FOOT,
        answer=answer(found),
        facts=_facts(found, len(versions)),
        given=tuple(
            (
                _version(g.service, g.version),
                str(g.tries),
                _rate(g.hits),
                _rate(g.throughout),
                _rate(g.supplied),
                _rate(g.refused),
                str(g.failed.k),
                _rate(g.logged),
            )
            for g in found.given[:_VERSIONS]
        ),
        given_more=_more(len(found.given), _VERSIONS, "versions"),
        pooled=tuple(
            (
                _version(p.service, p.version),
                f"{p.prompt_class.value}: {p.prompt_class.said}",
                _with(p.works, p.works_throughout),
                _of(p.works_hit),
                _with(p.controls, p.controls_throughout),
                _of(p.controls_hit),
            )
            for p in found.pooled[:_POOLED]
        ),
        pooled_more=_more(len(found.pooled), _POOLED, "rows"),
        cells=cells,
        cells_shown=count,
        cells_more=_more(len(cells), count, "rows"),
        off_aim=tuple(
            (
                words.cut(o.work, 40) + (" (control)" if o.control else ""),
                f"{len(o.lines)} of {o.tries}",
                words.cut(", ".join(map(str, o.lines)), 60),
            )
            for o in found.off_aim[:_OFF]
        ),
        off_more=_more(len(found.off_aim), _OFF, "works"),
        deviations=_kinds(found.deviations),
        deviations_said=_of_kinds(found),
        explanations=found.explanations,
        protocol=tuple(Line(f.name[:1].upper() + f.name[1:], f.value) for f in found.protocol),
        word_errors=found.word_errors,
        limits=tuple(limit.replace("`", "") for limit in found.limits),
        sheet=tuple(_try(t, pictures) for t in _spread(hits)),
        sheet_more=_more(len(hits), _SHOWN, "pictures"),
        tries=tuple(_try(t, pictures) for t in found.tries),
        left_out=tuple(Line(words.cut(one.id, 60), words.sentence(one.reason)) for one in found.not_used[:_LEFT_OUT]),
        left_out_more=_more(len(found.not_used), _LEFT_OUT, "works and files"),
        sealed=_SEALED,
    )


def _with(rate: Rate, throughout: int) -> str:
    return f"{_rate(rate)}; {throughout} throughout" if rate.n else "not asked for"


def _rate(rate: Rate) -> str:
    """For tables, whose captions say what stands in the brackets."""
    if not rate.n:
        return "no such try"
    return f"{rate.k} of {rate.n} ({words.number(rate.low, 2)} to {words.number(rate.high, 2)})"


def _of(rate: Rate) -> str:
    return f"{rate.k} of {rate.n}" if rate.n else "–"


def _services(found: Outputs) -> str:
    names = sorted({g.service for g in found.given})
    return words.listed([words.cut(name, _NAME) for name in names]) if len(names) < 4 else f"{len(names)} services"


def _version(service: str, name: str) -> str:
    return said.version(words.cut(service, _NAME), words.cut(name, _NAME))


_SEALED = (
    "manifest-sha256.txt beside this document lists the SHA-256 of every file of the folder of results, and "
    "`sha256sum` checks it. outputs.json holds the SHA-256 of the log, of the plan, of every work and of every "
    "picture that was examined; the pictures themselves stay where they were collected and are to be kept there. "
    "Pictures are shown reduced to 512 pixels; examined were the files."
)


def _spread(hits: Sequence[Try]) -> list[Try]:
    """As many hits as are shown, of as many works and versions as there are: one of each group in turn."""
    groups: dict[tuple[str, str, str], list[Try]] = {}
    for one in hits:
        groups.setdefault((one.hits[0], one.service, one.version), []).append(one)
    found: list[Try] = []
    while groups and len(found) < _SHOWN:
        for key in list(groups):
            found.append(groups[key].pop(0))
            if not groups[key]:
                del groups[key]
    return found[:_SHOWN]


def _more(count: int, shown: int, what: str) -> str:
    return f"{shown} of {count} {what} are shown; all stand in outputs.html and outputs.json." if count > shown else ""


def _facts(found: Outputs, versions: int) -> Lines:
    plan = found.plan
    if isinstance(plan, Absent):
        planned: Lines = (Line("Plan", f"{plan.reason} {plan.remedy}".replace("`", "")),)
    else:
        planned = (
            Line("Plan", f"{words.cut(plan.title, 100)}: {plan.tries} tries, order drawn with seed {plan.seed}"),
            Line("Moment of the plan", f"{words.moment(plan.moment)}. {plan.shown_by}"),
            Line("Signature of the plan", plan.signed),
            Line("Trying ends with", plan.stop),
            Line("SHA-256 of the plan's file", words.groups(plan.file_sha256), "hash"),
        )
    controls = found.controls
    times = sorted(t.time for t in found.tries)
    accounts = {t.account for t in found.tries if t.account}
    return (
        Line("Log", f"{found.log} of {found.folder}: {len(found.tries)} tries on {versions} versions"),
        Line("From and to", f"{words.moment(times[0])} and {words.moment(times[-1])}, as logged"),
        Line("Accounts", f"{len(accounts)}, as logged"),
        Line("SHA-256 of the log", words.groups(found.log_sha256), "hash"),
        *(
            [Line("Columns not read", words.cut(", ".join(found.unknown_columns), 200))]
            if found.unknown_columns
            else []
        ),
        *planned,
        Line("Works", f"{found.source}, {sum(not w.control for w in found.works)} put forward"),
        Line("Digest of the works", words.groups(found.source_digest), "hash"),
        Line("Control works", controls.reason if isinstance(controls, Absent) else controls.name),
        *(
            []
            if isinstance(controls, Absent)
            else [
                Line("Why the model cannot have seen them", words.cut(found.grounds, 400)),
                Line("Digest of the controls", words.groups(controls.value), "hash"),
            ]
        ),
        Line("Compared", words.moment(found.created)),
        Line("Command", words.cut(found.command, 300)),
    )


def _cell(cell: Cell) -> CellRow:
    rate = cell.rate
    return CellRow(
        version=words.cut(f"{cell.service} {cell.version}", _NAME),
        prompt_class=cell.prompt_class.value,
        work=cell.work or "any work",
        control="control" if cell.control else "",
        hits=f"{rate.k} of {rate.n}",
        throughout=str(cell.throughout),
        interval=f"{words.number(rate.value, 2)} ({words.number(rate.low, 2)} to {words.number(rate.high, 2)})",
        pictures=f"{cell.of_pictures.k} of {cell.of_pictures.n}",
        expected=said.expected(cell),
        refused=str(cell.refused),
        sort=CellSort(rate.k, rate.value, cell.of_pictures.k, cell.expected),
    )


def _try(one: Try, pictures: dict[str, str]) -> TryRow:
    return TryRow(
        number=str(one.number),
        moment=one.time,
        time=words.moment(one.time),
        version=_version(one.service, one.version),
        prompt_class=one.prompt_class.value if one.prompt_class else "not stated",
        prompt=words.cut(one.prompt, 140),
        works=", ".join(one.works) or "none",
        result=one.result.value,
        file=one.file,
        word=next((j.outcome.said for j in one.judged if j.hit), ""),
        found="; ".join(f"{j.work}: {j.outcome.said}" for j in one.judged if j.hit),
        counts=one.why_not or "counts",
        picture=one.picture,
        beside=next((pictures[w] for w in one.hits), ""),
    )


def _kinds(deviations: Sequence[Deviation]) -> tuple[KindRow, ...]:
    counts = Counter(d.kind for d in deviations)
    rows = []
    for kind in Kind:
        if counts[kind]:
            some = [d for d in deviations if d.kind is kind][:_EXAMPLES]
            more = f"; and {counts[kind] - len(some)} more" if counts[kind] > len(some) else ""
            named = "; ".join(words.cut(_example(d), 110) for d in some)
            rows.append(KindRow(kind.value[:1].upper() + kind.value[1:], str(counts[kind]), named + more))
    return tuple(rows)


def _example(one: Deviation) -> str:
    where = f"line {' and '.join(map(str, one.lines))}" if one.lines else ""
    return ": ".join(filter(None, (where, one.said)))


def _of_kinds(found: Outputs) -> str:
    if not found.deviations:
        return "The log agrees with itself, with the files and with the plan as far as there is one."
    reasons = Counter(t.why_not for t in found.tries if not t.counts)
    if not reasons:
        return "Every try counts in spite of them."
    named = "; ".join(f"{words.lowered(reason).rstrip('.')}: {count}" for reason, count in reasons.most_common())
    return f"{sum(reasons.values())} of {len(found.tries)} tries do not count: {named}."


def rates_csv(found: Outputs) -> bytes:
    """A row a cell, numbers unrounded."""
    heading = (
        *("service", "version", "class", "work", "control", "prompts", "hits", "tries", "share", "low", "high"),
        *("pictures", "throughout", "refused", "failed", "expected", "expected_low", "expected_high"),
    )
    return as_csv(
        heading,
        (
            (
                *(plain(c.service), plain(c.version), c.prompt_class.value, plain(c.work), int(c.control)),
                *(c.prompts, c.rate.k, c.rate.n, c.rate.value, c.rate.low, c.rate.high, c.of_pictures.n),
                *(c.throughout, c.refused, c.failed),
                *(c.expected, c.expected_low, c.expected_high),
            )
            for c in found.cells
        ),
    )


def tries_csv(found: Outputs) -> bytes:
    """A row a try."""
    heading = (
        *("line", "number", "time", "service", "version", "class", "prompt_id", "works", "result", "file", "sha256"),
        *("counts", "why_not", "hits", "words"),
    )
    return as_csv(
        heading,
        (
            (
                *(t.line, t.number, t.time, plain(t.service), plain(t.version)),
                *(t.prompt_class.value if t.prompt_class else "", plain(t.prompt_id), plain(";".join(t.works))),
                *(t.result.value, plain(t.file), t.sha256, int(t.counts), t.why_not),
                *(plain(";".join(t.hits)), plain(";".join(f"{j.work}={j.outcome.value}" for j in t.judged))),
            )
            for t in found.tries
        ),
    )
