"""No rendered text makes a reader stumble, and no page is left half empty."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forensics import report
from forensics.case import Case
from forensics.report import html, words
from forensics.report.view import view
from tests.report import golden, pages
from tests.report.cases import CASES
from tests.report.conftest import Rendered
from tests.report.heavy import heavy
from tests.report.lint import stumbles
from tests.report.wording import quotations

BUILT = CASES | {"heavy": heavy}
RECORD = 'id="contents"'


def _case(name: str, folder: Path) -> tuple[Case, Path]:
    return golden.stored(name.removeprefix("stored ")) if name.startswith("stored ") else (BUILT[name](folder), folder)


@pytest.mark.parametrize("name", [*BUILT, *(f"stored {n}" for n in golden.EXAMINED)])
def test_nothing_to_stumble_over(name: str, tmp_path: Path) -> None:
    case, folder = _case(name, tmp_path)
    opinion, record = report.render_html(case, folder).split(RECORD)
    quoted = quotations(case)
    assert stumbles(pages.words(opinion), quoted) == []
    assert stumbles(pages.words(record), quoted, commands=False) == []
    for detail in range(4):
        letter = html.render(view(case), "letter.html.j2", detail=detail)
        assert stumbles(pages.words(letter), quoted) == []
        assert "…" not in pages.words(letter).replace("…”", "") or detail == 0


@pytest.mark.parametrize(
    "text",
    [
        "A prompt of 1 tokens.",
        "It lies between 128 and 128.",
        "From 192 to 192 px",
        "A picture?.",
        "Ask a.b@c.org.",
        "Name one with --original.",
    ],
)
def test_the_lint_finds(text: str) -> None:
    assert stumbles(text)
    assert not stumbles(text, [text])


@pytest.mark.parametrize("text", ["from −1 to 1", "-0.04 to 0.04", "21 works", "0.1 bits", "10:21 to 21:30", "1.0"])
def test_the_lint_leaves_alone(text: str) -> None:
    assert stumbles(text) == []


def test_sentences_of_stages_are_put_right() -> None:
    assert (
        words.tidy("A prompt of 1 tokens, 2 vectors at 1 bits each") == "A prompt of 1 token, 2 vectors at 1 bit each"
    )
    assert words.tidy("trained on 1 times a pass") == "trained on once a pass"
    assert words.tidy("level 192 px (192 to 192)") == "level 192 px"
    assert words.tidy("theirs lies between 128 and 128.") == "theirs is 128."
    assert words.tidy("theirs lies between 64 and 128.") == "theirs lies between 64 and 128."


def test_no_address_is_printed() -> None:
    assert words.public("Jo (jo.doe@mail.example.org)") == "Jo ([address left out])"


def test_no_page_is_left_half_empty(rendered: Rendered, tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed")
    if rendered.name != "full":
        pytest.skip("a short report has short parts")
    found = pages.half_empty(rendered.pdf, tmp_path, "Contents", "Statements only a person can make")
    assert found == {}
