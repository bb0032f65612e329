"""The doors for Python: the same cases, the same errors, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import base64
import doctest
import inspect
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import forensics
from forensics.errors import CaseError, ExitCode, SettingsError
from forensics.resources import samples
from forensics.settings import Settings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> forensics.OpenedCase:
    """The case that the page on Python makes, every example of which is tried on the way."""
    folder = tmp_path_factory.mktemp("api")
    for name in ("disputed", "work"):
        Image.open(samples() / "disputed" / "manner.png").convert("RGB").resize((96, 96)).save(folder / f"{name}.png")
    before = Path.cwd()
    os.chdir(folder)
    try:
        test = doctest.DocTestParser().get_doctest(PAGE, {}, "docs/python.md", None, None)
        said: list[str] = []
        failed = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(test, out=said.append).failed
    finally:
        os.chdir(before)
    assert not failed, "".join(said)
    return forensics.open_case(folder / "first-look")


def test_every_other_example_of_the_page_names_what_there_is() -> None:
    examples = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if ">>>" not in block]
    calls = [node for text in examples for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert calls
    for call in calls:
        assert isinstance(call.func, ast.Name)
        known = inspect.signature(getattr(forensics, call.func.id)).parameters.keys() | set(Settings.__slots__)
        assert {keyword.arg for keyword in call.keywords} <= known


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

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "img":
                shown.append(dict(attrs))

    shown: list[dict[str, str | None]] = []
    Reader().feed(opened._repr_html_())
    alone = replace(opened, folder=opened.folder.parent)  # the pictures are not there
    assert "<img" not in alone._repr_html_()
    assert [row["alt"] for row in shown] == [thumb.picture.alt for card in opened.answers for thumb in card.thumbs]
    for row in shown:
        kind, data = str(row["src"]).split(",")
        assert kind == "data:image/png;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) <= 160
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
