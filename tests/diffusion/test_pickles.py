"""Pickled weights: tensors are read in a process of their own, and nothing in the file is run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from forensics.cli import main
from forensics.diffusion.headers import SOURCE, file_digest, read_header
from forensics.diffusion.pickles import convert
from forensics.diffusion.provenance import metadata_facts
from forensics.errors import CheckpointError


def test_tensors_come_through_and_both_digests_are_told(tmp_path: Path) -> None:
    source, target = tmp_path / "model.ckpt", tmp_path / "model.safetensors"
    shared = torch.arange(6.0)
    tensors = {"a": shared[:3], "b": shared, "deep": {"c": torch.ones(2, 2, dtype=torch.float16)}}
    torch.save({"state_dict": tensors | {"step": 7}, "epoch": 3}, source)
    done = convert(source, target)
    made = load_file(target)
    assert set(made) == {"a", "b", "deep.c"}
    assert torch.equal(made["b"], shared)
    assert made["deep.c"].dtype == torch.float16
    assert done.left_out == ("step",)
    assert done.source == file_digest(source, "model.ckpt")
    assert done.made == file_digest(target, "model.safetensors")
    metadata = read_header(target).metadata
    assert metadata[SOURCE] == done.source.sha256
    assert "step" in json.loads(metadata["converted_left_out"])
    assert any(
        f"step {json.loads(metadata['converted_left_out'])['step']}" in fact.value for fact in metadata_facts(metadata)
    )
    with pytest.raises(CheckpointError, match="exists already"):
        convert(source, target)


class Harmful:
    """Would make a file if it were run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_is_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "was-run"
    torch.save({"a": torch.ones(1), "b": Harmful(sign)}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="more than tensors") as caught:
        convert(tmp_path / "bad.pt", tmp_path / "bad.safetensors")
    assert "weights_only" not in caught.value.message  # no advice to lift the restriction
    assert not sign.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.pt"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01."])
def test_what_is_no_pickle_of_tensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match="was not converted"):
        convert(tmp_path / "odd.bin", tmp_path / "odd.safetensors")
    assert not (tmp_path / "odd.safetensors").exists()


def test_the_command(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "model.ckpt")
    done = CliRunner().invoke(main, ["weights", "convert", str(tmp_path / "model.ckpt")])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "model.safetensors") in done.output
    assert "SHA-256" in done.output
