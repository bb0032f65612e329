"""Draw Things: JSON with short names in UserComment (EXIF or XMP), and a text in the description.

    {"c": prompt, "uc": negative prompt, "model": …, "sampler": …, "scale": guidance, "seed": …, "size": "W x H",
     "steps": …, "lora": [{"model": …, "weight": …}]}
    prompt / -negative prompt / Steps: 10, Sampler: DDIM, Guidance Scale: 10.0, Seed: …, Size: …, Model: …, Strength: …

The JSON is read where it is there, else the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from forensics.pictures.metadata import webui
from forensics.pictures.metadata.base import (
    Entries,
    GeneratorMetadata,
    Lora,
    document,
    further,
    real,
    sampler_known,
    text,
    whole,
)

_NAME = "Draw Things"
_JSON = ("EXIF UserComment", "XMP exif:UserComment", "Comment", "comment", "parameters")
_TEXT = ("EXIF ImageDescription", "XMP dc:description", "Description", "IPTC Caption")
_PROGRAM = ("EXIF Software", "XMP xmp:CreatorTool", "Software", "IPTC OriginatingProgram")
_KNOWN = frozenset({"c", "uc", "model", "sampler", "scale", "seed", "size", "steps", "lora"})


def read(entries: Entries) -> list[GeneratorMetadata]:
    """The record, from the JSON or else from the text that the program named as this one wrote."""
    named = next((name for name in _PROGRAM if _NAME in entries.get(name, "")), "")
    for name in _JSON:
        record = document(entries.get(name, ""))
        if record is not None and _is_ours(record, named):
            return [_record(record, name, entries.get(named, "") if named else "")]
    if not named:
        return []
    for name in _TEXT:
        if webui.recognised(entries.get(name, "")):
            return [_from_text(entries[name], name, entries[named])]
    return []


def _is_ours(record: Mapping[str, Any], named: str) -> bool:
    """The short names together with a sampler that is one, or fewer of them in a file that names the program."""
    present = {key for key in ("c", "uc", "scale", "sampler", "seed", "steps", "model", "size") if key in record}
    if named:
        return "c" in present and len(present) >= 3
    return {"c", "uc"} <= present and len(present) >= 5 and sampler_known(text(record.get("sampler")))


def _record(record: Mapping[str, Any], name: str, program: str) -> GeneratorMetadata:
    size = re.fullmatch(r"(\d{1,5}) ?[x×] ?(\d{1,5})", text(record.get("size")))
    marks = [f"the program named: {program}"] if program else []
    marks += [
        f"{key}: {text(record[key])[:60]}" for key in ("sampler", "scale", "steps", "seed", "size") if key in record
    ]
    return GeneratorMetadata(
        software=program or _NAME,
        source=webui.described(name),
        prompt=text(record.get("c")),
        negative_prompt=text(record.get("uc")),
        seed=whole(record.get("seed")),
        steps=whole(record.get("steps")),
        sampler=text(record.get("sampler")),
        guidance=real(record.get("scale")),
        model=text(record.get("model")),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        loras=_loras(record),
        further=further(record, _KNOWN),
        marks=tuple(marks),
        entry=name,
    )


def _loras(record: Mapping[str, Any]) -> tuple[Lora, ...]:
    newer = record.get("v2")
    rows = [record.get("lora"), newer.get("loras") if isinstance(newer, dict) else None]
    found: dict[str, Lora] = {}
    for listed in rows:
        for row in listed if isinstance(listed, list) else []:
            if isinstance(row, dict) and (name := text(row.get("model")) or text(row.get("file"))):
                found.setdefault(name, Lora(name, real(row.get("weight"))))
    return tuple(found.values())


def _from_text(value: str, name: str, program: str) -> GeneratorMetadata:
    record = webui.parse(value, webui.described(name))
    prompt, negative = record.prompt, record.negative_prompt
    if not negative and (found := re.search(r"^-(?=\S)", prompt, re.MULTILINE)):
        prompt, negative = prompt[: found.start()].strip(), prompt[found.end() :].strip()
    marks = (f"the program named: {program}", *record.marks)
    return replace(record, software=program, prompt=prompt, negative_prompt=negative, marks=marks, entry=name)
