"""An input of our own for the study of further files."""

from __future__ import annotations

from dataclasses import dataclass

from tests.studies.wild import Check


@dataclass(frozen=True, slots=True)
class Own:
    """An input of our own."""

    kind: str
    name: str
    source: str
    """The public report or rule it follows."""
    data: bytes
    right: str
    check: Check
    suffix: str = ".png"
