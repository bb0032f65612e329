"""The parameter text of AUTOMATIC1111's web UI, also written by Forge, SD.Next and Fooocus.

Three parts: the prompt, a part that begins with `Negative prompt:`, and one last line of `Name: value` pairs separated
by commas, in which values with commas stand between quotation marks. PNG keeps it in the text entry `parameters`, JPEG
and WebP in the EXIF tag UserComment, GIF in its comment.
"""

from __future__ import annotations

import json
import re

from forensics.case import Fact
from forensics.pictures.metadata.base import MAX_CHARS, Entries, GeneratorMetadata, document, real, whole

_ENTRIES = {
    "parameters": 'text entry "parameters"',
    "EXIF UserComment": "EXIF tag UserComment",
    "comment": "comment of the file",
}
_PAIR = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"
_FIELDS = frozenset({"Seed", "Steps", "Sampler", "Schedule type", "CFG scale", "Model", "Model hash", "Size"})


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every entry of the file that has this layout."""
    found = ((source, entries.get(name, "")) for name, source in _ENTRIES.items())
    return [parse(value, source) for source, value in found if recognised(value)]


def recognised(value: str) -> bool:
    """Whether a text has the layout: its line of pairs names the number of steps."""
    return len(value) <= MAX_CHARS and bool(re.search(r"\bSteps: *\d", value)) and document(value) is None


def parse(value: str, source: str) -> GeneratorMetadata:
    """The record in a text of this layout."""
    *lines, last = value.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:  # fewer are a sentence with a colon: the line belongs to the prompt
        lines, pairs = [*lines, last], []
    body = "\n".join(lines)
    prompt, _, negative = body.partition(_NEGATIVE)
    stated = {name.strip(): _unquoted(raw) for name, raw in pairs}
    size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", stated.get("Size", ""))
    problems = []
    if "Seed" in stated and whole(stated["Seed"]) is None:
        problems.append("The seed is not a whole number.")
    if not pairs:
        problems.append("The line of parameters does not have the layout that the software writes.")
    return GeneratorMetadata(
        software=_software(stated.get("Version", "")),
        source=source,
        prompt=prompt.strip(),
        negative_prompt=negative.strip(),
        seed=whole(stated.get("Seed")),
        steps=whole(stated.get("Steps")),
        sampler=stated.get("Sampler", ""),
        scheduler=stated.get("Schedule type", ""),
        guidance=real(stated.get("CFG scale")),
        model=stated.get("Model", ""),
        model_hash=stated.get("Model hash", ""),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        further=tuple(Fact(k, v[:400]) for k, v in stated.items() if k not in _FIELDS and v)[:40],
        problems=tuple(problems),
    )


def _unquoted(raw: str) -> str:
    if raw.startswith('"'):
        try:
            return str(json.loads(raw))
        except ValueError:
            return raw.strip('"')
    return raw.strip()


def _software(version: str) -> str:
    if version.startswith("f"):
        return f"Stable Diffusion web UI Forge {version}"
    if version.startswith("Fooocus"):
        return version
    return f"Stable Diffusion web UI {version}".strip()
