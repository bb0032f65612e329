"""Every attack of the list has its sentence in the section that the list names, in the report of a real case."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.report import golden

LIST = Path(__file__).resolve().parents[2] / "CROSS-EXAMINATION.md"
POINTS = 12


def rows() -> list[tuple[str, str, str, str]]:
    """Number, attack, section and sentence of every row of the list."""
    found = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0].isdigit():
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """Title of each section of the first level -> its text, as a reader sees it."""
    text = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", golden.html("analyze"), flags=re.DOTALL)
    parts = re.split(r"<h1[^>]*>", text)[1:]
    found: dict[str, str] = {}
    for part in parts:
        title, _, body = part.partition("</h1>")
        found[seen(title)] = found.get(seen(title), "") + seen(body)
    return found


def seen(markup: str) -> str:
    """Text without markup, spaces made one."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def test_every_point_has_an_attack() -> None:
    assert {int(number) for number, *_ in rows()} == set(range(1, POINTS + 1))
    assert len({sentence for *_, sentence in rows()}) == len(rows())


@pytest.mark.parametrize(("number", "attack", "section", "sentence"), rows())
def test_the_sentence_stands_in_its_section(
    sections: dict[str, str], number: str, attack: str, section: str, sentence: str
) -> None:
    assert section in sections, sorted(sections)
    assert sentence in sections[section], f"{number}: {attack}"


def test_the_standing_sentences_are_there_too(sections: dict[str, str]) -> None:
    rest = LIST.read_text(encoding="utf-8").partition("Beside these:")[2]
    quoted = re.findall(r"\"([^\"]+)\", section (\w+)", " ".join(rest.split()))
    assert len(quoted) == 2
    for sentence, section in quoted:
        assert sentence in sections[section]
