"""Texts as programs and people leave them: each kind of layout with its values, the rest verbatim.

Sources: the web UI's and Civitai's documentation of their infotexts, sd-dynamic-prompts' templates, reports of cut and
flattened comments at image hosts, and the exports of Stable Horde clients.
"""

from __future__ import annotations

import json
import time

import pytest

from forensics.pictures import intake
from forensics.pictures.metadata import Lora, webui
from forensics.pictures.metadata.base import GeneratorMetadata
from tests.metadata import files

LINE = "Steps: 25, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x768, Model hash: 0123abcd45, Model: ink"


def parse(text: str) -> GeneratorMetadata:
    assert webui.recognised(text), text
    return webui.parse(text, "test")


@pytest.mark.parametrize(
    "text",
    [
        f"a hare\nNegative prompt: text\n{LINE}",
        f"a hare\r\nNegative prompt: text\r\n{LINE}\r\n",
        f"a hare Negative prompt: text {LINE}",
        f"a hare\nNegative prompt: text\n{LINE.replace(', ', ',')}",
        f"a hare\nNegative prompt: text\n{LINE.replace(', ', ' | ')}",
        f"a hare\nNegative prompt: text\n{LINE.replace(', ', '; ')}",
        "a hare\nNegative prompt: text\n" + LINE.replace(", ", "\n"),
        f'a hare\nNegative prompt: text\n{LINE}, Hires prompt: "a hare, Steps: 3, Seed: 1", Version: v1.9.4',
        f"\ufeffa hare\nNegative prompt: text\n{LINE}\0",
        f"a hare\nnegative prompt: text\n{LINE.lower()}",
    ],
    ids=["plain", "CR LF", "one line", "no spaces", "bars", "semicolons", "lines", "quoted", "mark", "lower case"],
)
def test_every_form_gives_the_same_values(text: str) -> None:
    record = parse(text.lstrip("\ufeff"))
    assert (record.prompt, record.negative_prompt) == ("a hare", "text")
    assert (record.steps, record.seed, record.guidance, record.width, record.height) == (25, 42, 7.0, 512, 768)
    assert (record.model, record.model_hash) == ("ink", "0123abcd45")


def test_words_of_the_layout_in_the_prompt_stay_there() -> None:
    prompt = "Seed: 7, Steps: 3, a poster that says\nSteps: 9, Sampler: none\nCFG scale: 2"
    record = parse(f"{prompt}\n{LINE}")
    assert (record.prompt, record.seed, record.steps) == (prompt, 42, 25)


def test_json_and_quotation_marks_are_one_value() -> None:
    resources = '[{"type": "lora", "weight": 0.4, "modelName": "Seed: 7, Steps: 3", "modelVersionName": "v2"}]'
    record = parse(
        f'a hare\n{LINE}, ADetailer prompt: "a, b: \\"c\\"\\nd", Civitai resources: {resources}, Clip skip: 2'
    )
    stated = {fact.name: fact.value for fact in record.further}
    assert stated["ADetailer prompt"] == 'a, b: "c"\nd'
    assert json.loads(stated["Civitai resources"]) == json.loads(resources)
    assert stated["Clip skip"] == "2"
    assert record.loras == (Lora("Seed: 7, Steps: 3, v2", 0.4),)
    assert (record.seed, record.steps) == (42, 25)


def test_lora_in_prompt_hashes_and_resources() -> None:
    text = f"a hare <lora:ink-artist:0.8> <lyco:wash:0.5:0.3>\n{LINE}, "
    text += 'Lora hashes: "ink-artist: 1a2b3c4d, other: 9f8e7d6c"'
    assert parse(text).loras == (
        Lora("ink-artist", 0.8, "1a2b3c4d"),
        Lora("wash", 0.5),
        Lora("other", None, "9f8e7d6c"),
    )


def test_what_no_rule_covers_is_kept_verbatim() -> None:
    record = parse(f"a hare\n{LINE}, and a remark, Version: v1.9.4, §§")
    assert record.rest == "and a remark, §§"
    assert ("not parsed", "and a remark, §§") in [(f.name, f.value) for f in record.facts]


def test_a_name_stated_twice_is_said() -> None:
    record = parse(f"a hare\n{LINE}, Seed: 99")
    assert record.seed == 42
    assert any("more than once" in problem for problem in record.problems)


def test_templates_of_several_lines_are_kept_apart() -> None:
    record = parse(f"a hare\n{LINE}\nTemplate: {{a|b}} hare,\nsecond line\nNegative Template: text")
    stated = {fact.name: fact.value for fact in record.further}
    assert (stated["Template"], stated["Negative Template"]) == ("{a|b} hare,\nsecond line", "text")
    assert (record.prompt, record.rest) == ("a hare", "")


def test_programs_are_told_by_their_version() -> None:
    for version, software in (
        ("f2.0.1v1.10.1-previous-659-gc055f2d4", "Forge"),
        ("Fooocus v2.5.5", "Fooocus v2.5.5"),
        ("v1.10.1", "Stable Diffusion web UI v1.10.1"),
        ("ComfyUI", "ComfyUI"),
    ):
        assert software in parse(f"a hare\n{LINE}, Version: {version}").software


def test_a_long_value_is_kept_whole() -> None:
    hashes = json.dumps({f"lora:{n}": "0123456789" for n in range(60)})
    stated = {fact.name: fact.value for fact in parse(f"a hare\n{LINE}, Hashes: {hashes}").further}
    assert stated["Hashes"] == hashes


def test_a_text_cut_in_the_middle_of_the_line_gives_what_is_there() -> None:
    record = parse(
        'a hare\nNegative prompt: text\nSteps: 25, Sampler: Euler a, CFG scale: 7, Seed: 42, Hashes: {"model": "01'
    )
    assert (record.prompt, record.seed) == ("a hare", 42)
    assert any('{"model": "01' in fact.value for fact in record.further)


@pytest.mark.parametrize("place", ["EXIF ImageDescription", "XPComment", "XMP", "GIF"])
def test_the_text_is_found_wherever_programs_put_it(place: str) -> None:
    import io
    from xml.sax.saxutils import escape

    text = f"a hare\nNegative prompt: text\n{LINE}"
    if place == "EXIF ImageDescription":
        data = files.exif({0x010E: text})
    elif place == "XPComment":
        data = files.exif({0x9C9C: text.encode("utf-16-le")})
    elif place == "GIF":
        buffer = io.BytesIO()
        files.picture().save(buffer, "GIF", comment=text.encode())
        data = buffer.getvalue()
    else:
        data = files.xmp(
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/"><exif:UserComment><rdf:Alt>'
            f'<rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></exif:UserComment>'
            "</rdf:Description></rdf:RDF></x:xmpmeta>",
            "JPEG",
        )
    (record,) = intake.decode(data, "test").records
    assert (record.prompt, record.negative_prompt, record.seed) == ("a hare", "text", 42)


def test_one_text_in_two_places_is_one_record_with_both_named() -> None:
    text = f"a hare\n{LINE}"
    (record,) = intake.decode(files.exif({0x010E: text}, b"UNICODE\0" + text.encode("utf-16-be")), "test").records
    assert record.source == "EXIF tag ImageDescription and EXIF tag UserComment"


@pytest.mark.parametrize(
    "text",
    [
        "Steps: 1, Sampler: x\n" * 20_000,
        ":{" * 50_000 + "Steps: 1",
        ': {"' * 20_000,
        f"a\n{LINE.replace('Euler a', 'dpm' + 'p' * 5000 + '!')}",
        f"a\n{LINE.replace('Euler a', 'dpm' + 'cfg++' * 12 + '!')}",
        f'a\n{LINE}, Lora hashes: "{"a" * 100_000}"',
    ],
)
def test_texts_made_to_take_for_ever_end(text: str) -> None:
    began = time.process_time()
    webui.recognised(text)
    webui.parse(text, "test")
    assert time.process_time() - began < 20
