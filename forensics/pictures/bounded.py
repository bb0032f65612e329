"""Decoding in a process of its own, with a bound on its time and memory: a picture is a program for its decoder.

Three megabytes of JPEG with twenty thousand scans keep a decoder busy for minutes, and a small file can ask for more
memory than there is. The decoder runs in a second process that does nothing else, is stopped when its time is over, and
cannot take the examination with it when it fails. What it sends back is read as plain values alone.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import dataclasses
import io
import json
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from forensics import second
from forensics.errors import ForensicsError, ImageError
from forensics.path_names import printable
from forensics.pictures import intake
from forensics.pictures.intake import Decoded
from forensics.pictures.metadata.trust import TrustList

_STARTING = 60.0
"""Seconds in which the process must be ready; they are none of the decoder's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one picture may cost."""

    pixels: int = intake.MAX_PIXELS
    """Width times height."""
    seconds: int = 25
    """Of decoding, by the clock."""
    memory: int = 1_792 << 20
    """Bytes beyond what the process takes before it decodes anything; not enforced on every system."""
    url: str = ""
    """Of the picture that is taken from a capture of the web; empty for the largest."""
    trust: tuple[TrustList, ...] = ()
    """Lists of trusted issuers for Content Credentials."""


_CURRENT: contextvars.ContextVar[Limits] = contextvars.ContextVar("limits", default=Limits())  # noqa: B039


@contextlib.contextmanager
def within(limits: Limits) -> Iterator[None]:
    """Decode with other limits while it lasts."""
    token = _CURRENT.set(limits)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def limits() -> Limits:
    """The limits in force."""
    return _CURRENT.get()


def use(limits: Limits) -> None:
    """Decode with other limits from now on."""
    _CURRENT.set(limits)


def decode(data: bytes, name: str) -> Decoded:
    """As `intake.decode`, with the limits in force.

    Raises:
        ImageError: as there; or the picture does not decode within the limits, or its decoder failed altogether.
    """
    limits = _CURRENT.get()
    worker = _taken()
    if worker is None:
        return intake.decode(data, name, url=limits.url, trust=limits.trust)
    try:
        return worker.decode(data, name, limits)
    finally:
        _given_back(worker)


def read(path: Path) -> Decoded:
    """The picture of a file, decoded within the limits in force. Raises ImageError."""
    return decode(intake.read_bytes(path), printable(path.name))


class _Worker:
    """The second process, ready for one picture after another."""

    def __init__(self) -> None:
        self._process = second.taken(second.DECODER)
        self._process.ready(_STARTING)

    @property
    def alive(self) -> bool:
        return self._process.alive

    def decode(self, data: bytes, name: str, limits: Limits) -> Decoded:
        """See the function of this name."""
        asked = json.dumps({"name": name, **dataclasses.asdict(limits)}).encode()
        try:
            head, pixels = self._process.ask(asked, data, limits.seconds)
        except TimeoutError as exc:
            raise ImageError(
                f"{name} did not decode within {limits.seconds} seconds and was left.",
                hint="Its decoder is kept busy by the way the file is written. --max-seconds allows more time.",
            ) from exc
        except (OSError, EOFError) as exc:
            raise ImageError(
                f"{name} made its decoder fail altogether.",
                hint="The file is damaged or was made to harm a decoder; it is not examined.",
            ) from exc
        return _decoded(_plain(head), pixels, name, limits)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.stop()


_LOCK = threading.Lock()
_STATE: dict[str, list[_Worker]] = {}


def _taken() -> _Worker | None:
    """A process that is idle, or a new one, so that there are as many as threads that decode at once; none where a
    system does not let processes be started."""
    with _LOCK:
        idle = _STATE.setdefault("idle", [])
        while idle:
            worker = idle.pop()
            if worker.alive:
                return worker
    try:
        return _Worker()
    except (OSError, EOFError):
        return None


def _given_back(worker: _Worker) -> None:
    if worker.alive:
        with _LOCK:
            _STATE.setdefault("idle", []).append(worker)


@atexit.register
def _end() -> None:
    for worker in _STATE.pop("idle", []):
        if worker.alive:
            worker.stop()


class _Plain(pickle.Unpickler):
    """Dataclasses and enumerations of this program and nothing else: a decoder that was taken over sends no code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("forensics."):
            kind = getattr(import_module(module), name, None)
            if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, Enum)):
                return kind
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def _plain(head: bytes) -> dict[str, Any]:
    found = _Plain(io.BytesIO(head)).load()
    if not isinstance(found, dict):
        raise pickle.UnpicklingError("no table")
    return found


def _decoded(answer: dict[str, Any], pixels: bytes, name: str, limits: Limits) -> Decoded:
    if "error" in answer:
        kind = ImageError if answer.get("kind") == "image" else ForensicsError
        raise kind(str(answer["error"]), hint=str(answer["hint"]))
    if answer.get("memory"):
        raise ImageError(
            f"{name} needs more than {limits.memory >> 20} MB to be decoded and was left.",
            hint="Reduce a copy by a documented step and examine that copy as well as stating the reduction.",
        )
    if "decoded" not in answer:
        raise ImageError(f"{name} made its decoder fail: {answer.get('failed', 'it gave no reason')}.")
    picture = Image.frombytes("RGB", tuple(answer["size"]), pixels)
    found: Decoded = dataclasses.replace(answer["decoded"], picture=picture)
    return found
