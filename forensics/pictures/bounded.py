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
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from PIL import Image

from forensics.errors import ForensicsError, ImageError
from forensics.path_names import printable
from forensics.pictures import intake
from forensics.pictures.intake import Decoded
from forensics.pictures.metadata.trust import TrustList

_LENGTH = struct.Struct(">QQ")
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from forensics.pictures.worker import main; main()"
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
        self.owner = os.getpid()
        """Who may speak to it: a process that was forked from that one shares its pipes and would mix up answers."""
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._answer(_STARTING)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(self, data: bytes, name: str, limits: Limits) -> Decoded:
        """See the function of this name."""
        asked = json.dumps({"name": name, **dataclasses.asdict(limits)}).encode()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(_LENGTH.pack(len(asked), len(data)) + asked)
            self._process.stdin.write(data)
            self._process.stdin.flush()
            head, pixels = self._answer(limits.seconds)
        except TimeoutError as exc:
            self.stop()
            raise ImageError(
                f"{name} did not decode within {limits.seconds} seconds and was left.",
                hint="Its decoder is kept busy by the way the file is written. --max-seconds allows more time.",
            ) from exc
        except (OSError, EOFError, struct.error) as exc:
            self.stop()
            raise ImageError(
                f"{name} made its decoder fail altogether.",
                hint="The file is damaged or was made to harm a decoder; it is not examined.",
            ) from exc
        return _decoded(_plain(head), pixels, name, limits)

    def stop(self) -> None:
        """End the process, whatever it does."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def _answer(self, seconds: float) -> tuple[bytes, bytes]:
        """What the process sends, within so many seconds. Raises TimeoutError, EOFError, OSError."""
        assert self._process.stdout is not None
        found: list[tuple[bytes, bytes]] = []
        reader = threading.Thread(target=_receive, args=(self._process.stdout, found), daemon=True)
        reader.start()
        reader.join(seconds)
        if reader.is_alive():
            self._process.kill()
            reader.join()
            raise TimeoutError
        if not found:
            raise EOFError
        return found[0]


_LOCK = threading.Lock()
_STATE: dict[str, list[_Worker]] = {}


def _taken() -> _Worker | None:
    """A process that is idle, or a new one, so that there are as many as threads that decode at once; none where a
    system does not let processes be started."""
    with _LOCK:
        idle = _STATE.setdefault("idle", [])
        while idle:
            worker = idle.pop()
            if worker.owner == os.getpid() and worker.alive:
                return worker
    try:
        return _Worker()
    except (OSError, EOFError, TimeoutError, struct.error):
        return None


def _given_back(worker: _Worker) -> None:
    if worker.alive:
        with _LOCK:
            _STATE.setdefault("idle", []).append(worker)


@atexit.register
def _end() -> None:
    for worker in _STATE.pop("idle", []):
        if worker.owner == os.getpid():
            worker.stop()


def _receive(stream: IO[bytes], found: list[tuple[bytes, bytes]]) -> None:
    with contextlib.suppress(OSError, EOFError, struct.error, ValueError):
        found.append(receive(stream))


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """One message: two blocks of bytes. Raises EOFError where the stream ends before it does."""
    sizes = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, sizes[0]), _exactly(stream, sizes[1])


def send(stream: IO[bytes], head: bytes, body: bytes) -> None:
    """One message."""
    stream.write(_LENGTH.pack(len(head), len(body)))
    stream.write(head)
    stream.write(body)
    stream.flush()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


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
