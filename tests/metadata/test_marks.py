"""Ordinary texts are never taken for a generator's, and the marks that decide are named.

Sources of the texts: the formats that recipe sites, fitness apps, seed catalogues, cameras and audio programs write.
"""

from __future__ import annotations

import pytest

from forensics.pictures import intake
from forensics.pictures.metadata import webui
from forensics.pictures.metadata.base import sampler_known
from tests.metadata import files

ORDINARY = [
    "Morning walk with the dog. Steps: 10432, Distance: 7.2 km, Calories: 412",  # a fitness app's share text
    "Apple pie.\nSteps: 5, Time: 45 min, Oven: 180",  # a recipe
    "Steps: 8500, Seed: sunflower, Size: 30x40, Model: garden",  # a garden diary
    "Lot 12\nModel: D750, Size: 4016x6016, Version: 1.2, Seed: none",  # a camera's sheet
    "Steps: 16, Sampler: Akai MPC60, Tempo: 93, Seed: 1",  # a drum pattern
    "Steps: 12, Size: 30x20, Model: oak stair, Version: 2.0, Seed: 4",  # a staircase
    "CFG scale: how to choose it, and what Steps: 20 means",  # a sentence about generators
    "Sampler: cotton, 12 stitches. Steps: 3, Seed: 0",  # embroidery
    "Steps: -4, CFG scale: many, Sampler: Euler, Seed: x",  # names without plausible values
    '{"steps": 10432, "distance": 7.2, "prompt": "walk"}',  # a fitness export
    '{"prompt": "Write a poem", "model": "a language model", "seed": 3}',  # a chat
    '{"title": "walk", "steps": 9000, "seed": 1, "model": "watch"}',
    '{"nodes": [{"id": 1, "label": "a"}], "links": []}',  # a graph that is nobody's workflow
    "Negative prompt: say nothing",
    "Sampler: Restart Audio, Steps: 16, Seed: 1, Size: 64x64, Model: MPC",  # a drum machine
    "Sampler: heunter mk2, Steps: 16, Version: 1.2, Model: X, Seed: 1",  # a synthesiser
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_not_a_record(text: str) -> None:
    for data in (
        files.user_comment(text),
        files.png(parameters=text),
        files.png(Description=text, Comment=text, prompt=text),
    ):
        decoded = intake.decode(data, "test")
        assert decoded.records == ()
        assert intake.prompt_stated(decoded.generator) == ""


@pytest.mark.parametrize(
    "entries",
    [
        {"prompt": "buy milk", "seed": "12", "steps": "4"},
        {"prompt": "a hare", "model": "D750"},
        {"Software": "Adobe Photoshop 25.0 (Windows)", "Description": "a hare"},
        {"Software": "Gemini Scanner Tool", "Author": "A. Painter"},
        {"Description": "Job ID: 4411", "Author": "a printer"},
    ],
)
def test_ordinary_entries_offer_no_prompt(entries: dict[str, str]) -> None:
    decoded = intake.decode(files.png(**entries), "test")
    assert intake.prompt_stated(decoded.generator) == ""


def test_the_sentence_names_the_marks() -> None:
    text = "a hare\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512"
    record = webui.parse(text, "test")
    said = {fact.name: fact.value for fact in record.facts}["recognised by"]
    assert said == "Sampler: Euler a; CFG scale: 7; Steps: 20; Seed: 5; Size: 512x512"


def test_text_in_a_place_of_generators_is_shown_as_it_stands() -> None:
    decoded = intake.decode(files.png(parameters="Aperture: f/2"), "test")
    assert {fact.name: fact.value for fact in decoded.metadata}["parameters"] == "Aperture: f/2"


def test_a_name_alone_offers_no_prompt() -> None:
    for software, name in (
        ("DALL-E 3 (ChatGPT)", "DALL-E"),
        ("Adobe Firefly", "Adobe Firefly"),
        ("Google Gemini 2.5 Flash Image", "Google Gemini or Imagen"),
        ("Bing Image Creator", "Microsoft Designer or Bing Image Creator"),
        ("Midjourney", "Midjourney"),
        ("stable-diffusion-webui", "Stable Diffusion"),
    ):
        decoded = intake.decode(files.png(Software=software, Description="a hare in the grass"), "test")
        assert [record.software for record in decoded.records] == [name]
        assert intake.prompt_stated(decoded.generator) == ""
        assert any("not called a prompt" in fact.name for fact in decoded.generator)


def test_google_and_meta_name_themselves_in_credit_and_artist() -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:Credit="Made with Google AI" '
        'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" i:DigitalSourceType='
        '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
    )
    (record,) = intake.decode(files.xmp(packet), "test").records
    assert record.software == "Google Gemini or Imagen"
    assert any("trainedAlgorithmicMedia" in fact.value for fact in record.further)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Euler a", True),
        ("DPM++ 2M SDE Karras", True),
        ("dpmpp_2m_sde_gpu", True),
        ("k_dpmpp_2s_ancestral", True),
        ("res_multistep_cfg_pp", True),
        ("DPM++ 3M SDE Exponential", True),
        ("EulerAncestralDiscreteScheduler", True),
        ("uni_pc_bh2", True),
        ("UniPC Trailing", True),
        ("DPM adaptive", True),
        ("er_sde", True),
        ("heunter mk2", False),
        ("Restart Audio", False),
        ("Akai MPC60", False),
        ("resin", False),
        ("cotton", False),
    ],
)
def test_names_of_samplers(name: str, known: bool) -> None:
    assert sampler_known(name) is known
