"""Readers of the other programs' records, and texts in codes that the file does not declare or declares wrongly.

Sources: SwarmUI's and Draw Things' documented metadata, Fooocus' metadata schemes and its forks, InvokeAI's metadata
pages, EXIF 2.32 section 4.6.5 (character codes of UserComment), reports on readers that printed mojibake.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.pictures import intake
from forensics.pictures.metadata import GeneratorMetadata, Lora, encodings
from tests.metadata import files

JAPANESE = "草むらの野うさぎ, 水墨画"
LINE = "Steps: 25, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x768"


def records(data: bytes) -> tuple[GeneratorMetadata, ...]:
    return intake.decode(data, "test").records


def one(data: bytes) -> GeneratorMetadata:
    (record,) = records(data)
    return record


def test_swarmui_with_lora_and_digests() -> None:
    record = {
        "sui_image_params": {
            "prompt": "a hare <segment:face>",
            "model": "ink",
            "seed": 5,
            "steps": 20,
            "cfgscale": 4.0,
            "width": 64,
            "height": 64,
            "loras": ["artist"],
            "loraweights": ["0.8"],
            "vae": "painter",
            "swarm_version": "0.9.7.0",
        },
        "sui_models": [
            {"name": "ink.safetensors", "param": "model", "hash": "0xaa"},
            {"name": "artist.safetensors", "param": "loras", "hash": "0xbb"},
        ],
        "sui_extra_data": {"date": "2026-01-01", "original_prompt": "a <random:hare,fox>"},
    }
    found = one(files.png(parameters=json.dumps(record)))
    assert (found.software, found.prompt, found.model, found.model_hash) == (
        "SwarmUI 0.9.7.0",
        "a hare <segment:face>",
        "ink",
        "0xaa",
    )
    assert (found.loras, found.vae) == ((Lora("artist", 0.8, "0xbb"),), "painter")
    assert ("extra: original_prompt", "a <random:hare,fox>") in [(f.name, f.value) for f in found.further]


def test_drawthings_in_xmp() -> None:
    body = {
        "c": "a hare",
        "uc": "text",
        "model": "ink.ckpt",
        "sampler": "DPM++ 2M Karras",
        "scale": 7.5,
        "seed": 9,
        "size": "512x768",
        "steps": 30,
        "lora": [{"model": "artist.ckpt", "weight": 0.6}],
    }
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmp:CreatorTool="Draw Things"><exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{json.dumps(body)}</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    found = one(files.xmp(packet, "PNG" if False else "JPEG"))
    assert (found.software, found.prompt, found.negative_prompt, found.seed) == ("Draw Things", "a hare", "text", 9)
    assert (found.width, found.height, found.guidance) == (512, 768, 7.5)
    assert found.loras == (Lora("artist.ckpt", 0.6),)


@pytest.mark.parametrize(
    ("record", "software", "lora"),
    [
        (
            {
                "prompt": "a hare",
                "negative_prompt": "",
                "seed": "5",
                "steps": 30,
                "base_model": "juggernaut",
                "version": "Fooocus v2.4.3",
                "loras": [["offset.safetensors", 0.1, "ab12"]],
                "metadata_scheme": "fooocus",
            },
            "Fooocus v2.4.3",
            Lora("offset.safetensors", 0.1, "ab12"),
        ),
        (
            {
                "Prompt": "a hare",
                "Negative": "text",
                "steps": 30,
                "cfg": 8,
                "seed": 5,
                "sampler_name": "dpmpp_2m_sde_gpu",
                "base_model_name": "x",
                "loras": [["ab12", "0.5 - artist.safetensors"]],
                "software": "RuinedFooocus",
            },
            "RuinedFooocus",
            Lora("artist.safetensors", 0.5, "ab12"),
        ),
        (
            {
                "prompt": "a hare",
                "seed": 5,
                "steps": 30,
                "base_model": "x",
                "version": "SimpleSDXL2 v1.0",
                "metadata_scheme": "simple",
                "lora_combined_1": "artist.safetensors : 0.4",
            },
            "SimpleSDXL2 v1.0",
            Lora("artist.safetensors", 0.4),
        ),
    ],
)
def test_fooocus_and_its_kin(record: dict[str, object], software: str, lora: Lora) -> None:
    found = one(files.png(parameters=json.dumps(record)))
    assert (found.software, found.prompt, found.seed, found.loras) == (software, "a hare", 5, (lora,))


def test_fooocus_in_the_layout_of_the_web_ui() -> None:
    text = (
        f"a hare\nNegative prompt: text\n{LINE}, Sharpness: 2, ADM Guidance: (1.5, 0.8, 0.3), Version: Fooocus v2.5.5"
    )
    found = one(files.png(parameters=text, fooocus_scheme="a1111"))
    assert (found.software, found.prompt, found.seed) == ("Fooocus v2.5.5", "a hare", 42)


def test_invokeai_sheet_and_newer_records() -> None:
    image = {
        "prompt": [{"prompt": "a hare [text]", "weight": 1}],
        "steps": 50,
        "cfg_scale": 7.5,
        "seed": 4,
        "sampler": "k_lms",
        "width": 512,
        "height": 512,
    }
    sheet = {"model": "stable diffusion", "app_version": "1.15", "images": [image, image | {"seed": 5}]}
    found = records(files.png(sd_dash_metadata=json.dumps(sheet)))
    assert [(r.prompt, r.negative_prompt, r.seed) for r in found] == [("a hare", "text", 4), ("a hare", "text", 5)]
    newer = {
        "app_version": "5.4.0",
        "positive_prompt": "a hare",
        "seed": 1,
        "scheduler": "euler",
        "cfg_scale": 4,
        "model": {"key": "k", "name": "flux"},
        "vae": {"key": "v", "name": "painter"},
        "loras": [{"model": {"key": "l", "name": "artist", "hash": "blake3:cc"}, "weight": 0.75}],
    }
    record = one(files.png(invokeai_metadata=json.dumps(newer)))
    assert (record.vae, record.loras) == ("painter", (Lora("artist", 0.75, "blake3:cc"),))


def test_easy_diffusions_word_for_nothing() -> None:
    entries = {
        "prompt": "a hare",
        "seed": "3",
        "num_inference_steps": "25",
        "guidance_scale": "7.5",
        "sampler_name": "ddim",
        "use_stable_diffusion_model": "ink",
        "use_lora_model": "artist",
        "lora_alpha": "0.5",
        "use_vae_model": "None",
    }
    found = one(files.png(**entries))
    assert (found.loras, found.vae, found.model) == ((Lora("artist", 0.5),), "", "ink")


def test_midjourney_flags_are_parameters() -> None:
    text = "a hare -- in ink, --no text --ar 16:9 --seed 77 --style raw Job ID: 0a1b2c3d-0000-4000-8000-0123456789ab"
    found = one(files.png(Description=text))
    assert found.prompt == "a hare -- in ink,"
    assert [fact.value for fact in found.further] == ["--no text", "--ar 16:9", "--seed 77", "--style raw"]
    assert found.seed == 77


# Codes


@pytest.mark.parametrize("mark", [b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8), b"", b"Unicode\0"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16"])
def test_a_comment_in_any_code_under_any_declaration(mark: bytes, code: str) -> None:
    text = f"{JAPANESE}\nNegative prompt: 文字\n{LINE}"
    found = one(files.exif({}, mark + text.encode(code)))
    assert (found.prompt, found.negative_prompt, found.seed) == (JAPANESE, "文字", 42)
    declared_right = (mark, code) in ((b"UNICODE\0", "utf-16"), (b"Unicode\0", "utf-16"))
    assert bool(found.encoding) is not declared_right


def test_which_code_was_used_is_said() -> None:
    text = f"{JAPANESE}\n{LINE}"
    assert "big-endian" in one(files.exif({}, b"UNICODE\0" + text.encode("utf-16-be"))).encoding
    assert "valid UTF-8" in one(files.exif({}, b"UNICODE\0" + text.encode())).encoding
    assert (
        "declares Latin-1"
        in one(files.with_chunk(files.png(), files.chunk(b"tEXt", b"parameters\0" + text.encode()))).encoding
    )


@pytest.mark.parametrize("code", ["latin-1", "cp1252"])
def test_text_stored_once_too_often_is_brought_back(code: str) -> None:
    text = "Hase im Gebüsch, “Öl”" if code == "cp1252" else "Hase im Gebüsch, Öl"
    broken = text.encode().decode(code, "strict") if code == "latin-1" else _twice(text)
    found = one(files.itxt(parameters=f"{broken}\n{LINE}"))
    assert found.prompt == text
    assert "brought back" in found.encoding


def _twice(text: str) -> str:
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in text.encode())


@pytest.mark.parametrize("text", ["Gebüsch", "Ãpfel", "Café Ålesund", "naïve Ã", "ÄÖÜ äöü ß", "£5 – €6"])
def test_ordinary_letters_are_left_as_they_are(text: str) -> None:
    assert encodings.undone(text).value == text


@given(text=st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=60))
@settings(max_examples=150, deadline=None)
def test_declared_utf_16_with_its_mark_and_utf_8_are_read_back(text: str) -> None:
    wanted = text.strip("\0\ufeff")
    assert encodings.exif_comment(b"UNICODE\0" + text.encode("utf-16")).value.strip("\ufeff") == wanted
    assert encodings.decoded(text.encode(), "UTF-8").value == wanted


def test_a_packet_with_entities_is_not_parsed_and_said() -> None:
    packet = '<!DOCTYPE x [<!ENTITY a "aaaa">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>'
    decoded = intake.decode(files.xmp(packet), "test")
    assert any("XMP packet could not be read" in step for step in decoded.decoding)
