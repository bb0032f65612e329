"""Autoencoders beside the checkpoint's: every layout is read, and equal weights are never counted twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from forensics import diffusion
from forensics.device import choose
from forensics.diffusion import autoencoder, autoencoder_load
from forensics.diffusion.autoencoder import NONE_GIVEN, beside
from forensics.errors import CheckpointError
from tests.diffusion import publishers, tiny
from tests.diffusion.test_checkpoint import _python

WEIGHTS = "diffusion_pytorch_model.safetensors"


def altered(source: Path, target: Path, amount: float = 0.05) -> Path:
    """The autoencoder of a folder with every tensor of its decoder moved by a share of its own spread."""
    shutil.copytree(source, target)
    tensors = load_file(target / WEIGHTS)
    draws = torch.Generator().manual_seed(3)
    for name in sorted(tensors):
        if name.startswith("decoder.") and tensors[name].ndim > 1:
            spread = tensors[name].std() * amount
            tensors[name] = tensors[name] + spread * torch.randn(tensors[name].shape, generator=draws)
    save_file(tensors, target / WEIGHTS)
    return target


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One autoencoder of Stable Diffusion's shape in four layouts."""
    root = tmp_path_factory.mktemp("layouts")
    vae = publishers.networks(1)["vae"]
    vae.save_pretrained(root / "folder")
    vae.save_pretrained(root / "generator" / "vae", variant="fp16")
    half = root / "generator" / "vae" / "diffusion_pytorch_model.fp16.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(half).items()}, half)
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in publishers.vae_tensors(vae).items()}
    save_file(tensors | {"model.diffusion_model.a": torch.ones(2)}, root / "whole.safetensors")
    bare = {name.removeprefix("first_stage_model."): tensor for name, tensor in tensors.items()}
    save_file(bare, root / "bare.safetensors")
    return {
        "folder": root / "folder",
        "checkpoint": root / "generator",
        "whole file": root / "whole.safetensors",
        "bare file": root / "bare.safetensors",
    }


@torch.no_grad()
def test_one_autoencoder_in_four_layouts_is_one(single: dict[str, Path]) -> None:
    found = {layout: autoencoder.identify(str(path)) for layout, path in single.items()}
    assert len({one.digest for one in found.values()}) == 4
    assert len({one.contents() for one in found.values()}) == 1
    assert {one.cell for one in found.values()} == {8}
    assert [one.name for one in found.values()] == ["folder", "generator", "whole", "bare"]
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    vae = AutoencoderKL.from_pretrained(single["folder"]).eval()
    latents = vae.encode(image * 2 - 1).latent_dist.mode()
    expected = (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
    for layout, one in found.items():
        loaded = autoencoder_load.load(one, choose("cpu"))
        near = 2e-2 if layout == "checkpoint" else 1e-5  # its weights are in half precision, its arithmetic is not
        assert torch.allclose(loaded.encode(image), latents, atol=near), layout
        assert torch.allclose(loaded.decode(latents), expected, atol=near), layout
        assert next(loaded.vae.parameters()).dtype == torch.float32
        with pytest.raises(ValueError, match="multiples of 8"):
            loaded.encode(image[..., :12])


def test_the_autoencoder_of_a_checkpoint_has_the_digest_of_its_folder(folders: dict[str, Path]) -> None:
    whole = autoencoder.of_checkpoint(diffusion.identify(str(folders["v"])))
    assert whole.digest == autoencoder.identify(str(folders["v"] / "vae")).digest
    assert whole.digest == autoencoder.identify(str(folders["v"])).digest
    assert autoencoder.identify(str(folders["v"] / "vae")).name == "v/vae"


def test_equal_weights_are_no_other_autoencoder(folders: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = diffusion.identify(str(folders["epsilon"]))
    same = diffusion.identify(str(folders["v"]))
    found = beside(checkpoint, same, (str(folders["v-zero-snr"] / "vae"),))
    assert found.others == ()
    assert ["the same weights as the checkpoint's own" in a.reason for a in found.left_out] == [True, True, False]
    assert "control checkpoint v " in found.left_out[1].reason
    assert found.left_out[-1].what == NONE_GIVEN
    assert "--autoencoder" in found.left_out[-1].remedy
    other, twice = altered(folders["v"] / "vae", tmp_path / "one"), tmp_path / "two"
    shutil.copytree(other, twice)
    found = beside(checkpoint, same, (str(other), str(twice)))
    assert [one.name for one in found.others] == ["one"]
    assert "that of one" in found.left_out[0].reason
    assert NONE_GIVEN not in {a.what for a in found.left_out}


def test_a_control_checkpoint_brings_its_own_autoencoder(folders: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = diffusion.identify(str(folders["epsilon"]))
    shutil.copytree(folders["v"], tmp_path / "control", ignore=shutil.ignore_patterns("vae"))
    altered(folders["v"] / "vae", tmp_path / "control" / "vae")
    control = diffusion.identify(str(tmp_path / "control"))
    found = beside(checkpoint, control, ())
    assert [one.name for one in found.others] == ["control"]
    assert found.left_out == ()
    assert found.own == autoencoder.identify(str(folders["epsilon"] / "vae")).digest
    assert beside(checkpoint, None, ()).others == ()


def test_rounded_beyond_half_precision_is_another(folders: dict[str, Path], tmp_path: Path) -> None:
    source = folders["v"] / "vae"
    digests = {autoencoder.identify(str(source)).contents()}
    for kind in (torch.float16, torch.float64, torch.bfloat16):
        target = tmp_path / str(kind)
        shutil.copytree(source, target)
        save_file({name: t.to(kind) for name, t in load_file(source / WEIGHTS).items()}, target / WEIGHTS)
        digests.add(autoencoder.identify(str(target)).contents())
    assert len(digests) == 2  # bfloat16 keeps eight bits: those weights are others
    rounded = {n: t.to(torch.bfloat16).float() for n, t in load_file(source / WEIGHTS).items()}
    save_file(rounded, target / WEIGHTS)
    assert autoencoder.identify(str(target)).contents() in digests  # read as what they are, in float32 too


def test_what_is_no_autoencoder_is_refused_with_a_hint(folders: dict[str, Path], tmp_path: Path) -> None:
    vae = folders["v"] / "vae"
    odd = tmp_path / "odd"
    shutil.copytree(vae, odd)
    config = json.loads((odd / "config.json").read_text("utf-8"))
    pickle = tmp_path / "pickle.ckpt"
    pickle.write_bytes(b"\x80")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((vae / WEIGHTS).read_bytes()[:-8])
    (tmp_path / "empty").mkdir()
    for location, said in [
        (tmp_path / "nowhere", "There is no autoencoder at"),
        (tmp_path / "empty", "holds no autoencoder"),
        (folders["v"] / "unet", "UNet2DConditionModel"),
        (vae / WEIGHTS, "config.json beside it"),
        (folders["v"] / "unet" / WEIGHTS, "no tensors encoder"),
        (pickle, "pickle file and was not opened"),
        (cut, "truncated"),
    ]:
        with pytest.raises(CheckpointError) as caught:
            autoencoder.identify(str(location))
        assert said in caught.value.message, location
        assert caught.value.hint
    for change, said in [
        ({"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        ({"in_channels": 1}, "1 channels"),
        ({"block_out_channels": 4}, "unexpected kind"),
    ]:
        (odd / "config.json").write_text(json.dumps(config | change), "utf-8")
        with pytest.raises(CheckpointError, match=said):
            autoencoder.identify(str(odd))


def test_every_tensor_must_come_from_the_files(folders: dict[str, Path], tmp_path: Path) -> None:
    lacking = tmp_path / "lacking"
    shutil.copytree(folders["v"] / "vae", lacking)
    tensors = load_file(lacking / WEIGHTS)
    del tensors["decoder.conv_out.weight"]
    save_file(tensors, lacking / WEIGHTS)
    found = autoencoder.identify(str(lacking))
    with pytest.raises(CheckpointError, match="lacks 1 tensors"):
        autoencoder_load.load(found, choose("cpu"))
    (lacking / WEIGHTS).write_bytes(np.zeros(9, np.uint8).tobytes())
    with pytest.raises(CheckpointError, match="has changed since"):
        autoencoder_load.load(found, choose("cpu"))


def test_the_tiny_one_has_small_cells(folders: dict[str, Path]) -> None:
    assert autoencoder.identify(str(folders["v"])).cell == 2 ** (len(tiny.vae().config.block_out_channels) - 1)


def test_a_hub_id_is_found_in_the_local_cache_and_needs_no_torch(folders: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--owner--kl-f4"
    shutil.copytree(folders["v"] / "vae", repo / "snapshots" / ("0" * 40))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    code = (
        "import sys\n"
        "from forensics.diffusion.autoencoder import identify\n"
        "from forensics.errors import CheckpointError\n"
        "found = identify('owner/kl-f4')\nassert found.contents()\n"
        "print(found.name, found.digest, 'torch' in sys.modules)\n"
        "try:\n    identify('owner/elsewhere')\n"
        "except CheckpointError as e:\n    print(e.message, e.hint)\n"
    )
    done = _python(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    first, *rest = done.stdout.splitlines()
    assert first.split() == ["owner/kl-f4", autoencoder.identify(str(folders["v"])).digest, "False"], done.stderr
    assert "autoencoder 'owner/elsewhere' is neither a path nor" in rest[0]
    assert "--autoencoder FOLDER" in rest[0]
