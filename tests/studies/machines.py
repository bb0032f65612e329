"""Machines that fail: a full disk, no memory, no home, no network. Nothing is lost, and the words are right.

    python -m tests.studies.machines [--only WORD] [--out TABLE.tsv]

A tiny quick examination is run on each. It must end with an exit code of its own and a message, leave a folder that
says that it is incomplete (or none, where nothing was received), and, on a machine that does not fail, `--resume` must
end in the measurements of the undisturbed run. The disk is full for every file larger than a bound (RLIMIT_FSIZE), so
that each bound is met at another stage.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forensics.folder import CASE
from tests.studies.interrupted import (
    Bed,
    bed,
    differences,
    ended,
    frozen,
    prepared,
    results,
    stage,
    started,
    undisturbed,
)

KIB = 1024
_CAPABILITIES, _OVERRIDE = 0x20080522, 1
"""Version of the sets of capabilities, and the number of the one that passes over permissions, of Linux."""
_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of Linux."""


@dataclass(frozen=True)
class Machine:
    """One that fails."""

    name: str
    prepare: Callable[[], None]
    codes: tuple[int, ...]
    """Exit codes that are right."""
    sealed_at: str = ""
    """Stage at which its case folder becomes read-only."""


def largest_file(size: int) -> Callable[[], None]:
    """No file larger than that, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def memory(more: int) -> Callable[[], None]:
    """At most so many bytes beyond what the process takes."""

    def limit() -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        bound = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))

    return limit


def homeless() -> None:
    """No home, no folder for caches: what would lie there cannot be written."""
    os.environ.pop("XDG_CACHE_HOME", None)
    os.environ["HOME"] = "/proc/none"


def unconnected() -> None:
    """Whoever opens a connection, or asks for an address, fails."""

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
            with Path(os.environ["ASKED"]).open("a", encoding="utf-8") as log:
                log.write(f"{event} {arguments!r}\n")
            raise OSError(f"no network in this trial: {event}")

    with contextlib.suppress(AttributeError, OSError):
        # What speaks to the network without Python finds none, where the system lets this process part with it.
        ctypes.CDLL(None).unshare(_NEW_NETWORK)
    sys.addaudithook(refuse)


@contextlib.contextmanager
def without_override() -> Iterator[None]:
    """Permissions of files hold for this thread, also where it is the administrator's (CAP_DAC_OVERRIDE of Linux)."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    before = sets[0]
    sets[0] = before & ~(1 << _OVERRIDE)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(header, sets)


def sealed(folder: Path, *, open_again: bool = False) -> None:
    """Make everything in a folder read-only, as on a medium that was locked, or writable again."""
    for path in sorted([folder, *folder.rglob("*")], reverse=True):
        mode = (0o755 if path.is_dir() else 0o644) if open_again else (0o555 if path.is_dir() else 0o444)
        path.chmod(mode)


_HELD: list[contextlib.AbstractContextManager[None]] = []


def ordinary() -> None:
    """As `without_override`, to the end of the process."""
    held = without_override()
    held.__enter__()
    _HELD.append(held)  # what is let go of is left, and gives the permissions back


MACHINES = (
    Machine("no network", unconnected, (0,)),
    Machine("no home", homeless, (0,)),
    Machine("no space at all", largest_file(0), (9,)),
    *(Machine(f"no space for more than {n} KiB", largest_file(n * KIB), (9, 11)) for n in (4, 16, 40, 100, 400)),
    Machine("24 MiB of memory", memory(24 << 20), (7, 9)),
    Machine("160 MiB of memory", memory(160 << 20), (7, 9)),
    *(
        Machine(f"a folder that is read-only from the stage {at} on", ordinary, (9,), at)
        for at in ("intake", "origin", "compare")
    ),
)


def tried(machine: Machine, ground: Bed, expected: object) -> tuple[str, list[str]]:
    """What it said, and what went wrong."""
    name = machine.name.replace(" ", "-")
    folder, cache = ground.folder / name, ground.folder / f"cache-{name}"
    os.environ["ASKED"] = str(ground.folder / "asked")
    arguments = ("analyze", *ground.arguments, "--progress", "none", "-o", str(folder))
    child = started(arguments, cache, machine.prepare)
    if machine.sealed_at:
        while stage(folder) != machine.sealed_at and not os.waitid(
            os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(0.01)
        sealed(folder)
    code, wrong = ended(child), []
    if machine.sealed_at:
        sealed(folder, open_again=True)
    lines = [line for line in cache.with_suffix(".said").read_text().splitlines() if line]
    said = next((line for line in lines if line.startswith("Error")), lines[-1] if lines else "")
    if code not in machine.codes or any("Traceback" in line for line in lines):
        wrong.append(f"ends with {code}: {lines[-6:]}")
    if (ground.folder / "asked").exists():
        wrong.append(f"opened a connection: {(ground.folder / 'asked').read_text()}")
    at = stage(folder) if (folder / CASE).exists() else "nothing left"
    if code and folder.exists() and not (folder / CASE).exists():
        wrong.append("a folder is left that does not say what it is")
    if code and (folder / CASE).exists():
        if (found := ended(started(("verify", str(folder)), cache))) != 8:
            wrong.append(f"verify ends with {found}")
        child = started(("analyze", "--resume", str(folder), "--progress", "none"), cache)
        if code := frozen(child, folder):
            wrong.append(f"resuming ends with {code}: {cache.with_suffix('.said').read_text()[-300:]}")
    if (folder / CASE).exists() and not wrong:
        wrong += differences(expected, results(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return f"{at}\t{said[:150]}", wrong


def main() -> int:
    """Print a row a machine; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Machines whose name holds one of these words, with commas between.")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    prepared()
    rows, faults = ["machine\tat stage\tsaid\twrong"], 0
    print(rows[0], flush=True)
    with tempfile.TemporaryDirectory() as name:
        ground = bed(Path(name))
        first, _ = undisturbed(ground)
        for machine in MACHINES:
            if not any(word in machine.name for word in given.only.split(",")):
                continue
            said, wrong = tried(machine, ground, results(first))
            faults += bool(wrong)
            rows.append(f"{machine.name}\t{said}\t{json.dumps(wrong)[:500] if wrong else ''}")
            print(rows[-1], flush=True)
    rows.append(f"{len(rows) - 1} machines, {faults} with a fault")
    print(rows[-1])
    if given.out:
        given.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
