"""Measurements arranged for reading: one table a group of pairs, one column a measure, one note a missing number."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forensics.case import Case, Measurement, Metric, NotMeasured
from forensics.report import words

WIDEST = 7
"""Measures side by side in one table; more go into a second one."""


@dataclass(frozen=True, slots=True)
class Column:
    """Head of one measure's column."""

    name: str
    direction: str
    span: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, or the mark of the note that says why there is none."""

    value: str
    note: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair of exhibits."""

    a: str
    b: str
    what: str
    cells: tuple[Cell, ...]
    ids: str = ""
    """Of the measurements of the row, in the order of the columns: what findings and assessments cite."""
    group: str = ""
    """What the pairs from here on compare; empty where the row goes on with those above it."""


@dataclass(frozen=True, slots=True)
class Table:
    """One numbered table."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[PairRow, ...]
    notes: tuple[tuple[str, str], ...]
    """Mark and reason, for the numbers that are missing."""


class Measures:
    """Every measurement of a case by pair and metric."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._metrics = {m.name: m for m in case.metrics}
        self._by_pair: dict[tuple[str, str], dict[str, Measurement | NotMeasured]] = {}
        for m in case.measurements:
            self._by_pair.setdefault((m.a, m.b), {})[m.metric] = m

    def pair(self, a: str, b: str) -> dict[str, Measurement | NotMeasured]:
        """Metric name -> what is known of this pair, in either order."""
        return self._by_pair.get((a, b)) or self._by_pair.get((b, a)) or {}

    def beside(self, a: str, b: str) -> str:
        """The numbers of a pair in one line, for the label under a panel; measures not made are left to the tables."""
        known = self.pair(a, b)
        shown = [
            f"{name.upper()}\u00a0{words.measured(m.value, self._metrics[name])}"
            for name, m in known.items()
            if isinstance(m, Measurement)
        ]
        return " · ".join(shown)

    def tables(self) -> tuple[Table, ...]:
        """All pairs but the outputs of a run, which `outputs` sums up, grouped by what they compare; each once.

        The groups share one table, so that the measures are named once; more than fit side by side go into a second.
        """
        groups: list[tuple[str, list[tuple[str, str]]]] = []
        many = {(self._case.asked, t) for v in self._case.inversions if len(v.outputs) > 1 for t in v.outputs}
        left = dict.fromkeys(p for p in self._by_pair if p not in many and (p[1], p[0]) not in many)
        for title, wanted in self._groups():
            pairs = [p for p in left if p[0] in wanted[0] and p[1] in wanted[1]]
            pairs += [p for p in left if p not in pairs and p[1] in wanted[0] and p[0] in wanted[1]]
            for p in pairs:
                del left[p]
            groups.append((title, pairs))
        return self._tables([g for g in (*groups, ("Other pairs", list(left))) if g[1]])

    def outputs(self) -> Table | None:
        """One row a run of several outputs: median and range of each measure over them; none where there is no run."""
        case = self._case
        runs = [v for v in case.inversions if len(v.outputs) > 1]
        known = {v.id: [self.pair(case.asked, t) for t in v.outputs] for v in runs}
        metrics = [m for m in case.metrics if any(m.name in made for pairs in known.values() for made in pairs)]
        if not metrics:
            return None
        marks: dict[str, str] = {}

        def cell(metric: Metric, run: str) -> Cell:
            found = [made.get(metric.name) for made in known[run]]
            values = sorted(m.value for m in found if isinstance(m, Measurement))
            if values:
                low, middle, high = (
                    words.measured(v, metric) for v in (values[0], statistics.median(values), values[-1])
                )
                return Cell(f"{middle} ({low}–{high})", "")
            reasons = {m.reason for m in found if isinstance(m, NotMeasured)} or {"This measure was not due."}
            said = " ".join(map(words.sentence, sorted(reasons)))
            return Cell("not measured", marks.setdefault(said, chr(ord("a") + len(marks))))

        rows = tuple(
            PairRow("", "", f"{v.title}, {len(v.outputs)} outputs", tuple(cell(m, v.id) for m in metrics)) for v in runs
        )
        one = "Disputed image" if case.asked == case.item(case.disputed).exhibit else case.asked
        title = f"{one} and the outputs of each run: median over the outputs, in brackets lowest and highest"
        return Table("tab-outputs", title, _heads(metrics), rows, tuple((mark, said) for said, mark in marks.items()))

    def _groups(self) -> Iterator[tuple[str, tuple[set[str], set[str]]]]:
        case = self._case
        disputed = {case.item(case.disputed).exhibit}
        originals = {i.exhibit for i in case.items} - disputed
        neighbours = {n.exhibit for n in case.neighbours if n.exhibit}
        yield "Disputed image and works put forward", (disputed, originals)
        yield "Disputed image and closest items of the index", (disputed, neighbours)
        single = {t for v in case.inversions if len(v.outputs) == 1 for t in v.outputs}
        one = "Disputed image" if case.asked in disputed else case.asked
        yield f"{one} and its reconstructions", ({case.asked}, single)
        yield "Works put forward and other exhibits", (originals, {e.id for e in case.exhibits})

    def _tables(self, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> tuple[Table, ...]:
        pairs = [p for _, some in groups for p in some]
        metrics = [m for m in self._case.metrics if any(m.name in self._by_pair[p] for p in pairs)]
        tables = -(-len(metrics) // WIDEST)
        wide = -(-len(metrics) // max(1, tables))  # tables of about equal width
        blocks = [metrics[i : i + wide] for i in range(0, len(metrics), max(1, wide))]
        title = "Every pair of exhibits that was measured"
        named = [title if tables == 1 else f"{title}: {words.listed([m.name.upper() for m in b])}" for b in blocks]
        return tuple(
            self._table(f"tab-pairs-{n}", said, block, groups)
            for n, (said, block) in enumerate(zip(named, blocks, strict=True), start=1)
        )

    def _table(
        self, key: str, title: str, metrics: Sequence[Metric], groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    ) -> Table:
        marks: dict[str, str] = {}
        titles = {e.id: e.title for e in self._case.exhibits}

        def cell(metric: Metric, pair: tuple[str, str]) -> Cell:
            match self._by_pair[pair].get(metric.name):
                case Measurement(value=value):
                    return Cell(words.measured(value, metric), "")
                case NotMeasured(reason=reason, remedy=remedy):
                    said = f"{words.sentence(reason)} {words.sentence(remedy)}".strip()
                case None:
                    said = "This measure was not due for this pair."
            return Cell("not measured", marks.setdefault(said, chr(ord("a") + len(marks))))

        rows = tuple(
            PairRow(
                p[0],
                p[1],
                words.cut(titles[p[1]], 70),
                tuple(cell(m, p) for m in metrics),
                ", ".join(self._by_pair[p][m.name].id for m in metrics if m.name in self._by_pair[p]),
                group if n == 0 else "",
            )
            for group, pairs in groups
            for n, p in enumerate(pairs)
        )
        return Table(key, title, _heads(metrics), rows, tuple((mark, said) for said, mark in marks.items()))


def _heads(metrics: Sequence[Metric]) -> tuple[Column, ...]:
    return tuple(
        Column(m.name.upper(), words.direction(m.better), f"{words.plain(m.low)} to {words.plain(m.high)}")
        for m in metrics
    )


def _value(found: Measurement | NotMeasured | None) -> float | None:
    return found.value if isinstance(found, Measurement) else None
