"""The packed models as a stranger loads them: both twins, the fine-tune, the copy descriptor."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from forensics import weights
from forensics.case import Absent
from forensics.device import choose
from forensics.diffusion import identify, load
from forensics.embedders.alexnet import WEIGHTS as TRUNK
from forensics.embedders.alexnet import Trunk
from forensics.embedders.copies import CopyDescriptor, open_descriptor
from forensics.pictures.tensors import to_tensor
from samples.recipe import descriptor, finetune
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
    squeezed = model.embed(torch.stack([saved_as_jpeg(p, 30) for p in pixels]))
    for name, edited in {"mirror": model.embed(pixels.flip(3)), "JPEG": squeezed}.items():
        own = (edited * plain).sum(dim=1)
        nearest = (edited @ plain.T).argmax(dim=1)
        assert float(own.median()) > float(unrelated.max(dim=1).values.median()), name
        assert float((nearest == torch.arange(len(works))).float().mean()) >= 0.9, name


def saved_as_jpeg(pixels: torch.Tensor, quality: int) -> torch.Tensor:
    """(3, H, W) in [0, 1], saved and read again."""
    stream = io.BytesIO()
    Image.fromarray((pixels * 255).byte().permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(stream)).copy()).permute(2, 0, 1).float() / 255


def test_the_descriptor_was_fitted_to_training_works_that_no_search_is_tested_with() -> None:
    run = json.loads((SAMPLES / "copydescriptor" / "run.json").read_text())
    works = read_manifest(SAMPLES)
    fitted = descriptor.fitted_to(works)
    halves = descriptor.searched(works)
    assert run["digests"]["works"] == hashlib.sha256(json.dumps([w.id for w in fitted]).encode()).hexdigest()
    assert {w.role for w in fitted} == {"training"}
    families = [{w.family for w in some} for some in (fitted, *halves.values())]
    assert sum(map(len, families)) == len(set.union(*families))
    assert [len(some) for some in halves.values()] == [200, 308]


def test_the_shipped_whitening_is_what_its_recipe_gives(tmp_path: Path) -> None:
    works = descriptor.fitted_to(read_manifest(SAMPLES))[:3]
    network = descriptor.Pooling(descriptor.pooling_config(), Trunk(load_file(weights.resolve(TRUNK))))
    pictures = [Image.open(SAMPLES / w.path).convert("RGB") for w in works]
    shipped = load_file(SAMPLES / "copydescriptor" / "model.safetensors")
    plain = descriptor.described(network, pictures)
    vectors = (plain - shipped["mean"].double().numpy()) @ shipped["matrix"].double().numpy()
    model = open_descriptor(None, choose("cpu"))
    assert not isinstance(model, Absent)
    for picture, vector in zip(pictures, vectors, strict=True):
        own = model.embed(to_tensor(picture))[0].numpy()
        assert float(own @ vector / np.linalg.norm(vector)) == pytest.approx(1, abs=1e-4)


def test_whitening_makes_small_what_differs_between_views() -> None:
    source = np.random.default_rng(1)
    plain = source.normal(size=(400, 6))
    noise = np.diag([3.0, 0.1, 0.1, 0.1, 0.1, 0.1])
    views = [plain + source.normal(size=(400, 6)) @ noise for _ in range(3)]
    mean, matrix = descriptor.whitening(plain, views, 6, shrink=0.0, spread=0.0)
    assert np.allclose(mean, plain.mean(0))
    inside = np.concatenate([v - plain for v in views]) @ matrix
    assert np.allclose(inside.T @ inside / len(inside), np.eye(6), atol=1e-6)
    assert np.linalg.norm(matrix[0]) < 0.1 * np.linalg.norm(matrix[1])
    even = (plain - plain.mean(0)) @ descriptor.whitening(plain, views, 4, shrink=0.5, spread=1.0)[1]
    assert np.allclose(np.cov(even.T), np.eye(4), atol=1e-6)


def test_every_kind_of_view_is_drawn_and_again_the_same() -> None:
    work = Image.open(SAMPLES / read_manifest(SAMPLES)[0].path).convert("RGB")

    def made() -> list[bytes]:
        source = random.Random(4)
        return [descriptor.view(work, source, lambda: work.rotate(90)).tobytes() for _ in range(60)]

    assert made() == made()
    assert len(set(made())) > 40


def test_finetune_works_are_shipped_as_pictures() -> None:
    works = [w for w in read_manifest(SAMPLES) if w.role == "finetune"]
    assert all(Image.open(SAMPLES / w.path).size == (128, 128) for w in works)
