"""Whole cases, rendered once: `analyze` with everything, `analyze` with nothing at hand, `compare`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `tests.report` from any working directory

from forensics import report
from forensics.case import Case
from tests.report.cases import CASES


@dataclass(frozen=True)
class Rendered:
    """A case, its folder, and what the report makes of it."""

    name: str
    case: Case
    folder: Path
    html: str
    pdf: bytes


@pytest.fixture(scope="session", params=list(CASES))
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Each of the three cases in turn."""
    folder = tmp_path_factory.mktemp(request.param)
    case = CASES[request.param](folder)
    return Rendered(request.param, case, folder, report.render_html(case, folder), report.render(case, folder))


@pytest.fixture
def bare(tmp_path: Path) -> tuple[Case, Path]:
    """The smallest case in a folder of its own, for tests that damage it."""
    return CASES["bare"](tmp_path), tmp_path
