"""Short runs of the studies on hostile bytes and failing machines; the long ones are `make fuzz` and `make hostile`."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` from any working directory

from forensics import foreign, second
from forensics.cli import main
from forensics.errors import SettingsError
from forensics.folder import check_signature
from forensics.pictures import intake
from forensics.resources import samples
from tests.studies import flips, fuzz
from tests.test_casefile import small_case

ROOT = Path(__file__).resolve().parents[1]
GOOD = str(samples() / "disputed" / "control.png")


def study(name: str, *arguments: str) -> str:
    """A study in a process of its own, without a fault; what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"tests.studies.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_every_entrance_holds_against_damaged_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_PIXELS", 4_000_000)
    entrances = fuzz.entrances(tmp_path)
    assert len(entrances) >= 10
    found = [fuzz.tried(one, 250, 60, number) for number, one in enumerate(entrances)]
    assert [one for one in found if one.fault] == []
    assert all(one.runs >= 250 for one in found)


def test_the_fuzzer_finds_an_entrance_that_lets_an_error_through(tmp_path: Path) -> None:
    weak = fuzz.Entrance("weak", (b'{"a": [1, 2, 3]}',), lambda data: data.decode("ascii"))
    assert "UnicodeDecodeError" in fuzz.tried(weak, 2000, 60, 0).fault


def test_one_changed_byte_in_any_file_is_found_and_named(tmp_path: Path) -> None:
    found = list(flips.flips(small_case(tmp_path / "case"), 96, random.Random(1)))
    assert [one for one in found if not one.said or not one.named] == []


@pytest.mark.parametrize(
    ("before", "code"), [(("compare", GOOD), 3), (("analyze",), 3), (("index", "info"), 5), (("verify",), 8)]
)
def test_a_link_in_a_circle_is_told_and_is_no_unexpected_error(
    before: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    circle = tmp_path / "circle.png"
    circle.symlink_to(circle.name)
    own = ("-o", str(tmp_path / "out")) if before[0] in ("compare", "analyze") else ()
    done = CliRunner().invoke(main, [*before, str(circle), *own])
    assert done.exit_code in (2, code), done.output
    assert "Unexpected" not in done.output
    assert foreign.resolved(circle).name == circle.name


def test_a_device_is_no_index() -> None:
    done = CliRunner().invoke(main, ["index", "info", "/dev/zero"])
    assert done.exit_code == 5, done.output
    assert "Unexpected" not in done.output


@pytest.mark.slow
def test_hostile_settings_and_scores_end_with_a_code_of_their_own() -> None:
    for kind in ("settings", "controls"):
        assert ", 0 faults" in study("hostile", "--only", kind).splitlines()[-1]


@pytest.mark.slow
def test_failing_machines_lose_nothing_and_no_connection_is_made() -> None:
    assert "4 machines, 0 with a fault" in study("machines", "--only", "no network,no home,16 KiB,100 KiB")


def test_pipes_and_endless_files_end_in_words_at_the_options_of_signing(tmp_path: Path) -> None:
    pipe, case = tmp_path / "pipe", tmp_path / "case"
    os.mkfifo(pipe)
    case.mkdir()
    for arguments in (
        ("sign", str(case), "--pkcs12", str(pipe)),
        ("sign", str(case), "--pkcs12", str(samples() / "case.toml"), "--passfile", str(pipe)),
        ("validate", "--checkpoint", "none", "--manifest", str(pipe), "-o", str(tmp_path / "out")),
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2, done.stderr
        assert str(pipe) in done.stderr
    done = CliRunner().invoke(main, ["analyze", "--resume", str(pipe)])
    assert done.exit_code == 9, done.stderr
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(SettingsError, match="is not a regular file"):
            check_signature.roots([path])


def test_a_passphrase_that_nobody_can_type_is_asked_for_by_option(tmp_path: Path) -> None:
    key = tmp_path / "key.p12"
    key.write_bytes(b"no key")
    done = CliRunner().invoke(main, ["sign", str(tmp_path), "--pkcs12", str(key)], input="")
    assert done.exit_code == 2
    assert "--passfile" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_words_that_find_no_space_do_not_change_how_a_run_ends(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-m", "forensics", "verify", str(tmp_path)], stderr=full, check=False)
    assert done.returncode == 8


@pytest.mark.parametrize("module", [second.DECODER, second.DRAUGHTSMAN])
def test_what_lies_where_the_user_stands_is_no_module_of_a_second_process(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    for name in ("json", "struct", "threading", "forensics"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(ROOT), *(place for place in sys.path if place)])
    process = second.SecondProcess(module)
    try:
        process.ready(120)
    finally:
        process.stop()
    assert not (tmp_path / "ran").exists()
