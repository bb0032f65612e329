"""How the code stands: lines a folder, the longest function, the longest list of parameters, what stands twice.

    python -m tests.studies.house [--before COMMIT]

Counts are of the tree as it lies on the disk. With `--before` the lines of that commit stand beside them, from git.
Two pieces are the same where so many lines in a row are equal, blank lines, comments, imports and heads of functions
left out; a piece is reported as long as it goes on. A circle is a set of modules that import each other in the end,
wherever an import stands: also inside a function. What is imported for its types alone never runs and is no part of
one.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "forensics"
LINES = 6
"""Equal lines in a row that count as standing twice."""
SKIP = "# fmt" + ": skip"


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the package."""

    place: str
    lines: int
    parameters: int
    """`self` and `cls` left out."""


def files(folder: str = PACKAGE) -> list[Path]:
    """Python files below a folder of the checkout, in order."""
    return sorted((ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    """A file as it is named from the root of the checkout, where it lies below it."""
    return (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix()


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, nested ones as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            named = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            place = f"{shown(path)}:{node.name}"
            yield Function(place, lines, sum(name not in ("self", "cls") for name in named))


def skipped() -> int:
    """Lines that the formatter may not touch, in the whole tree."""
    found = [path for folder in (PACKAGE, "tests", "samples") for path in files(folder)]
    return sum(SKIP in line for path in found for line in path.read_text(encoding="utf-8").splitlines())


def folder_of(name: str) -> str:
    """`forensics/cli/analyze.py` -> `forensics/cli`; a file right in the package counts to the package."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def lines_now() -> Counter[str]:
    """Lines of Python by folder, as the tree lies."""
    count: Counter[str] = Counter()
    for top in (PACKAGE, "samples/recipe", "tests"):
        for path in files(top):
            name = path.relative_to(ROOT).as_posix()
            count[top if top != PACKAGE else folder_of(name)] += len(path.read_bytes().splitlines())
    return count


def lines_of(commit: str) -> Counter[str]:
    """The same of a commit. Raises CalledProcessError where git does not know it."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout

    count: Counter[str] = Counter()
    for name in git("ls-tree", "-r", "--name-only", commit).decode().splitlines():
        top = next((t for t in (PACKAGE, "samples/recipe", "tests") if name.startswith(f"{t}/")), None)
        if top is not None and name.endswith(".py"):
            lines = len(git("show", f"{commit}:{name}").splitlines())
            count[top if top != PACKAGE else folder_of(name)] += lines
    return count


# What stands twice ---------------------------------------------------------------------------------------------------


def plain_lines(text: str) -> list[tuple[int, str]]:
    """(number, line) of what is compared: no blank lines, comments, imports, heads of functions or lone brackets."""
    left_out = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left_out |= set(range(node.lineno, node.body[0].lineno))  # those of one interface have one head
    rows = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(n, line) for n, line in rows if n not in left_out and line.strip("()[]{},") and not line.startswith("#")]


def twice(paths: list[Path], least: int = LINES) -> list[str]:
    """Pieces of at least so many equal lines in a row that stand in two places, each said once."""
    texts = {path: plain_lines(path.read_text(encoding="utf-8")) for path in paths}
    at: dict[tuple[str, ...], list[tuple[Path, int]]] = {}
    for path, rows in texts.items():
        for start in range(len(rows) - least + 1):
            at.setdefault(tuple(line for _, line in rows[start : start + least]), []).append((path, start))
    found = []
    for places in at.values():
        (a, i), *others = places
        for b, j in others:
            if i and j and texts[a][i - 1][1] == texts[b][j - 1][1]:
                continue  # the end of a longer piece that was said
            length = least
            while texts[a][i + length : i + length + 1] and texts[b][j + length : j + length + 1]:
                if texts[a][i + length][1] != texts[b][j + length][1]:
                    break
                length += 1
            said = [f"{shown(p)}:{texts[p][k][0]}" for p, k in ((a, i), (b, j))]
            found.append(f"{length} lines: {' and '.join(said)}")
    return sorted(found)


# Circles -------------------------------------------------------------------------------------------------------------


def modules() -> dict[str, Path]:
    """Name of a module of the package -> its file."""
    named = {}
    for path in files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imported(text: str, known: set[str]) -> set[str]:
    """Modules of the package that a source imports when it runs, at its top or inside a function."""
    tree = ast.parse(text)
    types: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            types |= {part for line in node.body for part in ast.walk(line)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in known else node.module for name in names}
    return found & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of more than one node of which each leads to every other (Tarjan 1972), in order."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            place = stack.index(node)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return sorted(found)


def package_circles() -> list[list[str]]:
    """Circles of the package's modules."""
    known = modules()
    names = set(known)
    graph = {m: imported(p.read_text(encoding="utf-8"), names) - {m} for m, p in known.items()}
    return circles(graph)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="a commit whose lines stand beside those of now")
    arguments = parser.parse_args()
    before = lines_of(arguments.before) if arguments.before else Counter[str]()
    now = lines_now()
    print(f"{'folder':32}{'before':>8}{'now':>8}" if arguments.before else f"{'folder':32}{'now':>8}")
    for name in sorted({*before, *now}):
        print(f"{name:32}" + (f"{before[name]:8}" if arguments.before else "") + f"{now[name]:8}")
    print(f"{'all':32}" + (f"{before.total():8}" if arguments.before else "") + f"{now.total():8}")
    every = [function for path in files() for function in functions(path)]
    inner = [f for f in every if not f.place.startswith(f"{PACKAGE}/cli/")]
    longest, most = max(every, key=lambda f: f.lines), max(inner, key=lambda f: f.parameters)
    middle = sorted(f.lines for f in every)[len(every) // 2]
    print(f"functions: {len(every)}, median {middle} lines; longest {longest.place}, {longest.lines} lines")
    print(f"most parameters outside the command line: {most.place}, {most.parameters}")
    print(f"lines kept from the formatter: {skipped()}")
    for name, paths in ((PACKAGE, files()), ("tests/studies and samples/recipe", files("tests/studies"))):
        same = twice([*paths, *(files("samples/recipe") if name != PACKAGE else [])])
        print(f"pieces of {LINES} or more equal lines in {name}: {len(same)}")
        for row in same:
            print(f"    {row}")
    print(f"circles of imports, those inside functions counted: {len(package_circles())}")
    for circle in package_circles():
        print(f"    {' '.join(circle)}")


if __name__ == "__main__":
    main()
