"""Every constant of the examination, gathered from the modules that use it and hashed with the protocol.

A bound that stands beside the code it governs is easy to read and easy to forget in a list kept elsewhere. So no list
is kept: the modules of the examination are walked, and whatever module-level constant can change a number or a word
enters the protocol under the name of its place. Sentences are left out: they say what was done and change nothing.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any

from forensics.protocol import Constant, Protocol

PARTS = (
    "forensics.inversion",
    "forensics.origin",
    "forensics.overlay",
    "forensics.similarity",
    "forensics.statistics",
    "forensics.findings",
    "forensics.stages",
    "forensics.retrieval",
    "forensics.pictures",
    "forensics.controls",
    "forensics.embedders",
    "forensics.diffusion",
)
"""Packages whose modules measure, rank or word. The report only prints and the folder only keeps."""
_OTHER_USE = ("forensics.retrieval.building", "forensics.retrieval.ray", "forensics.pictures.metadata")
"""Parts of them that no examination runs through, or that only read what a file says of itself."""


def declared(protocol: Protocol) -> Protocol:
    """The protocol with every constant of the modules that will measure, in the order of their names."""
    found = {name: value for part in PARTS for module in _modules(part) for name, value in _constants(module)}
    return dataclasses.replace(protocol, constants=tuple(Constant(n, v) for n, v in sorted(found.items())))


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not info.name.startswith(_OTHER_USE):
            yield importlib.import_module(info.name)


def _constants(module: ModuleType) -> Iterator[tuple[str, str]]:
    short = module.__name__.removeprefix("forensics.")
    for name, value in vars(module).items():
        if name.strip("_").isupper() and name != "__all__":
            yield from _flat(f"{short}.{name}", value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A constant as rows: one a field of a dataclass, one for anything made of numbers, names and versions alone."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for f in dataclasses.fields(value):
            yield from _flat(f"{name}.{f.name}", getattr(value, f.name))
    elif (shown := _plain(value)) is not None:
        yield name, shown


def _plain(value: Any) -> str | None:
    """The value as text where it is no sentence and no machinery, else None."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return value if value and " " not in value else None
    if isinstance(value, dict | list) and not value:
        return None  # nothing yet: what a module fills while it runs is its state, and no constant
    if isinstance(value, tuple | frozenset | list):
        parts = [_plain(v) for v in (sorted(value, key=repr) if isinstance(value, frozenset) else value)]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    if isinstance(value, dict):
        rows = [(_plain(k), _plain(v)) for k, v in value.items()]
        return None if any(None in row for row in rows) else "{" + ", ".join(f"{k}: {v}" for k, v in rows) + "}"
    return None
