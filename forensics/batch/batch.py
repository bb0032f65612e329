"""`forensics batch`: every case of a file, resumably, by the scheduler that surveys use too; and the table of them.

The journal says which cases were begun and what came of them; a case folder says for itself how far it got. So whatever
stops a batch, what is done stays done, and a case that was stopped goes on where it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forensics import __version__, files, foreign
from forensics.batch import asked as requests
from forensics.batch import document
from forensics.batch.asked import Asked
from forensics.batch.results import FILE, SCHEMA, Batch, Done, Failure, Row, State
from forensics.batch.work import begin
from forensics.case import Fact
from forensics.errors import CaseError, SettingsError
from forensics.events import Emit, Event, ignore
from forensics.folder import CASE, REPORT
from forensics.folder.journal import locked
from forensics.folder.ledger import set_aside
from forensics.languages import ENGLISH
from forensics.path_names import printable
from forensics.scheduler import Clock, Outcome, Where, run
from forensics.schema import canonical, decode, encode
from forensics.validation.journal import Journal

JOURNAL = "batch.jsonl"
_WEIGHTS = {"quick": 1.0, "standard": 3.0, "deep": 10.0}
"""What a case of a profile takes beside one of another, roughly: for the time left alone."""


def batch(source: Path, out: Path, where: Where | None = None, *, resume: bool = False, emit: Emit = ignore) -> Batch:
    """Examine every case that is not done, and write `batch.json`, `batch.html` and `batch.csv` after each.

    Args:
        source: the file with the cases (`batch.asked`).
        out: folder of the batch; cases that name no folder lie in it.
        where: in this process by default.
        resume: go on in a folder that holds a batch; cases that failed are tried again.
        emit: told of progress, with the time left for all cases.

    Raises:
        SettingsError: the file cannot be used; nothing was begun.
        CaseError: `out` holds a batch and `resume` is not set, or another run is writing to it.
        DeviceError: the cluster cannot be used.
    """
    cases, digest = requests.read(source, out), _digest(source)
    if out.exists() and not resume and (not out.is_dir() or any(out.iterdir())):
        raise CaseError(f"{out} exists already.", hint="Pass --resume to go on, or choose another folder with -o.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CaseError(f"{out} cannot be created: {exc.strerror}.", hint="Choose another folder with -o.") from exc
    with locked(out):
        journal = _journal(out / JOURNAL)
        if "created" not in journal:
            journal.add("created", files.utc_now())
        journal.add("source", digest)
        return _Run(source, out, cases, journal, emit).all(where or Where())


def _journal(path: Path) -> Journal:
    with contextlib.suppress(OSError):
        if not path.read_bytes().rpartition(b"\n")[1]:
            path.unlink()  # stopped while its first line was written
    try:
        return Journal(path, {"made for": SCHEMA}, resume=True)
    except (ValueError, KeyError, TypeError) as exc:
        raise CaseError(f"{path} is no journal of a batch: {exc}.", hint="Choose another folder with -o.") from exc


def _digest(source: Path) -> str:
    try:
        return foreign.sha256(source)
    except foreign.Unreadable as exc:
        raise SettingsError(f"{source} {exc}.", hint="Keep the file still.") from exc


def load(folder: Path) -> Batch:
    """The batch of a folder. Raises CaseError where there is none that can be read."""
    try:
        return decode(Batch, foreign.parse(foreign.read(folder / FILE, 256 * foreign.MIB), values=10_000_000), "batch")
    except foreign.Unreadable as exc:
        raise CaseError(f"{folder / FILE} {exc}.", hint="Name the folder of a batch.") from exc


def spoken(cases: Sequence[Asked]) -> str:
    """The language of the table: that of the reports where it is one, else English."""
    languages = {case.resolved.settings.language for case in cases}
    return languages.pop() if len(languages) == 1 else ENGLISH


@dataclass(slots=True)
class _Run:
    source: Path
    out: Path
    cases: tuple[Asked, ...]
    journal: Journal
    emit: Emit

    def all(self, where: Where) -> Batch:
        """Everything that is not done."""
        rows = [_kept(case, self.journal, self.out) for case in self.cases]
        places = [place for place, row in enumerate(rows) if row.state is not State.DONE]
        todo = [self._taken(self.cases[place]) for place in places]
        self._write(rows)
        clock = Clock([_WEIGHTS.get(case.resolved.settings.profile, 1.0) for case in todo])
        inside = _Inside(self.emit, clock, todo, len(rows))
        self.emit(Event("batch", len(rows) - len(todo), len(rows), f"{len(rows) - len(todo)} cases are done already"))
        where = replace(where, gpu=any(case.resolved.settings.device != "cpu" for case in todo))
        for done, outcome in enumerate(run(begin, todo, where, inside, inside.begins), len(rows) - len(todo) + 1):
            case, place = todo[outcome.place], places[outcome.place]
            rows[place] = row = _row(case, outcome, self.out)
            self.journal.add(case.key, {"row": encode(row), "folder": str(case.folder), "own": case.own})
            self._write(rows)
            clock.done(outcome.place)
            inside.rests()
            self.emit(Event("batch", done, len(rows), f"{printable(case.name)}: {row.state.value}", clock.left()))
        return self._write(rows)

    def _taken(self, case: Asked) -> Asked:
        """The case with its folder, which is the batch's own from now on where nothing lay there; the journal says so
        before anything is written to it."""
        before = self.journal.get(case.key)
        if before is not None:
            case = replace(case, folder=Path(before["folder"]), own=bool(before["own"]))
        again = before is not None and "row" in before  # it failed
        if case.force and (before is None or again):
            # Where that is refused the examination says why, in the row of this case.
            with contextlib.suppress(CaseError):
                set_aside(case.folder, force=True)
        if before is None or (again and not case.own):
            case = replace(case, own=_is_free(case.folder))
            self.journal.add(case.key, {"folder": str(case.folder), "own": case.own})
        return case

    def _write(self, rows: Sequence[Row]) -> Batch:
        found = Batch(
            SCHEMA,
            Fact("forensics", __version__),
            self.journal["created"],
            printable(self.source.name),
            self.journal["source"],
            tuple(rows),
        )
        files.write(self.out / FILE, canonical(found))
        document.write(self.out, found, language=spoken(self.cases))
        return found


@dataclass(slots=True)
class _Inside:
    """Puts the number of the case, and the time left for all of them, into the events of the one being examined."""

    emit: Emit
    clock: Clock
    cases: Sequence[Asked]
    total: int
    place: int | None = None
    """Of the case being measured."""

    def begins(self, place: int) -> None:
        """A case is measured from now on, beside which the report of the one before is drawn."""
        self.rests()
        self.place = place

    def rests(self) -> None:
        """The case being measured is measured: what is left of it takes no time of its own."""
        if self.place is not None:
            self.clock.done(self.place)
        self.place = None

    def __call__(self, event: Event) -> None:
        if self.place is not None:
            number = self.total - len(self.cases) + self.place + 1
            left = self.clock.left(event.left_s, self.place)
            event = replace(event, note=f"{number}/{self.total} {event.note}", left_s=left)
        self.emit(event)


def _is_free(folder: Path) -> bool:
    """Whether nothing lies where a case is to go, but empty folders perhaps."""
    try:
        return not folder.exists() or (folder.is_dir() and all(p.is_dir() for p in folder.rglob("*")))
    except (OSError, ValueError):
        return False


def _kept(case: Asked, journal: Journal, out: Path) -> Row:
    """What the journal says of a case, where its folder still holds what was done."""
    before = journal.get(case.key)
    if before is None:
        return _bare(case, State.WAITING, out)
    case = replace(case, folder=Path(before["folder"]))
    if "row" not in before:
        return _bare(case, State.BEGUN, out)
    row = replace(decode(Row, before["row"], "row"), number=case.number, name=printable(case.name))
    if row.done is None:
        return row
    try:
        sound = foreign.sha256(case.folder / CASE) == row.done.digest and (case.folder / REPORT).is_file()
    except foreign.Unreadable:
        sound = False
    return row if sound else _bare(case, State.BEGUN, out)


def _bare(case: Asked, state: State, out: Path) -> Row:
    return Row(case.number, printable(case.name), printable(case.image.name), state, _beside(case.folder, out))


def _row(case: Asked, outcome: Outcome[Done], out: Path) -> Row:
    row = replace(_bare(case, State.DONE, out), minutes=round(outcome.seconds / 60, 3), lost=outcome.lost)
    if outcome.error is not None:
        error = outcome.error
        failure = Failure(error.message, error.hint, int(error.exit_code))
        return replace(row, state=State.FAILED, failure=failure)
    done = outcome.given()
    return replace(row, done=replace(done, pdf=_beside(Path(done.pdf), out)))


def _beside(path: Path, out: Path) -> str:
    """A path as the table names it: from the folder of the batch where it lies there."""
    base = out.absolute()
    return printable(path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path))
