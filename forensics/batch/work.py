"""One case of a batch, in whichever worker: the examination of `forensics analyze`, in a workshop that is shared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from forensics import documents, examination, planning, second
from forensics.batch.asked import Asked
from forensics.batch.results import Answer, Done
from forensics.case import Case, Pair
from forensics.errors import CaseError
from forensics.events import Emit, ignore
from forensics.files import PART
from forensics.folder import CASE, CUSTODY, REPORT, Ledger, file_sha256, journal, load, settled, unfinished
from forensics.folder.bag import TAGS
from forensics.protocol import PROFILES
from forensics.report.sections.answers import cards
from forensics.scheduler import Rest
from forensics.settings import Resolved, Settings
from forensics.stages.asked import asked_for, decodes
from forensics.stages.workshop import Workshop


def begin(emit: Emit) -> Callable[[Asked], Done | Rest[Done]]:
    """What examines cases one after the other, in one workshop; see `scheduler.Begin`."""
    return Examiner(emit, Workshop(keeps=True)).examine


class Examiner:
    """Examines cases with what it opened for the first of them."""

    def __init__(self, emit: Emit, workshop: Workshop) -> None:
        self._emit = emit
        self._workshop = workshop

    def examine(self, asked: Asked) -> Done | Rest[Done]:
        """The case, examined from its beginning or from where it was stopped; its report is the rest of it.

        Raises:
            ForensicsError: as `examination.analyze`, here or where the rest is done.
        """
        if asked.own and (found := _finished(asked.folder)) is not None:
            return found
        before = _before(asked)
        resolved = asked.resolved
        decodes(resolved.settings, asked.image, *map(Path, resolved.settings.originals))
        if asked.max_minutes is not None:
            profile = before["settings"].get("profile") if before else None
            if profile not in PROFILES:
                ahead = planning.outlook(asked.image, resolved.settings, self._emit, self._workshop, deepest=True)
                profile = ahead.deepest(asked.max_minutes).profile
            resolved = planning.chosen(resolved, profile, asked.max_minutes)
        emit = self._timed(asked, resolved)
        ledger = _ledger(asked, asked_for(asked.image, resolved), before)
        examination.measured(asked.image, ledger, resolved, emit, self._workshop)
        return Rest(partial(_reported, asked, ledger, resolved.settings))

    def _timed(self, asked: Asked, resolved: Resolved) -> Emit:
        """Progress with the time left for this case; the checkpoint is timed once, and only where somebody is told."""
        if self._emit is ignore:
            return ignore
        settings = resolved.settings
        asked_of = settings.checkpoint, settings.base, settings.lora, settings.control_checkpoint, settings.controls
        where = settings.device, settings.precision
        ahead = self._workshop.once(
            ("outlook", *asked_of, *where), lambda: planning.outlook(asked.image, settings, ignore, self._workshop)
        )
        return planning.Clock(ahead.forecasts[settings.profile], self._emit)


def _reported(asked: Asked, ledger: Ledger, settings: Settings) -> Done:
    """What is left when a case is measured: its report. Nobody is told, for the next case is told of meanwhile."""
    second.begin(second.DRAUGHTSMAN)
    examination.reported(ledger, settings)
    return said(asked.folder)


def said(folder: Path) -> Done:
    """What a finished case says, for the table. Raises CaseError where the folder holds none."""
    case = load(folder)
    used = {row.name: row.value for row in case.settings}
    digest = file_sha256(folder / CASE)
    return Done(case.id, digest, str(folder / REPORT), used.get("profile", ""), _answers(case))


def _answers(case: Case) -> tuple[Answer, ...]:
    primary = {c.primary_for: c for c in case.comparisons if c.primary_for is not None}
    rows = []
    for pair, card in zip(Pair, cards(case), strict=False):
        heading = " ".join(card.headline.split())
        ranked = primary.get(pair)
        if ranked is None:
            rows.append(Answer(pair, heading))
        else:
            numbers = ranked.value, ranked.k, ranked.n, ranked.p, ranked.p_holm
            rows.append(Answer(pair, heading, ranked.title, *numbers))
    return tuple(rows)


def _finished(folder: Path) -> Done | None:
    """What an earlier run had finished but for a last step; None where there is more to do."""
    if not (folder / CASE).is_file() or not settled(folder):
        return None
    if not (folder / TAGS).is_file() or journal.leftovers(folder):
        documents.finish(folder)
    elif not (folder / REPORT).is_file():
        documents.render_as_asked(folder)
    return said(folder)


def _before(asked: Asked) -> dict[str, Any] | None:
    """What this batch began in the folder and did not finish, as it was asked; None where it is to begin."""
    if not asked.own:
        return None
    with contextlib.suppress(CaseError, KeyError, TypeError):
        found, wanted = unfinished.asked(asked.folder), asked_for(asked.image, asked.resolved)
        chosen = {"profile"} if asked.max_minutes is not None else set()  # by the time that was allowed
        settings = {**wanted["settings"], **{name: found["settings"][name] for name in chosen}}
        if (found["image"], found["settings"], found["matter"]) == (wanted["image"], settings, wanted["matter"]):
            return found
    return None


def _ledger(asked: Asked, wanted: dict[str, Any], before: dict[str, Any] | None) -> Ledger:
    """The folder of the case: gone on with where this batch began it, else new."""
    if before is not None:
        return Ledger(asked.folder, asked=wanted, resume=True)
    if asked.own and asked.folder.is_dir() and not (asked.folder / CUSTODY).exists():
        _clear(asked.folder)
    return Ledger(asked.folder, asked=wanted, force=asked.force or asked.own)


def _clear(folder: Path) -> None:
    """Remove the mark of a case that was stopped before the first line of its log: nothing was gathered yet."""
    for path in (folder / CASE, *(folder / CASE).parent.glob(f"*{PART}")):
        path.unlink(missing_ok=True)
