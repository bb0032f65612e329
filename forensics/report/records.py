"""The records at the end of the report, folded where one line says as much as forty: custody, settings, exhibits.

Nothing is lost by folding: what a folded row leaves out stands in another table of the same report or in an attachment,
and the row says where.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from forensics import casefile
from forensics.case import Case, CustodyEntry, Exhibit, Setting
from forensics.report import words

FOLDED = 3
"""Entries alike from which on they share a row."""
STORED = "exhibit stored"


@dataclass(frozen=True, slots=True)
class CustodyRow:
    """One entry of the chain, or several that store one exhibit each."""

    seq: str
    utc: str
    actor: str
    action: str
    item: str
    sha256: str
    """Empty where the action concerns no file, or where the digests stand in the table of exhibits."""
    previous: str
    folded: bool


@dataclass(frozen=True, slots=True)
class Custody:
    """The log, and what holds of the chain as a whole."""

    rows: tuple[CustodyRow, ...]
    entries: str
    head: str
    """SHA-256 of the last entry as the log holds it: the link for what follows."""
    order: str
    """Whether the clock ran backwards anywhere, as a sentence."""


@dataclass(frozen=True, slots=True)
class SettingsGroup:
    """Settings that came from one place."""

    source: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ExhibitRow:
    """One picture in evidence."""

    id: str
    title: str
    made_by: str
    size: str
    seed: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ExhibitGroup:
    """Pictures of one origin and size; a group of one has no heading of its own."""

    heading: str
    rows: tuple[ExhibitRow, ...]


def custody(case: Case) -> Custody:
    """The log up to the frozen case. Entries in a row that store exhibits are folded."""
    stored = {e.id: e.sha256 for e in case.exhibits}

    def key(entry: CustodyEntry) -> tuple[object, ...]:
        plain = entry.action == STORED and stored.get(entry.item) == entry.sha256
        return (entry.action, entry.actor) if plain else (entry.seq,)

    rows: list[CustodyRow] = []
    for _, same in itertools.groupby(case.custody, key):
        run = list(same)
        rows += [_folded(run)] if len(run) >= FOLDED else map(_single, run)
    late = [b.seq for a, b in itertools.pairwise(case.custody) if b.utc < a.utc]
    head = casefile.entry_digest(case.custody[-1]) if case.custody else ""
    return Custody(
        tuple(rows),
        words.count(len(case.custody)),
        words.groups(head),
        f"The clock of the computer went back before entry {', '.join(map(str, late))}."
        if late
        else "The times rise from entry to entry; no number is missing.",
    )


def _single(c: CustodyEntry) -> CustodyRow:
    return CustodyRow(
        str(c.seq), _time(c.utc), c.actor, c.action, c.item, words.groups(c.sha256), words.short(c.previous), False
    )


def _folded(run: list[CustodyEntry]) -> CustodyRow:
    first, last = run[0], run[-1]
    until = _time(last.utc)
    return CustodyRow(
        f"{first.seq}–{last.seq}",
        f"{_time(first.utc)} to {until.split()[-1] if last.utc[:10] == first.utc[:10] else until}",
        first.actor,
        f"{len(run)} exhibits stored:",
        ", ".join(e.item for e in run),
        "",
        words.short(first.previous),
        True,
    )


def _time(utc: str) -> str:
    return utc.replace("T", " ").removesuffix("Z")


def settings(rows: tuple[Setting, ...]) -> tuple[SettingsGroup, ...]:
    """By where they came from, in the order of first appearance; what was not given stands in one row."""
    by_source: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append((row.name, row.value))
    made = []
    for source, found in by_source.items():
        unset = [name for name, value in found if value in ("not given", "none", "")]
        kept = [(name, value) for name, value in found if name not in unset]
        if len(unset) < FOLDED:
            kept, unset = found, []
        made.append(SettingsGroup(source, (*kept, *([("not given", ", ".join(unset))] if unset else []))))
    return tuple(made)


def exhibits(rows: tuple[Exhibit, ...]) -> tuple[ExhibitGroup, ...]:
    """In the order of the case; neighbours in the table that were made alike share a heading."""

    def key(e: Exhibit) -> tuple[object, ...]:
        return (e.title, e.made_by, e.width, e.height)

    made = []
    for _, same in itertools.groupby(rows, key):
        run = [_exhibit(e) for e in same]
        first = run[0]
        many = len(run) >= FOLDED
        made.append(ExhibitGroup(f"{first.title}, {first.made_by}, {first.size}" if many else "", tuple(run)))
    return tuple(made)


def _exhibit(e: Exhibit) -> ExhibitRow:
    return ExhibitRow(
        e.id,
        e.title,
        f"made by {e.made_by}" if e.made_by != "received" else "received",
        words.pixels(e.width, e.height),
        "" if e.seed is None else f"seed {e.seed}",
        words.groups(e.sha256),
    )
