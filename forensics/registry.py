"""Names to things, lazily: a row `"lpips": "forensics.similarity.lpips:Lpips"` imports nothing until asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from forensics.errors import SettingsError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint after a name that there is not: the one most like it, else all that there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."


class Registry(Generic[T]):
    """A visible table of implementations. Extending the tool = one new file and one row."""

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._rows = dict(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def load(self, name: str) -> T:
        """The object behind `name`. Raises SettingsError, with the nearest name, where there is none."""
        if name not in self._rows:
            raise SettingsError(f"There is no {self.kind} called {name!r}.", hint=nearest(name, self._rows))
        module, _, attribute = self._rows[name].partition(":")
        return cast("T", getattr(importlib.import_module(module), attribute))
