"""Progress on standard error, and nothing but the result on standard output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys

import pytest

from forensics.cli.console import Console
from forensics.cli.progress import Bars, Lines
from forensics.events import Event

EVENTS = [
    Event("search", 0, 2, "looking"),
    Event("search", 2, 2, "looking"),
    Event("invert", 0, 0, "no idea how long"),
    Event("invert", 1, 3, "rung"),
    Event("invert", 3, 3, "rung"),
]


def console(progress: str = "auto", verbosity: int = 0) -> Console:
    made = Console()
    made.progress, made.verbosity = progress, verbosity
    return made


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    out = console("json")
    for event in EVENTS:
        out.emit(event)
    out.note("Mind this.")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {"event": "progress", "stage": "search", "done": 0, "total": 2, "note": "looking"}
    assert lines[-1] == {"event": "note", "message": "Mind this."}
    assert len(lines) == len(EVENTS) + 1


@pytest.mark.parametrize(("progress", "verbosity"), [("none", 0), ("auto", -1)])
def test_none_and_quiet_show_no_progress(progress: str, verbosity: int, capsys: pytest.CaptureFixture[str]) -> None:
    out = console(progress, verbosity)
    for event in EVENTS:
        out.emit(event)
    out.close()
    assert capsys.readouterr().err == ""


def test_quiet_silences_notes(capsys: pytest.CaptureFixture[str]) -> None:
    console(verbosity=-1).note("Mind this.")
    assert capsys.readouterr().err == ""


def test_log_has_a_line_where_a_stage_begins_and_one_where_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for event in EVENTS:
        lines(event)
    lines.close()
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["search", "search", "invert", "invert"]
    assert said[1].startswith("search: finished after ")


def test_long_stage_says_how_long_it_still_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("forensics.cli.progress.time.monotonic", lambda: now)
    lines = Lines()
    lines(Event("invert", 0, 4))
    now = 20.0
    lines(Event("invert", 1, 4))
    assert "invert: 1 of 4, about 60 s left" in capsys.readouterr().err


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = Bars()
    for event in EVENTS:
        bars(event)
    bars.close()
    drawn = terminal.getvalue()
    assert "search" in drawn
    assert "3/3" in drawn
    assert drawn.endswith("\n") or drawn.endswith("\x1b[?25h")


def test_standard_output_carries_the_result_alone() -> None:
    program = (
        "import os, pathlib\n"
        "from forensics.cli.console import Console\n"
        "console = Console()\n"
        "with console.working():\n"
        "    print('chatter from Python')\n"
        "    os.write(1, b'chatter from C\\n')\n"
        "console.result(pathlib.Path('report.pdf'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.stdout == "report.pdf\n"
    assert "chatter from Python" in done.stderr
    assert "chatter from C" in done.stderr


def test_protection_ends_when_the_work_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), console().working():
        raise ZeroDivisionError
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def test_an_interruption_that_a_library_swallowed_ends_the_run_at_the_next_event() -> None:
    console = Console()
    console.progress = "none"
    before = signal.getsignal(signal.SIGINT)

    def run() -> None:
        with console.working():
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            console.emit(Event("measure", 1, 2))

    with pytest.raises(KeyboardInterrupt):
        run()
    assert signal.getsignal(signal.SIGINT) is before
