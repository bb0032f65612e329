"""Textual inversions: read from headers, put behind words, equal to diffusers' own loader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.base import HIDDEN
from forensics.errors import CheckpointError
from tests.diffusion import families, tiny
from tests.studies.checkpoint_inputs import FLAT


def _vectors(rows: int, width: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) * 0.5


def _file(path: Path, **tensors: torch.Tensor) -> str:
    save_file(tensors, path)
    return str(path)


def _model(root: Path, *embeddings: str) -> Any:
    found = diffusion.identify(str(root), wishes=diffusion.Wishes(embeddings=embeddings))
    return diffusion.load(found, choose("cpu"))


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("sd") / "sd")


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.sdxl(tmp_path_factory.mktemp("sdxl") / "sdxl")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_word_is_read_as_diffusers_reads_it(sd: Path, tmp_path: Path, rows: int) -> None:
    file = _file(tmp_path / "style.safetensors", **{"emb_params": _vectors(rows, tiny.WIDTH)})
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(str(sd), safety_checker=None)
    pipeline.load_textual_inversion({"<style>": _vectors(rows, tiny.WIDTH)}, token="<style>")
    expected, empty = pipeline.encode_prompt("ab <style> c", "cpu", 1, True)
    condition = _model(sd, f"{file}:<style>").condition("ab <style> c", 2.0)
    torch.testing.assert_close(condition.positive, expected)
    torch.testing.assert_close(condition.negative, empty)
    assert condition.tokens == 3 + rows


def test_both_encoders_of_xl_get_their_vectors(sdxl: Path, tmp_path: Path) -> None:
    held = {"clip_l": _vectors(2, families.TEXT), "clip_g": _vectors(2, families.SECOND, 4)}
    file = _file(tmp_path / "style.safetensors", **held)
    pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(str(sdxl))
    for key, name in (("clip_l", "text_encoder"), ("clip_g", "text_encoder_2")):
        pipeline.load_textual_inversion(
            {"<style>": held[key]},
            token="<style>",
            text_encoder=getattr(pipeline, name),
            tokenizer=getattr(pipeline, name.replace("text_encoder", "tokenizer")),
        )
    expected, _, pooled, _ = pipeline.encode_prompt("a <style> b", do_classifier_free_guidance=False)
    condition = _model(sdxl, f"{file}:<style>").condition("a <style> b", 1.0)
    torch.testing.assert_close(condition.positive, expected)
    torch.testing.assert_close(condition.given["pooled"], pooled)


def test_an_encoder_that_ends_a_prompt_at_its_largest_number_still_finds_the_end(sdxl: Path, tmp_path: Path) -> None:
    """Configurations in circulation state 2 as the end mark, by which transformers takes the largest number for it."""
    file = _file(tmp_path / "s.safetensors", clip_l=_vectors(2, families.TEXT), clip_g=_vectors(2, families.SECOND, 4))
    right = _model(sdxl, file).condition("a s b", 1.0)
    model = _model(sdxl, file)
    encoder = model.texts["text_encoder_2"]
    inner = getattr(encoder, "text_model", encoder)
    assert inner.eos_token_id != 2
    inner.eos_token_id = 2
    torch.testing.assert_close(model.condition("a s b", 1.0).given["pooled"], right.given["pooled"])


def test_the_word_stands_for_itself_alone(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "style.safetensors", **{"string_to_param.*": _vectors(2, tiny.WIDTH)})
    model, bare = _model(sd, file), _model(sd)
    for prompt in ("a stylex b", "my_style", "ab c", ""):
        torch.testing.assert_close(model.condition(prompt, 1.0).positive, bare.condition(prompt, 1.0).positive)
    told = model.condition("a STYLE, b", 1.0).positive
    torch.testing.assert_close(told, model.condition("a embedding:style, b", 1.0).positive)
    assert not torch.allclose(told, bare.condition("a STYLE, b", 1.0).positive)


def test_a_word_may_begin_like_another(sd: Path, tmp_path: Path) -> None:
    one = _file(tmp_path / "st.safetensors", emb_params=_vectors(1, tiny.WIDTH))
    two = _file(tmp_path / "st-x.safetensors", emb_params=_vectors(1, tiny.WIDTH, 9))
    both = _model(sd, one, two).condition("a st-x st", 1.0).positive
    swapped = _model(sd, two, one).condition("a st-x st", 1.0).positive
    torch.testing.assert_close(both, swapped)


def test_a_search_takes_no_word_and_is_not_moved_by_it(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "style.safetensors", emb_params=_vectors(2, tiny.WIDTH))
    words, bare = _model(sd, file).words, _model(sd).words
    assert torch.equal(words.searchable(), bare.searchable())
    rows = _vectors(3, tiny.WIDTH)[None]
    torch.testing.assert_close(
        words.from_embeddings(rows, 1.0).given[HIDDEN], bare.from_embeddings(rows, 1.0).given[HIDDEN]
    )


@pytest.mark.parametrize("kind", ["sd3", "flux-dev", "pixart"])
def test_every_family_takes_a_word(kind: str, tmp_path: Path) -> None:
    root = families.WRITERS[kind](tmp_path / kind)
    held = {
        "sd3": {"clip_l": _vectors(2, families.TEXT), "clip_g": _vectors(2, families.SECOND)},
        "flux-dev": {"clip_l": _vectors(1, families.TEXT), "t5xxl": _vectors(1, families.T5)},
        "pixart": {"<s>": _vectors(2, families.T5)},
    }[kind]
    model = _model(root, _file(tmp_path / "x.safetensors", **held) + ":<s>")
    with_, without = model.condition("a <s> b", 1.0), _model(root).condition("a b", 1.0)
    assert not torch.allclose(with_.positive, without.positive)
    assert model.condition("a b", 1.0).positive.equal(without.positive)


def test_the_word_is_part_of_the_digest_and_of_the_facts(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "style.safetensors", emb_params=_vectors(2, tiny.WIDTH))
    found = [
        diffusion.identify(str(sd), wishes=diffusion.Wishes(embeddings=given))
        for given in ((), (file,), (f"{file}:other",))
    ]
    assert len({c.digest for c in found}) == 3
    fact = next(f for f in found[1].facts if f.name == "word “style” of prompts")
    assert re.search(r"SHA-256 [0-9a-f]{64}: 2 vectors for the text encoder, 1,024 bits as stored", fact.value)


def test_a_word_keeps_its_own_name(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "learned_embeds.safetensors", **{"<hare>": _vectors(1, tiny.WIDTH)[0]})
    found = diffusion.identify(str(sd), wishes=diffusion.Wishes(embeddings=(file,)))
    assert found.name.endswith("word “<hare>”")


@pytest.mark.parametrize(
    ("tensors", "told", "remedy"),
    [
        ({"emb_params": (2, 24)}, "does not fit", "checkpoint that it was made for"),
        ({"clip_l": (2, 16), "clip_g": (2, 24)}, "does not fit", "Stable Diffusion XL"),
        ({"clip_g": (2, 1280)}, "does not fit", "Stable Diffusion XL"),
        ({"lora_unet_a.lora_down.weight": (2, 8), "lora_unet_a.lora_up.weight": (8, 2)}, "not a textual", "--lora"),
        ({"emb_params": (600, 16)}, "600 vectors", "1 to 512"),
        ({"emb_params": (0, 16)}, "0 vectors", "1 to 512"),
    ],
)
def test_what_is_no_embedding_of_the_checkpoint_is_refused(
    sd: Path, tmp_path: Path, tensors: dict[str, tuple[int, ...]], told: str, remedy: str
) -> None:
    file = _file(tmp_path / "x.safetensors", **{n: torch.zeros(s) for n, s in tensors.items()})
    with pytest.raises(CheckpointError) as caught:
        diffusion.identify(str(sd), wishes=diffusion.Wishes(embeddings=(file,)))
    assert told in caught.value.message
    assert remedy in caught.value.hint


@pytest.mark.parametrize("given", ["{}:a b", "{}:a\x1bb", "{}:"])
def test_no_prompt_can_hold_such_a_word(sd: Path, tmp_path: Path, given: str) -> None:
    file = _file(tmp_path / ("a b.safetensors" if given == "{}:" else "x.safetensors"), emb_params=_vectors(1, 16))
    with pytest.raises(CheckpointError, match="cannot be a word"):
        diffusion.identify(str(sd), wishes=diffusion.Wishes(embeddings=(given.format(file),)))


def test_two_embeddings_of_one_word_are_refused(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "x.safetensors", emb_params=_vectors(1, 16))
    with pytest.raises(CheckpointError, match="same word"):
        diffusion.identify(str(sd), wishes=diffusion.Wishes(embeddings=(file, f"{file}:X")))


def test_values_that_are_not_finite_are_refused(sd: Path, tmp_path: Path) -> None:
    file = _file(tmp_path / "x.safetensors", emb_params=torch.full((1, 16), float("nan")))
    with pytest.raises(CheckpointError, match="not finite"):
        _model(sd, file)


def _lora(path: Path, **bundled: torch.Tensor) -> str:
    pair = {f"lora_unet_{FLAT}.lora_down.weight": (2, 8), f"lora_unet_{FLAT}.lora_up.weight": (8, 2)}
    save_file({name: torch.ones(shape) * 0.1 for name, shape in pair.items()} | bundled, path)
    return str(path)


@pytest.mark.parametrize("strength", ["", ":0.5"])
def test_a_word_bundled_with_a_lora_is_the_word_beside_it(sd: Path, tmp_path: Path, strength: str) -> None:
    """Whatever the strength of the LoRA: it scales layers, and words have none."""
    vectors = _vectors(2, tiny.WIDTH)
    bundled = _lora(tmp_path / "both.safetensors", **{"bundle_emb.hare.string_to_param.*": vectors})
    found = diffusion.identify(str(sd), wishes=diffusion.Wishes(lora=(bundled + strength,)))
    assert any(f.name == "word “hare” of prompts" and "2 vectors" in f.value for f in found.facts)
    assert sum(file.path.startswith("embedding/") for file in found.files) == 0
    beside = _file(tmp_path / "hare.safetensors", **{"emb_params": vectors})
    wishes = diffusion.Wishes(lora=(_lora(tmp_path / "alone.safetensors") + strength,), embeddings=(beside,))
    one, two = (diffusion.load(f, choose("cpu")) for f in (found, diffusion.identify(str(sd), wishes=wishes)))
    for prompt in ("a hare b", "a b"):
        assert torch.equal(one.condition(prompt, 1.0).positive, two.condition(prompt, 1.0).positive)
    assert one.condition("a hare b", 1.0).tokens == 4
    with pytest.raises(CheckpointError, match="same word"):
        diffusion.identify(str(sd), wishes=diffusion.Wishes(lora=(bundled,), embeddings=(beside,)))


def test_a_bundled_word_that_fits_no_encoder_is_named_as_left_out(sd: Path, tmp_path: Path) -> None:
    wide = _lora(tmp_path / "wide.safetensors", **{"bundle_emb.hare.emb_params": _vectors(2, 1280)})
    found = diffusion.identify(str(sd), wishes=diffusion.Wishes(lora=(wide,)))
    (told,) = (f.value for f in found.facts if f.name == "word “hare” of prompts")
    assert "left out" in told
    assert "does not fit" in told
    diffusion.load(found, choose("cpu"))


@torch.no_grad()
def test_words_and_loras_stay_where_text_encoders_are_let_go(tmp_path: Path) -> None:
    root = families.WRITERS["flux-dev"](tmp_path / "flux")
    layers = {
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj": families.TEXT,
        "transformer.transformer_blocks.0.attn.to_q": 32,
    }
    pairs = {f"{n}.lora_A.weight": torch.ones(2, w) for n, w in layers.items()}
    pairs |= {f"{n}.lora_B.weight": torch.ones(w, 2) for n, w in layers.items()}
    save_file(pairs, tmp_path / "style.safetensors")
    word = _file(tmp_path / "hare.safetensors", clip_l=_vectors(2, families.TEXT), t5xxl=_vectors(2, families.T5, 4))
    wishes = diffusion.Wishes(lora=(str(tmp_path / "style.safetensors"),), embeddings=(word,))
    found = diffusion.identify(str(root), wishes=wishes)
    whole: Any = diffusion.load(found, choose("cpu"))
    parted: Any = diffusion.load(found, choose("cpu"), [("a hare", 1.0)])
    state, time = whole.start(noise(whole.latent_shape(32, 32), 1)[None], 4), whole.times(4)[2]
    for prompt in ("a hare", "hare b"):  # announced, and read again for
        ours, theirs = (m.velocity(state, time, m.condition(prompt, 1.0)) for m in (parted, whole))
        assert torch.equal(ours, theirs)
