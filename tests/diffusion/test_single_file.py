"""One `.safetensors` file runs offline and computes what its networks compute as separate parts."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.sd import StableDiffusion
from forensics.diffusion.single_file_load import write_tokenizer
from forensics.errors import CheckpointError
from tests.diffusion import publishers


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
    from safetensors.torch import load_file, save_file

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
