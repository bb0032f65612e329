"""Caches of its own for every test run: nothing stored by the user is read, and nothing of theirs is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import forensics  # noqa: F401  (before any test module loads torch: it says how idle threads wait)


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
