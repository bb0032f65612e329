"""Bounds that keep the code readable: parameters of a function, lists that no formatter may touch, circles, copies."""

from __future__ import annotations

from pathlib import Path

from tests.studies import house

MOST = 7
"""Parameters of a function, `self` left out."""
COMMANDS = "forensics/cli/"
"""Where a function has a parameter for every option of a command."""


def crowded(path: Path) -> list[str]:
    """Functions of a file with more parameters than that."""
    return [f"{f.place} has {f.parameters}" for f in house.functions(path) if f.parameters > MOST]


def test_no_function_has_more_parameters_than_a_reader_can_hold() -> None:
    files = [p for p in house.files() if not p.relative_to(house.ROOT).as_posix().startswith(COMMANDS)]
    assert len(files) > 150
    assert [row for path in files for row in crowded(path)] == []


def test_the_bound_is_one_that_can_be_broken() -> None:
    path = house.ROOT / "forensics" / "cli" / "validate.py"
    assert crowded(path), "a command with an option for every setting is over the bound"


def test_the_formatter_lays_out_nearly_everything() -> None:
    assert house.skipped() < 20


def test_no_module_leads_back_to_itself_not_even_through_an_import_inside_a_function() -> None:
    assert house.package_circles() == []


def test_a_circle_is_found_wherever_its_imports_stand() -> None:
    sources = {
        "forensics.a": "from forensics import b\n",
        "forensics.b": "def late():\n    import forensics.c\n",
        "forensics.c": "def late():\n    from forensics.a import name\n",
        "forensics.d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from forensics import e\n",
        "forensics.e": "from forensics import d\n",
    }
    graph = {name: house.imported(text, set(sources)) for name, text in sources.items()}
    assert house.circles(graph) == [["forensics.a", "forensics.b", "forensics.c"]]


def test_nothing_stands_twice() -> None:
    assert house.twice(house.files()) == []


def test_a_copy_is_found_with_its_length(tmp_path: Path) -> None:
    copied = "".join(f"value_{n} = {n}\n" for n in range(8))
    for name, text in (("a", f"first = 0\n{copied}"), ("b", f"# said\n{copied}\nlast = 9\n")):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    found = house.twice(sorted(tmp_path.glob("*.py")))
    assert len(found) == 1
    assert found[0].startswith("8 lines: ")
