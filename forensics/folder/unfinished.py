"""The mark of an examination that has begun and not ended: `case.json` from the first second on.

Whatever stops a program, power cut included, the folder says that it is incomplete, since when and at which stage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from forensics.errors import ForensicsError
from forensics.folder.layout import CASE

_KIND = "UnfinishedCase"
_Error = TypeVar("_Error", bound=ForensicsError)


def mark(command: str, began: str, stage: str) -> bytes:
    """`case.json` of an examination that goes on.

    Args:
        command: `analyze` or `compare`.
        began: UTC, ISO 8601.
        stage: the one that is at work.
    """
    content = {"type": _KIND, "complete": False, "command": command, "began": began, "stage": stage}
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
        hint="Run the examination again; --force keeps this folder aside under another name.",
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 80 and value.isprintable() else ""
