"""The wheel without the repository: is the demonstration that it makes the one that the repository makes?

    python -m tests.studies.installed FOLDER
    python -m tests.studies.installed FOLDER --environment VENV      # one that holds the packages of a lock already

The wheel is built and installed into a new virtual environment with the packages of the lock that is for this machine.
`forensics demo` is run there, in a folder outside the repository, and here by this interpreter, with one date, one
thread and caches of their own. Then every file of the two case folders is compared byte for byte, every value of
`case.json` by its path (times, custody and machine included; the folder of the samples is called that in both), and
either program verifies the folder of the other, so that both draw the documents of both. The result is
FOLDER/installed.json; the exit status says whether anything differs but what says where and when.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forensics.files import sha256

ROOT = Path(__file__).resolve().parents[2]
DATE = 1764374400
"""Seconds since 1970 at which both runs believe to take place."""
MOMENT = frozenset({"environment", "seconds", "custody"})
"""Names in `case.json` under which the machine and the moment are told, not what was measured."""
ABSENT = "(not there)"
FOLLOW = frozenset(
    {"bag-info.txt", "custody.jsonl", "data/case.json", "manifest-sha256.txt", "report.pdf", "tagmanifest-sha256.txt"}
    | {"tagmanifest-sha256.txt.tsq", "viewer.html"}
)
"""Files that state or hash what `case.json` says; where a time in it differs, so do they."""


def run(command: Sequence[str | Path], where: Path, environment: dict[str, str] | None = None) -> str:
    """Standard output of a command that must succeed. Raises SystemExit with what it said otherwise."""
    done = subprocess.run([*map(str, command)], cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    before = set(folder.glob("*.whl"))
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder], ROOT)
    (wheel,) = set(folder.glob("*.whl")) - before or before
    return wheel


def install(folder: Path, wheel: Path) -> Path:
    """A new virtual environment with the packages of the lock for this machine; the path of its interpreter."""
    run([sys.executable, "-m", "venv", folder], folder.parent)
    python = interpreter(folder)
    lock = run([python, "-m", "forensics.doctor", "--lock"], ROOT, clean(folder.parent)).strip()
    run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", ROOT / lock], folder.parent)
    put(python, wheel)
    return python


def put(python: Path, wheel: Path) -> None:
    """The wheel into an environment, in place of what lies there under its name."""
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel], wheel.parent)


def interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean(caches: Path) -> dict[str, str]:
    """The environment of a run: a fixed date, one thread, nothing from this user's caches or from this checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {"XDG_CACHE_HOME": str(caches / "cache"), "XDG_CONFIG_HOME": str(caches / "config")}
    return kept | own | {"SOURCE_DATE_EPOCH": str(DATE), "OMP_NUM_THREADS": "1"}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every number, text and empty list."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from leaves(below, f"{path}/{name}")
    elif isinstance(value, list) and value:
        for number, below in enumerate(value):
            yield from leaves(below, f"{path}/{number}")
    else:
        yield path, value


def told(folder: Path, samples: Path) -> dict[str, Any]:
    """Every value of the case by its path, with the folder of the samples under one name wherever it lies."""
    case = json.loads((folder / "data" / "case.json").read_text(encoding="utf-8"))
    return {
        path: value.replace(str(samples), "SAMPLES") if isinstance(value, str) else value
        for path, value in leaves(case)
    }


def compare(ours: Path, theirs: Path, samples: tuple[Path, Path]) -> dict[str, Any]:
    """What two case folders have in common, and what not; `samples` is where either program has its samples."""
    one, two = ({p.relative_to(f).as_posix(): p for p in f.rglob("*") if p.is_file()} for f in (ours, theirs))
    both = sorted(one.keys() & two.keys())
    same = {name for name in both if sha256(one[name]) == sha256(two[name])}
    first, second = told(ours, samples[0]), told(theirs, samples[1])
    paths = sorted(first.keys() | second.keys())
    differing = {
        p: [first.get(p, ABSENT), second.get(p, ABSENT)] for p in paths if first.get(p, ABSENT) != second.get(p, ABSENT)
    }
    moment = {path for path in differing if MOMENT & set(path.split("/"))}
    return {
        "files": len(both),
        "files_equal": len(same),
        "files_that_differ": sorted(set(both) - same),
        "files_of_one_alone": sorted(one.keys() ^ two.keys()),
        "values": len(paths),
        "values_that_differ": {path: pair for path, pair in differing.items() if path not in moment},
        "of_machine_and_moment": {path: pair for path, pair in differing.items() if path in moment},
    }


def demonstrate(program: Sequence[str | Path], where: Path, case: Path, environment: dict[str, str]) -> float:
    """Run the demonstration; how many seconds it took by the clock."""
    begun = time.monotonic()
    run([*program, "demo", "-o", case, "--force", "--quiet"], where, environment)
    return time.monotonic() - begun


def main() -> None:
    """Make both, compare, print; exit 1 where something differs that is not the machine or the moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environment", type=Path, help="virtual environment to install the wheel into")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    outside = folder / "outside the repository"
    outside.mkdir(parents=True, exist_ok=True)
    wheel = build(folder / "dist")
    if arguments.environment is None:
        python = install(folder / "venv", wheel)
    else:
        python = interpreter(arguments.environment.resolve())
        put(python, wheel)
    installed = python.with_name(f"forensics{python.suffix}")
    at = run([python, "-c", "import forensics; print(forensics.__file__)"], outside, clean(folder)).strip()
    assert not Path(at).is_relative_to(ROOT), f"the installed program is imported from {at}"
    here = [sys.executable, "-m", "forensics"]
    theirs, ours = outside / "demo-case", folder / "repository" / "demo-case"
    seconds = {
        "installed": demonstrate([installed], outside, theirs, clean(folder / "caches-1")),
        "repository": demonstrate(here, ROOT, ours, clean(folder / "caches-2") | {"PYTHONPATH": str(ROOT)}),
    }
    found = {
        "wheel_bytes": wheel.stat().st_size,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        **compare(ours, theirs, (ROOT / "samples", Path(at).parent / "samples")),
        "verified": [
            run([installed, "verify", ours], outside, clean(folder / "caches-1")).splitlines(),
            run([*here, "verify", theirs], ROOT, clean(folder / "caches-2")).splitlines(),
        ],
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "installed.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    unexplained = set(found["files_that_differ"]) - FOLLOW
    sys.exit(bool(found["values_that_differ"] or found["files_of_one_alone"] or unexplained))


if __name__ == "__main__":
    main()
