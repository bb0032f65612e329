"""What is shipped: the wheel is complete and works, the lock is closed and names no address."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.studies import cpu_lock

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CPU_LOCK = (ROOT / "requirements-cpu.lock").read_text(encoding="utf-8")
LOCKS = pytest.mark.parametrize("text", [LOCK, CPU_LOCK], ids=["lock", "cpu"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def shipped(folder: str) -> set[str]:
    """Files below a folder of the checkout as they should lie in the wheel; links count as what they point to."""
    found: set[str] = set()
    for here, folders, files in os.walk(ROOT / folder, followlinks=True):
        folders[:] = [name for name in folders if name not in ("__pycache__", "recipe")]
        found |= {f"forensics/{(Path(here) / name).relative_to(ROOT).as_posix()}" for name in files}
    return found


@pytest.mark.slow
def test_wheel_carries_code_templates_samples_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert len(names) == len(archive.namelist()), "a file is packed twice under one name"
    code = {p.relative_to(ROOT).as_posix() for p in (ROOT / "forensics").rglob("*.py")}
    assert code <= names
    assert shipped("templates") <= names
    assert shipped("samples") <= names
    assert "forensics/py.typed" in names
    assert not [name for name in names if "/recipe/" in name or ("_study" in name and name.endswith(".py"))]
    assert any(re.fullmatch(r"forensics-[^/]+\.dist-info/licenses/LICENSE", name) for name in names)
    tops = {name.split("/")[0] for name in names}
    assert all(top == "forensics" or top.endswith(".dist-info") for top in tops), tops


@pytest.mark.slow
def test_installed_wheel_finds_its_files_and_starts(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = (
        "from forensics import resources\n"
        "from forensics.cli import main\n"
        "print(resources.templates())\n"
        "print(resources.samples())\n"
        "main(['--version'])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    templates, samples, version = done.stdout.splitlines()
    assert templates == str(site / "forensics" / "templates")
    assert samples == str(site / "forensics" / "samples")
    assert version.endswith(PROJECT["project"]["version"])


def test_checkout_finds_its_files() -> None:
    from forensics import resources

    assert resources.templates() == ROOT / "templates"
    assert resources.samples() == ROOT / "samples"


def locked(text: str) -> dict[str, set[str]]:
    """Name -> locked versions; a few packages have one version for each release of Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, flags=re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


@LOCKS
def test_lock_names_no_address(text: str) -> None:
    assert "://" not in text
    assert not re.search(r"^\s*(-|--)\w", text.replace("    --hash=", ""), flags=re.MULTILINE)


@LOCKS
def test_every_locked_package_has_digests(text: str) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) > 50
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


@LOCKS
def test_lock_covers_what_the_project_asks_for(text: str) -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    asked = [*project["dependencies"], *PROJECT["build-system"]["requires"], *groups["dev"]]
    versions = locked(text)
    for requirement in map(Requirement, asked):
        found = versions.get(canonicalize_name(requirement.name), set())
        assert found, f"{requirement.name} is not locked: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in found), requirement


def test_the_lock_without_cuda_is_the_other_one_but_for_pytorch() -> None:
    full, small = locked(LOCK), locked(CPU_LOCK)
    pair = {"torch", "torchvision"}
    assert not [name for name in small if re.match("nvidia|cuda|triton", name)]
    assert {name for name, versions in small.items() if not versions <= full.get(name, set())} == pair
    assert small["torch"] == {"2.13.0+cpu"}
    assert {f"{name}=={next(iter(small[name]))}" for name in pair} == set(cpu_lock.PAIR)


def test_the_lock_without_cuda_is_made_of_what_pip_reports() -> None:
    found = {
        "install": [
            {
                "metadata": {"name": name, "version": "1.0"},
                "download_info": {"archive_info": {"hashes": {"sha256": digit * 64}}},
            }
            for name, digit in (("b_two", "2"), ("A.one", "1"))
        ]
    }
    rows = cpu_lock.lock(found).splitlines()
    assert rows[::2] == ["a-one==1.0 \\", "b-two==1.0 \\"]
    assert rows[1].strip() == f"--hash=sha256:{'1' * 64}"
    pinned = cpu_lock.constraints(
        "a==1 \\\n  x\ntorch==2 \\\nb==1 ; python_version < '3'\nb==2 ; python_version > '3'\n"
    )
    assert pinned == ["a==1"]


def test_every_import_is_of_a_declared_package() -> None:
    project, providers = PROJECT["project"], metadata.packages_distributions()
    needed = {canonicalize_name(Requirement(row).name) for row in project["dependencies"]}
    extras = {
        name: {canonicalize_name(Requirement(row).name) for row in rows}
        for name, rows in project["optional-dependencies"].items()
    }
    # What only an extra brings may be imported by the package that the extra is for, and nowhere else.
    readers = extras["heic"] | extras["jxl"] | extras["wacz"]
    brought = {"retrieval": extras["faiss"] | extras["distributed"], "pictures": readers, "report": extras["docx"]}
    brought["diffusion"] = extras["gguf"]
    for path in (ROOT / "forensics").rglob("*.py"):
        allowed = needed.union(*(packages for folder, packages in brought.items() if folder in path.parts))
        for name in imports(path) - sys.stdlib_module_names - {"forensics"}:
            found = {canonicalize_name(d) for d in providers.get(name, [name])}
            assert found & allowed, f"{path}: {name} is not declared in pyproject.toml"


def imports(path: Path) -> set[str]:
    """Top-level names of all absolute imports of a file, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_version_of_the_package_and_of_the_project_agree() -> None:
    from forensics import __version__

    assert PROJECT["project"]["version"] == __version__


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("version", "said"), [("", ["new"]), ("0.2.0", ["second", "### Fixed", "more"]), ("0.2", [])])
def test_notes_of_a_release_are_its_section_of_the_changelog(tmp_path: Path, version: str, said: list[str]) -> None:
    text = "# Changelog\n\n## [Unreleased]\nnew\n## [0.2.0] - 2027-01-01\nsecond\n### Fixed\nmore\n## [0.1.0]\nfirst\n"
    (tmp_path / "changes.md").write_text(text, encoding="utf-8")
    command = ["make", "-s", "notes", f"V={version}", f"CHANGELOG={tmp_path / 'changes.md'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == said
