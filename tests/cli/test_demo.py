"""The demonstration is found wherever the program lies, and its pictures can be taken out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import resources
from forensics.cli import demo
from forensics.errors import ExitCode
from forensics.files import sha256
from tests.cli.support import run


def test_what_is_examined_ships_with_its_digest() -> None:
    rows = (resources.samples() / "digests.txt").read_text(encoding="utf-8").splitlines()
    stated = {name: digest for digest, _, name in (row.partition("  ") for row in rows)}
    for name in (demo.PICTURE, demo.CASE):
        assert stated[name] == sha256(resources.samples() / name)


def test_the_samples_are_copied_byte_for_byte_and_never_over_anything(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "samples"
    done = run("demo", "--copy", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    copied = {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}
    rows = (resources.samples() / "digests.txt").read_text(encoding="utf-8").splitlines()
    stated = {name: digest for digest, _, name in (row.partition("  ") for row in rows)}
    pictures = {name: digest for name, digest in stated.items() if name.split("/")[0] in demo.COPIED}
    assert copied == pictures
    assert len([name for name in copied if name.startswith("disputed/")]) > 4
    (folder / demo.CASE).write_text("mine", encoding="utf-8")
    again = run("demo", "--copy", folder)
    assert again.exit_code == int(ExitCode.CASE)
    assert (folder / demo.CASE).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("more", [("-o", "case"), ("--force",), ("--language", "de")])
def test_copying_takes_no_settings_of_an_examination(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = run("demo", "--copy", tmp_path / "samples", *more)
    assert done.exit_code == int(ExitCode.USAGE)
    assert not (tmp_path / "samples").exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_case(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run("demo", "--copy", tmp_path / "file" / "samples")
    assert done.exit_code == int(ExitCode.CASE)
    assert "cannot be written" in done.stderr


def test_it_stops_at_a_case_that_is_there(tmp_path: Path) -> None:
    """The demonstration runs `analyze`: a case folder that exists is refused in its words, before anything is read."""
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "kept").write_text("kept", encoding="utf-8")
    done = run("demo", "-o", tmp_path / "case")
    assert done.exit_code == int(ExitCode.CASE)
    assert (tmp_path / "case" / "kept").read_text(encoding="utf-8") == "kept"
