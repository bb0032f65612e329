"""The rules of axe-core over an HTML page in Chromium, where both are at hand.

The script is the file that `AXE_CORE` names, or the package `axe-core` (MPL-2.0) of the npm registry, fetched once a
session and held to its digest. It is a tool of the tests and not shipped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of `axe.min.js` of that version."""
_MEMBER = "package/axe.min.js"
_SECONDS = 60


@lru_cache(maxsize=1)
def _script() -> str | None:
    """The script, or None where it can neither be read nor fetched."""
    if named := os.environ.get("AXE_CORE"):
        return Path(named).read_text(encoding="utf-8")
    if shutil.which("npm") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(
                ["npm", "pack", "--silent", f"axe-core@{VERSION}"],
                cwd=folder,
                capture_output=True,
                check=True,
                timeout=_SECONDS,
            )
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                member = archive.extractfile(_MEMBER)
                data = member.read() if member else b""
        except (subprocess.SubprocessError, OSError, StopIteration, KeyError, tarfile.TarError):
            return None
    assert hashlib.sha256(data).hexdigest() == SHA256, "another axe.min.js than the one pinned"
    return data.decode()


def reason() -> str:
    """Why the rules cannot be run here; empty where they can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: axe-core is not run"
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")):
        return "no Chromium: axe-core is not run"
    return "" if _script() else f"no axe-core: name its axe.min.js in AXE_CORE, or let npm fetch version {VERSION}"


def require() -> None:
    """Skip the test, with the reason, where the rules cannot be run."""
    if said := reason():
        pytest.skip(said)


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, for a test that has no other use of it; `require` comes first."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


def violations(chromium: Any, path: Path, schemes: tuple[str, ...] = ("light", "dark")) -> list[str]:
    """Every broken rule of a page, in light and in dark dress: rule, number of places, and the first of them.

    Args:
        chromium: a browser that playwright drives.
        path: the page, a local file.
        schemes: dresses in which it is looked at.
    """
    found = []
    for scheme in schemes:
        page = chromium.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        page.evaluate(_script())
        done = page.evaluate("async () => await axe.run(document, {resultTypes: ['violations']})")
        page.close()
        assert len(done["passes"]) > 10, "axe-core looked at nothing"
        for rule in done["violations"]:
            found.append(f"{scheme}: {rule['id']}, {len(rule['nodes'])} places: {rule['nodes'][0]['html'][:120]}")
    return found
