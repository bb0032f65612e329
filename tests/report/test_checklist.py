"""The checklist is true: every field and every answer to an attack stands in the report where the list says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from forensics import report
from tests.report.cases import CASES
from tests.report.pages import words

LIST = tomllib.loads(Path(__file__).with_name("checklist.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("checklist")
    return report.render_html(CASES["full"](folder), folder)


def test_every_attack_has_an_answer() -> None:
    assert [attack["number"] for attack in LIST["attack"]] == list(range(1, 13))
    assert all(entry["reason"] for entry in LIST.get("open", []))


@pytest.mark.parametrize("entry", [*LIST["field"], *LIST["attack"]], ids=lambda e: e["name"][:40])
def test_it_stands_where_the_list_says(entry: dict[str, Any], html: str) -> None:
    section = html
    if entry["at"]:
        found = re.search(rf'<\w+[^>]* id="{re.escape(entry["at"])}"', html)
        assert found, f"no anchor {entry['at']}"
        section = re.split(r"(?<!^)<h1\b", html[found.start() :], maxsplit=1)[0]
    text = " ".join(words(section).split()).casefold()
    for said in entry["says"]:
        assert " ".join(said.split()).casefold() in text, said
