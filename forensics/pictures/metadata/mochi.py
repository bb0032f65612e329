"""Mochi Diffusion: one line of `Name: value;` in the description, with labels of its own for the two prompts.

    Include in Image: prompt; Exclude from Image: negative prompt; Model: …; Steps: …; Guidance Scale: …; Seed: …;
    Size: 512x768; …; Generator: Mochi Diffusion 4.0 (133)

The names are those that the program's publisher documents. Values are read up to the next name, for prompts hold
semicolons too.
"""

from __future__ import annotations

import re

from forensics.pictures.metadata import webui
from forensics.pictures.metadata.base import Entries, GeneratorMetadata, further, real, whole

GENERATOR = re.compile(r"Generator:\s*(Mochi Diffusion[^;\n]*)")
_KNOWN = (
    "Include in Image",
    "Exclude from Image",
    "Model",
    "Size",
    "Seed",
    "Steps",
    "Guidance Scale",
    "Scheduler",
    "Generator",
)
"""Labels that have a field of their own in a record."""
_FURTHER = (
    "Date",
    "Upscaler",
    "ML Compute Unit",
    "Finder Tags",
    "Quality",
    "Starting Image",
    "ControlNet Image",
)
_NAME = re.compile(rf"(?:^|[;\n])\s*({'|'.join((*_KNOWN, *_FURTHER))}):[ \t]*")


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every entry that the program signs as its own and that has its labels."""
    found = []
    for name, value in entries.items():
        if name != "xmp" and (program := GENERATOR.search(value)) and "Include in Image:" in value:
            found.append(_record(value, name, program[1].strip()))
    return found


def _record(value: str, name: str, program: str) -> GeneratorMetadata:
    marks = list(_NAME.finditer(value))
    pairs: dict[str, str] = {}
    for one, following in zip(marks, [*marks[1:], None], strict=True):
        pairs.setdefault(one[1], value[one.end() : following.start() if following else len(value)].strip(" ;\n"))
    size = re.fullmatch(r"(\d{1,5}) ?[x×] ?(\d{1,5})", pairs.get("Size", ""))
    return GeneratorMetadata(
        software=program,
        source=webui.described(name),
        prompt=pairs.get("Include in Image", ""),
        negative_prompt=pairs.get("Exclude from Image", ""),
        seed=whole(pairs.get("Seed")),
        steps=whole(pairs.get("Steps")),
        sampler=pairs.get("Scheduler", ""),
        guidance=real(pairs.get("Guidance Scale")),
        model=pairs.get("Model", ""),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        further=further(pairs, _KNOWN),
        marks=(f"Generator: {program}", "the names Include in Image and Exclude from Image"),
        entry=name,
    )
