"""`doctor`: what it finds on this machine, and that everything missing comes with what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forensics import doctor
from forensics.doctor import Check
from forensics.errors import ExitCode
from tests.cli.support import ROOT, run


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


@pytest.fixture
def without_card(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine that the lock without CUDA is for; what pip is asked is written down, and it finds everything."""
    asked: list[list[str]] = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append([*command, Path(command[-1]).read_text()])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor, "_CPU_PYTHON", sys.version_info[:2])
    monkeypatch.setattr(doctor, "_CARD", ())
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.subprocess, "run", pip)
    return asked


def test_a_machine_without_a_card_installs_no_cuda_where_it_need_not(without_card: list[list[str]]) -> None:
    assert doctor.lock(ROOT) == doctor.CPU_LOCK
    ((*command, rows),) = without_card
    assert {"--dry-run", "--no-deps", "--require-hashes"} <= set(command)
    assert rows.startswith("torch==2.13.0+cpu")
    assert rows.count("--hash=sha256:") == 1


@pytest.mark.parametrize("what", ["card", "driver", "system", "processor", "python", "index"])
def test_any_other_machine_installs_the_general_lock(
    without_card: list[list[str]], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "card": (doctor, "_CARD", (str(tmp_path),)),
        "driver": (doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi"),
        "system": (doctor.sys, "platform", "darwin"),
        "processor": (doctor.platform, "machine", lambda: "aarch64"),
        "python": (doctor, "_CPU_PYTHON", (3, 0)),
        "index": (doctor.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1)),
    }
    monkeypatch.setattr(*changes[what])
    assert doctor.lock(ROOT) == doctor.LOCK
    assert not without_card
