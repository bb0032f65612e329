"""The two pages for a letter: never more than two, with the marks and the wording of the full report."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import report
from forensics.report.view import view
from tests.report import pages
from tests.report.cases import CASES
from tests.report.heavy import heavy
from tests.report.wording import quotations, violations


@pytest.mark.parametrize("name", [*CASES, "heavy"])
def test_two_pages_with_every_mark(name: str, tmp_path: Path) -> None:
    case = (CASES | {"heavy": heavy})[name](tmp_path)
    data = report.summary(case, tmp_path, paper="Letter")
    texts = pages.page_texts(data)
    assert len(texts) == 2
    for number, text in enumerate(texts, start=1):
        assert "DRAFT – NOT SIGNED" in text
        assert f"Page {number} of 2" in text
        assert "is for the court" in " ".join(text.split())
        assert ("Demonstration checkpoint" in text) == case.demonstration
    assert violations("\n".join(texts), quotations(case)) == []
    flat = " ".join(texts[0].split())
    for card in view(case).cards:
        assert name == "heavy" or card.headline in flat
        assert card.question in flat
    assert "case.json" in pages.reader(data).attachments
