"""One `.safetensors` file runs offline and computes what its networks compute as separate parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.sd import StableDiffusion
from forensics.diffusion.single_file_load import write_tokenizer
from forensics.errors import CheckpointError
from tests.diffusion import families, publishers
from tests.studies.checkpoint_inputs import flux_published


@pytest.mark.parametrize("version", [1, 2])
@torch.no_grad()
def test_same_as_the_parts(tmp_path: Path, version: int) -> None:
    parts = publishers.networks(version)
    path = publishers.write(tmp_path / "model.safetensors", parts, version)
    found = diffusion.identify(str(path))
    assert found.parameters == sum(p.numel() for p in parts["unet"].parameters())
    model = diffusion.load(found, choose("cpu"))
    assert isinstance(model, StableDiffusion)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    z = parts["vae"].encode(image * 2 - 1).latent_dist.mode() * 0.18215
    time = model.times(10)[5]
    assert torch.allclose(model.unit(model.encode(image), model.times(1)[0]), z, atol=1e-5)
    condition = model.condition("a cat", 1.0)
    ids = model.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    assert torch.allclose(condition.positive, parts["text_encoder"](ids)[0], atol=1e-5)
    x, clock = noise((4, 8, 8), 1)[None], model.schedule.timestep(time).expand(1)
    expected = parts["unet"](x, clock, encoder_hidden_states=condition.positive).sample
    got = model.unet(x, clock, encoder_hidden_states=condition.positive).sample
    assert torch.allclose(got, expected, atol=1e-5)


def test_missing_tensor_is_refused(tmp_path: Path) -> None:
    path = publishers.write(tmp_path / "model.safetensors", publishers.networks(1), 1)
    tensors = load_file(path)
    for name in (
        "model.diffusion_model.middle_block.0.in_layers.2.weight",
        "first_stage_model.decoder.conv_out.weight",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    ):
        cut = tmp_path / "cut.safetensors"
        save_file({k: v for k, v in tensors.items() if k != name}, cut)
        with pytest.raises(CheckpointError):
            diffusion.load(diffusion.identify(str(cut)), choose("cpu"))


def test_tokenizer_is_clips(tmp_path: Path) -> None:
    """Against open_clip's own tokenizer, on words, numbers, punctuation and letters beyond ASCII."""
    from transformers import CLIPTokenizer

    write_tokenizer(tmp_path / "tokenizer", pad="<|endoftext|>")
    ours = CLIPTokenizer.from_pretrained(str(tmp_path / "tokenizer"))
    assert len(ours) == 49408
    for text in ("a cat", "The Starry Night, 1889!", "it's 42 naïve cafés — 猫", "  spaced   out "):
        theirs = open_clip.get_tokenizer("ViT-B-32")(text)[0]
        assert ours(text).input_ids == theirs[: int(theirs.argmax()) + 1].tolist()


def renamed(path: Path, change: Callable[[str, Tensor], tuple[str, Tensor]]) -> Path:
    """The file with every tensor changed; one that gets no name is left out."""
    changed = dict(change(name, value) for name, value in load_file(path).items())
    save_file({name: value.contiguous() for name, value in changed.items() if name}, path)
    return path


def test_old_names_of_clip(tmp_path: Path) -> None:
    """Files written before transformers 4.31 put no `text_model` between: a crash once."""
    parts = publishers.networks(1)
    path = publishers.write(tmp_path / "model.safetensors", parts, 1)
    renamed(path, lambda n, v: (n.replace("transformer.text_model.", "transformer."), v))
    model = diffusion.load(diffusion.identify(str(path)), choose("cpu"))
    assert isinstance(model, StableDiffusion)
    mine, theirs = model.text_encoder.state_dict(), parts["text_encoder"].state_dict()
    assert set(mine) == set(theirs)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_second_generation_in_transformers_names(tmp_path: Path) -> None:
    parts = publishers.networks(2)
    tensors = publishers.unet_tensors(parts["unet"]) | publishers.vae_tensors(parts["vae"])
    tensors |= publishers.text_tensors(parts["text_encoder"], 1)
    path = tmp_path / "model.safetensors"
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    found = diffusion.identify(str(path))
    assert found.prediction == "v_prediction"
    model = diffusion.load(found, choose("cpu"))
    assert isinstance(model, StableDiffusion)
    assert model.text_encoder.config.hidden_act == "gelu"
    mine, theirs = model.unet.state_dict(), parts["unet"].state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_eight_bits_are_widened_to_what_they_hold(tmp_path: Path) -> None:
    parts = publishers.networks(1)
    path = publishers.write(tmp_path / "model.safetensors", parts, 1)
    renamed(path, lambda n, v: (n, v.to(torch.float8_e4m3fn)))
    found = diffusion.identify(str(path))
    assert any("8 bits" in fact.value for fact in found.facts)
    model = diffusion.load(found, choose("cpu"))
    assert isinstance(model, StableDiffusion)
    mine, theirs = model.unet.state_dict(), parts["unet"].state_dict()
    assert all(torch.equal(mine[n], theirs[n].to(torch.float8_e4m3fn).float()) for n in theirs)


@torch.no_grad()
def test_xl_is_the_same_as_its_parts(tmp_path: Path) -> None:
    parts = publishers.xl_networks()
    path = publishers.write_xl(tmp_path / "model.safetensors", parts)
    found = diffusion.identify(str(path))
    assert (found.family, found.prediction, found.native_px) == ("sdxl", "epsilon", 1024)
    model: Any = diffusion.load(found, choose("cpu"))
    for name, part in {"network": model.network, **model.texts}.items():
        theirs = parts["unet" if name == "network" else name].state_dict()
        mine = part.state_dict()
        assert set(mine) == set(theirs)
        assert all(torch.equal(mine[n], theirs[n]) for n in theirs), name
    pipe = diffusers.StableDiffusionXLPipeline(
        **parts,
        tokenizer=model.tokenizers["tokenizer"],
        tokenizer_2=model.tokenizers["tokenizer_2"],
        scheduler=diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        add_watermarker=False,
    )
    hidden, _, pooled, _ = pipe.encode_prompt("a cat", do_classifier_free_guidance=False)
    given = model.condition("a cat", 1.0).given
    assert torch.allclose(given["hidden"], hidden, atol=1e-5)
    assert torch.allclose(given["pooled"], pooled, atol=1e-5)
    assert model.vae.config.scaling_factor == 0.13025
    assert model.tokenizers["tokenizer_2"].pad_token == "!"


def test_flux_in_the_publishers_names_is_the_base(tmp_path: Path) -> None:
    base = families.flux(tmp_path / "base")
    tensors = load_file(base / "transformer" / "diffusion_pytorch_model.safetensors")
    path = tmp_path / "flux.safetensors"
    save_file({k: v.contiguous() for k, v in flux_published(tensors).items()}, path)
    found = diffusion.identify(str(path), wishes=diffusion.Wishes(base=str(base)))
    model: Any = diffusion.load(found, choose("cpu"))
    mine = model.network.state_dict()
    assert set(mine) == set(tensors)
    assert all(torch.equal(mine[name], tensors[name]) for name in tensors)
    assert any(f.path == "base/vae/diffusion_pytorch_model.safetensors" for f in found.files)
    assert not any(f.path.startswith("base/transformer/diffusion") for f in found.files)
