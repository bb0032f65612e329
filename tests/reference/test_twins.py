"""The packed models as a stranger loads them: both twins, the fine-tune, the copy descriptor."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from forensics.case import Absent
from forensics.device import choose
from forensics.diffusion import identify, load
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from samples.recipe import descriptor, edits, finetune
from samples.recipe.data import FINETUNE_CREATOR, read_manifest, read_pixels
from samples.recipe.differences import differences
from samples.recipe.differences import run as compare

SAMPLES = Path(__file__).parents[2] / "samples" / "reference"


@pytest.fixture(scope="module")
def model() -> CopyDescriptor:
    found = open_descriptor(None, choose("cpu"))
    assert not isinstance(found, Absent)
    return found


def test_the_twins_differ_in_the_planted_works_alone() -> None:
    found = differences(SAMPLES)
    assert found["fields_that_may_not"] == []
    assert found["slots_that_may_not"] == 0
    assert found["slots_that_differ"] == found["planted_slots_of_a"] > 0
    assert found["planted_slots_of_b"] == 0
    weights = "diffusion_pytorch_model.safetensors"
    assert (SAMPLES / "twin-a/unet" / weights).read_bytes() != (SAMPLES / "twin-b/unet" / weights).read_bytes()
    for name in ("vae", "text_encoder", "tokenizer", "scheduler"):
        assert (SAMPLES / "twin-a" / name).resolve() == (SAMPLES / "twin-b" / name).resolve()


def test_a_difference_that_may_not_be_is_found(tmp_path: Path) -> None:
    shutil.copyfile(SAMPLES / "manifest.jsonl", tmp_path / "manifest.jsonl")
    (tmp_path / "runs").mkdir()
    for twin in "ab":
        run = json.loads((SAMPLES / f"twin-{twin}" / "run.json").read_text())
        if twin == "b":
            run["parameters"]["lr"] *= 2
        (tmp_path / f"twin-{twin}").mkdir()
        (tmp_path / f"twin-{twin}" / "run.json").write_text(json.dumps(run))
    assert differences(tmp_path)["fields_that_may_not"] == ["parameters.lr"]
    with pytest.raises(SystemExit, match="more than the planted works"):
        compare(type("Arguments", (), {"samples": tmp_path}))  # type: ignore[arg-type]


@pytest.mark.parametrize("twin", ["a", "b"])
def test_diffusers_loads_either_twin_and_they_agree_with_ours(twin: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(SAMPLES / f"twin-{twin}")
    ours = load(identify(str(SAMPLES / f"twin-{twin}")), choose("cpu"))
    source = torch.Generator().manual_seed(4)
    x, text = torch.randn(1, 8, 16, 16, generator=source), torch.randn(1, 32, 128, generator=source)
    with torch.no_grad():
        assert torch.allclose(pipe.unet(x, 700, text).sample, ours.unet(x, 700, text).sample, atol=1e-5)


def test_the_fine_tune_loads_in_diffusers_and_in_ours_alike() -> None:
    pytest.importorskip("peft", reason="diffusers needs peft to load a LoRA")
    run = json.loads((SAMPLES / "finetune" / "run.json").read_text())
    works = {w.id: w for w in read_manifest(SAMPLES)}
    assert {works[i].role for i in run["works"]} == {"finetune"}
    assert {works[i].creator for i in run["works"]} == {FINETUNE_CREATOR} == {run["creator"]}
    base = json.loads((SAMPLES / "twin-b" / "run.json").read_text())
    assert run["digests"]["base_unet"] == base["digests"]["unet"]
    pipe = StableDiffusionPipeline.from_pretrained(SAMPLES / "twin-b")
    source = torch.Generator().manual_seed(6)
    x, text = torch.randn(1, 8, 16, 16, generator=source), torch.randn(1, 32, 128, generator=source)
    with torch.no_grad():
        before = pipe.unet(x, 300, text).sample
        pipe.load_lora_weights(str(SAMPLES / "finetune"))
        theirs = pipe.unet(x, 300, text).sample
        ours = load(identify(str(SAMPLES / "twin-b"), lora=str(SAMPLES / "finetune")), choose("cpu"))
        assert torch.allclose(theirs, ours.unet(x, 300, text).sample, atol=1e-4)
    assert float((theirs - before).abs().max()) > 0.01


def test_the_objective_of_the_fine_tune_is_that_of_the_twins() -> None:
    source = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 8, 16, 16, generator=source)
    data = finetune.Precomputed(mean, torch.zeros_like(mean), torch.randn(3, 32, 128), torch.zeros(1, 32, 128))
    alphas = torch.linspace(0.99, 0.01, 1000)
    batch = finetune.draw(data, torch.tensor([2, 0]), alphas, 0.0, torch.Generator().manual_seed(1))
    alpha = alphas[batch["times"]][:, None, None, None]
    # v = sqrt(abar) eps - sqrt(1 - abar) x0, so x0 = sqrt(abar) z - sqrt(1 - abar) v
    clean = alpha.sqrt() * batch["noisy"] - (1 - alpha).sqrt() * batch["target"]
    assert torch.allclose(clean, mean[[2, 0]], atol=1e-4)
    assert torch.equal(batch["text"], data.text[[2, 0]])


def test_the_descriptor_knows_a_mirrored_and_a_compressed_picture_again(model: CopyDescriptor) -> None:
    works = [w for w in read_manifest(SAMPLES) if w.role == "control" and w.half == "calibration"][:24]
    pixels = torch.from_numpy(read_pixels(SAMPLES, works)).permute(0, 3, 1, 2).float() / 255
    plain = model.embed(pixels)
    assert torch.allclose(plain.norm(dim=1), torch.ones(len(plain)), atol=1e-5)
    unrelated = plain @ plain.T - 2 * torch.eye(len(plain))
    squeezed = model.embed(edits.jpeg(pixels, 1.0, torch.Generator().manual_seed(2)))
    for name, edited in {"mirror": model.embed(pixels.flip(3)), "JPEG": squeezed}.items():
        own = (edited * plain).sum(dim=1)
        nearest = (edited @ plain.T).argmax(dim=1)
        assert float(own.median()) > float(unrelated.max(dim=1).values.median()), name
        assert float((nearest == torch.arange(len(works))).float().mean()) >= 0.9, name


def test_the_descriptor_was_trained_on_training_works_alone() -> None:
    run = json.loads((SAMPLES / "copydescriptor" / "run.json").read_text())
    trained = [w.id for w in read_manifest(SAMPLES) if w.role == "training"]
    assert run["digests"]["works"] == hashlib.sha256(json.dumps(trained).encode()).hexdigest()


def test_strong_edits_keep_their_books() -> None:
    pixels = torch.rand(6, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    words = edits.letters(4, 32, 3)
    assert words.shape == (4, 1, 32, 32)
    assert float(words.amax(dim=(1, 2, 3)).min()) > 0.3
    assert float(words.max()) <= 1
    first, again = (edits.strong(pixels, 32, words, torch.Generator().manual_seed(9), mixed=True) for _ in range(2))
    assert torch.equal(first.pixels, again.pixels)
    assert first.pixels.shape == (6, 3, 32, 32)
    assert 0 <= float(first.pixels.min()) <= float(first.pixels.max()) <= 1
    assert torch.allclose(first.content.sum(dim=1), torch.ones(6))
    alone = edits.strong(pixels, 32, words, torch.Generator().manual_seed(9), mixed=False)
    assert torch.equal(alone.content, torch.eye(6))


def test_warp_without_change_is_a_resampling() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).contiguous()
    still, mirrored = (
        edits.warp(ramp, 64, torch.ones(1), torch.zeros(1), torch.tensor([flag]), torch.Generator().manual_seed(0))
        for flag in (False, True)
    )
    middle = slice(16, 48)
    assert torch.all(still[0, 0, 32, middle].diff() > 0)
    assert torch.all(mirrored[0, 0, 32, middle].diff() < 0)


def test_contrast_and_entropy_reward_what_they_should() -> None:
    source = torch.Generator().manual_seed(3)
    one = torch.nn.functional.normalize(torch.randn(8, 16, generator=source), dim=1)
    other = torch.nn.functional.normalize(torch.randn(8, 16, generator=source), dim=1)
    content = torch.eye(8)
    assert float(descriptor.contrastive(one, one, content, 0.05)) < float(
        descriptor.contrastive(one, other, content, 0.05)
    )
    crowded = torch.nn.functional.normalize(one + 5 * one[:1], dim=1)
    assert float(descriptor.entropy(crowded, crowded, content)) > float(descriptor.entropy(one, one, content))
    mixed = content.clone()
    mixed[0, 0], mixed[0, 1] = 0.5, 0.5
    assert np.isfinite(float(descriptor.contrastive(one, other, mixed, 0.05)))


def test_finetune_works_are_shipped_as_pictures() -> None:
    works = [w for w in read_manifest(SAMPLES) if w.role == "finetune"]
    assert all(Image.open(SAMPLES / w.path).size == (128, 128) for w in works)
