"""Bounds that keep the code readable: parameters of a function, lists that no formatter may touch."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST = 7
"""Parameters of a function, `self` left out."""
COMMANDS = ("cli",)
"""Where a function has a parameter for every option of a command."""


def crowded(path: Path) -> list[str]:
    """Functions of a file with more parameters than that."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [
                a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs) if a.arg not in ("self", "cls")
            ]
            if len(names) > MOST:
                found.append(f"{path.relative_to(ROOT)}:{node.name} has {len(names)}")
    return found


def test_no_function_has_more_parameters_than_a_reader_can_hold() -> None:
    files = [
        p for p in (ROOT / "forensics").rglob("*.py") if p.relative_to(ROOT / "forensics").parts[0] not in COMMANDS
    ]
    assert len(files) > 150
    assert [row for path in files for row in crowded(path)] == []


def test_the_bound_is_one_that_can_be_broken(tmp_path: Path) -> None:
    path = ROOT / "forensics" / "cli" / "validate.py"
    assert crowded(path), "a command with an option for every setting is over the bound"


def test_the_formatter_lays_out_nearly_everything() -> None:
    mark = "# fmt" + ": skip"
    lines = [
        line
        for folder in ("forensics", "tests", "samples")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert sum(mark in line for line in lines) < 20


def merge_marks(path: Path) -> list[int]:
    """Lines on which a version control system left the marks of an unfinished merge."""
    marks = tuple(sign * 7 for sign in "<>|")
    return [
        n
        for n, line in enumerate(path.read_bytes().splitlines(), 1)
        if line.startswith(tuple(m.encode() for m in marks))
    ]


def test_no_text_carries_the_marks_of_a_merge(tmp_path: Path) -> None:
    """A card of the report once printed both sides of a merge; no reader of the sources had noticed."""
    kinds = {".py", ".j2", ".html", ".css", ".md", ".toml", ".json", ".jsonl", ".txt", ".js", ".yml", ".svg"}
    folders = ("forensics", "templates", "tests", "samples", "docs")
    files = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in kinds and p.is_file()]
    files += [p for p in ROOT.iterdir() if p.suffix in kinds]
    assert len(files) > 400
    assert {str(p.relative_to(ROOT)): n for p in files if (n := merge_marks(p))} == {}
    (left := tmp_path / "left.md").write_text("<" * 7 + " HEAD\n")
    assert merge_marks(left) == [1]
