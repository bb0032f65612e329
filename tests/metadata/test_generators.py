"""Generator metadata: every layout read back from a file that was written in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.case import Fact
from forensics.pictures import intake
from forensics.pictures.metadata import GeneratorMetadata, webui
from tests.metadata import files

WEBUI = (
    "a hare, ink (wash:1.2)\nsecond line\nNegative prompt: text, blurry\nmore\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 512x768, "
    'Model hash: 6ce0161689, Model: v1-5, Lora hashes: "ink: 1a2b, b: 3c", Version: v1.10.1'
)


def one(data: bytes) -> GeneratorMetadata:
    (record,) = intake.decode(data, "test").records
    return record


def check_default(record: GeneratorMetadata) -> None:
    assert record.prompt == "a hare, ink"
    assert record.negative_prompt == "text"
    assert (record.seed, record.steps, record.guidance) == (156680208700286, 20, 8.0)
    assert (record.sampler, record.scheduler) == ("euler", "normal")
    assert (record.width, record.height) == (512, 768)
    assert record.model == "v1-5-pruned-emaonly.safetensors"
    assert record.problems == ()


@pytest.mark.parametrize(
    "data",
    [
        files.png(parameters=WEBUI),
        files.itxt(parameters=WEBUI),
        files.user_comment(WEBUI),
        files.user_comment(WEBUI, "utf-16-le"),
        files.user_comment(WEBUI, container="WEBP"),
    ],
    ids=["tEXt", "iTXt", "JPEG big-endian", "JPEG little-endian", "WebP"],
)
def test_web_ui(data: bytes) -> None:
    record = one(data)
    assert record.software == "Stable Diffusion web UI v1.10.1"
    assert record.prompt == "a hare, ink (wash:1.2)\nsecond line"
    assert record.negative_prompt == "text, blurry\nmore"
    assert (record.seed, record.steps, record.guidance) == (4294967295, 20, 6.5)
    assert (record.sampler, record.scheduler) == ("DPM++ 2M", "Karras")
    assert (record.model, record.model_hash) == ("v1-5", "6ce0161689")
    assert (record.width, record.height) == (512, 768)
    assert Fact("Lora hashes", "ink: 1a2b, b: 3c") in record.further
    assert record.problems == ()


def test_forge_is_named_and_text_behind_the_pixels_is_found() -> None:
    data = files.png(parameters=WEBUI.replace("v1.10.1", "f2.0.1v1.10.1-previous-659"))
    assert one(data).software.startswith("Stable Diffusion web UI Forge")
    start = data.index(b"tEXt") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    tail = data.index(b"IEND") - 4
    moved = data[:start] + data[end:tail] + data[start:end] + data[tail:]
    assert one(moved).prompt.startswith("a hare")


@pytest.mark.parametrize(
    "data",
    [
        files.png(prompt=json.dumps(files.graph()), workflow=json.dumps(files.workflow())),
        files.png(workflow=json.dumps(files.workflow())),
        files.comfy_webp(files.graph(), files.workflow()),
    ],
    ids=["executed", "drawn only", "WebP"],
)
def test_comfyui(data: bytes) -> None:
    record = one(data)
    assert record.software == "ComfyUI"
    check_default(record)


def test_comfyui_follows_links_through_other_nodes() -> None:
    graph = files.graph(seed=["20", 0])
    graph["20"] = {"class_type": "Seed (rgthree)", "inputs": {"seed": 7}}
    graph["6"]["inputs"]["text"] = ["21", 0]
    graph["21"] = {"class_type": "Text Multiline", "inputs": {"text": "a fox"}}
    # A control net takes both conditionings; each leaves through a slot of its own.
    graph["22"] = {"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["6", 0], "negative": ["7", 0]}}
    graph["3"]["inputs"] |= {"positive": ["22", 0], "negative": ["22", 1]}
    record = one(files.png(prompt=json.dumps(graph)))
    assert (record.prompt, record.negative_prompt, record.seed) == ("a fox", "text", 7)


def test_comfyui_custom_sampler() -> None:
    graph: dict[str, Any] = {
        "13": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["25", 0],
                "guider": ["22", 0],
                "sampler": ["16", 0],
                "sigmas": ["17", 0],
                "latent_image": ["27", 0],
            },
        },
        "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 99}},
        "22": {"class_type": "BasicGuider", "inputs": {"model": ["12", 0], "conditioning": ["26", 0]}},
        "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox"}},
        "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "17": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 24, "model": ["12", 0]}},
        "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
        "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
    }
    record = one(files.png(prompt=json.dumps(graph)))
    assert (record.prompt, record.seed, record.steps, record.guidance) == ("a fox", 99, 24, 3.5)
    assert (record.model, record.sampler, record.width) == ("flux1-dev.safetensors", "euler", 1024)


def test_comfyui_cycle_ends() -> None:
    graph = files.graph(seed=["3", 0])
    graph["6"]["inputs"]["text"] = ["6", 0]
    record = one(files.png(prompt=json.dumps(graph)))
    assert record.seed is None
    assert record.prompt == ""


def test_invokeai_in_its_three_layouts() -> None:
    third = {
        "app_version": "5.0.2",
        "positive_prompt": "a hare",
        "negative_prompt": "text",
        "seed": 3,
        "steps": 30,
        "scheduler": "euler",
        "cfg_scale": 7.5,
        "width": 512,
        "height": 640,
        "rand_device": "cpu",
        "model": {"key": "k", "hash": "blake3:ab", "name": "stable-diffusion-v1-5", "base": "sd-1"},
    }
    record = one(files.png(invokeai_metadata=json.dumps(third)))
    assert (record.software, record.prompt, record.negative_prompt) == ("InvokeAI 5.0.2", "a hare", "text")
    assert (record.seed, record.steps, record.guidance, record.sampler) == (3, 30, 7.5, "euler")
    assert (record.model, record.model_hash) == ("stable-diffusion-v1-5", "blake3:ab")
    assert Fact("rand_device", "cpu") in record.further
    second = {
        "model_weights": "stable-diffusion-1.5",
        "model_hash": "cc6c",
        "app_version": "2.3.5",
        "image": {
            "prompt": [{"prompt": "a hare [text]", "weight": 1}],
            "steps": 50,
            "cfg_scale": 7.5,
            "seed": 4,
            "sampler": "k_lms",
            "width": 512,
            "height": 512,
        },
    }
    dream = '"a hare [text]" -s 50 -S 4 -W 512 -H 512 -C 7.5 -A k_lms'
    for data in (files.png(Dream=dream, sd_dash_metadata=json.dumps(second)), files.png(Dream=dream)):
        record = one(data)
        assert (record.prompt, record.negative_prompt) == ("a hare", "text")
        assert (record.seed, record.steps, record.guidance, record.sampler) == (4, 50, 7.5, "k_lms")


def novelai() -> dict[str, str]:
    comment = {
        "steps": 28,
        "height": 1216,
        "width": 832,
        "scale": 5.0,
        "seed": 2,
        "noise_schedule": "karras",
        "sampler": "k_euler_ancestral",
        "prompt": "1girl",
        "uc": "lowres",
        "v4_prompt": {"caption": {"base_caption": "a hare", "char_captions": [{"char_caption": "brown"}]}},
    }
    return {
        "Title": "NovelAI generated image",
        "Description": "1girl",
        "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 37442FCA",
        "Comment": json.dumps(comment),
    }


@pytest.mark.parametrize("hidden", ["text", "pnginfo", "pngcomp", "rgbinfo", "rgbcomp"])
def test_novelai_in_the_open_and_hidden(hidden: str) -> None:
    if hidden == "text":
        data = files.png(**novelai())
    else:
        alpha, compressed = hidden.startswith("png"), hidden.endswith("comp")
        data = files.stealth(json.dumps(novelai()), alpha=alpha, compressed=compressed, side=128)
    record = one(data)
    assert record.software == "NovelAI"
    assert record.prompt == "a hare\nbrown"
    assert record.negative_prompt == "lowres"
    assert (record.seed, record.steps, record.guidance) == (2, 28, 5.0)
    assert (record.model, record.model_hash) == ("NovelAI Diffusion V4", "37442FCA")
    assert (hidden == "text") == (record.source == "text entries")


def test_hidden_web_ui_text() -> None:
    record = one(files.stealth(WEBUI, alpha=True, compressed=True))
    assert record.seed == 4294967295
    assert "alpha channel" in record.source


@pytest.mark.parametrize("damage", ["length", "body"])
def test_hidden_record_that_is_damaged_is_said_to_be(damage: str) -> None:
    import io

    import numpy as np
    from PIL import Image

    pixels = np.array(Image.open(io.BytesIO(files.stealth(WEBUI, alpha=True, compressed=True))))
    flat = pixels[:, :, 3].T.copy().reshape(-1)
    start = 120 if damage == "length" else 152 + 80
    flat[start : start + 32] ^= 1
    pixels[:, :, 3] = flat.reshape(64, 64).T
    record = one(files.png(Image.fromarray(pixels)))
    assert record.problems
    assert record.prompt == ""


def test_fooocus_diffusers_easy_diffusion_midjourney() -> None:
    fooocus = {
        "adm_guidance": "(1.5, 0.8, 0.3)",
        "base_model": "juggernautXL",
        "base_model_hash": "0abc",
        "full_prompt": ["a hare", "cinematic"],
        "full_negative_prompt": ["text"],
        "guidance_scale": 4,
        "prompt": "a hare",
        "resolution": "(1152, 896)",
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "seed": "5",
        "steps": 30,
        "version": "Fooocus v2.5.5",
    }
    record = one(files.png(parameters=json.dumps(fooocus), fooocus_scheme="fooocus"))
    assert (record.software, record.prompt, record.seed) == ("Fooocus v2.5.5", "a hare\ncinematic", 5)
    assert (record.width, record.height, record.model) == (1152, 896, "juggernautXL")
    pipeline = {"prompt": "a hare", "num_inference_steps": 25, "guidance_scale": 7.5, "seed": 6, "model": "org/name"}
    for data in (
        files.png(parameters=json.dumps(pipeline)),
        files.png(**{k: str(v) for k, v in pipeline.items()}),
        files.user_comment(json.dumps(pipeline)),
    ):
        record = one(data)
        assert (record.prompt, record.seed, record.steps, record.guidance) == ("a hare", 6, 25, 7.5)
        assert (record.software, record.model) == ("arguments of a diffusers pipeline", "org/name")
    easy = {"prompt": "a hare", "seed": "7", "num_inference_steps": "25", "use_stable_diffusion_model": "sd-v1-4"}
    assert one(files.png(**easy)).software == "Easy Diffusion"
    job = "a hare --v 6.1 --ar 3:2 Job ID: 0a1b2c3d-0000-4000-8000-0123456789ab"
    assert (one(files.png(Description=job)).software, one(files.png(Description=job)).prompt) == (
        "Midjourney",
        "a hare",
    )


@pytest.mark.parametrize(
    "texts",
    [
        {"Comment": "a photograph of a hare", "Software": "GIMP"},
        {"prompt": "buy milk"},
        {"parameters": "Aperture: f/2"},
        {"Description": "a hare", "Author": "A. Painter"},
    ],
)
def test_ordinary_texts_are_not_taken_for_a_generator(texts: dict[str, str]) -> None:
    assert intake.decode(files.png(**texts), "test").records == ()


def test_prompt_stated_is_the_first_records() -> None:
    assert intake.prompt_stated(intake.decode(files.png(parameters=WEBUI), "t").generator).startswith("a hare, ink")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "inputs",
                    "nodes",
                    "links",
                    "class_type",
                    "seed",
                    "positive",
                    "negative",
                    "image",
                    "prompt",
                    "model",
                    "widgets_values",
                    "id",
                    "text",
                    "1",
                    "v4_prompt",
                    "caption",
                    "char_captions",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
KEYS = ("parameters", "prompt", "workflow", "invokeai_metadata", "sd_dash_metadata", "Dream", "Comment", "Description")


@given(key=st.sampled_from(KEYS), value=json_values, positive=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_json_is_read_or_reported_and_never_raises(key: str, value: object, positive: bool) -> None:
    document = json.dumps(
        {"3": {"class_type": "x", "inputs": {"positive": value, "seed": value}}} if positive else value
    )
    for record in intake.decode(files.png(**{key: document, "Software": "NovelAI"}), "test").records:
        assert all(isinstance(fact.value, str) for fact in record.facts)


@given(text=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_left_and_never_raises(text: str) -> None:
    for value in (text, f"{text}\nSteps: 3, Seed: {text}, Size: {text}", f'{{"prompt": {text}'):
        webui.parse(value, "test")
        for key in ("parameters", "Dream", "prompt"):
            intake.decode(files.png(**{key: value}), "test")


PROMPT = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=60)


@given(prompt=PROMPT.map(str.strip).filter(bool), seed=st.integers(0, 2**64 - 1), steps=st.integers(1, 150))
@settings(max_examples=50, deadline=None)
def test_what_the_web_ui_writes_is_read_back(prompt: str, seed: int, steps: int) -> None:
    text = f"{prompt}\nSteps: {steps}, Sampler: Euler a, CFG scale: 7, Seed: {seed}, Size: 64x64"
    for data in (files.png(parameters=text), files.user_comment(text)):
        record = one(data)
        assert (record.prompt, record.seed, record.steps) == (prompt, seed, steps)


@given(prompt=PROMPT, alpha=st.booleans(), compressed=st.booleans())
@settings(max_examples=40, deadline=None)
def test_hidden_text_of_any_language_is_read_back(prompt: str, alpha: bool, compressed: bool) -> None:
    text = f"{prompt}\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1"
    assert one(files.stealth(text, alpha=alpha, compressed=compressed, side=96)).prompt == prompt.strip()
