"""A survey as a PDF of at most twelve pages, and as a table that a browser sorts; both from `survey.json` alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from forensics import foreign
from forensics.case import Absent, Statistic
from forensics.errors import CaseError, RenderingError
from forensics.languages import ENGLISH
from forensics.report import html, pdf, words
from forensics.report.attachments import Attached
from forensics.report.sections.items import Line, Lines
from forensics.schema import decode
from forensics.statistics.blind import Told
from forensics.statistics.discrimination import Rate
from forensics.survey.results import FILE, Ranked, SetTest, Survey, Surveyed

PDF, TABLE = "survey.pdf", "survey.html"
PAGES = 12
_LARGEST = 256 * foreign.MIB
BATCH = "forensics batch cases.toml -o cases"
_ROWS = 90
"""Works listed in the PDF; the rest stand in the table and in the attached file."""
_SHOWN = 24
"""Works set apart whose pictures are shown."""
_NAMED = 6
"""Works set apart that the first page names; all of them stand in the tables."""
_LEFT_OUT = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One work in the table."""

    id: str
    caption: str
    repeats: str
    value: str
    rank: str
    p: str
    q: str
    hits: str
    apart: str
    picture: str
    best: str
    sort: tuple[float, float, float, float]
    """Value, p, q, near-copies, for sorting."""


@dataclass(frozen=True, slots=True)
class View:
    """The document in words."""

    title: str
    status: str
    tool: str
    digest: str
    foot: str
    answer: tuple[str, ...]
    facts: Lines
    set_said: str
    set_facts: Lines
    groups: tuple[tuple[str, ...], ...]
    groups_title: str
    sheet: tuple[Row, ...]
    sheet_more: str
    rows: tuple[Row, ...]
    rows_more: str
    primary: str
    commands: tuple[str, ...]
    batch: str
    """The command that makes a case of each of them."""
    limits: tuple[str, ...]
    controls: Lines
    left_out: Lines
    left_out_more: str
    checks: Lines


def load(folder: Path) -> tuple[Survey, bytes]:
    """The survey of a folder, and its bytes. Raises CaseError where there is none that can be read."""
    try:
        data = foreign.read(folder / FILE, _LARGEST)
        return decode(Survey, foreign.parse(data, values=10_000_000), "survey"), data
    except foreign.Unreadable as exc:
        raise CaseError(f"{folder / FILE} {exc}.", hint="Name the folder of a survey.") from exc


def write(folder: Path, *, paper: str = "A4", language: str = ENGLISH) -> Path:
    """Render `survey.pdf` and `survey.html` from a folder, in a language of `languages.names()`; the path of the PDF.

    Raises:
        CaseError: there is no survey that can be read.
        RenderingError: something could not be drawn, or it would be longer than `PAGES` pages.
    """
    found, data = load(folder)
    shown = view(found, data)
    own = verbatim(found)
    table = html.render(shown, "survey-table.html.j2", language=language, verbatim=own)
    (folder / TABLE).write_text(table, encoding="utf-8")
    names = {name for row in shown.sheet for name in (row.picture, row.best)}
    pictures = {name: foreign.read(folder / name, _LARGEST) for name in sorted(names)}
    attached = Attached(FILE, data, "Everything measured and found, of every work.", "Source")
    text = html.render(shown, "survey.html.j2", language=language, verbatim=own)
    size = cast("Literal['A4', 'Letter']", paper)
    made = pdf.write(text, pictures, attached=(attached,), created=found.created, paper=size, language=language)
    if pdf.pages(made) > PAGES:
        raise RenderingError(
            f"The survey takes {pdf.pages(made)} pages, and no more than {PAGES} are printed.",
            hint="survey.html and survey.json hold all of it; very long captions or identifiers take the room.",
        )
    path = folder / PDF
    path.write_bytes(made)
    return path


def verbatim(found: Survey) -> frozenset[str]:
    """Texts of the material, as the pages print them: no catalogue translates them."""
    texts = [found.source, found.checkpoint, found.control_checkpoint, BATCH, f"`{BATCH}`", found.controls.name]
    texts += [words.cut(found.command, 300), words.cut(found.controls.grounds, 600), _named(found)[0]]
    if not isinstance(found.index, Absent):
        texts.append(found.index.name)
    for work in found.works:
        caption = words.cut(work.caption, 90)
        texts += [work.id, work.id[:16], work.id[:40], caption, caption[:60], work.command]
    texts += [words.cut(one.id, 60) for one in (*found.not_asked, *found.controls.left_out)]
    return frozenset(text.strip() for text in texts if text.strip())


def answer(found: Survey) -> tuple[str, ...]:
    """What the first page says, as sentences."""
    total, apart, n = len(found.works), len(found.flagged), found.controls.used
    of = f"{words.counted(total, 'work', 'works')} surveyed"
    if not found.announced:
        first = (
            f"Nothing can be said of any of the {of}: {n} controls are too few for a rank to be announced at the level "
            f"{found.level:g}; that takes 59."
        )
    elif apart:
        first = (
            f"{apart} of the {of} {'is' if apart == 1 else 'are'} set apart from works that the checkpoint cannot have "
            f"seen. In such a list no more than {found.level:.0%} of the works are expected to be there by chance."
        )
    else:
        first = f"None of the {of} is set apart from works that the checkpoint cannot have seen."
    rest = (
        f"Of the {total - apart} works that are not set apart nothing is claimed, neither that the checkpoint was "
        "trained on them nor that it was not."
    )
    said = [first, *(_apart(found) if apart and found.announced else ()), rest, _set_said(found)]
    if found.announced and found.least_together > 1:
        said.append(
            f"With {n} controls the smallest p is {found.smallest_p:.2g}; among {total} works at least "
            f"{found.least_together} must share it before any is set apart. More controls would let fewer works stand "
            "out."
        )
    if told := [t for t in found.blind if t.exceeded]:
        said.append(
            f"Caution: a classifier that never saw the checkpoint {' and '.join(t.what for t in told)}. The ranks may "
            "then be about such a difference and not about training."
        )
    if found.demonstration:
        said.append("The checkpoint is the small embedded one, made to try the program with: a demonstration.")
    return tuple(said)


def _apart(found: Survey) -> tuple[str, ...]:
    """Which works are set apart, and what that means."""
    statistic = found.works[0].primary.statistic
    against = "than the control checkpoint does" if statistic is Statistic.SAVED_AGAINST_CONTROL else "than without it"
    means = (
        "Set apart means: given the caption of the work, the checkpoint takes fewer bits to describe the work "
        f"{against}, and that saving is larger than for nearly all of the {found.controls.used} control works."
    )
    names, more = _named(found)
    named = names + (f"; and {more} more" if more else "")
    return f"{'It is' if len(found.flagged) == 1 else 'They are, most extreme first'}: {named}.", means


def _named(found: Survey) -> tuple[str, int]:
    """The first works set apart with their captions, in one row, and how many more there are."""
    names = [f"{words.cut(w.id, 40)} ({words.cut(w.caption, 40)})" for w in found.flagged[:_NAMED]]
    return "; ".join(names), len(found.flagged) - len(names)


def _set_said(found: Survey) -> str:
    test = found.set_test
    if isinstance(test, Absent):
        return f"The works as a set were not tested: {test.reason[:1].lower()}{test.reason[1:]}"
    return (
        f"The works as a set, {test.pairs} of them beside as many controls like them: a work of the half tested scores "
        f"above a control with frequency {_rate(test.auc)}; one-sided p = {_p(test.p)}. This speaks of the set and "
        "names no work of it."
    )


def view(found: Survey, data: bytes) -> View:
    """The survey in words."""
    from forensics.statistics.record import digest_of

    flagged = found.flagged
    listed = sorted(found.works, key=lambda w: (w.q, w.primary.p, -w.primary.value, w.id))
    rows = tuple(_row(w) for w in listed)
    commands = tuple(w.command for w in flagged)
    left_out = (*found.not_asked, *found.controls.left_out)
    by = found.by_repeats[0].by if found.by_repeats else ""
    return View(
        title=f"Survey of {words.counted(len(found.works), 'work', 'works')}",
        status="DEMONSTRATION CHECKPOINT" if found.demonstration else "SURVEY",
        tool=f"{found.tool.name} {found.tool.value}",
        digest=digest_of(data),
        foot=words.FOOT,
        answer=answer(found),
        facts=_facts(found),
        set_said=_set_said(found),
        set_facts=_set_facts(found),
        groups=tuple(
            (str(g.repeats), str(g.works), f"{g.flagged.k} of {g.flagged.n}", _rate(g.flagged), _p(g.median_p))
            for g in found.by_repeats[:20]
        ),
        groups_title=(
            "Works by how often the source states that they stood in the training set"
            if by == "stated"
            else "Works by near-duplicates in the index named"
        ),
        sheet=tuple(_row(w) for w in flagged[:_SHOWN]),
        sheet_more=_more(len(flagged), _SHOWN, "works set apart"),
        rows=rows,
        rows_more=_more(len(rows), _ROWS, "works"),
        primary=found.works[0].primary.statistic.label,
        commands=commands,
        batch=BATCH,
        limits=found.limits,
        controls=_controls(found),
        left_out=tuple(Line(words.cut(one.id, 60), one.reason) for one in left_out[:_LEFT_OUT]),
        left_out_more=_more(len(left_out), _LEFT_OUT, "works and controls left out"),
        checks=tuple(Line(f"By {t.inputs}", _told(t)) for t in found.blind),
    )


def _more(count: int, shown: int, what: str) -> str:
    return f"{shown} of {count} {what} are shown; all stand in survey.html and survey.json." if count > shown else ""


def _facts(found: Survey) -> Lines:
    control = found.control_checkpoint
    return (
        Line("Works", f"{found.source}, {found.source_kind}; {len(found.not_asked)} left out"),
        Line("Digest of the works", words.groups(found.source_digest), "hash"),
        Line("Checkpoint", found.checkpoint),
        Line("Digest of the checkpoint", words.groups(found.checkpoint_digest), "hash"),
        Line("Control checkpoint", control or "none: bits are compared with and without the caption alone"),
        Line("Primary measurement", found.works[0].primary.statistic.label),
        Line("Protocol", f"{found.protocol.name}, profile {found.protocol.value}"),
        *(Line(f.name.capitalize(), f.value) for f in found.parameters),
        Line(
            "Index",
            found.index.reason if isinstance(found.index, Absent) else f"{found.index.name}: {found.index.value}",
        ),
        Line("Begun", words.moment(found.created)),
        Line("Command", words.cut(found.command, 300)),
        *(Line(f.name.capitalize(), f.value) for f in found.cost),
    )


def _controls(found: Survey) -> Lines:
    used = found.controls
    return (
        Line("Controls", f"{used.name}: {used.used} used of {used.available}, {len(used.left_out)} left out"),
        Line("Why they cannot have been trained on", words.cut(used.grounds, 600)),
        Line("Digest of the controls", words.groups(used.digest), "hash"),
        Line("Smallest p that they allow", f"{found.smallest_p:.2g}"),
        *(Line(f.name.capitalize(), words.cut(f.value, 300)) for f in found.scores),
    )


def _set_facts(found: Survey) -> Lines:
    lines = [Line(f"Told apart without the checkpoint by {t.inputs}", _told(t)) for t in found.blind_matched]
    test = found.set_test
    if isinstance(test, SetTest):
        lines.append(Line("Measurements that enter", "; ".join(f.label for f in test.features)))
        lines.append(
            Line("Pairs", f"{test.pairs}; {test.pairs - test.tested} taught the direction, {test.tested} tested")
        )
    return tuple(lines)


def _row(work: Surveyed) -> Row:
    stated = work.stated if work.stated is not None else work.near
    return Row(
        id=work.id,
        caption=words.cut(work.caption, 90),
        repeats="" if stated is None else str(stated),
        value=words.number(work.primary.value),
        rank=_rank(work.primary),
        p=_p(work.primary.p),
        q=_p(work.q),
        hits=f"{work.hits.hits} of {work.hits.draws}",
        apart="set apart" if work.flagged else "",
        picture=work.picture,
        best=work.best,
        sort=(work.primary.value, work.primary.p, work.q, float(work.hits.hits)),
    )


def _rank(ranked: Ranked) -> str:
    return f"{ranked.k} of {ranked.n}"


def _p(value: float) -> str:
    return f"{value:.1e}" if value < 1e-4 else f"{value:.2g}"


def _rate(rate: Rate) -> str:
    return f"{rate.value:.2f} (95 % interval {rate.low:.2f} to {rate.high:.2f})"


def _told(told: Told) -> str:
    return f"area under the curve {_rate(told.auc)}, limit {told.limit:.2f}"
