"""`forensics weights`: what is here, what is not, and what is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import weights as store
from forensics.errors import ExitCode
from forensics.weights import Status
from tests.cli.support import run


def test_list_names_every_row_with_its_licence() -> None:
    done = run("weights", "list")
    assert done.exit_code == 0
    for row in store.TABLE.values():
        assert row.name in done.stdout
        assert row.licence in done.stdout


def test_absent_weights_are_no_error_and_damaged_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(iter(store.TABLE.values()))
    monkeypatch.setattr(store, "verify", lambda: (Status(row, "absent", None),))
    assert run("weights", "verify").exit_code == 0
    monkeypatch.setattr(store, "verify", lambda: (Status(row, "cached, damaged", Path("x.safetensors")),))
    done = run("weights", "verify")
    assert done.exit_code == ExitCode.WEIGHTS
    assert "x.safetensors" in done.stderr
