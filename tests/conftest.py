"""Caches of its own for every test run: nothing stored by the user is read, and nothing of theirs is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator

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
