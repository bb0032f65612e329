"""What is done beforehand or beside is what would be done in its turn: pictures decoded first, pairs laid meanwhile."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from forensics.errors import ImageError
from forensics.folder import Ledger
from forensics.overlay import early, pair_cache
from forensics.overlay.correspondence import Pairing, Prepared, pair, prepare
from forensics.overlay.pair_cache import LightTable
from forensics.overlay.plates import Bytes, Plate
from forensics.pictures import ahead, bounded
from forensics.pictures.intake import Decoded
from forensics.pictures.png import png_bytes
from forensics.pictures.tensors import resize, to_picture, to_tensor
from forensics.similarity import inputs
from forensics.similarity.ssim import Ssim


def _picture(seed: int, side: int = 96) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def _file(seed: int, side: int = 96) -> bytes:
    buffer = io.BytesIO()
    _picture(seed, side).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is decoded, in their order; the decoding itself goes on as it is."""
    names: list[str] = []
    original = bounded.decode

    def decode(data: bytes, name: str) -> Decoded:
        names.append(name)
        return original(data, name)

    monkeypatch.setattr(bounded, "decode", decode)
    monkeypatch.setattr(ahead, "_KEPT", {})
    return names


def _taken(data: bytes, name: str) -> tuple[Decoded, bytes]:
    return ahead.taken(data, hashlib.sha256(data).hexdigest(), name)


def test_what_was_decoded_first_is_given_out_once(calls: list[str]) -> None:
    data = _file(1)
    first = ahead.decode(data, "first")
    decoded, png = _taken(data, "taken")
    assert decoded is first
    assert png == png_bytes(first.picture)
    assert calls == ["first"]
    again, png = _taken(data, "again")
    assert calls == ["first", "again"]
    assert again.picture.tobytes() == first.picture.tobytes()
    assert png == png_bytes(again.picture)


def test_a_picture_begun_early_is_prepared_once_and_gives_what_it_would_have_given(
    monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    made: list[str] = []
    original = early.plate

    def plate(pixels: Bytes) -> Plate:
        made.append(threading.current_thread().name)
        return original(pixels)

    monkeypatch.setattr(early, "plate", plate)
    ahead.decode(_file(3, 400), "first")
    ahead.decode(_file(4, 400), "second")
    early.begin(ahead.pictures())
    table = LightTable()
    begun = table.prepared(*(to_tensor(_picture(seed, 400)) for seed in (3, 4)))
    assert len(made) == 2
    assert len(set(made)) == 1
    assert made[0] != threading.current_thread().name  # no other thread than the one that was begun
    assert not early._BEGUN
    for seed, one in zip((3, 4), begun, strict=True):
        alone = prepare(np.asarray(_picture(seed, 400), np.uint8))
        assert one.plate.digest == alone.plate.digest
        assert np.array_equal(one.plate.luma, alone.plate.luma)
        assert np.array_equal(one.fingerprint.bits, alone.fingerprint.bits)
        for kept, now in zip(dataclasses.astuple(one.keypoints), dataclasses.astuple(alone.keypoints), strict=True):
            assert np.array_equal(np.asarray(kept), np.asarray(now))
    assert len(made) == 4


def test_other_bytes_and_other_limits_are_decoded_anew(calls: list[str]) -> None:
    data = _file(1)
    ahead.decode(data, "first")
    _taken(_file(2), "other bytes")
    assert calls == ["first", "other bytes"]
    with bounded.within(bounded.Limits(pixels=100)), pytest.raises(ImageError, match="million pixels"):
        _taken(data, "within less")
    assert _taken(data, "as before")[1]
    assert calls == ["first", "other bytes", "within less"]


def test_no_more_is_kept_than_there_is_room_for(calls: list[str]) -> None:
    files = [_file(seed) for seed in range(4)]
    for number, data in enumerate(files):
        ahead.decode(data, f"{number}", room=2 * 96 * 96)
    for data in files:
        _taken(data, "anew")
    assert calls == ["0", "1", "2", "3", "anew", "anew"]


def test_the_ledger_enters_what_was_decoded_first_as_it_enters_any(calls: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(_file(3))
    ahead.decode(path.read_bytes(), "first")
    rows = []
    for folder in ("kept", "anew"):
        ledger = Ledger(tmp_path / folder)
        rows.append((ledger.receive(path, "Q1", "disputed")[0], ledger.exhibits, ledger.custody[1:]))
        ledger.done()
    assert len(calls) == 2
    (item, exhibits, custody), (item_anew, exhibits_anew, custody_anew) = rows
    assert item == item_anew
    assert exhibits == exhibits_anew
    assert [(e.action, e.sha256) for e in custody] == [(e.action, e.sha256) for e in custody_anew]


def _works() -> tuple[Tensor, Tensor]:
    first = _picture(5, 200)
    return to_tensor(first), to_tensor(first.crop((10, 10, 190, 190)))


def test_a_pair_laid_meanwhile_is_the_pair_laid_in_its_turn() -> None:
    first, second = _works()
    table = LightTable()
    with table.laid_ahead(first, second):
        beside = table.pair(*table.prepared(first, second))
    one_by_one = [prepare(np.asarray(to_picture(t), np.uint8)) for t in (first, second)]
    here = pair(one_by_one[0], one_by_one[1])
    assert len(beside.parts) == len(here.parts)
    for one, other in zip(beside.parts, here.parts, strict=True):
        assert np.array_equal(one.matrix, other.matrix)
        assert (one.score, one.inliers, one.detail, one.spread) == (
            other.score,
            other.inliers,
            other.detail,
            other.spread,
        )


def test_it_is_laid_once_and_on_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def counted(a: Prepared, b: Prepared) -> Pairing:
        threads.append(threading.current_thread().name)
        begun.set()
        return pair(a, b)

    begun = threading.Event()
    monkeypatch.setattr(pair_cache, "pair", counted)
    first, second = _works()
    table = LightTable()
    with table.laid_ahead(first, second):
        assert begun.wait(60)
        table.pair(*table.prepared(first, second))
    table.pair(*table.prepared(first, second))
    assert len(threads) == 1
    assert threads[0] != threading.current_thread().name


def test_what_goes_wrong_there_is_raised_where_the_pair_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(pair_cache, "pair", fails)
    first, second = _works()
    table = LightTable()
    with table.laid_ahead(first, second), pytest.raises(MemoryError, match="no room"):
        table.pair(*table.prepared(first, second))


def test_a_picture_that_was_changed_is_prepared_anew() -> None:
    first, _ = _works()
    table = LightTable()
    before = table.prepared(first)[0].plate.digest
    assert table.prepared(first)[0].plate.digest == before
    first.mul_(0.5)
    after = table.prepared(first)[0].plate.digest
    assert after != before
    assert table.prepared(first.clone())[0].plate.digest == after


def test_held_pictures_give_the_same_values_and_are_resized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = to_tensor(_picture(7, 300)), to_tensor(_picture(8, 310))
    apart = [float(measure(first, second)[0]) for measure in (Ssim(), Ssim())]
    resized: list[tuple[int, ...]] = []
    original = resize

    def counted(batch: Tensor, height: int, width: int) -> Tensor:
        resized.append(tuple(batch.shape))
        return original(batch, height, width)

    monkeypatch.setattr(inputs, "resize", counted)
    with inputs.held([first, second]), inputs.held([first]):
        held = [float(measure(first, second)[0]) for measure in (Ssim(), Ssim())]
    assert held == apart
    assert resized == [(1, 3, 300, 300), (1, 3, 310, 310)]
    Ssim()(first, second)
    assert len(resized) == 4, "nothing is kept beyond"
    assert not inputs._HELD


def test_a_held_picture_is_checked_as_any() -> None:
    wrong = torch.full((1, 3, 32, 32), 255.0)
    good = torch.zeros(1, 3, 32, 32)
    with inputs.held([wrong, good]):
        for _ in range(2):
            with pytest.raises(ValueError, match="expected values in"):
                inputs.common(good, wrong)


def test_limits_are_part_of_what_is_kept_as_a_whole() -> None:
    """Every field of the limits can change what a file gives; a new one is compared as well."""
    assert all(f.compare and f.hash is not False for f in dataclasses.fields(bounded.Limits))
