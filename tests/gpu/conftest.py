"""Tests marked `gpu` are skipped where there is no CUDA device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forensics import diffusion
from forensics.device import choose
from forensics.diffusion.base import DiffusionModel
from tests.diffusion import tiny


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See the module. A test of this folder that is not marked runs on the CPU in half precision."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu") is not None:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    return tiny.write_checkpoint(tmp_path_factory.mktemp("gpu") / "checkpoint")


@pytest.fixture(scope="session")
def reference(folder: Path) -> DiffusionModel:
    """The checkpoint on the CPU in float32: what every other device and precision is held against."""
    return diffusion.load(diffusion.identify(str(folder)), choose("cpu"))
