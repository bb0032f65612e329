"""Caches and a configuration of its own for every test run: nothing of the user's is read, and nothing is touched."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import settings

import forensics  # noqa: F401  (before any test module loads torch: it says how idle threads wait)

# Test processes side by side share the cores instead of each asking for all of them; programs started by tests as well.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Files that take minutes begin first, so that no process is left alone with one of them at the end.
LONG = ("test_examination.py", "test_overlay_properties.py", "test_batch.py", "test_interruption.py")

if metadata.version("torch").endswith("+cpu"):
    importlib.import_module("forensics.device")  # before a test module imports torchvision: it makes that possible

# How long an example takes is a matter of the machine and of what else runs on it, and of no law that is tested here.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files named in `LONG` first, in that order; all others as they were collected."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`XDG_CACHE_HOME` and `XDG_CONFIG_HOME` in temporary folders, for programs started by tests as well."""
    names = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ |= {name: str(tmp_path_factory.mktemp(name[4:9].lower())) for name in names}
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def quick_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a disputed sample -> the folder of its quick examination, made once for all tests; never written to."""
    from forensics import examination
    from forensics.resources import samples
    from forensics.settings import resolve

    base = tmp_path_factory.mktemp("quick")

    @cache
    def made(name: str) -> Path:
        examination.analyze(samples() / "disputed" / name, base / name, resolve({"profile": "quick"}))
        return base / name

    return made
