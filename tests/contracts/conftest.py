"""A tiny real embedding model for the tests of this folder."""

from __future__ import annotations

import pytest

from forensics import device
from forensics.embedders.open_clip import Embedder
from tests.contracts.tiny_open_clip import save_tiny_open_clip


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    folder = save_tiny_open_clip(tmp_path_factory.mktemp("open_clip") / "tiny")
    return Embedder.open(str(folder), device.choose("cpu"))
