"""SwarmUI's record: a JSON object with `sui_image_params`, in PNG text `parameters` or in the EXIF tag UserComment."""

from __future__ import annotations

from typing import Any

from forensics.case import Fact
from forensics.pictures.metadata import webui
from forensics.pictures.metadata.base import (
    Entries,
    GeneratorMetadata,
    Lora,
    document,
    further,
    real,
    shown,
    text,
    whole,
)

_KNOWN = frozenset(
    {
        "prompt",
        "negativeprompt",
        "seed",
        "steps",
        "cfgscale",
        "sampler",
        "scheduler",
        "model",
        "width",
        "height",
        "vae",
        "loras",
        "loraweights",
        "swarm_version",
    }
)


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every record of this layout, wherever in the file it lies."""
    found = []
    for name, value in entries.items():
        if "sui_image_params" in value and (record := document(value)) is not None:
            parameters = record.get("sui_image_params")
            if isinstance(parameters, dict):
                found.append(_record(parameters, record, name))
            else:
                problem = "The part sui_image_params is not an object."
                found.append(GeneratorMetadata("SwarmUI", webui.described(name), problems=(problem,), entry=name))
    return found


def _record(parameters: dict[str, Any], whole_record: dict[str, Any], name: str) -> GeneratorMetadata:
    version = text(parameters.get("swarm_version"))
    names, weights = _list(parameters.get("loras")), _list(parameters.get("loraweights"))
    digests = {
        text(row.get("name")): text(row.get("hash"))
        for row in _list(whole_record.get("sui_models"))
        if isinstance(row, dict)
    }
    model = text(parameters.get("model"))
    rows = further(parameters, _KNOWN)
    extra = whole_record.get("sui_extra_data")
    more = tuple(shown(str(k), v) for k, v in extra.items() if v) if isinstance(extra, dict) else ()
    marks = [f"the name sui_image_params in {webui.described(name)}"]
    marks += [
        f"{key}: {text(parameters[key])[:60]}"
        for key in ("swarm_version", "cfgscale", "steps", "seed")
        if key in parameters
    ]
    return GeneratorMetadata(
        software=f"SwarmUI {version}".strip(),
        source=webui.described(name),
        prompt=text(parameters.get("prompt")),
        negative_prompt=text(parameters.get("negativeprompt")),
        seed=whole(parameters.get("seed")),
        steps=whole(parameters.get("steps")),
        sampler=text(parameters.get("sampler")),
        scheduler=text(parameters.get("scheduler")),
        guidance=real(parameters.get("cfgscale")),
        model=model,
        model_hash=_digest(digests, model),
        width=whole(parameters.get("width")),
        height=whole(parameters.get("height")),
        vae=text(parameters.get("vae")),
        loras=tuple(
            Lora(text(lora), real(weights[n]) if n < len(weights) else None, _digest(digests, text(lora)))
            for n, lora in enumerate(names)
            if text(lora)
        ),
        further=(*rows, *(Fact(f"extra: {fact.name}", fact.value) for fact in more)),
        marks=tuple(marks),
        entry=name,
    )


def _digest(digests: dict[str, str], name: str) -> str:
    """Names in the list of models carry a suffix that the parameters leave out."""
    for key in (name, f"{name}.safetensors"):
        if key in digests:
            return digests[key]
    return ""


def _list(value: object) -> list[Any]:
    if isinstance(value, str):  # older versions write lists as one text
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else []
