"""What makes drawing quicker changes no byte, and the second process draws what this one draws."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from weasyprint.layout import inline

from forensics import documents, draughtsman, report, second
from forensics.errors import VerificationError
from forensics.folder import stored
from forensics.folder.layout import REPORT
from forensics.folder.verify import load
from forensics.report import pdf, quicker
from tests.report.conftest import Rendered
from tests.test_casefile import small_case

PAGE = """<html lang="en"><head><title>t</title><link rel="stylesheet" href="report.css"></head><body>
<div class="record-part"><div class="columns">{}</div><div class="three-columns">{}</div></div>{}</body></html>"""
PARAGRAPHS = "".join(
    f"<p>{number}. A paragraph with <b>words in bold {number}</b>, "
    'a <a href="https://example.org/">link</a> and <code>--flags</code> '
    f"that goes on {'and on ' * (number % 23)}until it ends.</p>"
    for number in range(24)
)
FLOATING = '<p><span style="float: left; width: 20mm">beside</span>What flows beside it. </p>' * 5


@contextmanager
def _only(parts: tuple[Any, ...]) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part())
        yield


def _drawn(html: str) -> bytes:
    return pdf.write(html, {}, created="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("inside", ["paragraphs", "floats"])
def test_columns_are_the_same_bytes_with_and_without(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """Balanced, broken over a page, three abreast; with what floats within them, where lines depend on their place."""
    held = PARAGRAPHS if inside == "paragraphs" else FLOATING + PARAGRAPHS[:2000].rpartition("</p>")[0] + "</p>"
    html = PAGE.format(held * 2, held, FLOATING)
    quick = _drawn(html)
    monkeypatch.setattr(pdf, "quicker", lambda: _only(tuple(p for p in quicker.PARTS if p not in quicker.SAME_BYTES)))
    assert quick == _drawn(html)


@pytest.mark.parametrize("rendered", ["compare"], indirect=True)
def test_a_report_is_the_same_bytes_with_and_without(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "quicker", lambda: _only(tuple(p for p in quicker.PARTS if p not in quicker.SAME_BYTES)))
    assert report.render(rendered.case, rendered.folder) == rendered.pdf


def test_what_is_remembered_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of WeasyPrint in which nothing is replaced any more would be as slow as before, in silence."""
    asked = {"lines": 0, "moved": 0}

    def counted(name: str, original: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            asked[name] += 1
            return original(*arguments, **named)

        return call

    monkeypatch.setattr(inline, "split_first_line", counted("lines", inline.split_first_line))
    monkeypatch.setattr(quicker, "_moved", counted("moved", quicker._moved))
    html = PAGE.format(PARAGRAPHS, PARAGRAPHS, "")
    _drawn(html)
    with_memory = dict(asked)
    monkeypatch.setattr(pdf, "quicker", lambda: _only(()))
    asked.update(lines=0, moved=0)
    _drawn(html)
    assert with_memory["lines"] < asked["lines"] / 2
    assert with_memory["moved"] > 0
    assert asked["moved"] == 0


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A closed case folder."""
    return small_case(tmp_path / "case")


def test_the_second_process_draws_the_same_bytes_and_says_what_is_wrong(closed: Path) -> None:
    case = load(closed)
    assert draughtsman.draw(closed, "A4") is None, "none was begun"
    second.begin(second.DRAUGHTSMAN)
    assert draughtsman.draw(closed, "Letter", "de") == report.render(case, closed, paper="Letter", language="de")
    assert draughtsman.draw(closed, "A4") is None, "it draws one report and ends"

    second.begin(second.DRAUGHTSMAN)
    exhibit = stored(closed, case.exhibits[0].path)
    exhibit.write_bytes(exhibit.read_bytes() + b"\0")
    with pytest.raises(VerificationError, match="differs from its digest"):
        draughtsman.draw(closed, "A4")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_folder_is_found_from_wherever_this_process_has_gone_since(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second.begin(second.DRAUGHTSMAN)
    monkeypatch.chdir(closed.parent)
    assert draughtsman.draw(Path(closed.name), "A4") == report.render(load(closed), closed)


def test_a_second_process_that_is_killed_leaves_the_drawing_here(tmp_path: Path) -> None:
    second.begin(second.DRAUGHTSMAN)
    process = second.begun(second.DRAUGHTSMAN)
    assert process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    with second._LOCK:
        second._BEGUN[second.DRAUGHTSMAN].append(process)
    assert draughtsman.draw(tmp_path, "A4") is None


def test_documents_ask_elsewhere_and_draw_here_what_is_not_drawn_there(closed: Path) -> None:
    asked: list[tuple[Path, str, str]] = []

    def nobody(folder: Path, paper: str, language: str) -> None:
        asked.append((folder, paper, language))

    documents.render(closed, elsewhere=nobody)
    here = (closed / REPORT).read_bytes()
    assert asked == [(closed, "A4", "en")]
    assert here == report.render(load(closed), closed)
    documents.render(closed, elsewhere=lambda folder, paper, language: here + b"\n")
    assert (closed / REPORT).read_bytes() == here + b"\n"
