"""Copy descriptors: unit vectors, absences with a remedy, score normalisation, and the shipped one on real works."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from forensics import resources, weights
from forensics.case import Absent
from forensics.controls import works
from forensics.device import Device, choose
from forensics.embedders import alexnet, remembered
from forensics.embedders import copies as descriptor
from forensics.embedders.copies import Embedded, Pooling, PoolingConfig, Sscd, fit, normalised, open_descriptor
from forensics.embedders.remembered import Remembered
from forensics.errors import ForensicsError, WeightsError
from forensics.pictures.tensors import digest, to_tensor
from forensics.stages.works import read

CONFIG = PoolingConfig("tiny", "1", 96, 8, (4, 5), 3.0)


@pytest.fixture(scope="module")
def cpu() -> Device:
    return choose("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The trunk that ships, with a drawn whitening."""
    source = torch.Generator().manual_seed(0)
    matrix = torch.randn(CONFIG.width, CONFIG.dims, generator=source)
    save_file({"mean": torch.zeros(CONFIG.width), "matrix": matrix.half()}, tmp_path / descriptor.WEIGHTS)
    (tmp_path / descriptor.CONFIG).write_text(json.dumps(asdict(CONFIG)), encoding="utf-8")
    return tmp_path


def pictures(n: int, height: int = 40, width: int = 30) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(n))


def test_vectors_have_unit_length_and_do_not_depend_on_the_batch(folder: Path, cpu: Device) -> None:
    model = open_descriptor(str(folder), cpu)
    assert isinstance(model, Embedded)
    batch = pictures(5)
    vectors = model.embed(batch)
    assert vectors.shape == (5, CONFIG.dims)
    assert vectors.dtype == torch.float32
    assert torch.allclose(vectors.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(model.embed(batch[3:4])[0], vectors[3], atol=1e-5)
    assert torch.equal(model.embed(batch), vectors)
    assert len(model.digest) == 64


def test_the_digest_follows_weights_and_configuration(folder: Path, cpu: Device) -> None:
    first = Embedded(folder, cpu).digest
    assert Embedded(folder, cpu).digest == first
    changed = asdict(CONFIG) | {"power": 2.0}
    (folder / descriptor.CONFIG).write_text(json.dumps(changed), encoding="utf-8")
    assert Embedded(folder, cpu).digest != first


@pytest.mark.parametrize("value", [torch.zeros(3, 8, 8), torch.full((1, 3, 8, 8), 1.5), torch.zeros(1, 1, 8, 8)])
def test_wrong_input_is_refused(folder: Path, cpu: Device, value: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected"):
        Embedded(folder, cpu).embed(value)


def test_bad_folders_and_unknown_names_are_clear_errors(folder: Path, cpu: Device) -> None:
    with pytest.raises(WeightsError, match="not known"):
        open_descriptor("no/such", cpu)
    (folder / descriptor.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="could not be loaded"):
        open_descriptor(str(folder), cpu)
    for broken in ("[]", json.dumps(asdict(CONFIG) | {"layers": [2, 5]}), json.dumps(asdict(CONFIG) | {"side": 16})):
        (folder / descriptor.CONFIG).write_text(broken, encoding="utf-8")
        with pytest.raises(WeightsError, match="not readable"):
            open_descriptor(str(folder), cpu)


def test_what_is_not_at_hand_is_an_absence_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpu: Device
) -> None:
    monkeypatch.setattr(resources, "samples", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for location in (None, descriptor.SSCD):
        found = open_descriptor(location, cpu)
        assert isinstance(found, Absent)
        assert "forensics weights fetch sscd/disc_mixup" in found.remedy

    def gone() -> Path:
        raise ForensicsError("no samples")

    monkeypatch.setattr(resources, "samples", gone)
    assert isinstance(open_descriptor(None, cpu), Absent)


class _Program(nn.Module):
    """A network of SSCD's interface: normalised pixels of any size to a vector of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 512, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.layer(x).mean(dim=(2, 3)), dim=1)


def test_sscd_runs_from_its_pinned_archive_and_from_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpu: Device
) -> None:
    row = weights.TABLE[descriptor.SSCD]
    path = tmp_path / "forensics" / "weights" / row.file
    path.parent.mkdir(parents=True)
    torch.manual_seed(1)
    program = _Program().eval()
    torch.jit.script(program).save(str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="differ from their pinned digest"):
        open_descriptor(descriptor.SSCD, cpu)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pinned = {name: getattr(row, name) for name in row.__slots__} | {"sha256": digest}
    monkeypatch.setitem(weights.TABLE, descriptor.SSCD, weights.Weights(**pinned))
    model = open_descriptor(descriptor.SSCD, cpu)
    assert isinstance(model, Sscd)
    picture = pictures(2, 144, 200)
    size = (288, 400)
    fitted = F.interpolate(picture, size=size, mode="bilinear", antialias=True, align_corners=False)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        assert torch.allclose(model.embed(picture), program((fitted - mean) / std), atol=1e-5)
    parts = model.windows(picture[:1], 0.5)
    assert torch.allclose(parts[0], model.embed(picture[:1, :, :72, :100])[0], atol=1e-5)
    assert torch.allclose(parts[-1], model.embed(picture[:1, :, 72:, 100:])[0], atol=1e-5)
    assert len(parts) == 9


def test_pooling_is_the_generalised_mean_of_every_map(cpu: Device) -> None:
    trunk = alexnet.Trunk(load_file(weights.resolve(alexnet.WEIGHTS)))
    network = Pooling(CONFIG, trunk)
    picture = pictures(1, 96, 96)
    with torch.no_grad():
        found = network.features(picture)[0]
        maps = [trunk.maps(picture)[layer - 1][0].double() for layer in CONFIG.layers]
    first = torch.stack([(m.clamp(min=1e-6) ** 3).sum() / m.numel() for m in maps[0]]) ** (1 / 3)
    assert torch.allclose(found[: len(first)].double() * 2**0.5, first / first.norm(), atol=1e-5)
    assert float(found.norm()) == pytest.approx(1, abs=1e-5)
    assert [alexnet.sides(n, 96) for n in range(1, 6)] == [m.shape[-1] for m in trunk.maps(picture)]
    assert len(found) == CONFIG.width


def test_a_window_that_is_the_whole_grid_gives_the_whole_vector(cpu: Device) -> None:
    network = Pooling(CONFIG, alexnet.Trunk(load_file(weights.resolve(alexnet.WEIGHTS))))
    picture = pictures(1, 160, 160)
    with torch.no_grad():
        assert torch.allclose(network.features(picture, 160), network.features(picture), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(120, 120), (100, 240), (360, 120)])
def test_windows_see_what_is_laid_in_at_any_place(cpu: Device, height: int, width: int) -> None:
    model = open_descriptor(None, cpu)
    assert isinstance(model, Embedded)
    works = sorted((resources.samples() / "reference" / "works").iterdir())[:40:10]
    work, *others = (to_tensor(Image.open(path).convert("RGB")) for path in works)
    short = min(height, width)
    size = round(short * 0.5)
    small = fit(work, size, size)
    for left, top in ((0, 0), (width - size, height - size), ((width - size) // 3, (height - size) // 2)):
        sheet = fit(others[0], height, width).clone()
        sheet[:, :, top : top + size, left : left + size] = small
        found = model.windows(sheet, 0.5)
        assert torch.allclose(found.norm(dim=1), torch.ones(len(found)), atol=1e-5)
        own, strange = (float((found @ model.embed(w)[0]).max()) for w in (work, others[1]))
        assert own > strange + 0.2
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            model.windows(work, share)


def test_normalisation_takes_away_what_unrelated_pictures_reach() -> None:
    background = F.normalize(torch.randn(50, 16, generator=torch.Generator().manual_seed(2)), dim=1)
    plain = F.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(3)), dim=1)
    common = background[:1]  # a picture that has its like among the unrelated ones
    similarity = torch.tensor([0.9])
    assert float(normalised(similarity, common, background)) < float(normalised(similarity, plain, background))
    top = (plain @ background.T).sort(descending=True).values[0, :3].mean()
    assert float(normalised(similarity, plain, background)) == pytest.approx(0.9 - float(top), abs=1e-6)
    both = normalised(torch.tensor([[0.9, 0.1]]), plain, background)
    assert both.shape == (1, 2)
    assert float(both[0, 0] - both[0, 1]) == pytest.approx(0.8, abs=1e-6)
    with pytest.raises(ValueError, match="background pictures"):
        normalised(similarity, plain, background[:2])


def test_a_picture_is_described_once_and_several_at_once_are_computed(folder: Path, cpu: Device) -> None:
    model = Embedded(folder, cpu)
    calls: list[int] = []
    model._network.register_forward_hook(lambda *_: calls.append(1))
    one = pictures(1)
    first = model.embed(one)
    first.zero_()  # what a caller does with its vector reaches nobody else
    assert torch.equal(model.embed(one.clone()), Embedded(folder, cpu).embed(one))
    assert len(calls) == 1
    model.embed(one.flip(3))
    model.embed(torch.cat([one, one]))
    assert len(calls) == 3


def test_remembered_vectors_are_bounded_and_large_pictures_are_not_recognised() -> None:
    described: list[torch.Tensor] = []

    def describe(pixels: torch.Tensor) -> torch.Tensor:
        described.append(pixels)
        return pixels.mean((2, 3))

    kept = Remembered(limit=1, pixels=3 * 40 * 30)
    small, other, large = pictures(1), pictures(1).flip(2), pictures(1, 41)
    for picture in (small, other, large) * 2:
        assert torch.equal(kept.of(picture, describe), picture.mean((2, 3)))
    assert len(described) == 5
    assert len(kept.vectors) == 1


def test_the_vectors_that_ship_are_those_of_the_controls(cpu: Device) -> None:
    model = open_descriptor(None, cpu)
    assert isinstance(model, Embedded)
    stored = dict(model._remembered.vectors)
    drawn = works.embedded(resources.samples() / "reference").shuffled(0, frozenset())
    anew = Embedded(resources.samples().joinpath(*descriptor.FOLDER), cpu)
    assert len(stored) >= 200
    for work in drawn[:200:25]:
        picture = to_tensor(read(work.path))
        assert torch.allclose(stored[digest(picture)], anew.embed(picture), atol=1e-5)


def test_vectors_of_another_descriptor_are_not_taken_and_damaged_ones_refused(folder: Path, cpu: Device) -> None:
    model, path = Embedded(folder, cpu), folder / "vectors.safetensors"
    assert model.shipped_with(path)._remembered.vectors == {}
    remembered.write(path, "0" * 64, {digest(pictures(1)): model.embed(pictures(1))})
    assert Embedded(folder, cpu).shipped_with(path)._remembered.vectors == {}
    remembered.write(path, model.digest, {digest(pictures(1)): torch.zeros(1, 8)})
    assert torch.equal(Embedded(folder, cpu).shipped_with(path).embed(pictures(1)), torch.zeros(1, 8))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match="vectors"):
        model.shipped_with(path)
