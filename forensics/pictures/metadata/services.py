"""Generators that leave no parameters but their name: in Software, in XMP's creator tool, credit or source type.

A name alone is what anyone can type into a field, and says nothing of a prompt: the record names the field, and a
description in the file stays a description. Midjourney writes the prompt with its own identification of the job.
"""

from __future__ import annotations

import re

from forensics.case import Fact
from forensics.pictures.metadata.base import Entries, GeneratorMetadata
from forensics.pictures.metadata.webui import described

_FIELDS = (
    "Software",
    "EXIF Software",
    "XMP xmp:CreatorTool",
    "IPTC OriginatingProgram",
    "XMP Iptc4xmpExt:AISystemUsed",
    "XMP Iptc4xmpExt:AISystemVersionUsed",
    "XMP tiff:Software",
    "generator",
    "Generator",
)
"""Fields that name programs. Those that name authors may hold the same words as a name and are not looked at."""
_CREDITS = ("XMP photoshop:Credit", "IPTC Credit", "Credit", "Signature", "EXIF Make", "XMP tiff:Make")
"""Fields that name agencies and makers of cameras as well: the service must be all that stands there."""
_MADE_WITH = r"(?:(?:made|created|generated|edited|imagined)\s+(?:with|by|in|using)\s+)?"
_SERVICES = (
    ("DALL-E", r"\bdall[-·∙ ]?e\b"),
    ("OpenAI image generation", r"\b(?:chatgpt|gpt-image|gpt-4o|openai)\b"),
    ("Adobe Firefly", r"\badobe[ _-]?firefly\b|\bfirefly[ -](?:image|vector)\b"),
    ("Midjourney", r"\bmidjourney\b"),
    (
        "Google Gemini or Imagen",
        r"\bgoogle (?:ai|gemini|imagen)\b|\bgemini[ -]\d(?:\.\d)?[ -](?:flash|pro|ultra)\b|"
        r"\bgemini (?:flash|advanced)\b|"
        r"\bimagen[ -]\d(?:\.\d)?[ -](?:ultra|fast|generate)\w*|\bnano banana\b",
    ),
    ("Microsoft Designer or Bing Image Creator", r"\bbing image creator\b|\bmicrosoft designer\b"),
    ("Stable Diffusion", r"\bstable[ -]?diffusion\b|\bsdxl\b|\bstability ai\b|\bdreamstudio\b"),
    ("Ideogram", r"\bideogram\b"),
    ("Leonardo AI", r"\bleonardo[. ]ai\b"),
    (
        "FLUX",
        r"\bblack forest labs\b|\bflux[.-]?[12](?:[ -](?:dev|schnell|pro|kontext))\b|\bflux\.[12]\b|"
        r"\bflux-(?:pro|dev)\b",
    ),
    ("Grok", r"\bgrok\b|\bxai aurora\b"),
    ("Recraft", r"\brecraft\b"),
    ("Krea", r"\bkrea\b"),
    ("Canva Magic Media", r"\bmagic media\b"),
    ("Meta AI", r"\b(?:imagined with ai|meta ai)\b"),
    ("Draw Things", r"\bdraw things\b"),
    ("Fooocus", r"\bfooocus\b"),
    ("InvokeAI", r"\binvoke ?ai\b"),
    ("ComfyUI", r"\bcomfyui\b"),
    ("SwarmUI", r"\bswarmui\b"),
    ("Stable Horde client", r"^(?:stable ui|artbot|ai horde|stable horde)\b"),
)
_SOURCE_TYPES = {
    "trainedalgorithmicmedia": "made by a trained model",
    "compositewithtrainedalgorithmicmedia": "composed with parts made by a trained model",
    "compositesynthetic": "composed with synthetic parts",
    "algorithmicmedia": "made by an algorithm without training",
    "algorithmicallyenhanced": "enhanced by an algorithm",
}
ONLY_A_NAME = ("Only the name is stated: no prompt, seed or model.",)
_JOB = re.compile(r"\s*Job ID: *([0-9a-f]{8}-[0-9a-f-]{27})")
_MIDJOURNEYS = re.compile(
    r"(?:--|—|–)(?:ar|aspect|v|version|niji|s|stylize|q|quality|c|chaos|style|seed|raw|iw|sref|sw|sv|cref|cw|oref|ow|no|"
    r"tile|weird|w|profile|p|personalize|stop|repeat|r|fast|relax|turbo|draft|exp|hd|video|motion|test|upbeta|uplight|"
    r"creative|stealth|public|bs|loop|end|dref)\b",
    re.IGNORECASE,
)
"""Parameters of Midjourney's prompts."""
_FLAG = re.compile(r"\s(?=(?:--|—|–)[a-z]+\b)", re.IGNORECASE)


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Services by name, and a source type that says "trained model" beside none."""
    found = _midjourney(entries)
    named: dict[str, list[str]] = {}
    for field in _FIELDS:
        value = entries.get(field, "")
        for name, pattern in _SERVICES:
            if value and len(value) < 400 and re.search(pattern, value, re.IGNORECASE):
                named.setdefault(name, []).append(f"{described(field)}: {value}")
    for field in _CREDITS:
        value = entries.get(field, "").strip()
        for name, pattern in _SERVICES if value else ():
            if len(value) < 400 and re.fullmatch(rf"{_MADE_WITH}(?:{pattern})[\s\d.v]*", value, re.IGNORECASE):
                named.setdefault(name, []).append(f"{described(field)}: {value}")
    kind = entries.get("XMP Iptc4xmpExt:DigitalSourceType", "").rstrip("/").rsplit("/", 1)[-1]
    said = _SOURCE_TYPES.get(kind.lower(), "")
    for name, marks in named.items():
        if name == "OpenAI image generation" and "DALL-E" in named:
            continue  # one value that names both the model and the product it is used through
        if not any(record.software == name for record in found):
            found.append(_named(name, marks, kind, said, entries))
    if not found and kind.lower() in ("trainedalgorithmicmedia", "compositewithtrainedalgorithmicmedia"):
        mark = f"XMP digital source type (unsigned): {kind}, {said}"
        found.append(GeneratorMetadata("not named", "XMP property Iptc4xmpExt:DigitalSourceType", marks=(mark,)))
    return found


def _named(name: str, marks: list[str], kind: str, said: str, entries: Entries) -> GeneratorMetadata:
    further = [Fact("named in", mark) for mark in marks]
    if said:
        further.append(Fact("XMP digital source type (unsigned)", f"{kind}: {said}"))
    for field in ("Description", "EXIF ImageDescription", "XMP dc:description"):
        if text := entries.get(field, ""):
            further.append(Fact(f"{described(field)}, which is not called a prompt", text))
            break
    source = marks[0].partition(":")[0]
    return GeneratorMetadata(name, source, further=tuple(further), marks=(marks[0],), problems=ONLY_A_NAME)


def _beside_a_job(entries: Entries) -> tuple[str, ...]:
    """What Midjourney writes beside an identification of a job where the prompt has no parameters."""
    kind = entries.get("XMP Iptc4xmpExt:DigitalSourceType", "").rstrip("/").rsplit("/", 1)[-1]
    said = [f"digital source type {kind}"] if kind.lower() == "trainedalgorithmicmedia" else []
    said += [f"{described(f)}: {entries[f]}" for f in _FIELDS if "midjourney" in entries.get(f, "").lower()]
    if entries.get("Author") and entries.get("Creation Time"):
        said.append("the names Author and Creation Time")
    return tuple(said)


def _midjourney(entries: Entries) -> list[GeneratorMetadata]:
    for field in ("Description", "EXIF ImageDescription", "XMP dc:description", "IPTC Caption", "EXIF UserComment"):
        description = entries.get(field, "")
        job = _JOB.search(description)
        if job is None:
            continue
        prompt, *flags = _FLAG.split(_JOB.sub("", description).strip())
        stated = tuple(Fact("parameter", flag.strip()) for flag in flags if flag.strip())
        beside = _beside_a_job(entries)
        if not beside and not any(_MIDJOURNEYS.match(fact.value) for fact in stated):
            continue  # printers number their jobs too
        marks = (f"Job ID: {job[1]}", *(fact.value for fact in stated[:4]), *beside)
        return [
            GeneratorMetadata(
                "Midjourney",
                f"{described(field)}, job {job[1]}",
                prompt=prompt.strip(),
                further=stated,
                marks=marks,
                entry=field,
                seed=next((int(m[1]) for f in flags if (m := re.fullmatch(r"--seed (\d{1,18})\s*", f))), None),
            )
        ]
    return []
