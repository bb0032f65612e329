"""GGUF files of networks beside a base: the numbers that diffusers' own quantisation computes with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.wishes import Wishes
from forensics.errors import CheckpointError
from tests.diffusion import gguf_writer
from tests.diffusion.families import WRITERS
from tests.studies.checkpoint_inputs import flux_published

pytest.importorskip("gguf")
STEM = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS["flux-dev"](tmp_path_factory.mktemp("base") / "flux")


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1"])
@torch.no_grad()
def test_rounded_weights_compute_what_diffusers_computes_with_them(base: Path, tmp_path: Path, kind: str) -> None:
    import diffusers

    tensors = load_file(base / "transformer" / STEM)
    path = gguf_writer.write(tmp_path / "flux.gguf", flux_published(tensors), kind)
    own = gguf_writer.write(tmp_path / "own.gguf", tensors, kind)
    found = diffusion.identify(str(path), wishes=Wishes(base=str(base)))
    told = {fact.name: fact.value for fact in found.facts}
    assert found.family == "flux"
    assert kind in told["number format of the file"]
    assert "not in these weights" in told["number format of the file"]
    model: Any = diffusion.load(found, choose("cpu"))
    theirs = diffusers.FluxTransformer2DModel.from_single_file(
        str(own),  # theirs takes the publisher's names for one width alone
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
        config=str(base),
        subfolder="transformer",
        torch_dtype=torch.float32,
    )
    state, time = model.start(noise(model.latent_shape(32, 32), 1)[None], 4), model.times(4)[2]
    condition = model.condition("a b", 3.0)
    ours = model.velocity(state, time, condition)
    named: Any = diffusion.load(diffusion.identify(str(own), wishes=Wishes(base=str(base))), choose("cpu"))
    assert torch.equal(ours, named.velocity(state, time, condition))
    model.network = theirs
    # Theirs unrounds in float16.
    other = model.velocity(state, time, condition)
    assert float((ours - other).norm() / other.norm()) < 1e-3
    plain: Any = diffusion.load(diffusion.identify(str(base)), choose("cpu"))
    whole = plain.velocity(state, time, condition)
    assert 1e-6 < float((ours - whole).norm() / whole.norm()) < 0.5


@torch.no_grad()
def test_a_lora_is_merged_into_what_was_rounded(base: Path, tmp_path: Path) -> None:
    path = gguf_writer.write(tmp_path / "flux.gguf", flux_published(load_file(base / "transformer" / STEM)))
    layer = "transformer.transformer_blocks.0.attn.to_q"
    pair = {f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)}
    save_file(pair, tmp_path / "style.safetensors")
    beside = Wishes(base=str(base), lora=(str(tmp_path / "style.safetensors"),))
    with_, without = (
        diffusion.load(diffusion.identify(str(path), wishes=wishes), choose("cpu"), [])
        for wishes in (beside, Wishes(base=str(base)))
    )
    name = "transformer_blocks.0.attn.to_q.weight"
    changed, before = (m.network.get_parameter(name) for m in (with_, without))  # type: ignore[attr-defined]
    assert torch.allclose(changed - before, torch.full((32, 32), 2.0), atol=1e-5)


def test_refusals_name_what_works(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = flux_published(load_file(base / "transformer" / STEM))
    path = gguf_writer.write(tmp_path / "flux.gguf", tensors)
    with pytest.raises(CheckpointError, match="holds no autoencoder") as error:
        diffusion.identify(str(path))
    assert "--base" in error.value.hint
    both = gguf_writer.write(tmp_path / "both.gguf", tensors | {"vae.decoder.conv_in.weight": torch.zeros(4, 4, 3, 3)})
    with pytest.raises(CheckpointError, match="beside the network"):
        diffusion.identify(str(both), wishes=Wishes(base=str(base)))
    for length in (0, 5, 40, 2000, path.stat().st_size - 9):
        cut = tmp_path / f"cut-{length}.gguf"
        cut.write_bytes(path.read_bytes()[:length])
        with pytest.raises(CheckpointError):
            diffusion.load(diffusion.identify(str(cut), wishes=Wishes(base=str(base))), choose("cpu"))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CheckpointError, match="not installed") as error:
        diffusion.identify(str(path), wishes=Wishes(base=str(base)))
    assert "forensics[gguf]" in error.value.hint
