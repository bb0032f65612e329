"""The mark of an examination that has begun and not ended: `case.json` from the first second on.

Whatever stops a program, power cut included, the folder says that it is incomplete, since when and at which stage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from forensics import foreign
from forensics.errors import CaseError, ForensicsError
from forensics.folder.layout import CASE

_KIND = "UnfinishedCase"
_Error = TypeVar("_Error", bound=ForensicsError)


def mark(command: str, began: str, stage: str, asked: dict[str, Any] | None = None) -> bytes:
    """`case.json` of an examination that goes on.

    Args:
        command: `analyze` or `compare`.
        began: UTC, ISO 8601.
        stage: the one that is at work.
        asked: what was asked for, as plain JSON values, so that it can be asked for again.
    """
    content = {"type": _KIND, "complete": False, "command": command, "began": began, "stage": stage, "asked": asked}
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def is_unfinished(data: Any) -> bool:
    """Whether a JSON document is such a mark."""
    return isinstance(data, dict) and data.get("type") == _KIND


def refuse(folder: Path, data: Any, kind: type[_Error]) -> _Error:
    """The error for a folder that is incomplete."""
    stage, began = _text(data.get("stage")), _text(data.get("began"))
    return kind(
        f"{folder} is incomplete: the examination that began at {began or 'an unknown time'} stopped at the stage "
        f"{stage or 'unknown'!r}. {CASE} holds no findings.",
        hint="`forensics analyze --resume` goes on with it; --force keeps this folder aside and starts anew.",
    )


def asked(folder: Path) -> dict[str, Any]:
    """What an examination that stopped was asked for.

    Raises:
        CaseError: the folder holds none, one that ended, or one that says nothing of it.
    """
    hint = "Name the folder of an `analyze` that was stopped."
    try:
        data = foreign.read_json(folder / CASE, foreign.MIB)
    except foreign.Unreadable as exc:
        raise CaseError(f"{folder / CASE} {exc}.", hint=hint) from exc
    if not is_unfinished(data):
        raise CaseError(f"{folder} holds an examination that ended; there is nothing to go on with.", hint=hint)
    found = data.get("asked")
    if data.get("command") != "analyze" or not isinstance(found, dict):
        raise CaseError(f"{folder} holds no examination that can go on.", hint=hint)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 80 and value.isprintable() else ""
