"""Weights that stay in their files: equal to the last bit, and still in the file's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from forensics import device, diffusion, memory, resources
from forensics.case import Checkpoint
from forensics.device import noise
from forensics.diffusion.in_files import kept
from tests.diffusion import publishers

CPU = device.choose("cpu", "fp32")
TWIN = resources.samples() / "reference" / "twin-a"


def velocity(model: Any, *, gradient: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network says of one state, and the gradient of its sum where that is asked."""
    state = model.start(noise(model.latent_shape(64, 64), 1)[None], 4).requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        said = model.velocity(state, model.times(4)[2].expand(1), model.condition("a hare", 3.0))
    if gradient:
        said.sum().backward()
    return said.detach(), torch.zeros(0) if state.grad is None else state.grad


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    halved = {name: part.half() for name, part in publishers.networks(1).items()}
    return publishers.write(tmp_path_factory.mktemp("file") / "one.safetensors", halved, 1)


@pytest.fixture(params=["folder", "file"])
def checkpoint(request: pytest.FixtureRequest, single: Path) -> Checkpoint:
    return diffusion.identify(str(TWIN if request.param == "folder" else single))


def test_the_network_says_the_same_to_the_last_bit(checkpoint: Checkpoint) -> None:
    whole: Any = diffusion.load(checkpoint, CPU, stay=False)
    stays: Any = diffusion.load(checkpoint, CPU, stay=True)
    assert kept(stays.network)
    assert not kept(whole.network)
    for gradient in (False, True):
        for one, other in zip(*(velocity(m, gradient=gradient) for m in (whole, stays)), strict=True):
            assert one.isfinite().all()
            assert torch.equal(one, other)


def test_its_large_weights_stay_in_the_format_of_the_file(checkpoint: Checkpoint) -> None:
    model: Any = diffusion.load(checkpoint, CPU, stay=True)
    velocity(model, gradient=False)
    held = list(model.network.parameters())
    half = sum(p.numel() for p in held if p.dtype == torch.float16)
    assert half > 0.9 * sum(p.numel() for p in held)


def test_weights_stay_where_memory_is_short_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = diffusion.identify(str(TWIN))
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    needed = 4 * checkpoint.parameters

    def stay(free: int, limit: str = "max") -> bool:
        (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable:  {free // 1024} kB\n")
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text("1000\n")
        model: Any = diffusion.load(checkpoint, CPU)
        return kept(model.network)

    assert not stay(3 * needed)
    assert stay(needed)
    assert stay(3 * needed, str(needed))  # a container that may have no more
    assert not diffusion.short_of_memory(checkpoint, device.choose("cpu", "bf16"))


def test_what_the_system_does_not_say_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    found = memory.available_bytes()
    assert found is None or found > 2**20  # what sysconf says, where it does
