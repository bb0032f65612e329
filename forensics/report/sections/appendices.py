"""The records at the end of the report, folded where one line says as much as forty: custody, settings, exhibits.

Nothing is lost by folding: what a folded row leaves out stands in another table of the same report or in an attachment,
and the row says where.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from forensics import folder as case_folder
from forensics.case import Case, CustodyEntry, Exhibit, Setting
from forensics.report import words

FOLDED = 3
"""Entries alike from which on they share a row."""
ABREAST = 2
"""Exhibits of one origin from which on they share a heading."""
SHORT = 22
"""Characters of a setting's name or value that fit in a third of the width of the page."""
THIRDS = 3
"""Short settings in one row."""
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
    abreast: tuple[tuple[tuple[str, str], ...], ...]
    """Short ones, three a row, read down the left third first."""
    wide: tuple[tuple[str, str], ...]
    """Those whose value needs the width of the page."""


@dataclass(frozen=True, slots=True)
class ExhibitRow:
    """One picture in evidence."""

    id: str
    title: str
    """What it is, and what else tells it from the others of its group."""
    made_by: str
    """Origin and size; empty where the heading of the group says both."""
    sha256: str


@dataclass(frozen=True, slots=True)
class ExhibitGroup:
    """Pictures of one origin; a group of one has no heading of its own."""

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
    head = case_folder.entry_digest(case.custody[-1]) if case.custody else ""
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


def constants(rows: tuple[Setting, ...]) -> str:
    """What of the values in force is left to the protocol file, as a sentence; a name with a stop is one of a part."""
    inner = sum("." in r.name for r in rows)
    if not inner:
        return ""
    return (
        f"{words.counted(inner, 'further value', 'further values')} of single parts of the program, such as bounds and "
        "sizes, can change a number or a word as well; the attached protocol.json lists every one by its name."
    )


def settings(rows: tuple[Setting, ...]) -> tuple[SettingsGroup, ...]:
    """By where they came from, in the order of first appearance; what was not given stands in one row."""
    by_source: dict[str, list[tuple[str, str]]] = {}
    for row in (r for r in rows if "." not in r.name):
        by_source.setdefault(row.source, []).append((row.name, row.value))
    made = []
    for source, found in by_source.items():
        unset = [name for name, value in found if value in ("not given", "none", "")]
        kept = [(name, value) for name, value in found if name not in unset]
        if len(unset) < FOLDED:
            kept, unset = found, []
        every = (*kept, *([("not given", ", ".join(unset))] if unset else []))
        short = [row for row in every if len(row[1]) <= SHORT and len(row[0]) <= SHORT]
        deep = -(-len(short) // THIRDS)
        thirds = tuple(tuple(short[n::deep]) for n in range(deep))
        made.append(SettingsGroup(source, thirds, tuple(row for row in every if row not in short)))
    return tuple(made)


def exhibits(rows: tuple[Exhibit, ...]) -> tuple[ExhibitGroup, ...]:
    """In the order of the case; neighbours in the table that were made alike share a heading, which says what they have
    in common."""
    made = []
    for _, same in itertools.groupby(rows, lambda e: e.made_by):
        run = list(same)
        many = len(run) >= ABREAST
        shared = {part for part in _parts(run[0]) if all(part in _parts(e) for e in run)} if many else set()
        origin = _made_by(run[0])
        said = [part for part in _parts(run[0]) if part in shared]
        heading = ", ".join([*(p for p in said if p == run[0].title), origin, *(p for p in said if p != run[0].title)])
        made.append(ExhibitGroup(heading if many else "", tuple(_exhibit(e, shared, many=many) for e in run)))
    return tuple(made)


def _exhibit(e: Exhibit, shared: set[str], *, many: bool) -> ExhibitRow:
    seed = "" if e.seed is None else f"seed {e.seed}"
    size = words.pixels(e.width, e.height)
    if not many:
        return ExhibitRow(
            e.id, ", ".join(filter(None, (e.title, seed))), f"{_made_by(e)}, {size}", words.groups(e.sha256)
        )
    own = [part for part in (e.title, seed, size) if part and part not in shared]
    return ExhibitRow(e.id, ", ".join(own) or "as above", "", words.groups(e.sha256))


def _parts(e: Exhibit) -> tuple[str, ...]:
    return (e.title, words.pixels(e.width, e.height))


def _made_by(e: Exhibit) -> str:
    return f"made by {e.made_by}" if e.made_by != "received" else "received"
