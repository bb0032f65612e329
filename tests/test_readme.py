"""README and pages are true: every command shown exists, the tables agree with the code, the set-up is two commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from forensics.cli import demo, main
from forensics.errors import ExitCode
from forensics.protocol import PROFILES
from forensics.settings import resolve
from tests.benchmarks import bench
from tests.cli.support import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
SHOWN: list[str] = []
for page in (README, *PAGES.values()):
    for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL):
        SHOWN += [line.strip() for line in block.splitlines() if line.strip().startswith("forensics ")]
    quoted = re.findall(r"`(?:/usr/bin/time -v )?forensics\s([^`.]+(?:\.[^`]*)?)`", page)
    SHOWN += [f"forensics {' '.join(rest.split())}" for rest in quoted]


def test_set_up_is_two_commands_of_one_line_each() -> None:
    section = README.split("## Set up")[1].split("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    assert commands == ["make demo\n", "make test\n"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


@pytest.mark.parametrize("line", sorted(set(SHOWN)))
def test_every_command_shown_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-") and words[0] != "COMMAND":
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    assert {word for word in words if re.fullmatch(r"-\w|--[\w-]+", word)} <= known


def test_every_command_is_shown() -> None:
    assert {line.split()[1] for line in SHOWN} >= set(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("reader", ["an artist", "a lawyer", "an expert witness"])
def test_each_reader_has_one_screen_that_leads_to_the_walk(reader: str) -> None:
    section = README.split(f"\n## I am {reader}\n")[1].split("\n## ")[0]
    assert len(section.splitlines()) <= 45
    assert f"docs/{reader.split()[1]}.md" in section


def test_every_measured_row_names_a_command() -> None:
    """A row of figures ends with what makes them again; "the same" goes back to the row above."""
    tables = [
        re.findall(r"^\| what \| measured \| command \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGES[name], re.MULTILINE)
        for name in ("error-rates.md", "figures.md")
    ]
    commands = [row.strip(" |").rsplit(" | ", 1)[-1] for (table,) in tables for row in table.splitlines()]
    assert len(commands) > 30
    for command in commands:
        assert re.search(r"`(python -m |forensics |make |/usr/bin/time )", command) or command.startswith("the same")


def test_what_falls_short_is_said_and_leads_to_the_figures() -> None:
    section = README.split("\n## What falls short\n")[1].split("\n## ")[0]
    assert len(re.findall(r"^- ", section, flags=re.MULTILINE)) >= 8
    assert {"docs/error-rates.md", "docs/figures.md"} <= set(re.findall(r"\]\(([^)#]+)", section.replace("\n", " ")))


def test_help_block_is_what_the_program_prints() -> None:
    block = PAGES["programs.md"].split("<!-- help")[1].split("```text\n")[1].split("```")[0]
    assert block == run("--help").stdout


def test_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| `([A-Z]+)` \| \S", PAGES["programs.md"], flags=re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(int(code), code.name) for code in ExitCode]


def test_case_file_shown_is_accepted(tmp_path: Path) -> None:
    (body,) = re.findall(r"```toml\n(.*?)```", PAGES["examination.md"], flags=re.DOTALL)
    path = tmp_path / "case.toml"
    path.write_text(body, encoding="utf-8")
    assert resolve({}, path).matter.reference


def test_what_the_pages_say_of_the_number_of_controls_is_the_rule() -> None:
    least = min(n for n in range(1, 400) if PROFILES["standard"].announces(1 / (1 + n), n))
    assert f"from {least} controls on" in PAGES["controls.md"]


def test_the_table_of_benchmarks_is_the_one_that_was_measured() -> None:
    document = json.loads((ROOT / "tests" / "benchmarks" / "bench.json").read_text(encoding="utf-8"))
    assert set(document["parts"]) >= set(bench.PARTS) == set(bench.NAMES)
    assert bench.table(document) in PAGES["figures.md"]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README):
        assert (ROOT / target).exists(), target


def test_demo_examines_files_that_ship() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ndemo:")[1].split("\n\n")[0]
    assert "/forensics demo -o out/demo --force" in recipe
    for name in (demo.PICTURE, demo.CASE):
        assert (ROOT / "samples" / name).is_file(), name
