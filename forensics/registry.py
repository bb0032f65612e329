"""Names to things, lazily: a row `"lpips": "forensics.similarity.lpips:Lpips"` imports nothing until asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from forensics.errors import SettingsError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint after a name that there is not: the one most like it, else all that there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."


def loaded(row: str) -> Any:
    """What `module:attribute` names, imported now."""
    module, _, attribute = row.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry(Generic[T]):
    """A visible table of implementations. Extending the tool = one new file and one row."""

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self.rows = dict(rows)
        """Name -> `module:attribute`. A row put in later is found like any other."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def load(self, name: str) -> T:
        """The object behind `name`. Raises SettingsError, with the nearest name, where there is none."""
        if name not in self.rows:
            raise SettingsError(f"There is no {self.kind} called {name!r}.", hint=nearest(name, self.rows))
        return cast("T", loaded(self.rows[name]))
