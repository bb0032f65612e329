"""What is opened once for several cases: for as long as every file is the one that was hashed, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from forensics import diffusion, inputs
from forensics.device import choose
from forensics.errors import CheckpointError
from forensics.stages.workshop import Workshop
from tests.diffusion import families, tiny


def test_a_thing_is_opened_again_where_a_file_of_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    shop, opened = Workshop(keeps=True), []

    def open_it() -> bytes:
        opened.append(inputs.sha256(file, CheckpointError))
        return file.read_bytes()

    for _ in range(3):
        with inputs.watching() as watch:
            assert shop.once("weights", open_it) == b"one"
            assert len(watch) == 1  # it is watched, whether it was read or not
    assert len(opened) == 1
    file.write_bytes(b"two")
    with inputs.watching():
        assert shop.once("weights", open_it) == b"two"
    assert len(opened) == 2
    with inputs.watching() as watch:
        assert shop.once("weights", open_it) == b"two"
        file.write_bytes(b"six")
        with pytest.raises(CheckpointError, match="changed after it was hashed"):
            watch.check()
    assert len(opened) == 2


def test_a_file_that_two_things_name_is_watched_for_both(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"{}")
    shop = Workshop(keeps=True)

    def outer() -> str:
        return shop.once("inner", lambda: inputs.sha256(file, CheckpointError))

    with inputs.watching():
        inputs.sha256(file, CheckpointError)  # known before
        first = shop.once("outer", outer)
    os.utime(file, ns=(1, 1))  # not the same moment any more: opened again, with the same bytes
    with inputs.watching() as watch:
        assert shop.once("outer", outer) == first
        assert len(watch) == 1
        watch.check()


def test_by_default_nothing_is_kept(tmp_path: Path) -> None:
    shop, opened = Workshop(), []
    for _ in range(2):
        shop.once("a", lambda: opened.append(1))
    assert len(opened) == 2
    checkpoint, cpu = diffusion.identify(str(tiny.write_checkpoint(tmp_path))), choose("cpu")
    assert shop.model(checkpoint, cpu) is not shop.model(checkpoint, cpu)


def test_a_model_is_loaded_once_and_gives_the_numbers_of_a_fresh_one(tmp_path: Path) -> None:
    cpu = choose("cpu")
    checkpoint = diffusion.identify(str(tiny.write_checkpoint(tmp_path)))
    shop = Workshop(keeps=True)
    model = shop.model(checkpoint, cpu, prompts=())
    model.condition("other words", 2.0)
    again = shop.model(checkpoint, cpu, prompts=[("a fox", 1.0)])
    assert again is model
    assert shop.model(checkpoint, choose("cpu", "bf16")) is not model
    fresh = diffusion.load(checkpoint, cpu)
    state, time = torch.ones(1, *model.latent_shape(64, 64)), model.times(4)[2].expand(1)
    for one in (again, fresh):
        assert torch.equal(
            one.velocity(state, time, one.condition("a fox", 1.0)),
            fresh.velocity(state, time, fresh.condition("a fox", 1.0)),
        )


@pytest.mark.parametrize(
    "stated", [diffusion.Wishes(prediction="v_prediction"), diffusion.Wishes(size=64)], ids=["prediction", "size"]
)
def test_a_checkpoint_of_which_something_else_is_stated_is_another_model(
    tmp_path: Path, stated: diffusion.Wishes
) -> None:
    """The bytes are the same, and so is their digest; what the network is taken for is not."""
    location, cpu = str(tiny.write_checkpoint(tmp_path)), choose("cpu")
    shop = Workshop(keeps=True)
    plain = shop.model(diffusion.identify(location), cpu)
    other = diffusion.identify(location, wishes=stated)
    model = shop.model(other, cpu)
    assert model is not plain
    assert (model.checkpoint.prediction, model.native_px) == (other.prediction, other.native_px)
    assert shop.model(diffusion.identify(location), cpu) is plain


def test_text_encoders_that_were_let_go_are_let_go_again(tmp_path: Path) -> None:
    cpu = choose("cpu")
    checkpoint = diffusion.identify(str(families.sd3(tmp_path)))
    shop = Workshop(keeps=True)
    model = shop.model(checkpoint, cpu, prompts=[("", 1.0), ("a fox", 1.0)])
    assert all(p.is_meta for t in model.texts.values() for p in t.parameters())  # type: ignore[attr-defined]
    assert shop.model(checkpoint, cpu, prompts=[("a boat", 1.0), ("a fox", 1.0)]) is model
    assert all(p.is_meta for t in model.texts.values() for p in t.parameters())  # type: ignore[attr-defined]
    fresh = diffusion.load(checkpoint, cpu, prompts=[("a boat", 1.0)])
    one, other = model.condition("a boat", 1.0), fresh.condition("a boat", 1.0)
    assert one.charges == other.charges
    assert set(one.given) == set(other.given)
    assert all(torch.equal(one.given[name], other.given[name]) for name in one.given)


def test_a_description_is_made_once_of_equal_pixels() -> None:
    shop, made = Workshop(keeps=True), []

    def describe(pixels: torch.Tensor) -> float:
        made.append(1)
        return float(pixels.sum())

    black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    first, second = shop.describing("sum", describe), shop.describing("sum", describe)
    assert [first(black), second(black.clone()), first(white), shop.describing("other", describe)(white)] == [
        0.0,
        0.0,
        48.0,
        48.0,
    ]
    assert len(made) == 3
