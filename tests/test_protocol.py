"""The protocol is the protocol: every value that can change a number or a word is in it, and so in its digest."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import forensics
from forensics.case import Statistic
from forensics.pictures import bounded
from forensics.protocol import PROFILES, Constant, Protocol, Search
from forensics.stages import declared

IN_FORCE = {name: declared.declared(protocol) for name, protocol in PROFILES.items()}
ROOT = Path(forensics.__file__).parent


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, Statistic):
        return next(s for s in Statistic if s is not value)
    if isinstance(value, Enum):
        return next(v for v in type(value) if v is not value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value} otherwise"
    if isinstance(value, tuple):
        return value[:-1] if value else ("x",)
    raise TypeError(type(value).__name__)


def fields(kind: type[Any], *, without: tuple[str, ...] = ()) -> list[str]:
    return [f.name for f in dataclasses.fields(kind) if f.name not in without]


@pytest.mark.parametrize("name", fields(Protocol, without=("search", "constants")))
def test_every_parameter_changed_alone_gives_a_new_digest(name: str) -> None:
    for protocol in IN_FORCE.values():
        other = dataclasses.replace(protocol, **{name: changed(getattr(protocol, name))})
        assert other.digest != protocol.digest


@pytest.mark.parametrize("name", fields(Search))
def test_every_budget_of_a_search_changed_alone_gives_a_new_digest(name: str) -> None:
    for protocol in IN_FORCE.values():
        search = dataclasses.replace(protocol.search, **{name: changed(getattr(protocol.search, name))})
        assert dataclasses.replace(protocol, search=search).digest != protocol.digest


def test_every_constant_changed_alone_gives_a_new_digest() -> None:
    protocol = IN_FORCE["standard"]
    seen = {protocol.digest}
    for position, constant in enumerate(protocol.constants):
        constants = list(protocol.constants)
        constants[position] = Constant(constant.name, changed(constant.value))
        seen.add(dataclasses.replace(protocol, constants=tuple(constants)).digest)
    assert len(seen) == 1 + len(protocol.constants) > 100


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("forensics.overlay.outcome", "BOUNDS", None),
        ("forensics.origin.gate", "LEVELS", 3),
        ("forensics.inversion.gap", "DRAWS", 99),
        ("forensics.stages.search", "COMPANIONS", 9),
    ],
)
def test_a_constant_changed_where_it_stands_reaches_the_digest(
    monkeypatch: pytest.MonkeyPatch, place: str, name: str, value: Any
) -> None:
    module = importlib.import_module(place)
    if value is None:
        bounds = getattr(module, name)
        first = next(f.name for f in dataclasses.fields(bounds) if isinstance(getattr(bounds, f.name), float))
        value = dataclasses.replace(bounds, **{first: getattr(bounds, first) / 2})
    monkeypatch.setattr(module, name, value)
    assert declared.declared(PROFILES["standard"]).digest != IN_FORCE["standard"].digest


def test_every_profile_names_every_statistic_once_as_primary_or_secondary() -> None:
    for protocol in PROFILES.values():
        primary = [getattr(protocol, f) for f in fields(Protocol) if f.startswith("primary_")]
        assert sorted({*primary, *protocol.secondary}) == sorted(Statistic)
        assert not set(primary) & set(protocol.secondary)


OTHER_USE = {
    "retrieval/building": "builds an index; what it held is in the digest of the snapshot",
    "retrieval/ray": "does the same on several machines",
    "pictures/metadata": "reads what a file says of itself; nothing measured rests on it",
}
"""Folders among the measuring packages whose numbers are none of the examination's, and why."""


def _numeric(node: ast.expr) -> bool:
    """Whether an expression is a number, or numbers alone in brackets, as written."""
    if isinstance(node, ast.UnaryOp):
        return _numeric(node.operand)
    if isinstance(node, ast.BinOp):
        return _numeric(node.left) and _numeric(node.right)
    if isinstance(node, ast.Tuple | ast.List):
        return bool(node.elts) and all(map(_numeric, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def numbers_of_the_source() -> Iterator[str]:
    """Every module-level assignment of a number in the source of the measuring packages, whatever its name."""
    for part in declared.PARTS:
        folder = ROOT / part.removeprefix("forensics.").replace(".", "/")
        for path in sorted(folder.rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if place.startswith(tuple(OTHER_USE)):
                continue
            module = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign) and _numeric(node.value):
                    for target in node.targets:
                        names = target.elts if isinstance(target, ast.Tuple) else [target]
                        yield from (f"{module}.{n.id}" for n in names if isinstance(n, ast.Name))
                elif isinstance(node, ast.AnnAssign) and node.value is not None and _numeric(node.value):
                    assert isinstance(node.target, ast.Name)
                    yield f"{module}.{node.target.id}"


def test_no_number_of_the_measuring_packages_stands_outside_the_protocol() -> None:
    """The source is read as text, so that a number cannot hide from the walk over the loaded modules."""
    inside = {constant.name for constant in IN_FORCE["standard"].constants}
    found = set(numbers_of_the_source())
    assert len(found) > 100
    assert found - inside == set()


def test_the_exceptions_are_folders_that_exist() -> None:
    assert all((ROOT / folder).is_dir() for folder in OTHER_USE)
    assert {f"forensics.{folder.replace('/', '.')}" for folder in OTHER_USE} == set(declared._OTHER_USE)


def test_what_a_module_fills_while_it_runs_is_no_part_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    before = declared.declared(PROFILES["quick"]).digest
    monkeypatch.setitem(bounded._STATE, "worker", object())
    assert declared.declared(PROFILES["quick"]).digest == before
