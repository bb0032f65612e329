"""Records that name the arguments of the call: Fooocus and its kin, diffusers scripts, Easy Diffusion.

diffusers writes nothing by itself; programs around it store the arguments of the pipeline under their own names, one
text entry each or as one JSON object. Both are read by these names, and only where several of them stand together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from forensics.pictures.metadata.base import (
    Entries,
    GeneratorMetadata,
    Lora,
    document,
    further,
    real,
    sampler_known,
    stated,
    text,
    whole,
)
from forensics.pictures.metadata.webui import described

_JSON_ENTRIES = (
    "parameters",
    "Parameters",
    "EXIF UserComment",
    "comment",
    "Comment",
    "generation_data",
    "metadata",
    "diffusers",
    "EXIF ImageDescription",
    "Description",
    "XMP exif:UserComment",
    "XMP dc:description",
    "EXIF MakerNote",
)
_NAMES = {
    "prompt": ("full_prompt", "prompt", "Prompt", "positive_prompt"),
    "negative": (
        "full_negative_prompt",
        "negative_prompt",
        "Negative Prompt",
        "negativePrompt",
        "Negative",
        "negative",
        "negative prompt",
    ),
    "seed": ("seed", "Seed"),
    "steps": ("num_inference_steps", "steps", "Steps"),
    "sampler": ("sampler_name", "sampler", "Sampler", "sampler name", "samplerName"),
    "scheduler": ("scheduler", "Scheduler"),
    "guidance": (
        "guidance_scale",
        "cfg_scale",
        "cfgScale",
        "Guidance Scale",
        "cfg",
        "guidance scale",
        "Guidance scale",
    ),
    "model": (
        "base_model",
        "base_model_name",
        "baseModel",
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
    "vae": ("use_vae_model", "vae", "VAE", "vae_name", "VAE model"),
}
_LORAS = ("loras", "use_lora_model", "lora_alpha", "LoRA model", "LoRA Strength")
_OF_DIFFUSION = (
    "metadata_scheme",
    "num_inference_steps",
    "use_stable_diffusion_model",
    "base_model",
    "negative_prompt",
    "Negative Prompt",
    "negativePrompt",
    "full_negative_prompt",
)
"""Names that no other kind of call has."""
_SCHEDULER = re.compile(
    r"\w*(?:DDIM|DDPM|PNDM|DPM|Euler|Heun|LMS|UniPC|LCM|TCD|DEIS|SASolver|S[dD][eE]|KarrasVe|FlowMatch|UnCLIP|RePaint|"
    r"CMStochastic|Amused|VQDiffusion)\w*Scheduler\w*"
)
"""Classes of diffusers; a scheduler alone plans other things."""
_KNOWN = frozenset(name for names in _NAMES.values() for name in names) | frozenset(_LORAS)


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every record of this kind that the file holds."""
    found = []
    for name in _JSON_ENTRIES:
        value = entries.get(name, "")
        if name == "Comment" and "NovelAI" in entries.get("Software", ""):
            continue  # has a reader of its own
        if (record := document(value)) is not None and _is_call(record):
            found.append(_record(record, name, entries))
    # One text entry an argument; a prompt that is a graph belongs to ComfyUI.
    if not found and _is_call(entries) and not entries.get("prompt", "{").lstrip().startswith("{"):
        # All entries: those without a field of their own stand here as parameters beside the others.
        own = {k: v for k, v in entries.items() if not k.startswith(("EXIF ", "XMP ", "IPTC ")) and k not in _CONTAINER}
        found.append(_record(own, "", entries))
    return found


_CONTAINER = frozenset({"icc_profile", "exif", "photoshop", "xmp", "dpi", "gamma", "jfif", "comment", "transparency"})


def _value(record: Mapping[str, Any], field: str) -> object:
    given = (_plain(record[n]) for n in _NAMES[field] if n in record and record[n] not in (None, "", []))
    if field in ("prompt", "negative"):
        return next(given, None)  # texts: the word may be what was asked for
    return next((value for value in given if value not in ("None", "none", "null")), None)


def _marks(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Arguments with values that a generation could have had."""
    tests = {
        "seed": whole(_value(record, "seed")) is not None,
        "steps": (whole(_value(record, "steps")) or 0) in range(1, 2001),
        "guidance": abs(real(_value(record, "guidance")) or 1e9) <= 200 or _value(record, "guidance") in (0, 0.0, "0"),
        "sampler": sampler_known(text(_value(record, "sampler"))),
        "scheduler": bool(_SCHEDULER.fullmatch(text(_value(record, "scheduler"))))
        or sampler_known(text(_value(record, "scheduler"))),
        "model": bool(stated(_value(record, "model"))),
    }
    names = {field: next((n for n in _NAMES[field] if n in record), "") for field in tests}
    return tuple(f"{names[f]}: {text(_value(record, f))[:60]}" for f, good in tests.items() if good and names[f])


def _is_call(record: Mapping[str, Any]) -> bool:
    """Whether the record names a prompt and at least two further arguments of a generation, one of them technical.

    A prompt, a model, a seed and a number of steps are asked of language models and machines too; a name for what is
    not to be seen, or the sides of a picture, are not.
    """
    if not text(_value(record, "prompt")):
        return False
    method = text(_value(record, "sampler"))
    if method and not sampler_known(method) and not _scheme(record):
        return False  # methods of sampling are named in polls and statistics as well
    marks = _marks(record)
    technical = [m for m in marks if not m.lower().startswith(("seed:", "steps:", "model:", "cfg:"))]
    return len(marks) >= 2 and (bool(technical) or _scheme(record))


def _scheme(record: Mapping[str, Any]) -> bool:
    sides = [whole(_value(record, side)) or 0 for side in ("width", "height")]
    return (
        any(name in record for name in _OF_DIFFUSION)
        or all(16 <= side <= 32768 for side in sides)
        or bool(re.fullmatch(r"\(?\d{2,5}\s*[,x×*]\s*\d{2,5}\)?", text(record.get("resolution"))))
    )


def _record(record: Mapping[str, Any], name: str, entries: Entries) -> GeneratorMetadata:
    size = re.search(r"(\d{2,5})\D+(\d{2,5})", text(record.get("resolution")))
    seed = _value(record, "seed")
    problems = ("The seed is not a whole number.",) if seed is not None and whole(seed) is None else ()
    return GeneratorMetadata(
        software=_software(record, entries),
        source=described(name) if name else "text entries",
        prompt=text(_value(record, "prompt")),
        # JSON has a null of its own; one text an argument has Python's word for it.
        negative_prompt=text(_value(record, "negative")) if name else stated(_value(record, "negative")),
        seed=whole(seed),
        steps=whole(_value(record, "steps")),
        sampler=stated(_value(record, "sampler")),
        scheduler=stated(_value(record, "scheduler")),
        guidance=real(_value(record, "guidance")),
        model=stated(_value(record, "model")),
        model_hash=stated(_value(record, "hash")) or _hash_of(record.get("baseModel")),
        width=whole(_value(record, "width")) or (int(size[1]) if size else None),
        height=whole(_value(record, "height")) or (int(size[2]) if size else None),
        vae=stated(_value(record, "vae")) if _value(record, "vae") != "Default (model)" else "",
        loras=_loras(record),
        further=further(record, (*_KNOWN, *(k for k in record if k.startswith("lora_combined_")))),
        problems=problems,
        marks=_marks(record),
        entry=name,
    )


def _hash_of(model: object) -> str:
    return text(model.get("hash")) if isinstance(model, dict) else ""


def _software(record: Mapping[str, Any], entries: Entries) -> str:
    version = text(_value(record, "version"))
    named = text(record.get("software")) or entries.get("EXIF Software", "") or entries.get("Software", "")
    scheme = (
        text(record.get("metadata_scheme")) or entries.get("fooocus_scheme", "") or entries.get("EXIF MakerNote", "")
    )
    for name in ("RuinedFooocus", "Fooocus-MRE", "SimpleSDXL", "FooocusPlus"):
        if name.lower() in f"{named} {version} {scheme}".lower():
            return version if name in version else f"{name} {version}".strip()
    if "fooocus" in version.lower():
        return version
    if "fooocus" in scheme.lower() or "fooocus" in named.lower():
        return f"Fooocus {version}".strip()
    if "use_stable_diffusion_model" in record or "Stable Diffusion model" in record:
        return "Easy Diffusion"
    return "arguments of a diffusers pipeline"


def _loras(record: Mapping[str, Any]) -> tuple[Lora, ...]:
    """Lists of (name, weight, digest), objects, and `name : weight` under numbered names."""
    found: list[Lora] = []
    listed = record.get("loras")
    if isinstance(listed, str) and listed.startswith("["):
        parsed = document(f'{{"loras": {listed}}}')
        listed = parsed["loras"] if parsed else listed
    for row in listed if isinstance(listed, list) else []:
        if isinstance(row, dict):
            name = text(row.get("name")) or text(row.get("model")) or text(row.get("path"))
            found.append(Lora(name, real(row.get("weight", row.get("strength"))), text(row.get("hash"))))
        elif isinstance(row, list) and len(row) == 2 and (mixed := re.fullmatch(r"([-\d.]+) - (.+)", text(row[1]))):
            found.append(Lora(mixed[2], real(mixed[1]), text(row[0])))  # RuinedFooocus: (digest, "weight - name")
        elif isinstance(row, list) and row:
            found.append(
                Lora(text(row[0]), real(row[1]) if len(row) > 1 else None, text(row[2]) if len(row) > 2 else "")
            )
        elif text(row):
            found.append(Lora(text(row)))
    for key, value in record.items():
        if key.startswith("lora_combined_") and isinstance(value, str):
            name, _, weight = value.rpartition(" : ")
            found.append(Lora(name or value, real(weight) if name else None))
    for names, weights in (("use_lora_model", "lora_alpha"), ("LoRA model", "LoRA Strength")):
        several = record.get(names)
        strengths = record.get(weights)
        several = several if isinstance(several, list) else [several]
        strengths = strengths if isinstance(strengths, list) else [strengths]
        for number, name in enumerate(several):
            if said := stated(name):
                found.append(Lora(said, real(strengths[number]) if number < len(strengths) else None))
    models = record.get("models")  # of Tensor.Art: everything that was loaded, each with its kind
    for row in models if isinstance(models, list) else []:
        if isinstance(row, dict) and text(row.get("type")).lower() in ("lora", "lycoris", "locon", "dora"):
            name = text(row.get("modelFileName")) or text(row.get("label"))
            found.append(Lora(name, real(row.get("weight")), text(row.get("hash"))))
    unique = {lora.name: lora for lora in found if stated(lora.name)}
    return tuple(unique.values())


def _plain(value: object) -> object:
    """Fooocus stores prompts as lists of lines, Tensor.Art the model as an object."""
    if isinstance(value, list):
        return "\n".join(row for row in value if isinstance(row, str))
    if isinstance(value, dict):
        return text(value.get("modelFileName")) or text(value.get("label")) or text(value.get("name"))
    return value
