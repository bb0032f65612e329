"""Is this machine fit for an examination? Each row says what was found and, if something is missing, what to do.

`python -m forensics.doctor` needs nothing but the standard library: it looks for the system libraries of the PDF
renderer before anything is installed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from forensics import files
from forensics.errors import ExitCode, ForensicsError
from forensics.memory import available_bytes
from forensics.resources import samples, templates

INSTALL = "apt-get install --no-install-recommends"
PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
"""The complete list on Debian 12: it draws in fontconfig, glib, harfbuzz and a fallback typeface."""
APT = f"{INSTALL} {' '.join(PACKAGES)}"
MEMORY_GIB = 4.0
DISK_GIB = 1.0
_PYTHON = _CPU_PYTHON = (3, 11)
_LIBRARIES = {
    "Pango": ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0-0.dll"),
    "PangoFT2": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib", "libpangoft2-1.0-0.dll"),
    "HarfBuzz subset": ("libharfbuzz-subset.so.0", "libharfbuzz-subset.0.dylib", "libharfbuzz-subset-0.dll"),
}
_PACKAGES = (
    "torchvision",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "lpips",
    "scikit-image",
    "pyarrow",
    "pillow",
    "jinja2",
    "weasyprint",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One row."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    """What to do, as a full sentence; empty for a row that is in order."""
    exit_code: ExitCode = ExitCode.OK
    """Code of `forensics doctor` if this is the first row that is missing; OK where an examination runs without it."""


def examine(folder: Path) -> Iterator[Check]:
    """All rows, cheapest first. `folder` is where case folders will be written."""
    yield python()
    yield libraries()
    yield packages()
    yield pytorch()
    yield memory()
    yield disk(folder)
    yield _shipped("typefaces", typefaces)
    yield _shipped("embedded samples", embedded)
    yield from weights()
    yield from remembered()


def python() -> Check:
    """The interpreter."""
    found = sys.version.split()[0]
    if sys.version_info >= _PYTHON:
        return Check("Python", True, found)
    return Check("Python", False, found, "Install Python 3.11 or newer.", ExitCode.INTERNAL)


def libraries() -> Check:
    """The system libraries that lay out the pages."""
    absent = [name for name, candidates in _LIBRARIES.items() if not any(map(_loads, candidates))]
    if not absent:
        return Check("system libraries", True, ", ".join(_LIBRARIES))
    remedy = f"On Debian or Ubuntu run: {APT}. On macOS run: brew install pango."
    return Check("system libraries", False, f"not found: {', '.join(absent)}", remedy, ExitCode.RENDERING)


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def packages() -> Check:
    """The Python packages of the examination."""
    versions: list[str] = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            remedy = "Install the package again with its dependencies."
            return Check("packages", False, f"{name} is not installed", remedy, ExitCode.INTERNAL)
    return Check("packages", True, ", ".join(versions))


def pytorch() -> Check:
    """PyTorch and the device that `--device auto` would take."""
    try:
        import torch
    except (ImportError, OSError) as exc:
        remedy = "Install the package again with its dependencies."
        return Check("PyTorch", False, f"does not load: {exc}", remedy, ExitCode.DEVICE)
    if torch.cuda.is_available():
        return Check("PyTorch", True, f"{torch.__version__}, {torch.cuda.get_device_name()}")
    return Check("PyTorch", True, f"{torch.__version__}, {os.cpu_count()} processor cores, no CUDA device")


def memory() -> Check:
    """Memory that the system calls available."""
    if (said := available_bytes()) is None:
        return Check("memory", True, "not stated by this system")
    gib = said / 2**30
    found = f"{gib:.1f} GiB available"
    if gib >= MEMORY_GIB:
        return Check("memory", True, found)
    remedy = f"Close other programs: {MEMORY_GIB:.0f} GiB are recommended. Otherwise use --profile quick."
    return Check("memory", False, found, remedy)


def disk(folder: Path) -> Check:
    """Space where case folders are written."""
    gib = shutil.disk_usage(folder).free / 2**30
    found = f"{gib:.1f} GiB free in {folder.resolve()}"
    if gib >= DISK_GIB:
        return Check("disk", True, found)
    return Check("disk", False, found, f"Free some space: {DISK_GIB:.0f} GiB is recommended.", ExitCode.CASE)


def _shipped(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except ForensicsError as exc:
        return Check(name, False, exc.message, exc.hint, ExitCode.WEIGHTS)


def typefaces() -> Check:
    """The bundled typefaces: with them a report looks the same on every machine."""
    count = len(list((templates() / "fonts").glob("*.ttf")))
    if count:
        return Check("typefaces", True, f"{count} files")
    return Check("typefaces", False, "none found", "Install the package again.", ExitCode.RENDERING)


def embedded() -> Check:
    """The embedded reference files, each against the digest that the release states."""
    folder, again = samples(), "Install the package again."
    stated = folder / "digests.txt"
    if not stated.is_file():
        return Check("embedded samples", False, f"{stated.name} is missing", again, ExitCode.WEIGHTS)
    rows = [line.partition("  ") for line in stated.read_text(encoding="utf-8").splitlines()]
    for digest, _, name in rows:
        path = folder / name
        if not path.is_file():
            return Check("embedded samples", False, f"{name} is missing", again, ExitCode.WEIGHTS)
        if files.sha256(path) != digest:
            return Check("embedded samples", False, f"{name} differs from its digest", again, ExitCode.WEIGHTS)
    return Check("embedded samples", True, f"{len(rows)} files with the digests of this release")


def weights() -> Iterator[Check]:
    """Auxiliary weights. Only those that ship with the package are needed by every examination."""
    from forensics import weights as store

    for status in store.verify():
        row, name = status.weights, f"weights {status.weights.name}"
        if status.state in ("embedded", "cached"):
            yield Check(name, True, status.state)
        elif row.origin:
            remedy = f"Not needed by the embedded demonstration. To obtain it: forensics weights fetch {row.name}."
            yield Check(name, False, status.state, remedy)
        else:
            yield Check(name, False, status.state, "Install the package again.", ExitCode.WEIGHTS)


def remembered() -> Iterator[Check]:
    """What is remembered for checkpoints in the user's configuration, a row each; nothing where nothing is."""
    from forensics import defaults

    try:
        entries = defaults.read()
    except ForensicsError as exc:
        yield Check("remembered defaults", False, exc.message, exc.hint, exc.exit_code)
        return
    for entry in entries:
        name, held = f"remembered for {entry.checkpoint}", ", ".join(f"{k} {v}" for k, v in entry.places.items())
        absent = [key for key in (defaults.CHECKPOINT, *entry.places) if defaults.gone(entry, key)]
        if absent:
            yield Check(name, False, f"gone: {', '.join(absent)}; {held}", defaults.remedy(entry, absent[0]))
        else:
            yield Check(name, True, held)


@dataclass(frozen=True, slots=True)
class Lacking:
    """What only the package manager of the system can supply."""

    what: tuple[str, ...]
    """In words."""
    packages: tuple[str, ...]
    """Names of Debian's packages."""

    @property
    def line(self) -> str:
        """What a person types on Debian or Ubuntu."""
        return f"{INSTALL} {' '.join(self.packages)}"


def lacking() -> Lacking | None:
    """The system libraries of the pages, and Python's own venv and pip; None where nothing is missing."""
    check = libraries()
    importlib.invalidate_caches()
    # Debian keeps venv in a package of its own. Inside a virtual environment the question has been answered.
    without_pip = importlib.util.find_spec("ensurepip") is None and sys.prefix == sys.base_prefix
    what = [] if check.ok else [f"the system libraries of the PDF pages ({check.found})"]
    what += ["Python's venv with pip"] if without_pip else []
    packages = () if check.ok else PACKAGES
    return Lacking(tuple(what), (*packages, *(("python3-venv",) if without_pip else ()))) if what else None


def may_install() -> tuple[str, ...] | None:
    """What stands before `apt-get` for this user: nothing for root, `sudo -n` where it asks for no password.

    None where there is no `apt-get`, or where this user may not use it.
    """
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ()
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ("sudo", "-n")
    return None


LOCK, CPU_LOCK = "requirements.lock", "requirements-cpu.lock"
"""What is installed on machines in general; and where there is no card, if its PyTorch is to be had."""
_CARD = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
"""What a system with a CUDA card has; the last one is that of Windows' subsystem for Linux."""


def lock(folder: Path) -> str:
    """The lock for this machine: the one without CUDA libraries where there is no card, the processor and the release
    of Python are those that it is for, and the `pip` of this interpreter knows an index that has its PyTorch."""
    fitting = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info[:2] == _CPU_PYTHON
    if not fitting or any(map(os.path.lexists, _CARD)) or shutil.which("nvidia-smi"):
        return LOCK
    rows = (folder / CPU_LOCK).read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(number for number, row in enumerate(rows) if row.startswith("torch=="))
    with tempfile.TemporaryDirectory() as work:
        wanted = Path(work) / "torch.txt"
        wanted.write_text("".join(rows[start : start + 2]), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
        done = subprocess.run([*command, "--require-hashes", "-r", str(wanted)], capture_output=True, check=False)
    return CPU_LOCK if done.returncode == 0 else LOCK


def fix() -> Lacking | None:
    """Install what is lacking where this user may, saying so on standard error. Returns what is lacking afterwards."""
    missing = lacking()
    before = may_install() if missing else None
    if missing is None or before is None:
        return missing
    print(
        f"Missing: {' and '.join(missing.what)}.\nRunning: {' '.join(before)} {missing.line}".replace("  ", " "),
        file=sys.stderr,
    )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing.packages]):
        subprocess.run([*before, "apt-get", *words], check=False, stdout=sys.stderr, env=quiet)
    return lacking()


def main() -> None:
    """What must be there before the environment can be made; with --fix it is installed where this user may.

    With --lock the name of the lock for this machine is printed instead, which the environment's own Python is asked
    for.
    """
    if "--lock" in sys.argv[1:]:
        print(lock(Path()))
        return
    missing = fix() if "--fix" in sys.argv[1:] else lacking()
    if missing is None:
        return
    print(f"Missing: {' and '.join(missing.what)}.\nOn Debian or Ubuntu run: {missing.line}", file=sys.stderr)
    raise SystemExit(int(ExitCode.RENDERING))


if __name__ == "__main__":
    main()
