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


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path on which the package manager of the system only writes down what it is asked."""
    tools, asked = tmp_path / "tools", tmp_path / "asked"
    tools.mkdir()
    for name, body in (("apt-get", f'echo "$*" >> {asked}'), ("sudo", 'shift; exec "$@"')):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return asked


def test_what_is_missing_is_installed_where_the_user_may(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LIBRARIES", {"Pango": ("libabsent.so.99",)})
    for user in (0, 1000):  # root, and one whom sudo asks for no password
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        left = doctor.fix()
        assert left is not None, "what the package manager did not bring is still named"
        assert recorded.read_text().splitlines() == [
            "update -qq",
            f"install -y -qq --no-install-recommends {' '.join(left.packages)}",
        ]
        assert set(doctor.PACKAGES) <= set(left.packages)
        recorded.unlink()


def test_nothing_is_installed_that_is_there_or_that_the_user_may_not(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.fix() is None
    monkeypatch.setattr(doctor, "_LIBRARIES", {"Pango": ("libabsent.so.99",)})
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (recorded.parent / "tools" / "sudo").write_text("#!/bin/sh\nexit 1\n")  # it would ask for a password
    left = doctor.fix()
    assert left is not None
    assert left.line.startswith("apt-get install")
    assert not recorded.exists()
