"""The process that decodes pictures for `forensics.pictures.bounded`: one after another, within limits, from its input.

It holds no file open but its two pipes, and ends when they do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics.errors import ImageError
from forensics.pictures import intake
from forensics.pictures.metadata.trust import TrustList
from forensics.second import receive, send


def main() -> None:
    """Answer until the input ends."""
    inward, outward = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand in an answer
    send(outward, b"", b"")
    while True:
        try:
            asked, data = receive(inward)
        except EOFError:
            return
        head, pixels = _answer(json.loads(asked), data)
        send(outward, pickle.dumps(head), pixels)


def _answer(asked: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    intake.MAX_PIXELS = int(asked["pixels"])
    with _limited(int(asked["memory"])):
        try:
            trust = tuple(TrustList(**one) for one in asked["trust"])
            decoded = intake.decode(data, str(asked["name"]), url=str(asked["url"]), trust=trust)
            pixels = decoded.picture.tobytes()
            account = dataclasses.replace(decoded, picture=None)  # type: ignore[arg-type]
            return {"decoded": account, "size": decoded.picture.size}, pixels
        except ImageError as exc:
            return {"kind": "image", "error": exc.message, "hint": exc.hint}, b""
        except MemoryError:
            return {"memory": True}, b""
        except Exception as exc:  # a decoder can raise anything; the name of it is what the user can report
            return {"failed": f"{type(exc).__name__}: {exc}"[:200]}, b""


@contextlib.contextmanager
def _limited(memory: int) -> Iterator[None]:
    """At most so many bytes beyond what the process takes now, where the system can keep to that."""
    try:
        import resource

        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, before[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
