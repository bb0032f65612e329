"""The tables of surveys, collections and batches, sorted in a real browser: by value, by name, by keyboard."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from forensics.batch import document as batches
from forensics.batch.results import Answer, Done, Row, State
from forensics.case import Absent, Fact, Hits, Outcome, Pair, Statistic
from forensics.outputs import document as collections
from forensics.outputs import rates
from forensics.outputs.log import Result
from forensics.outputs.plan import PromptClass
from forensics.outputs.results import Judged, Shown, Try
from forensics.report import html
from forensics.schema import canonical
from forensics.survey import document as surveys
from forensics.survey.results import SCHEMA, ControlsUsed, Ranked, Survey, Surveyed
from tests.batch.test_table import made
from tests.outputs.test_document import collection

NAMES = ("work 10", "Äpfel", "work 9", "apple", "zebra", "Work 100")
"""In the order of a reader: Äpfel, apple, work 9, work 10, Work 100, zebra."""
READ = ("Äpfel", "apple", "work 9", "work 10", "Work 100", "zebra")
P = (0.05, 0.00001, 0.5, 0.004, 0.11, 0.9)
"""As shown, 1e-05 would stand behind 0.9 by its letters."""
REPEATS = (100, None, 9, 0, 16, 25)
HITS = (2, 10, 0, 9, 3, 1)
PICTURE = "exhibits/one.png"


def survey() -> Survey:
    """Six works whose numbers, read as words, stand in another order."""
    s = Statistic.SAVED_AGAINST_CONTROL
    works = tuple(
        Surveyed(
            id=name,
            caption=f"caption {n * 7 % 11}",
            sha256=f"{n}" * 64,
            stated=stated,
            near=None,
            primary=Ranked(s, (-1) ** n * p * 10, 0, 99, p),
            q=min(1.0, 2 * p),
            flagged=p < 0.01,
            secondary=(),
            hits=Hits(hits, 12, 0.0, 1.0),
            enlarged=False,
            picture=PICTURE,
            best=PICTURE,
            command="",
        )
        for n, (name, p, stated, hits) in enumerate(zip(NAMES, P, REPEATS, HITS, strict=True))
    )
    none = Absent("none", "None.", "")
    return Survey(
        schema=SCHEMA,
        tool=Fact("forensics", "0"),
        created="2026-11-29T12:00:00Z",
        command="forensics survey",
        checkpoint="a",
        checkpoint_digest="0" * 64,
        native_px=64,
        demonstration=True,
        control_checkpoint="",
        control_checkpoint_digest="",
        protocol=Fact("4", "quick"),
        protocol_digest="0" * 64,
        parameters=(),
        source="works",
        source_kind="a table",
        source_digest="0" * 64,
        index=none,
        level=0.05,
        smallest_p=0.01,
        least_together=1,
        announced=True,
        works=works,
        not_asked=(),
        controls=ControlsUsed("c", 99, 99, "later", "0" * 64, ()),
        blind=(),
        blind_matched=(),
        set_test=none,
        by_repeats=(),
        scores=(),
        cost=(),
        limits=(),
    )


def a_try(n: int, work: str, *, hit: bool, day: str) -> Try:
    return Try(
        line=n + 2,
        number=n + 1,
        time=f"2026-{day}T09:00:00Z",
        service="Alpha",
        version="2.10" if n % 2 else "2.9",
        account="",
        seed="",
        prompt=f"prompt {n}",
        prompt_id="",
        prompt_class=PromptClass.VERBATIM,
        image_prompt="",
        works=(work,),
        result=Result.PICTURE,
        file=f"{n}.png",
        sha256="0" * 64,
        counts=True,
        why_not="",
        judged=(Judged(work, Outcome.THROUGHOUT if hit else Outcome.NONE, 0.9, 0.9, True),),
        picture=PICTURE if hit else "",
    )


def page_of_survey(folder: Path) -> Path:
    found = survey()
    path = folder / "survey.html"
    path.write_text(html.render(surveys.view(found, canonical(found)), "survey-table.html.j2"), encoding="utf-8")
    return path


def page_of_outputs(folder: Path) -> Path:
    days = ("12-01", "11-09", "02-28", "11-10", "01-31")
    tries = tuple(
        a_try(n, f"work {n % 5 * 5}", hit=n < 15 and n % 5 * 3 > n // 5, day=days[n % len(days)]) for n in range(60)
    )
    works = tuple(Shown(f"work {5 * n}", "", "0" * 64, control=False, picture=PICTURE) for n in range(5))
    found = dataclasses.replace(
        collection(), works=works, tries=tries, cells=rates.cells(tries, frozenset()), deviations=()
    )
    path = folder / "outputs.html"
    path.write_text(html.render(collections.view(found, canonical(found)), "outputs-table.html.j2"), encoding="utf-8")
    return path


def page_of_batch(folder: Path) -> Path:
    rows = [
        Row(
            n,
            name,
            name,
            State.DONE,
            name,
            minutes,
            Done("an-id", "0" * 64, "r.pdf", "quick", (Answer(Pair.DERIVATION, "Heading", "s", 0.2, 1, 99, p),)),
        )
        for n, (name, p, minutes) in enumerate(zip(NAMES, P, (10.5, 9.0, 0.1, 100.0, 2.0, 33.0), strict=True), 1)
    ]
    return batches.write(folder, made(*rows, Row(7, "waits", "waits", State.WAITING, "waits")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables")
    (made / "exhibits").mkdir()
    Image.new("RGB", (8, 8), "red").save(made / PICTURE)
    return made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium: the tables are not opened in a browser")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@dataclass
class Table:
    """One sortable table of an open page."""

    page: Any
    name: str

    def press(self, column: str, key: str = "") -> str:
        """Sort by a column, with the mouse or a key on its heading; what the heading says of its order."""
        if key:
            self.button(column).focus()
            self.page.keyboard.press(key)
        else:
            self.button(column).click()
        assert self.page.locator(f"#{self.name} th[aria-sort]").count() == 1
        return str(self.button(column).locator("xpath=..").get_attribute("aria-sort"))

    def button(self, column: str) -> Any:
        return self.page.locator(f"#{self.name} thead").get_by_role("button", name=column, exact=True)

    def columns(self) -> list[str]:
        return [str(text) for text in self.page.locator(f"#{self.name} thead button").all_inner_texts()]

    def cells(self, column: str) -> list[str]:
        """Texts of a column from top to bottom, without what stands below the first line."""
        return json.loads(
            self.page.evaluate(
                """([name, column]) => { const table = document.getElementById(name);
                const at = [...table.tHead.rows[0].cells].findIndex(
                  (c) => c.querySelector("button")?.firstChild.textContent.trim() === column);
                const texts = [...table.tBodies[0].rows].map((r) => r.cells[at].innerText.split("\\n")[0]);
                return JSON.stringify(texts) }""",
                [self.name, column],
            )
        )


@pytest.fixture
def opened(chromium: Any, folder: Path) -> Iterator[Callable[[Path], Any]]:
    pages = []

    def go(path: Path) -> Any:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        pages.append(page)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield go
    for page in pages:
        # Its own pictures, beside it, and nothing of anybody else; and it never complained.
        assert all(url.startswith(folder.as_uri()) for url in page.asked)
        assert page.complaints == []
        page.close()


def test_a_survey_is_sorted_by_p_and_by_name_both_ways(opened: Callable[[Path], Any], folder: Path) -> None:
    table = Table(opened(page_of_survey(folder)), "works")
    by_p = [NAMES[n] for n in sorted(range(6), key=lambda n: P[n])]
    assert table.press("p") == "ascending"
    assert table.cells("Work") == by_p
    assert table.cells("p")[0] == "1.0e-05"
    assert table.press("p") == "descending"
    assert table.cells("Work") == by_p[::-1]
    assert table.press("Work") == "ascending"
    assert table.cells("Work") == list(READ)
    assert table.press("Work") == "descending"
    assert table.cells("Work") == list(READ)[::-1]
    table.press("Value")
    values = [(-1) ** n * P[n] * 10 for n in range(6)]
    assert table.cells("Work") == [NAMES[n] for n in sorted(range(6), key=lambda n: values[n])]
    table.press("Near-copies")
    assert table.cells("Near-copies") == [f"{n} of 12" for n in sorted(HITS)]


def test_what_is_missing_comes_last_either_way(opened: Callable[[Path], Any], folder: Path) -> None:
    table = Table(opened(page_of_survey(folder)), "works")
    table.press("Repeats")
    assert table.cells("Repeats") == ["0", "9", "16", "25", "100", ""]
    table.press("Repeats")
    assert table.cells("Repeats") == ["100", "25", "16", "9", "0", ""]


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_sorts(opened: Callable[[Path], Any], folder: Path, key: str) -> None:
    page = opened(page_of_survey(folder))
    table = Table(page, "works")
    assert table.press("p", key) == "ascending"
    first = table.cells("Work")
    assert table.press("p", key) == "descending"
    assert table.cells("Work") == first[::-1]
    # From one heading to the next by the tabulator: no heading is left out, none holds the focus fast.
    table.button(table.columns()[0]).focus()
    reached = [page.evaluate("document.activeElement.innerText.trim()")]
    for _ in table.columns()[1:]:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.trim()"))
    assert [name.rstrip(" ▲▼") for name in reached] == [name.rstrip(" ▲▼") for name in table.columns()]


def test_a_batch_is_sorted_by_rank_and_by_minutes(opened: Callable[[Path], Any], folder: Path) -> None:
    table = Table(opened(page_of_batch(folder)), "cases")
    derivation = table.columns()[2]
    table.press("Minutes")
    assert table.cells("Minutes") == ["0.1", "2.0", "9.0", "10.5", "33.0", "100.0", ""]
    table.press("Minutes")
    assert table.cells("Minutes") == ["100.0", "33.0", "10.5", "9.0", "2.0", "0.1", ""]
    order = [f"{n + 1}. {NAMES[n]}" for n in sorted(range(6), key=lambda n: P[n])]
    table.press(derivation)
    assert table.cells("Case") == [*order, "7. waits"]
    table.press(derivation)
    assert table.cells("Case") == [*order[::-1], "7. waits"]


def test_a_collection_is_sorted_by_counts_times_and_versions(opened: Callable[[Path], Any], folder: Path) -> None:
    page = opened(page_of_outputs(folder))
    cells, tries = Table(page, "cells"), Table(page, "tries")
    for column in ("Of tries", "Of pictures"):
        cells.press(column)
        counts = [int(text.split()[0]) for text in cells.cells(column)]
        assert counts == sorted(counts)
        assert len(set(counts)) > 2
    cells.press("Tries to a first hit")
    expected = cells.cells("Tries to a first hit")
    numbers = [float(text.split()[0]) for text in expected if not text.startswith("no hit")]
    assert numbers == sorted(numbers)
    assert [text.startswith("no hit") for text in expected] == sorted(text.startswith("no hit") for text in expected)
    assert 0 < len(numbers) < len(expected)
    cells.press("Version")
    assert cells.cells("Version") == sorted(cells.cells("Version"), key=lambda text: int(text.split(".")[-1]))
    tries.press("Time")
    months = ("January", "February", "November", "December")
    days = [(months.index(text.split()[1]), int(text.split()[0])) for text in tries.cells("Time")]
    assert days == sorted(days)
    tries.press("Number")
    tries.press("Number")
    assert tries.cells("Number") == [str(n) for n in range(60, 0, -1)]
