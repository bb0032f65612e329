"""Caches of its own for every test run: nothing stored by the user is read, and nothing of theirs is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

import forensics  # noqa: F401  (before any test module loads torch: it says how idle threads wait)

# How long an example takes is a matter of the machine and of what else runs on it, and of no law that is tested here.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`XDG_CACHE_HOME` in a temporary folder, for programs started by tests as well."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


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
