"""`forensics controls` from the outside: what is stored is listed, verified, exported and imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from forensics.cli import main
from forensics.controls import cache as control_cache
from forensics.controls.cache import Cache, Key
from forensics.errors import ExitCode

KEY = Key("ode", "1", "2", "ab" * 32, "cd" * 32, "", (), "cpu fp32")


def test_scores_travel_from_one_machine_to_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    Cache(control_cache.folder()).put(KEY, {"lpips": (0.25,)})
    run = CliRunner().invoke
    assert "entries: 1" in run(main, ["controls", "info"]).output
    assert run(main, ["controls", "verify"]).exit_code == 0
    pack = tmp_path / "scores.jsonl"
    assert "1 entries" in run(main, ["controls", "export", str(pack), "--checkpoint", "abab"]).output
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert run(main, ["controls", "import", str(pack)]).exit_code == 0
    assert Cache(control_cache.folder()).get(KEY) == {"lpips": (0.25,)}


def test_a_damaged_entry_and_a_damaged_file_end_with_the_code_of_controls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Cache(control_cache.folder()).put(KEY, {"lpips": (0.25,)})
    (path,) = control_cache.folder().glob("??/*.json")
    path.write_text("{}")
    assert CliRunner().invoke(main, ["controls", "verify"]).exit_code == ExitCode.CONTROLS
    (tmp_path / "pack.jsonl").write_text("nothing")
    assert CliRunner().invoke(main, ["controls", "import", str(tmp_path / "pack.jsonl")]).exit_code == ExitCode.CONTROLS
