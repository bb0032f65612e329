"""InvokeAI's three layouts: `invokeai_metadata` (3 and later), `sd-metadata` (2), and `Dream`, a command line (1).

Version 2 writes the negative prompt between square brackets inside the prompt, and the command line does the same.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from forensics.pictures.metadata.base import Entries, GeneratorMetadata, document, further, real, text, whole

_NAME = "InvokeAI"
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_KNOWN = frozenset(
    {"positive_prompt", "negative_prompt", "seed", "steps", "scheduler", "cfg_scale", "model", "width", "height"}
)
_FLAGS = {"-s": "steps", "-S": "seed", "-W": "width", "-H": "height", "-C": "cfg_scale", "-A": "sampler"}


def read(entries: Entries) -> list[GeneratorMetadata]:
    """The newest layout the file holds, for older ones repeat it."""
    for name, parse in (("invokeai_metadata", _third), ("sd-metadata", _second)):
        if name in entries:
            parsed = document(entries[name])
            source = f'text entry "{name}"'
            if parsed is None:
                return [GeneratorMetadata(_NAME, source, problems=("The entry is not a JSON object.",))]
            return [parse(parsed, source)]
    return [_dream(entries["Dream"], 'text entry "Dream"')] if "Dream" in entries else []


def _third(record: dict[str, Any], source: str) -> GeneratorMetadata:
    model = record.get("model")
    model = model if isinstance(model, dict) else {"name": model}
    return GeneratorMetadata(
        software=f"{_NAME} {text(record.get('app_version'))}".strip(),
        source=source,
        prompt=text(record.get("positive_prompt")),
        negative_prompt=text(record.get("negative_prompt")),
        seed=whole(record.get("seed")),
        steps=whole(record.get("steps")),
        sampler=text(record.get("scheduler")),
        guidance=real(record.get("cfg_scale")),
        model=text(model.get("name")) or text(model.get("model_name")),
        model_hash=text(model.get("hash")),
        width=whole(record.get("width")),
        height=whole(record.get("height")),
        further=further(record, _KNOWN),
    )


def _second(record: dict[str, Any], source: str) -> GeneratorMetadata:
    image = record.get("image")
    if not isinstance(image, dict):
        return GeneratorMetadata(_NAME, source, problems=('The part "image" is missing.',))
    prompts = image.get("prompt")
    if isinstance(prompts, list):
        prompts = " ".join(text(row.get("prompt")) for row in prompts if isinstance(row, dict))
    prompt, negative = _split(text(prompts))
    return GeneratorMetadata(
        software=f"{_NAME} {text(record.get('app_version'))}".strip(),
        source=source,
        prompt=prompt,
        negative_prompt=negative,
        seed=whole(image.get("seed")),
        steps=whole(image.get("steps")),
        sampler=text(image.get("sampler")),
        guidance=real(image.get("cfg_scale")),
        model=text(record.get("model_weights")),
        model_hash=text(record.get("model_hash")),
        width=whole(image.get("width")),
        height=whole(image.get("height")),
    )


def _dream(line: str, source: str) -> GeneratorMetadata:
    try:
        words = shlex.split(line)
    except ValueError:
        return GeneratorMetadata(_NAME, source, problems=("The command line has unbalanced quotation marks.",))
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
    )


def _split(prompt: str) -> tuple[str, str]:
    """Prompt and what stood between square brackets in it."""
    negative = ", ".join(part.strip() for part in _BRACKETS.findall(prompt) if part.strip())
    return " ".join(_BRACKETS.sub(" ", prompt).split()), negative
