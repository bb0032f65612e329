"""The table of a batch with names that others chose: nothing of them acts, in a browser or in a spreadsheet."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from forensics.batch import document
from forensics.batch.results import Answer, Batch, Done, Failure, Row, State
from forensics.case import Fact, Pair
from tests.report.wording import violations

HOSTILE = (
    "<script>alert(1)</script>.png",
    "\"onmouseover='x'.png",
    "=HYPERLINK(1).png",
    "+1.png",
    "-2.png",
    "@sum.png",
    "\t=1.png",
    'a,b;"c"\r\nd.png',
    "a\u202egnp.exe",
    "&lt;.png",
    "{{ r.title }}{% raw %}.png",
    "\u200e=1+1.png",
)


def made(*rows: Row) -> Batch:
    return Batch("batch/1", Fact("forensics", "0"), "2026-11-29T12:00:00Z", HOSTILE[0], "0" * 64, rows)


def row(number: int, name: str) -> Row:
    answers = (
        Answer(Pair.DERIVATION, f"Heading {name}", name, 0.25, 1, 99, 0.02, 0.06),
        Answer(Pair.ORIGIN, "No answer."),
    )
    done = Done("an-id", "0" * 64, f"{name}/report.pdf", "quick", answers)
    return Row(number, name, name, State.DONE, name, 1.234, done)


class Page(HTMLParser):
    """Elements, attributes and texts as a browser sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    rows = [row(number, name) for number, name in enumerate(HOSTILE, 1)]
    failed = Row(90, "f", "f", State.FAILED, "f", 0.1, None, Failure(f"{HOSTILE[0]} failed.", HOSTILE[2], 3))
    document.write(tmp_path, made(*rows, failed))
    text = (tmp_path / "batch.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.tags.count("script") == 1  # the one that sorts
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "\u202e" not in text
    assert len(page.cells) == 7 * (len(rows) + 1)
    assert HOSTILE[0] in page.cells[0]
    assert any("p = 0.020, corrected 0.060" in cell for cell in page.cells)
    links = [value for name, value in page.attributes if name == "href"]
    assert [unquote(link) for link in links] == [f"{name}/report.pdf" for name in HOSTILE]
    assert all(link.isascii() and not set("<>\"' ") & set(link) for link in links)

    data = (tmp_path / "batch.csv").read_bytes().decode()
    table = list(csv.reader(io.StringIO(data, newline="")))
    assert len({len(line) for line in table}) == 1
    assert len(table) == 2 + len(rows)
    assert not [cell for line in table for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    first = dict(zip(table[0], table[1], strict=True))
    assert (first["derivation_k"], first["derivation_n"], first["derivation_p"]) == ("1", "99", "0.02")
    assert first["derivation_p_holm"] == "0.06"
    assert first["retention_heading"] == first["origin_p"] == ""
    last = dict(zip(table[0], table[-1], strict=True))
    assert (last["state"], last["exit_code"], last["remedy"]) == ("failed", "3", f"'{HOSTILE[2]}")


def test_what_is_said_claims_nothing(tmp_path: Path) -> None:
    waiting = Row(3, "c", "c", State.WAITING, "c")
    found = made(row(1, "a"), Row(2, "b", "b", State.FAILED, "b", None, None, Failure("No.", "Do.", 4)), waiting)
    said = document.answer(found)
    assert said[0] == "1 of 3 cases examined."
    assert "2 (b)" in said[1]
    assert "--resume" in said[2]
    assert not violations(" ".join([*said, *document.LIMITS]))
