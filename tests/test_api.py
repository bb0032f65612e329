"""The doors for Python: the same cases, the same errors, and nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import forensics
from forensics.errors import CaseError, ExitCode, SettingsError
from forensics.resources import samples


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> forensics.OpenedCase:
    folder = tmp_path_factory.mktemp("api")
    for name in ("disputed", "work"):
        Image.open(samples() / "disputed" / "manner.png").convert("RGB").resize((96, 96)).save(folder / f"{name}.png")
    return forensics.compare(folder / "disputed.png", folder / "work.png", out=folder / "case", paper="Letter")


def test_a_comparison_comes_back_as_its_case(opened: forensics.OpenedCase) -> None:
    assert opened.report.read_bytes().startswith(b"%PDF-")
    assert opened.case.command == "compare"
    assert [card.name for card in opened.answers] == ["Derivation"]
    opened.verify()
    assert forensics.open_case(str(opened.folder)) == opened
    rows = {row.name: (row.value, row.source) for row in opened.case.settings}
    assert rows["paper"] == ("Letter", "Python call")


def test_a_notebook_shows_the_answers_and_escapes_what_it_shows(opened: forensics.OpenedCase) -> None:
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    Reader().feed(opened._repr_html_())
    for card in opened.answers:
        assert {card.headline, card.question, *card.done, *card.sure, card.not_shown} <= set(seen)


def test_errors_are_those_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="profil") as caught:
        forensics.analyze(tmp_path / "a.png", profil="quick")
    assert "profile" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(CaseError):
        forensics.open_case(tmp_path)
    with pytest.raises(SettingsError, match="no work"):
        forensics.compare(samples() / "disputed" / "manner.png", out=tmp_path / "case")


def test_the_package_opens_its_doors_when_they_are_asked_for() -> None:
    code = (
        "import sys, forensics; assert 'torch' not in sys.modules; forensics.open_case; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError):
        _ = forensics.nothing
