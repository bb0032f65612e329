"""Records that name the arguments of the call: Fooocus' own scheme, diffusers scripts, Easy Diffusion, Midjourney.

diffusers writes nothing by itself; programs around it store the arguments of the pipeline under their own names, one
text entry each or as one JSON object. Both are read by these names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from forensics.pictures.metadata.base import Entries, GeneratorMetadata, document, further, real, text, whole

_JSON_ENTRIES = (
    "parameters",
    "Parameters",
    "EXIF UserComment",
    "comment",
    "Comment",
    "generation_data",
    "metadata",
    "diffusers",
)
_NAMES = {
    "prompt": ("full_prompt", "prompt", "Prompt"),
    "negative": ("full_negative_prompt", "negative_prompt", "Negative Prompt", "negativePrompt"),
    "seed": ("seed", "Seed"),
    "steps": ("num_inference_steps", "steps", "Steps"),
    "sampler": ("sampler_name", "sampler", "Sampler"),
    "scheduler": ("scheduler", "Scheduler"),
    "guidance": ("guidance_scale", "cfg_scale", "cfgScale", "Guidance Scale"),
    "model": (
        "base_model",
        "base_model_name",
        "model",
        "model_id",
        "model_name",
        "use_stable_diffusion_model",
        "Stable Diffusion model",
        "Base Model",
    ),
    "hash": ("base_model_hash", "model_hash"),
    "width": ("width", "Width"),
    "height": ("height", "Height"),
    "version": ("version", "Version"),
}
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)
_JOB = re.compile(r"\s*Job ID: *([0-9a-f-]{36})")


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every record of this kind that the file holds."""
    found = []
    for name in _JSON_ENTRIES:
        value = entries.get(name, "")
        if name == "Comment" and "NovelAI" in entries.get("Software", ""):
            continue  # has a reader of its own
        if value.lstrip().startswith("{") and (record := document(value)) is not None and _is_call(record):
            found.append(_record(record, f'entry "{name}"', entries))
    # One text entry an argument; a prompt that is a graph belongs to ComfyUI.
    if not found and _is_call(entries) and not entries.get("prompt", "{").lstrip().startswith("{"):
        found.append(_record({k: v for k, v in entries.items() if k in _KNOWN}, "text entries", entries))
    description = entries.get("Description", "") or entries.get("EXIF ImageDescription", "")
    if job := _JOB.search(description):
        prompt = re.split(r"\s--\w", _JOB.sub("", description))[0].strip()
        found.append(GeneratorMetadata("Midjourney", f"description of the file, job {job[1]}", prompt=prompt))
    return found


def _is_call(record: Mapping[str, Any]) -> bool:
    """Whether the record names a prompt and at least two further arguments of a generation."""
    named = {field for field, names in _NAMES.items() if any(name in record for name in names)}
    return "prompt" in named and len(named & {"seed", "steps", "sampler", "guidance", "model"}) >= 2


def _record(record: Mapping[str, Any], source: str, entries: Entries) -> GeneratorMetadata:
    def get(field: str) -> object:
        return next((_plain(record[n]) for n in _NAMES[field] if n in record and record[n] not in (None, "", [])), None)

    size = re.search(r"(\d{2,5})\D+(\d{2,5})", text(record.get("resolution")))
    version = text(get("version"))
    if "Fooocus" in version or "fooocus_scheme" in entries or record.get("metadata_scheme") == "fooocus":
        software = version or "Fooocus"
    elif "use_stable_diffusion_model" in record or "Stable Diffusion model" in record:
        software = "Easy Diffusion"
    else:
        software = "arguments of a diffusers pipeline"
    problems = ("The seed is not a whole number.",) if get("seed") is not None and whole(get("seed")) is None else ()
    return GeneratorMetadata(
        software=software,
        source=source,
        prompt=text(get("prompt")),
        negative_prompt=text(get("negative")),
        seed=whole(get("seed")),
        steps=whole(get("steps")),
        sampler=text(get("sampler")),
        scheduler=text(get("scheduler")),
        guidance=real(get("guidance")),
        model=text(get("model")),
        model_hash=text(get("hash")),
        width=whole(get("width")) or (int(size[1]) if size else None),
        height=whole(get("height")) or (int(size[2]) if size else None),
        further=further(record, _KNOWN),
        problems=problems,
    )


def _plain(value: object) -> object:
    """Fooocus stores prompts as lists of lines."""
    if isinstance(value, list):
        return "\n".join(row for row in value if isinstance(row, str))
    return value
