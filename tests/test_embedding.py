"""The embedder on a tiny real open_clip model: unit vectors, stated preprocessing, digests, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from forensics import device
from forensics.embedders.open_clip import Embedder
from forensics.errors import WeightsError
from forensics.pictures.tensors import resize, to_picture, to_tensor
from tests.contracts.tiny_open_clip import save_tiny_open_clip

CPU = device.choose("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_open_clip(tmp_path_factory.mktemp("embedding") / "tiny")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return Embedder.open(str(folder), CPU)


def pictures(count: int, height: int = 40, width: int = 60) -> torch.Tensor:
    return resize(torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)), height, width)


def test_unit_vectors_in_the_order_given(embedder: Embedder) -> None:
    batch = pictures(5)
    vectors = embedder.images(batch)
    assert vectors.shape == (5, embedder.dimension) == (5, 16)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6
    assert np.allclose(embedder.images(batch.flip(0)), vectors[::-1], atol=1e-6)
    assert np.array_equal(embedder.images(batch), vectors)


def test_batches_of_different_sizes_and_more_than_one_forward_pass(embedder: Embedder) -> None:
    mixed = [pictures(1), pictures(2, 33, 90), pictures(70)]
    vectors = embedder.images(mixed)
    assert vectors.shape == (73, 16)
    assert np.allclose(vectors[1:3], embedder.images(mixed[1]), atol=1e-6)
    assert embedder.images([]).shape == (0, 16)
    assert embedder.images(pictures(3)[:0]).shape == (0, 16)


def test_texts_share_the_space(embedder: Embedder) -> None:
    vectors = embedder.texts(["a red fish", "two birds on a wire", "a red fish"])
    assert vectors.shape == (3, 16)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])
    assert embedder.texts([]).shape == (0, 16)


def test_squash_sees_the_edges_and_the_models_own_way_does_not(folder: Path, embedder: Embedder) -> None:
    plain = pictures(1, 32, 96)
    edge = plain.clone()
    edge[..., :20] = 1.0
    own = Embedder.open(str(folder), CPU, fit="model")
    assert not np.allclose(embedder.images(plain), embedder.images(edge), atol=1e-3)
    assert np.array_equal(own.images(plain), own.images(edge))
    assert "edges are not seen" in own.preprocessing.sentence
    assert "whole picture" in embedder.preprocessing.sentence
    assert own.digest != embedder.digest


def test_the_models_own_way_agrees_with_open_clip(folder: Path) -> None:
    own = Embedder.open(str(folder), CPU, fit="model")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    for height, width in ((90, 50), (32, 32), (61, 200)):
        picture = to_picture(pictures(1, height, width))
        with torch.inference_mode():
            expected = model.encode_image(transform(picture)[None], normalize=True)[0].numpy()
        # Pillow rounds the resampled picture to 8 bits; we do not.
        assert float(own.images(to_tensor(picture))[0] @ expected) > 0.9995


def test_longest_pads_the_whole_picture(tmp_path: Path) -> None:
    folder = save_tiny_open_clip(tmp_path / "padded")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"] |= {"resize_mode": "longest", "fill_color": 255, "interpolation": "bilinear"}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    embedder = Embedder.open(str(folder), CPU, fit="model")
    prepared = embedder.prepare(torch.zeros(1, 3, 16, 64))
    assert prepared.shape == (1, 3, 32, 32)
    assert prepared[0, 0, :12].unique().tolist() == pytest.approx([(1 - 0.5) / 0.25])
    assert prepared[0, 0, 12:20].unique().tolist() == pytest.approx([(0 - 0.5) / 0.25])


def test_the_digest_covers_weights_and_configuration(tmp_path: Path, embedder: Embedder) -> None:
    same = Embedder.open(str(save_tiny_open_clip(tmp_path / "same")), CPU)
    other = Embedder.open(str(save_tiny_open_clip(tmp_path / "other", seed=1)), CPU)
    changed = save_tiny_open_clip(tmp_path / "changed")
    config = json.loads((changed / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.4, 0.5, 0.5]
    (changed / "open_clip_config.json").write_text(json.dumps(config))
    assert same.digest == embedder.digest
    assert len({embedder.digest, other.digest, Embedder.open(str(changed), CPU).digest}) == 3
    assert embedder.name == "tiny test model"


def test_named_weights_that_are_absent_name_what_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WeightsError) as pinned:
        Embedder.open("ViT-B-32/openai", CPU)
    assert "forensics weights fetch open_clip/ViT-B-32/openai" in pinned.value.hint
    with pytest.raises(WeightsError) as free:
        Embedder.open("ViT-L-14/laion2b_s32b_b82k", CPU)
    assert "https://huggingface.co/laion/CLIP-ViT-L-14-laion2B-s32B-b82K/resolve/main/" in free.value.hint
    assert str(tmp_path) in free.value.hint


def test_the_hub_clients_copy_is_used_but_not_another_revision_of_a_pinned_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = tmp_path / "open_clip_model.safetensors"
    copy.write_bytes(b"another revision")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(copy))
    with pytest.raises(WeightsError, match="not on this machine"):
        Embedder.open("ViT-B-32/openai", CPU)
    with pytest.raises(WeightsError, match="could not be loaded"):
        Embedder.open("RN50-quickgelu/cc12m", CPU)


@pytest.mark.parametrize("spec", ["ViT-B-32/nobody", "ViT-Z-99/openai", "./nowhere/at-all", "ViT-B-32"])
def test_unknown_models(spec: str) -> None:
    with pytest.raises(WeightsError) as error:
        Embedder.open(spec, CPU)
    assert error.value.hint


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    folder = save_tiny_open_clip(tmp_path / "pickled")
    (folder / "open_clip_model.safetensors").rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match="pickle file and was not opened"):
        Embedder.open(str(folder), CPU)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("open_clip_config.json", None, "has no open_clip_config.json"),
        ("open_clip_config.json", b"{}", "is not readable"),
        ("open_clip_config.json", b"[1", "is not readable"),
        ("open_clip_model.safetensors", None, "has no open_clip_model.safetensors"),
        ("open_clip_model.safetensors", b"garbage", "could not be loaded"),
    ],
)
def test_broken_folders(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    folder = save_tiny_open_clip(tmp_path / "broken")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        Embedder.open(str(folder), CPU)


def test_weights_that_give_no_direction_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny_open_clip(tmp_path / "nan")
    state = load_file(folder / "open_clip_model.safetensors")
    state["visual.proj"] = torch.full_like(state["visual.proj"], torch.nan)
    save_file(state, folder / "open_clip_model.safetensors")
    with pytest.raises(WeightsError, match="without direction"):
        Embedder.open(str(folder), CPU).images(pictures(1))


def test_loading_prints_and_logs_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    Embedder.open(str(folder), CPU).images(to_tensor(Image.new("RGB", (20, 20), "red")))
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
