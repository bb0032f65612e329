"""What the user sees on standard error, and the protection of standard output.

Standard output carries the result and nothing else: a library that prints, even from C, is sent to standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from forensics.cli.progress import Bars, Lines, Listener, Silent
from forensics.errors import ExitCode
from forensics.events import Event
from forensics.path_names import printable

PROGRESS = ("auto", "json", "none")


class Console:
    """Standard error of one run. The options that steer it are set by `forensics.cli.options.reporting`."""

    def __init__(self) -> None:
        self.progress = "auto"
        self.verbosity = 0
        """-1 quiet, 0 as usual, 1 verbose."""
        self.folder: Path | None = None
        """Case folder being written, for the message after an interruption."""
        self.kept = ""
        """Else what that message says of what was done so far."""
        self._listener: Listener | None = None
        self._interrupted = False

    @property
    def json(self) -> bool:
        return self.progress == "json"

    @property
    def attended(self) -> bool:
        """Whether a person sits there, who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def write(self, text: str) -> None:
        """A line on standard error, below a bar if one stands there."""
        self._listening().pause()
        _said(text)

    def note(self, text: str) -> None:
        """Something the user should know; -q silences it."""
        if self.json:
            self._object("note", message=text)
        elif self.verbosity >= 0:
            self.write(text)

    def failed(self, message: str, hint: str, code: ExitCode) -> None:
        """Why the run ended, and what to do about it."""
        self.close()
        if self.json:
            self._object("error", code=int(code), name=code.name.lower(), message=message, hint=hint)
            return
        _said(click.style("Error: ", fg="red", bold=True) + message)
        if hint:
            _said("\n".join(f"       {line}" for line in hint.split("\n")))

    def emit(self, event: Event) -> None:
        """Progress of a stage.

        Raises KeyboardInterrupt where the user asked to stop and a library swallowed it, as compiled code can.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        if self.json:
            left = {} if event.left_s is None else {"left_s": round(event.left_s)}
            self._object("progress", stage=event.stage, done=event.done, total=event.total, note=event.note, **left)
        else:
            self._listening()(event)

    def close(self) -> None:
        """End the bar that may be standing."""
        if self._listener is not None:
            self._listener.close()

    def result(self, path: Path) -> None:
        """The one line of standard output."""
        self.close()
        if self.json:
            self._object("report", path=printable(str(path)))
        click.echo(os.fsencode(path))  # the very bytes: what reads them finds the file

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While stages run: standard output is closed to everyone, and libraries speak only with -v."""
        quieten(self.verbosity)
        with _protected(), self._interruptible():
            try:
                yield
            finally:
                self.close()

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C is remembered, so that the next event of a stage stops the run even if nobody passed it on.

        A request to end from the system, and a terminal that was closed, end the run in the same way: with a line in
        the custody log.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # handlers can be set in the main thread alone
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._interrupted = True
            raise KeyboardInterrupt

        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            # What `nohup` and a parent asked to be ignored stays ignored.
            if before[number] != signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, stop)
        try:
            yield
        finally:
            for number in numbers:
                signal.signal(number, before[number] if before[number] is not None else signal.SIG_DFL)

    def _listening(self) -> Listener:
        if self._listener is None:
            if self.progress != "auto" or self.verbosity < 0:
                self._listener = Silent()
            else:
                self._listener = Bars() if sys.stderr.isatty() else Lines()
        return self._listener

    def _object(self, kind: str, **fields: Any) -> None:
        _said(json.dumps({"event": kind, **fields}, ensure_ascii=False))


def quieten(verbosity: int) -> None:
    """Warnings and log lines of libraries: with -v all of them, otherwise none."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO if verbosity > 0 else logging.CRITICAL, format="%(name)s: %(message)s"
    )
    logging.captureWarnings(True)
    if verbosity <= 0:
        # Read when these libraries are imported, which is later; none of them changes a result.
        for name in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY"):
            os.environ.setdefault(name, "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TQDM_DISABLE", "1")


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """While the networks' libraries are imported: what they are made of stays, and is not searched for cycles, ever.

    It is a quarter of a million objects; searching them again and again takes a fifth of the time of loading them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _protected() -> Iterator[None]:
    with contextlib.redirect_stdout(sys.stderr):  # what Python prints
        try:
            saved = os.dup(1)
        except OSError:  # started without a standard output: nothing to protect
            yield
            return
        try:
            os.dup2(2, 1)  # what C libraries print
            yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)


def _said(text: str) -> None:
    """A line on standard error. Where that is a file on a full disk, the run and its exit code are not lost with it."""
    try:
        click.echo(text, err=True)
    except BrokenPipeError:
        raise
    except OSError:
        # What is left in the buffer would be tried again at the end, and Python would exit with a code of its own.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)
