"""`doctor`: what it finds on this machine, and that everything missing comes with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import doctor
from forensics.doctor import Check
from forensics.errors import ExitCode
from tests.cli.support import run


def test_this_machine_can_render(tmp_path: Path) -> None:
    rows = {check.name: check for check in doctor.examine(tmp_path)}
    for name in ("Python", "system libraries", "packages", "PyTorch", "disk", "typefaces"):
        assert rows[name].ok, rows[name]
    assert all(check.remedy for check in rows.values() if not check.ok)


def test_missing_library_names_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LIBRARIES", {"Pango": ("libabsent.so.99",)})
    check = doctor.libraries()
    assert not check.ok
    assert doctor.APT in check.remedy
    assert check.exit_code is ExitCode.RENDERING


def test_first_missing_row_that_matters_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Check("a", True, "here"),
        Check("b", False, "absent, and not needed", "Fetch it if you want it."),
        Check("c", False, "absent", "Install it.", ExitCode.RENDERING),
        Check("d", False, "absent", "Install it.", ExitCode.WEIGHTS),
    ]
    monkeypatch.setattr(doctor, "examine", lambda folder: iter(rows))
    done = run("doctor")
    assert done.exit_code == ExitCode.RENDERING
    assert [line.split()[0] for line in done.stdout.splitlines() if not line.startswith("  ")] == [
        "ok",
        "note",
        "missing",
        "missing",
    ]
    monkeypatch.setattr(doctor, "examine", lambda folder: iter(rows[:2]))
    assert run("doctor").exit_code == 0


def test_damaged_sample_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(b"changed")
    (tmp_path / "digests.txt").write_text(f"{'0' * 64}  a.bin\n")
    monkeypatch.setattr(doctor, "samples", lambda: tmp_path)
    check = doctor.embedded()
    assert not check.ok
    assert "a.bin differs" in check.found
