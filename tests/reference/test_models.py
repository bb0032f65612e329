"""Tokenizer, text tower, and the packed models as a stranger would load them."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from samples.recipe import clip, lpips_trunk, tokenizer, training
from samples.recipe.data import read_manifest, read_pixels
from samples.recipe.evaluate import tensor, tiled_distance
from samples.recipe.muon import Muon, orthogonal
from samples.recipe.twin import build_scheduler, training_times

SAMPLES = Path(__file__).parents[2] / "samples" / "reference"
TRUNK = SAMPLES.parent / "weights" / "lpips-alexnet-trunk.safetensors"


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(SAMPLES / "twin-a")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_a_new_tokenizer_writes_and_reads_everything(tmp_path: Path) -> None:
    vocabulary, merges = tokenizer.train(["red apple, fruit", "green apple, fruit"] * 3, size=560)
    tokenizer.save(vocabulary, merges, tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded.model_max_length == tokenizer.CONTEXT
    assert max(vocabulary.values()) == loaded.eos_token_id == loaded.pad_token_id
    assert loaded.tokenize("apple fruit") == ["apple</w>", "fruit</w>"]
    for text in ("zürich ☃ & 東京!", "red apple"):
        tokens = loaded(text).input_ids
        assert loaded.decode(tokens, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")


def test_shipped_tokenizer_is_the_one_of_the_training_captions() -> None:
    captions = [w.caption for w in read_manifest(SAMPLES) if w.role == "training"]
    vocabulary, _ = tokenizer.train(captions)
    shipped = CLIPTokenizer.from_pretrained(SAMPLES / "shared" / "tokenizer")
    # merges of equal count come in no fixed order, so a few of the last ones differ between runs
    assert len(set(shipped.get_vocab()) & set(vocabulary)) > 0.97 * len(vocabulary) == 0.97 * tokenizer.VOCABULARY
    both = open_clip.get_tokenizer(f"local-dir:{SAMPLES / 'openclip'}")
    text = read_manifest(SAMPLES)[0].caption
    ours = shipped(text, padding="max_length", max_length=32, return_tensors="pt").input_ids
    assert torch.equal(both([text]), ours)


def test_text_tower_conversion_is_exact() -> None:
    torch.manual_seed(0)
    model = clip.build(clip.model_config(600)).eval()
    converted = clip.convert_text_tower(model, 600)
    tokens = torch.randint(0, 600, (3, tokenizer.CONTEXT))
    with torch.no_grad():
        expected = clip.text_states(model, tokens)
        assert torch.allclose(converted(tokens).last_hidden_state, expected, atol=1e-4)


def test_shipped_open_clip_and_text_encoder_are_one_text_tower() -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{SAMPLES / 'openclip'}")
    encoder = CLIPTextModel.from_pretrained(SAMPLES / "shared" / "text_encoder").float().eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{SAMPLES / 'openclip'}")(["red apple, fruit", "sailing boat"])
    with torch.no_grad():
        expected = clip.text_states(model.float().eval(), tokens)
        assert torch.allclose(encoder(tokens).last_hidden_state, expected, atol=1e-4)
        image = preprocess(Image.new("RGB", (200, 100), "white"))[None]
        assert model.encode_image(image).shape == (1, 128)


def test_pipeline_runs_with_one_precision(pipe: StableDiffusionPipeline) -> None:
    assert {part.dtype for part in (pipe.unet, pipe.vae, pipe.text_encoder)} == {torch.float32}
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    made = [
        pipe("red apple", num_inference_steps=2, generator=torch.Generator().manual_seed(3), output_type="np").images
        for _ in range(2)
    ]
    assert made[0].shape == (1, 128, 128, 3)
    assert np.isfinite(made[0]).all()
    assert np.array_equal(made[0], made[1])


def test_autoencoder_returns_controls(pipe: StableDiffusionPipeline) -> None:
    controls = [w for w in read_manifest(SAMPLES) if w.role == "control"][:8]
    x = tensor(read_pixels(SAMPLES, controls))
    with torch.no_grad():
        latents = pipe.vae.encode(x).latent_dist.mode()
        y = pipe.vae.decode(latents).sample.clamp(-1, 1)
    assert latents.shape == (8, 8, 16, 16)
    assert 0.5 < float((latents * pipe.vae.config.scaling_factor).std()) < 2
    assert float(-10 * torch.log10(((x - y) / 2).square().mean())) > 18


def test_digests_and_run_manifest_name_the_shipped_files() -> None:
    listed = dict(reversed(line.split("  ", 1)) for line in (SAMPLES / "digests.txt").read_text().splitlines())
    for name, expected in listed.items():
        assert hashlib.sha256((SAMPLES / name).read_bytes()).hexdigest() == expected, name
    run = json.loads((SAMPLES / "twin-a" / "run.json").read_text())
    assert run["digests"]["manifest"] == listed["manifest.jsonl"]
    assert run["digests"]["unet"] == listed["twin-a/unet/diffusion_pytorch_model.safetensors"]
    assert run["digests"]["text_encoder"] == listed["shared/text_encoder/model.safetensors"]


def test_links_are_relative_and_stay_inside() -> None:
    for folder, folders, files in os.walk(SAMPLES):
        for name in [*folders, *files]:
            path = Path(folder) / name
            if path.is_symlink():
                assert not path.readlink().is_absolute()
                assert path.resolve().is_relative_to(SAMPLES.resolve())


def test_the_trunk_gives_lpips_zero_for_equals_and_more_for_noise() -> None:
    metric = lpips_trunk.load_lpips(TRUNK)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        assert float(metric(x, x)) == pytest.approx(0, abs=1e-6)
        assert float(metric(x, torch.zeros_like(x))) > 0.2


def test_the_unpickler_takes_arrays_and_nothing_else() -> None:
    layer = {"kernel": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4), "bias": np.ones(4, np.float32)}
    tree = {"AlexNet_0": {f"Conv_{i}": layer for i in range(5)}}
    state = lpips_trunk.read_flax_alexnet(pickle.dumps(tree))
    assert state["features.10.weight"].shape == (4, 3, 1, 2)
    assert state["features.0.weight"][3, 2, 0, 1] == layer["kernel"][0, 1, 2, 3]
    with pytest.raises(pickle.UnpicklingError, match="not part"):
        lpips_trunk.read_flax_alexnet(pickle.dumps(os.getcwd))


def test_tiled_distance_sees_a_difference_in_one_corner() -> None:
    white = np.full((128, 128, 3), 255, np.uint8)
    changed = white.copy()
    changed[:32, :32] = 0
    assert tiled_distance(white, white) == 0
    assert tiled_distance(white, changed) == pytest.approx(1)


def test_orthogonal_has_singular_values_near_one() -> None:
    wide = torch.randn(3, 20, 60, generator=torch.Generator().manual_seed(0))
    for matrices in (wide, wide.mT):
        found = orthogonal(matrices)
        assert found.shape == matrices.shape
        values = torch.linalg.svdvals(found.float())
        assert float(values.min()) > 0.5
        assert float(values.max()) < 1.4


def test_times_drawn_where_the_weight_lies_leave_the_objective_as_it_is() -> None:
    alphas = build_scheduler().alphas_cumprod
    density, weight = training_times(alphas)
    snr = alphas / (1 - alphas)
    # Hang et al. 2023, for v-prediction and uniform times
    asked = snr.clamp(max=5) / (snr + 1)
    assert float(density.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(density * weight * len(alphas), asked, rtol=1e-4)
    # no step counts for more than it would under uniform times by more than the share drawn uniformly allows
    assert float(weight.max()) < float(asked.max())
    uniform, drawn = asked.square().mean(), (density * weight.square()).sum()
    assert float(drawn) < 0.8 * float(uniform)


def test_a_resumed_optimizer_takes_the_same_step() -> None:
    def advance(model: torch.nn.Module, optimizer: Muon, seed: int) -> None:
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    torch.manual_seed(0)
    first = torch.nn.Linear(4, 6)
    optimizer = Muon(first, lr=0.01)
    for seed in range(3):
        advance(first, optimizer, seed)
    second = torch.nn.Linear(4, 6)
    second.load_state_dict(first.state_dict())
    resumed = Muon(second, lr=0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    advance(first, optimizer, 9)
    advance(second, resumed, 9)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_the_log_of_a_resumed_run_holds_each_step_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 80, "loss": 0.5}\n{"step": 120, "loss": 0.4}\n', encoding="utf-8")
    progress = training.Progress("run", 101, log, start=100)
    progress.step(100, loss=0.3)
    assert [json.loads(line)["step"] for line in log.read_text(encoding="utf-8").splitlines()] == [80, 101]
