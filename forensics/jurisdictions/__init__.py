"""Jurisdiction packs: forms and the questions a court asks, as dated data files beside this one.

They change with the law and not with the program, so each states its edition. A pack holds no measurement and no
opinion; a person checks its wording against the current text before a document is filed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the law, where the report speaks to it, and what it leaves to the court."""

    heading: str
    speaks: str
    leaves: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form that a person completes and signs."""

    id: str
    title: str
    source: str
    text: tuple[str, ...]
    """Paragraphs printed as they stand."""
    fields: tuple[str, ...]
    """Ruled lines."""
    items: bool = False
    """Whether the table of files and digests belongs to it."""


@dataclass(frozen=True, slots=True)
class Pack:
    """One jurisdiction."""

    id: str
    title: str
    edition: str
    """ISO date on which the texts were compiled."""
    element_comparison: bool
    """Whether the comparison element by element is printed: some courts keep it to the trier of fact."""
    note: str
    questions: tuple[Question, ...]
    forms: tuple[Form, ...]


def names() -> tuple[str, ...]:
    """The packs there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@lru_cache(maxsize=8)
def load(name: str) -> Pack:
    """A pack by its name. Raises KeyError for one that does not exist."""
    if name not in names():
        raise KeyError(name)
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    if parent := data.pop("extends", ""):
        base = tomllib.loads((_FOLDER / f"{parent}.toml").read_text(encoding="utf-8"))
        data = base | data
    return Pack(
        id=name,
        title=data["title"],
        edition=str(data["edition"]),
        element_comparison=data["element_comparison"],
        note=_flat(data["note"]),
        questions=tuple(Question(*(_flat(q[k]) for k in ("heading", "speaks", "leaves"))) for q in data["question"]),
        forms=tuple(_form(form) for form in data["form"]),
    )


def _form(form: dict[str, Any]) -> Form:
    text = tuple(_flat(paragraph) for paragraph in form.get("text", []))
    return Form(form["id"], form["title"], form["source"], text, tuple(form["fields"]), form.get("items", False))


def _flat(text: str) -> str:
    return " ".join(text.split())
