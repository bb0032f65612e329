"""The text encoder opened to a search: the same conditions as from words, with gradient, counted and in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.base import GRADIENT_COST
from forensics.diffusion.sd import StableDiffusion
from forensics.diffusion.words import prompt_space
from forensics.errors import CheckpointError


@pytest.fixture
def model(models: dict[str, StableDiffusion]) -> StableDiffusion:
    return models["v"]


def ids(model: StableDiffusion, text: str) -> list[int]:
    return list(model.tokenizer(text, add_special_tokens=False).input_ids)


@pytest.mark.parametrize("text", ["cat", "a", "abcdefghijklmn", ""])
def test_tokens_give_the_condition_of_their_words(model: StableDiffusion, text: str) -> None:
    words, expected = prompt_space(model), model.condition(text, 3.0)
    found = words.from_tokens(ids(model, text), 3.0)
    assert torch.equal(found.positive, expected.positive)
    assert found.negative is not None
    assert torch.equal(found.negative, expected.negative)  # type: ignore[arg-type]
    assert found.tokens == expected.tokens


def test_vectors_of_tokens_give_the_condition_of_the_tokens(model: StableDiffusion) -> None:
    words, tokens = prompt_space(model), [3, 40, 7]
    vectors = words.table()[tokens].expand(2, -1, -1)
    found = words.from_embeddings(vectors, 1.0)
    assert found.positive.shape[0] == 2
    assert torch.allclose(found.positive[1:], words.from_tokens(tokens, 1.0).positive, atol=1e-6)
    # The encoder is left as it was.
    assert torch.equal(words.from_tokens(tokens, 1.0).positive, words.from_tokens(tokens, 1.0).positive)


def test_marks_are_not_searched(model: StableDiffusion) -> None:
    allowed = prompt_space(model).searchable()
    assert len(allowed) == model.vocabulary
    assert int((~allowed).sum()) == 2  # start and end


def test_survival_is_the_round_trip_through_text(model: StableDiffusion) -> None:
    words = prompt_space(model)
    assert words.survives(ids(model, "cat"))
    # "a" inside a word at the end of the prompt is written "a" and read back as the end of a word.
    assert not words.survives([model.tokenizer.convert_tokens_to_ids("a")])


def test_lengths_outside_the_window_are_refused(model: StableDiffusion) -> None:
    words = prompt_space(model)
    width = words.table().shape[1]
    assert words.from_embeddings(torch.zeros(1, words.longest, width), 1.0).tokens == words.longest
    for k in (0, words.longest + 1):
        with pytest.raises(ValueError, match="vectors"):
            words.from_embeddings(torch.zeros(1, k, width), 1.0)
    with pytest.raises(ValueError, match="tokens"):
        words.from_tokens([1] * (words.longest + 1), 1.0)


def test_the_gradient_is_that_of_finite_differences(model: StableDiffusion) -> None:
    words = prompt_space(model)
    state, time = noise((1, 4, 8, 8), 1), model.times(10)[6]
    vectors = words.table()[[5, 9]][None].clone()

    def loss(v: torch.Tensor) -> torch.Tensor:
        return model.velocity(state, time, words.from_embeddings(v, 1.0)).double().square().sum()

    leaf = vectors.clone().requires_grad_(True)
    loss(leaf).backward()
    assert leaf.grad is not None
    along = leaf.grad / leaf.grad.norm()
    with torch.no_grad():
        difference = float(loss(vectors + 0.01 * along) - loss(vectors - 0.01 * along)) / 0.02
    assert difference == pytest.approx(float(leaf.grad.norm()), rel=0.02)


def test_a_backward_pass_is_charged(model: StableDiffusion) -> None:
    condition = model.condition("a", 1.0)
    state, time = noise((2, 4, 8, 8), 1), model.times(10)[6]
    before = model.evaluations
    model.velocity(state, time, condition)
    assert model.evaluations - before == 2
    before = model.evaluations
    model.velocity(state, time, condition.mapped(lambda tensor: tensor.clone().requires_grad_(True)))
    assert model.evaluations - before == 2 * GRADIENT_COST


def test_full_precision_and_back(folders: dict[str, Path]) -> None:
    model = diffusion.load(diffusion.identify(str(folders["v"])), choose("cpu", "bf16"))
    assert isinstance(model, StableDiffusion)
    before = {k: v.clone() for k, v in model.unet.state_dict().items()}
    with model.full_precision():
        assert model.unet.dtype == model.text_encoder.dtype == model.device.dtype == torch.float32
        assert model.words.from_tokens([1], 1.0).positive.dtype == torch.float32
    assert model.unet.dtype == model.device.dtype == torch.bfloat16
    assert all(torch.equal(v, before[k]) for k, v in model.unet.state_dict().items())


def test_a_family_without_prompt_space_is_named(model: StableDiffusion) -> None:
    class Other:
        checkpoint = replace(model.checkpoint, family="flow")

    with pytest.raises(CheckpointError, match="flow") as caught:
        prompt_space(Other())  # type: ignore[arg-type]
    assert caught.value.hint
