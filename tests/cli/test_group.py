"""Help, and the one place where exceptions become messages and exit codes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from forensics import __version__, errors
from forensics.cli import main, options
from forensics.cli.console import Console
from forensics.cli.examples import EXAMPLES
from forensics.cli.group import Commands
from forensics.errors import ExitCode, ForensicsError
from tests.cli.support import ASSETS, run, spawn


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_every_command_has_help_that_says_something(path: tuple[str, ...]) -> None:
    done = run(*path, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: forensics {' '.join(path)}")
    assert len(done.stdout.splitlines()) > 5


def test_analyze_has_exactly_the_promised_form() -> None:
    command = main.get_command(click.Context(main), "analyze")
    assert command is not None
    flags = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")}
    assert flags == {
        "--checkpoint",
        "--original",
        "--caption",
        "--index",
        "--controls",
        "--control-checkpoint",
        "--check-by-others",
        "--c2pa-trust",
        "--clip",
        "--lora",
        "--embedding",
        "--base",
        "--prediction",
        "--size",
        "--yes",
        "--no-defaults",
        "--remember",
        "--max-minutes",
        "--max-pixels",
        "--max-seconds",
        "--url",
        "--reworded",
        "--generic",
        "--resume",
        "--validation",
        "--autoencoder",
        "--profile",
        "--case",
        "-o",
        "--out",
        "--force",
        "--device",
        "--precision",
        "--seed",
        "--paper",
        "--language",
        "--progress",
        "-v",
        "--verbose",
        "-q",
        "--quiet",
    }


def test_version() -> None:
    assert run("--version").stdout == f"forensics, version {__version__}\n"


def test_unknown_command_is_a_usage_error() -> None:
    done = run("analyse")
    assert done.exit_code == ExitCode.USAGE
    assert "analyze" in done.stderr  # what was meant


def raising(error: BaseException, *arguments: str) -> Result:
    """A real group with one command that raises."""

    @click.command()
    @options.reporting
    def command() -> None:
        raise error

    group = Commands(name="forensics", rows={})
    group.get_command = lambda ctx, name: command  # type: ignore[method-assign]
    return CliRunner().invoke(group, ["command", *arguments])


ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ForensicsError)]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda k: k.__name__)
def test_every_error_ends_with_its_code_message_and_hint(kind: type[ForensicsError]) -> None:
    done = raising(kind("The thing failed.", hint="Do the other thing."))
    assert done.exit_code == kind.exit_code
    assert done.stdout == ""
    assert done.stderr == "Error: The thing failed.\n       Do the other thing.\n"


def test_codes_are_distinct_and_all_in_use() -> None:
    used = [kind.exit_code for kind in ERRORS]
    assert len(set(used)) == len(used)
    assert set(used) | {ExitCode.OK, ExitCode.INTERRUPTED} == set(ExitCode)


def test_error_as_json() -> None:
    done = raising(errors.CheckpointError("Bad weights.", hint="Convert."), "--progress", "json")
    assert json.loads(done.stderr) == {
        "event": "error",
        "code": 4,
        "name": "checkpoint",
        "message": "Bad weights.",
        "hint": "Convert.",
    }


def test_interruption_ends_with_130() -> None:
    assert raising(KeyboardInterrupt()).exit_code == ExitCode.INTERRUPTED == 130


def test_exhausted_memory_has_its_code() -> None:
    assert raising(MemoryError()).exit_code == ExitCode.MEMORY


def test_interruption_says_which_folder_keeps_what_was_gathered(tmp_path: Path) -> None:
    @click.command()
    @click.pass_obj
    def command(console: Console) -> None:
        console.folder = tmp_path
        raise KeyboardInterrupt

    group = Commands(name="forensics", rows={})
    group.get_command = lambda ctx, name: command  # type: ignore[method-assign]
    assert f"{tmp_path} keeps what was gathered" in CliRunner().invoke(group, ["command"]).stderr


def test_unexpected_exception_is_short_and_with_v_complete() -> None:
    short, full = raising(ZeroDivisionError("by zero")), raising(ZeroDivisionError("by zero"), "-v")
    assert (short.exit_code, full.exit_code) == (1, 1)
    assert "Unexpected ZeroDivisionError: by zero" in short.stderr
    assert "Traceback" not in short.stderr
    assert "Traceback" in full.stderr


def test_v_and_q_exclude_each_other() -> None:
    done = raising(ZeroDivisionError(), "-v", "-q")
    assert done.exit_code == ExitCode.USAGE
    assert "exclude each other" in done.stderr


@pytest.mark.parametrize("name", sorted(p.name for p in ASSETS.glob("broken_*")))
def test_broken_image_ends_with_code_3(name: str, tmp_path: Path) -> None:
    out = tmp_path / "case"
    for arguments in (["analyze", ASSETS / name], ["compare", ASSETS / "plain.png", ASSETS / name]):
        done = run(*arguments, "-o", out)
        assert done.exit_code == ExitCode.IMAGE
        assert name in done.stderr
        assert done.stdout == ""
        assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["analyze"], ExitCode.USAGE),
        (["analyze", "absent.png"], ExitCode.IMAGE),
        (["analyze", "x.png", "--profile", "slow"], ExitCode.USAGE),
        (["analyze", "x.png", "--case", "absent.toml"], ExitCode.USAGE),
        (["compare", "x.png"], ExitCode.USAGE),
        (["report", "absent"], ExitCode.CASE),
        (["verify", "absent"], ExitCode.VERIFICATION),
        (["index", "info", "absent"], ExitCode.INDEX),
        (["weights", "fetch", "absent"], ExitCode.WEIGHTS),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else v.name,
)
def test_exit_code_of_a_process(arguments: list[str], code: ExitCode, tmp_path: Path) -> None:
    done = spawn(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_image_inside_the_case_folder_is_refused_before_anything_moves(tmp_path: Path) -> None:
    image = tmp_path / "case" / "picture.png"
    image.parent.mkdir()
    image.write_bytes((ASSETS / "plain.png").read_bytes())
    done = run("analyze", image, "-o", image.parent, "--force")
    assert done.exit_code == ExitCode.USAGE
    assert image.exists()


def test_shell_completion_offers_commands() -> None:
    words = {"_FORENSICS_COMPLETE": "bash_complete", "COMP_WORDS": "forensics an", "COMP_CWORD": "1"}
    assert CliRunner().invoke(main, [], prog_name="forensics", env=words).stdout == "plain,analyze\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("forensics compare dis", "file"),
        ("forensics analyze a.png --original wo", "file"),
        ("forensics analyze a.png --checkpoint mo", "file"),
        ("forensics report ca", "dir"),
        ("forensics analyze --control-ch", "--control-checkpoint"),
        ("forensics analyze --profile st", "standard"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_offers_files_and_options(shell: str, words: str, offered: str) -> None:
    last = words.split()[-1]
    asked = {"_FORENSICS_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    if shell == "fish":
        asked["COMP_CWORD"] = last
    said = CliRunner().invoke(main, [], prog_name="forensics", env=asked)
    assert said.exit_code == 0
    assert offered in said.stdout


def test_analyze_without_arguments_shows_three_examples() -> None:
    done = run("analyze")
    assert done.exit_code == ExitCode.USAGE
    assert len(re.findall(r"^ +forensics analyze \S+\.png", done.stderr, flags=re.MULTILINE)) == 3


def asking(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """Every command that cannot be run without something."""
    for path in commands(group, *before):
        command: click.Command | None = group
        for name in path:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), name)
        if command is not None and any(p.required for p in command.params) and not isinstance(command, click.Group):
            yield path


@pytest.mark.parametrize("path", list(asking(main)), ids=" ".join)
def test_what_a_command_lacks_is_shown_by_an_example(path: tuple[str, ...]) -> None:
    done = run(*path)
    assert done.exit_code == ExitCode.USAGE
    lines = done.stderr.split("Example")[1].splitlines()[1:]
    assert lines
    assert all(line.startswith(f"  forensics {' '.join(path)} ") for line in lines)
    assert all(line in run(*path, "--help").stdout for line in lines)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_every_example_is_a_command_line(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    context = click.Context(main, info_name="forensics")
    while isinstance(command, click.Group):
        found = command.get_command(context, name := words.pop(0))
        assert found is not None
        context = found.make_context(name, [], parent=context, resilient_parsing=True)
        command = found
    command.make_context("example", words)
    assert " ".join(line.split()[1:]).startswith(tuple(EXAMPLES))
