"""A second process of this program: it answers one message after another, each two blocks of bytes, and does no more.

It can be begun before anything heavy is loaded, so that it gets ready beside what loads here. It is ended with this
process, or ends by itself when its input does. Standard library only.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from typing import IO

DECODER = "forensics.pictures.worker"
"""Decodes pictures, for `forensics.pictures.bounded`."""
DRAUGHTSMAN = "forensics.draughtsman"
"""Draws reports."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_LENGTH = struct.Struct(">QQ")
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"


class SecondProcess:
    """One process, running `main` of a module."""

    def __init__(self, module: str) -> None:
        """Begin it, without waiting for it to be ready. Raises OSError where a system does not let it be started.

        Args:
            module: its `main` sends an empty message when it is ready, then answers what it receives.
        """
        self.owner = os.getpid()
        """Who may speak to it: a process that was forked from that one shares its pipes and would mix up answers."""
        self._ready = False
        # -P: `json` is the one of Python, and no file of that name where the user stands, which may hold evidence.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE.format(module), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
        )

    @property
    def alive(self) -> bool:
        """Whether it runs, and for the process that asks."""
        return self.owner == os.getpid() and self._process.poll() is None

    def ready(self, seconds: float | None) -> None:
        """Wait until it can be asked. Raises TimeoutError, EOFError or OSError; it is then ended."""
        if not self._ready:
            self._answer(seconds)
            self._ready = True

    def ask(self, head: bytes, body: bytes, seconds: float | None = None) -> tuple[bytes, bytes]:
        """Its answer, within so many seconds. Raises as `ready`."""
        try:
            assert self._process.stdin is not None
            send(self._process.stdin, head, body)
            return self._answer(seconds)
        except OSError:  # TimeoutError is one of them
            self.stop()
            raise

    def stop(self) -> None:
        """End the process, whatever it does."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def _answer(self, seconds: float | None) -> tuple[bytes, bytes]:
        assert self._process.stdout is not None
        found: list[tuple[bytes, bytes]] = []
        reader = threading.Thread(target=_receive, args=(self._process.stdout, found), daemon=True)
        reader.start()
        reader.join(seconds)
        if reader.is_alive():
            self._process.kill()
            reader.join()
            self.stop()
            raise TimeoutError
        if not found:
            self.stop()
            raise EOFError
        return found[0]


_LOCK = threading.Lock()
_BEGUN: dict[str, list[SecondProcess]] = {}


def begin(module: str) -> None:
    """Begin a process that will be wanted soon, unless one waits; nothing where a system does not let it be started."""
    with _LOCK:
        if any(process.alive for process in _BEGUN.get(module, ())):
            return
    with contextlib.suppress(OSError):
        process = SecondProcess(module)
        with _LOCK:
            _BEGUN.setdefault(module, []).append(process)


def begun(module: str) -> SecondProcess | None:
    """One that was begun before; none where there is none that lives."""
    with _LOCK:
        waiting = _BEGUN.get(module, [])
        while waiting:
            process = waiting.pop()
            if process.alive:
                return process
    return None


def taken(module: str) -> SecondProcess:
    """One that was begun before, else a new one. Raises OSError as `SecondProcess`."""
    return begun(module) or SecondProcess(module)


@atexit.register
def _end() -> None:
    for process in (one for waiting in _BEGUN.values() for one in waiting):
        if process.alive:
            process.stop()


def _receive(stream: IO[bytes], found: list[tuple[bytes, bytes]]) -> None:
    with contextlib.suppress(OSError, EOFError, struct.error, ValueError):
        found.append(receive(stream))


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """One message: two blocks of bytes. Raises EOFError where the stream ends before it does."""
    sizes = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, sizes[0]), _exactly(stream, sizes[1])


def send(stream: IO[bytes], head: bytes, body: bytes) -> None:
    """One message. Raises OSError where nobody reads it."""
    stream.write(_LENGTH.pack(len(head), len(body)))
    stream.write(head)
    stream.write(body)
    stream.flush()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data
