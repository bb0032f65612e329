"""Raw results on disk, one JSON line a task, so that an interrupted validation goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forensics.errors import CaseError, SettingsError


def rows(path: Path) -> list[dict[str, Any]]:
    """The complete rows of a file, none where it is missing; a last line cut short by an interruption is taken off."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    complete, _, cut_short = text.rpartition("\n")
    if cut_short:  # the run was stopped while it wrote this line: it is measured again
        path.write_text(f"{complete}\n" if complete else "", encoding="utf-8")
    return [json.loads(line) for line in complete.splitlines()]


def append(path: Path, *made: Mapping[str, Any]) -> None:
    """Put rows at the end of a file; they are on disk when this returns."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in made)


class Journal:
    """Results by key. The first line names what they were made with; another validation is refused."""

    def __init__(self, path: Path, made_with: Mapping[str, str], *, resume: bool) -> None:
        """Open or begin the file.

        Raises:
            CaseError: the file exists and `resume` is not set.
            SettingsError: it was begun with another checkpoint, protocol or manifest.
        """
        self.path = path
        self._found: dict[str, Any] = {}
        if path.exists() and not resume:
            raise CaseError(f"{path} exists already.", hint="Pass --resume to go on, or choose another folder.")
        if path.exists():
            self._read(dict(made_with))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            append(path, {"made_with": dict(made_with)})

    def _read(self, made_with: dict[str, str]) -> None:
        first, *rest = rows(self.path) or [{}]
        begun = first.get("made_with")
        if begun != made_with:
            names = [n for n in made_with if (begun or {}).get(n) != made_with[n]]
            raise SettingsError(
                f"{self.path} was begun with another {' and '.join(names) or 'setting'}.",
                hint="Choose another folder; results of different settings are never mixed.",
            )
        self._found = {row["key"]: row["values"] for row in rest}

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def get(self, key: str) -> Any:
        """One result; None where there is none."""
        return self._found.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def add(self, key: str, values: Any) -> None:
        """Append one result; it is on disk when this returns."""
        self._found[key] = values
        append(self.path, {"key": key, "values": values})
