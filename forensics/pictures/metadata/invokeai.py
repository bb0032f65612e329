"""InvokeAI's layouts: `invokeai_metadata` (3 and later), `sd-metadata` (2), and `Dream`, a command line (1).

`sd-metadata` holds one `image`, or `images` for a sheet of several. Version 2 writes the negative prompt
between square brackets inside the prompt, and the command line does the same.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from forensics.pictures.metadata.base import (
    MARKS_OF_A_RECORD,
    Entries,
    GeneratorMetadata,
    Lora,
    document,
    further,
    real,
    text,
    whole,
)

_NAME = "InvokeAI"
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_KNOWN = frozenset(
    {
        "positive_prompt",
        "negative_prompt",
        "seed",
        "steps",
        "scheduler",
        "cfg_scale",
        "model",
        "width",
        "height",
        "loras",
        "lora",
        "vae",
        "app_version",
    }
)
_FLAGS = {"-s": "steps", "-S": "seed", "-W": "width", "-H": "height", "-C": "cfg_scale", "-A": "sampler"}


def read(entries: Entries) -> list[GeneratorMetadata]:
    """The newest layout the file holds, for older ones repeat it."""
    for name, parse in (("invokeai_metadata", _third), ("invokeai", _third), ("sd-metadata", _second)):
        if name in entries:
            parsed = document(entries[name])
            source = f'text entry "{name}"'
            if parsed is None:
                problem = "The entry is not a JSON object."
                return [GeneratorMetadata(_NAME, source, problems=(problem,), entry=name, marks=(f"the name {name}",))]
            return parse(parsed, source, name)
    if "Dream" not in entries:
        return []
    record = _dream(entries["Dream"], 'text entry "Dream"')
    return [record] if len(record.marks) > MARKS_OF_A_RECORD else []  # the name and two flags: a diary has the name too


def _third(record: dict[str, Any], source: str, entry: str) -> list[GeneratorMetadata]:
    node = record.get("node")
    if isinstance(node, dict):  # early versions of the third generation keep the node that made the picture
        record = {"positive_prompt": node.get("prompt"), **node}
    model = _model(record.get("model"))
    marks = [f"the name {entry}"]
    marks += [
        f"{key}: {text(record[key])[:60]}"
        for key in ("app_version", "generation_mode", "scheduler", "seed")
        if text(record.get(key))
    ]
    return [
        GeneratorMetadata(
            software=f"{_NAME} {text(record.get('app_version'))}".strip(),
            source=source,
            prompt=text(record.get("positive_prompt")),
            negative_prompt=text(record.get("negative_prompt")),
            seed=whole(record.get("seed")),
            steps=whole(record.get("steps")),
            sampler=text(record.get("scheduler")),
            guidance=real(record.get("cfg_scale")),
            model=_name(model),
            model_hash=text(model.get("hash")),
            width=whole(record.get("width")),
            height=whole(record.get("height")),
            vae=_name(_model(record.get("vae"))),
            loras=tuple(_loras(record.get("loras", record.get("lora")))),
            further=further(record, _KNOWN),
            marks=tuple(marks),
            entry=entry,
        )
    ]


def _model(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"name": value}


def _name(model: dict[str, Any]) -> str:
    return text(model.get("name")) or text(model.get("model_name")) or text(model.get("key"))


def _loras(listed: object) -> Iterator[Lora]:
    """`{"lora": {"model_name"}, "weight"}` of the third version, `{"model": {"name", "hash"}, "weight"}` since."""
    for row in listed if isinstance(listed, list) else []:
        if isinstance(row, dict):
            model = _model(row.get("lora", row.get("model")))
            if name := _name(model):
                yield Lora(name, real(row.get("weight")), text(model.get("hash")))


def _second(record: dict[str, Any], source: str, entry: str) -> list[GeneratorMetadata]:
    single, several = record.get("image"), record.get("images")
    images = [single] if isinstance(single, dict) else []
    images += [image for image in several if isinstance(image, dict)] if isinstance(several, list) else []
    if not images:
        problem = 'The part "image" is missing.'
        return [GeneratorMetadata(_NAME, source, problems=(problem,), entry=entry, marks=("the name sd-metadata",))]
    return list(dict.fromkeys(_image(image, record, source, entry) for image in images))


def _image(image: dict[str, Any], record: dict[str, Any], source: str, entry: str) -> GeneratorMetadata:
    prompts = image.get("prompt")
    if isinstance(prompts, list):
        prompts = " ".join(text(row.get("prompt")) for row in prompts if isinstance(row, dict))
    prompt, negative = _split(text(prompts))
    marks = ["the name sd-metadata"]
    marks += [
        f"{key}: {text(image[key])[:60]}" for key in ("sampler", "cfg_scale", "steps", "seed") if text(image.get(key))
    ]
    return GeneratorMetadata(
        software=f"{_NAME} {text(record.get('app_version'))}".strip(),
        source=source,
        prompt=prompt,
        negative_prompt=negative,
        seed=whole(image.get("seed")),
        steps=whole(image.get("steps")),
        sampler=text(image.get("sampler")),
        guidance=real(image.get("cfg_scale")),
        model=text(record.get("model_weights")) or text(record.get("model")),
        model_hash=text(record.get("model_hash")),
        width=whole(image.get("width")),
        height=whole(image.get("height")),
        further=further(image, {"prompt", "seed", "steps", "sampler", "cfg_scale", "width", "height"}),
        marks=tuple(marks),
        entry=entry,
    )


def _dream(line: str, source: str) -> GeneratorMetadata:
    try:
        words = shlex.split(line)
    except ValueError:
        return GeneratorMetadata(
            _NAME, source, problems=("The command line has unbalanced quotation marks.",), entry="Dream"
        )
    plain, flags = [], {}
    position = 0
    while position < len(words):
        word = words[position]
        if word in _FLAGS and position + 1 < len(words):
            flags[_FLAGS[word]] = words[position + 1]
            position += 2
        elif len(word) > 2 and word[:2] in _FLAGS and re.fullmatch(r"-?[\d.]+|\w+", word[2:]) and word[0] == "-":
            flags[_FLAGS[word[:2]]] = word[2:]
            position += 1
        else:
            if not word.startswith("-"):
                plain.append(word)
            position += 1
    prompt, negative = _split(" ".join(plain))
    return GeneratorMetadata(
        software=_NAME,
        source=source,
        prompt=prompt,
        negative_prompt=negative,
        seed=whole(flags.get("seed")),
        steps=whole(flags.get("steps")),
        sampler=flags.get("sampler", ""),
        guidance=real(flags.get("cfg_scale")),
        width=whole(flags.get("width")),
        height=whole(flags.get("height")),
        marks=("the name Dream", *(f"{name}: {value}" for name, value in flags.items())),
        entry="Dream",
    )


def _split(prompt: str) -> tuple[str, str]:
    """Prompt and what stood between square brackets in it."""
    negative = ", ".join(part.strip() for part in _BRACKETS.findall(prompt) if part.strip())
    return " ".join(_BRACKETS.sub(" ", prompt).split()), negative
