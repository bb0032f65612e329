"""A second process that draws reports: everything that drawing needs is loaded there beside what measures here.

It gets no case, only the folder of one, and gives the same bytes as `forensics.report.render` here: whatever goes wrong
with the process itself, the report is drawn here.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from forensics import errors, second
from forensics.errors import ForensicsError
from forensics.languages import ENGLISH


def draw(folder: Path, paper: str, language: str = ENGLISH) -> bytes | None:
    """The report of a closed case folder, from the process that was begun; none where it has to be drawn here.

    Raises:
        ForensicsError: as `forensics.report.render`.
    """
    process = second.begun(second.DRAUGHTSMAN)
    if process is None:
        return None
    # In full: the process stands where it was begun, and this one may have gone elsewhere since.
    asked = {"folder": os.fsencode(folder.absolute()).hex(), "paper": paper, "language": language}
    try:
        process.ready(None)
        head, data = process.ask(json.dumps(asked).encode(), b"")
    except (OSError, EOFError):
        return None
    process.stop()
    answer = json.loads(head)
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"], hint=answer["hint"])
    return data if answer.get("drawn") else None


def main() -> None:
    """Load, say so, draw one report and end."""
    inward, outward = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand in an answer
    from forensics import report

    report.warm()
    second.send(outward, b"", b"")
    try:
        asked, _ = second.receive(inward)
    except EOFError:
        return
    head, data = _answer(json.loads(asked))
    second.send(outward, json.dumps(head).encode(), data)


def _answer(asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from forensics import report
    from forensics.folder.verify import load

    folder = Path(os.fsdecode(bytes.fromhex(asked["folder"])))
    try:
        made = report.render(load(folder), folder, paper=asked["paper"], language=asked["language"])
        return {"drawn": True}, made
    except ForensicsError as exc:
        return {"error": type(exc).__name__, "message": exc.message, "hint": exc.hint}, b""
    except Exception:  # it is drawn again where its account can be given
        return {}, b""
