"""One tiny checkpoint of each kind, written once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from forensics import diffusion
from forensics.device import choose
from forensics.diffusion.sd import StableDiffusion
from tests.diffusion import tiny


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more to waking threads than they gain, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind -> diffusers folder. The weights are the same in all; the schedules differ."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        "epsilon": tiny.write_checkpoint(root / "epsilon"),
        "v": tiny.write_checkpoint(root / "v", "v_prediction"),
        "v-zero-snr": tiny.write_checkpoint(root / "v-zero-snr", "v_prediction", zero_snr=True),
        "epsilon-to-one": tiny.write_checkpoint(root / "epsilon-to-one", to_one=True),
    }


@pytest.fixture(scope="session")
def models(folders: dict[str, Path]) -> dict[str, StableDiffusion]:
    """Kind -> loaded model, float32 on the CPU."""
    return {kind: diffusion.load(diffusion.identify(str(f)), choose("cpu")) for kind, f in folders.items()}
