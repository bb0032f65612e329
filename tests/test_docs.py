"""The documentation is whole: every command and flag, measure and rung; every page in the navigation, every link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from forensics.cli import main
from forensics.inversion import INVERSIONS
from forensics.similarity import METRICS
from tests.studies import command_pages

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def _flags(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(path of the command, flag) of the command and of those below it."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                yield context.command_path, flag
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _flags(below, click.Context(below, info_name=name, parent=context))


def test_every_command_and_flag_is_documented() -> None:
    top = click.Context(main, info_name="forensics")
    documented = 0
    for path, flag in _flags(main, top):
        words = path.split()
        if len(words) == 1:
            continue  # --version alone
        page = (DOCS / "commands" / f"{words[1]}.md").read_text(encoding="utf-8")
        section = re.split(rf"^#+ {re.escape(path)}$", page, flags=re.MULTILINE)[1].split("\n#")[0]
        assert re.search(rf"^\| `[^`]*(?<![\w-]){re.escape(flag)}(?![\w-])", section, flags=re.MULTILINE), (path, flag)
        documented += 1
    assert documented > 100


def test_the_pages_of_the_commands_are_current() -> None:
    stored = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "commands").glob("*.md")}
    assert stored == command_pages.pages()


@pytest.mark.parametrize("name", [*METRICS, *INVERSIONS])
def test_the_science_names_every_measure_and_rung(name: str) -> None:
    assert f"`{name}`" in (DOCS / "science.md").read_text(encoding="utf-8")


def test_every_page_has_its_place_in_the_navigation() -> None:
    def named(part: object) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            for below in part.values():
                yield from named(below)
        elif isinstance(part, list):
            for below in part:
                yield from named(below)

    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(named(site["nav"])) == [path.relative_to(DOCS).as_posix() for path in PAGES]
    assert site["strict"] is True
    assert site["theme"]["font"] is False  # nothing is asked of another machine


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert "://" not in target
        assert (page.parent / target).exists(), target
