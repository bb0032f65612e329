"""Folded records: nothing is lost, and what does not fit the pattern is never folded away."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

from forensics.case import ControlFacts, CustodyEntry, Setting
from forensics.report import words
from forensics.report.sections import appendices as records
from forensics.report.sections.measurements import Measures
from forensics.report.tables import CONTROL_WORKS, tables
from tests.report.cases import CASES


def _numbers(row: records.CustodyRow) -> range:
    first, _, last = row.seq.partition("–")
    return range(int(first), int(last or first) + 1)


def test_every_entry_of_the_log_is_in_one_row(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    made = records.custody(case)
    assert [n for row in made.rows for n in _numbers(row)] == [c.seq for c in case.custody]
    assert any(row.folded for row in made.rows)
    for row in made.rows:
        named = row.item.split(", ") if row.folded else [row.item]
        assert named == [c.item for c in case.custody if c.seq in _numbers(row)]


def test_an_exhibit_with_another_digest_than_the_case_states_has_a_row_of_its_own(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    chosen = [c for c in case.custody if c.action == records.STORED][2]
    log = tuple(dataclasses.replace(c, sha256="f" * 64) if c == chosen else c for c in case.custody)
    rows = records.custody(dataclasses.replace(case, custody=log)).rows
    assert [r.sha256 for r in rows if _numbers(r) == range(chosen.seq, chosen.seq + 1)] == [words.groups("f" * 64)]


def test_a_clock_that_went_back_is_said(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    assert records.custody(case).order.startswith("The times rise")
    first = case.custody[0]
    log = (first, CustodyEntry(2, "2001-01-01T00:00:00Z", "x", "file stored", "y", "a" * 64, "b" * 64))
    assert "went back before entry 2" in records.custody(dataclasses.replace(case, custody=log)).order


def test_settings_by_source_with_the_unset_ones_in_one_row() -> None:
    rows = (
        *(Setting(name, "not given", "default") for name in "abc"),
        Setting("d", "1", "default"),
        Setting("e", "2", "command line"),
    )
    one, two = records.settings(rows)
    assert one == records.SettingsGroup("default", ((("d", "1"), ("not given", "a, b, c")),), ())
    assert two == records.SettingsGroup("command line", ((("e", "2"),),), ())


def test_every_exhibit_is_listed_once_in_order(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    groups = records.exhibits(case.exhibits)
    assert [(r.id, r.sha256) for g in groups for r in g.rows] == [(e.id, words.groups(e.sha256)) for e in case.exhibits]
    assert all(g.heading or len(g.rows) < records.ABREAST for g in groups)


def test_the_outputs_of_a_run_are_summed_up_with_their_true_median_and_range(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    measures = Measures(case)
    table = measures.outputs()
    assert table is not None
    run = next(v for v in case.inversions if len(v.outputs) > 1)
    row = next(r for r in table.rows if r.what.startswith(run.title))
    disputed = case.item(case.disputed).exhibit
    values = sorted(
        m.value
        for m in case.measurements
        if m.metric == "lpips" and (m.a, m.b) in {(disputed, t) for t in run.outputs} and hasattr(m, "value")
    )
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    column = [c.name for c in table.columns].index("LPIPS")
    assert row.cells[column].value == f"{middle:.3f} ({values[0]:.3f}–{values[-1]:.3f})"
    paired = {(r.a, r.b) for t in measures.tables() for r in t.rows}
    assert not paired & {(disputed, t) for t in run.outputs}, "no pair stands in two tables"


def test_control_works_are_a_table_with_digests(tmp_path: Path) -> None:
    case = CASES["full"](tmp_path)
    assert isinstance(case.controls, ControlFacts)
    rows = list(csv.DictReader(io.StringIO(tables(case)[CONTROL_WORKS].decode())))
    assert [(r["file"], int(r["bytes"]), r["sha256"]) for r in rows] == [
        (w.path, w.size_bytes, w.sha256) for w in case.controls.works
    ]
