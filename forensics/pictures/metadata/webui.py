"""The parameter text of AUTOMATIC1111's web UI and its kin: Forge, reForge, SD.Next, Fooocus, Stable Horde clients.

    text      = prompt [negative] parameters [templates]
    negative  = "Negative prompt:" text
    parameters = pair { separator pair };  pair = name ":" value;  separator = "," or "|" or ";" or the end of a line
    value     = JSON object or list | JSON string | text up to the next separator
    templates = { ("Template:" | "Negative Template:") text }

Parameters usually stand on a line of their own; programs that flatten texts put all in one line. The line is looked for
from the end, outside of JSON and quotation marks, and taken only where its names and values are ones that generators
write: "Steps: 5, Oven: 180" is a recipe. What no rule covers is kept verbatim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from forensics.pictures.metadata.base import (
    MAX_FURTHER,
    Entries,
    GeneratorMetadata,
    Lora,
    document,
    real,
    sampler_known,
    shown,
    whole,
)

_DIVIDERS = (
    re.compile(r"^[ \t]*Negative prompt:", re.MULTILINE),
    re.compile(r"Negative prompt:"),
    re.compile(r"^[ \t]*Negative prompt:", re.MULTILINE | re.IGNORECASE),
    re.compile(r"Negative prompt:", re.IGNORECASE),
)
_NAME = re.compile(r"\s*([^\W\d_][\w .\-/()+#*&'\[\]]{0,60}?)\s*:(?!//)[ \t]*")
_LABELS = re.compile(
    r"\s*(?:positive[ _])?prompt[ \t]*:(?P<positive>.*?)(?:\n[ \t]*negative[ _]prompt[ \t]*:(?P<negative>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_TEMPLATE = re.compile(r"^(Negative Template|Template):[ \t]?", re.MULTILINE | re.IGNORECASE)
_EXTRA = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,200})((?::[^:<>]{0,80})*)>")
_SEPARATORS = ",|;"
_OPENING = re.compile(r":[ \t]*(?=[\[{])")
_DECODER = json.JSONDecoder()

_FIELDS = frozenset(
    {"seed", "steps", "sampler", "schedule type", "cfg scale", "guidance scale", "model", "model hash", "size", "vae"}
)
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{8,64}|[0-9a-fA-F]{6}")
_SIZE = re.compile(r"(\d{1,6}) ?[xX×*] ?(\d{1,6})")
_MAX_STEPS, _MAX_GUIDANCE = 2000, 200.0
_LONGEST = 500_000
"""Characters of a text that is looked through: the work grows faster than the length."""
_TRIED = 64
"""Places in a text that the parameters may begin at."""
_SPANS = 400
_FIRST = 5000
"""Characters behind the first name in which the sign between the pairs is looked for."""
_NAMED_WITHIN = re.compile(r"(?:Negative prompt|Steps|Seed|Sampler|CFG scale): *\S")
_LONGEST_LIST = 20_000
_SPACINGS = re.compile(
    r"automatic|uniform|karras|(?:poly)?exponential|sgm|kl|optimal|simple|normal|ddim|beta(?:57)?|turbo|align|your|steps|"
    r"ays|gits|linear|quadratic|cosine|react|cosinusoidal|dynsf|phi|bong|tangent|default|trailing|leading|linspace|flow|"
    r"match|sigmoid|constant|lcm|vp|laplace|none|auto|scaled|\d+"
)
"""Words that names of spacings of noise levels are made of."""
_DIGEST_KIND = re.compile(r"(?:model|vae|lora|lyco|locon|embed|hypernet|unet|refiner|text_encoder)", re.IGNORECASE)

_PROGRAM = ("EXIF Software", "XMP xmp:CreatorTool", "Software", "IPTC OriginatingProgram")

Pairs = dict[str, str]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text of this layout, taken apart."""

    prompt: str
    negative: str
    pairs: Mapping[str, str]
    """Values by name as written; quotation marks are undone."""
    templates: Mapping[str, str]
    rest: str
    """Parts of the parameters that have no name, verbatim."""
    marks: tuple[str, ...]
    problems: tuple[str, ...] = ()


def read(entries: Entries) -> list[GeneratorMetadata]:
    """Every entry of the file that has this layout. The marks are strict, so all texts of the file are looked at."""
    found = []
    for name, value in entries.items():
        if name == "xmp" or "teps:" not in value:
            continue  # the packet is read property by property
        if any("Draw Things" in entries.get(field, "") for field in _PROGRAM):
            continue  # has a reader of its own, which knows its line for the negative prompt
        if "Generator: Mochi Diffusion" in value:
            continue  # likewise
        if recognised(value):
            record = parse(value, described(name))
            found.append(replace(record, entry=name))
    return found


def described(name: str) -> str:
    """Where an entry lies, for people."""
    if name == "comment":
        return "comment of the file"
    if name.startswith("EXIF "):
        return f"EXIF tag {name.removeprefix('EXIF ')}"
    if name.startswith("XMP "):
        return f"XMP property {name.removeprefix('XMP ')}"
    if name.startswith("IPTC "):
        return f"IPTC field {name.removeprefix('IPTC ')}"
    return f'text entry "{name}"'


def recognised(value: str) -> bool:
    """Whether a text has the layout: names and plausible values that only generators write."""
    return len(value) <= _LONGEST and document(value) is None and _split(value) is not None


def parse(value: str, source: str) -> GeneratorMetadata:
    """The record in a text of this layout; one with a problem where the text has another."""
    parsed = _split(value) if len(value) <= _LONGEST else None
    if parsed is None:
        prompt, negative = _prompts(value)
        problem = "The text does not have the line of parameters that the software writes."
        return GeneratorMetadata(
            "unknown software", source, prompt=prompt, negative_prompt=negative, problems=(problem,)
        )
    stated = {_key(name): text for name, text in parsed.pairs.items()}
    size = _SIZE.fullmatch(stated.get("size", f"{stated.get('width', '')}x{stated.get('height', '')}"))
    problems = list(parsed.problems)
    if "seed" in stated and whole(stated["seed"]) is None:
        problems.append("The seed is not a whole number.")
    rows = [shown(name, text) for name, text in parsed.pairs.items() if _key(name) not in _FIELDS and text]
    rows += [shown(name, text) for name, text in parsed.templates.items()]
    return GeneratorMetadata(
        software=_software(stated),
        source=source,
        prompt=parsed.prompt,
        negative_prompt=parsed.negative,
        seed=whole(stated.get("seed")),
        steps=whole(stated.get("steps")),
        sampler=stated.get("sampler", ""),
        scheduler=stated.get("schedule type", ""),
        guidance=real(stated.get("cfg scale", stated.get("guidance scale"))),
        model=stated.get("model", ""),
        model_hash=stated.get("model hash", ""),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        vae="" if stated.get("vae") in ("None", "Automatic", "Default") else stated.get("vae", ""),
        loras=loras(parsed.prompt, stated),
        further=tuple(rows[:MAX_FURTHER]),
        problems=tuple(problems),
        marks=parsed.marks,
        rest=parsed.rest,
    )


def loras(prompt: str, stated: Mapping[str, str]) -> tuple[Lora, ...]:
    """LoRA named in the prompt, in lists of digests, and among Civitai's resources, each once.

    Args:
        prompt: with `<lora:name:strength>` where any was called so.
        stated: values by name in lower case.
    """
    digests = dict(_hash_pairs(stated.get("lora hashes", "")))
    hashes = document(stated.get("hashes", "")) or {}
    for name, digest in hashes.items():
        kind, _, rest = str(name).partition(":")
        if kind.lower() in ("lora", "lyco", "locon") and rest:
            digests.setdefault(rest, str(digest))
    found: dict[str, Lora] = {}
    for kind, name, arguments in _EXTRA.findall(prompt):
        if kind in ("lora", "lyco"):
            first = arguments.split(":")[1] if arguments else ""
            found.setdefault(name, Lora(name, real(first.partition("=")[2] or first), digests.get(name, "")))
    for name, digest in digests.items():
        found.setdefault(name, Lora(name, None, digest))
    for row in _list(stated.get("civitai resources", "")):
        if isinstance(row, dict) and str(row.get("type", "")).lower() in ("lora", "lycoris", "locon", "dora"):
            name = str(row.get("modelName") or row.get("modelVersionId") or row.get("air") or "not named")
            version = row.get("modelVersionName")
            found.setdefault(name, Lora(f"{name}, {version}" if version else name, real(row.get("weight"))))
    return tuple(found.values())


def _hash_pairs(value: str) -> Iterator[tuple[str, str]]:
    """`name: digest, name: digest`; names may hold colons and commas only where no digest follows them."""
    for match in re.finditer(r"\s*(.{1,200}?): *((?:0x)?[0-9a-fA-F]{4,64})(?:,|$)", value[:_LONGEST_LIST]):
        yield match[1].strip(), match[2]


def _list(value: str) -> Sequence[Any]:
    try:
        parsed = json.loads(value) if value.startswith("[") else []
    except (ValueError, RecursionError):
        return []
    return parsed if isinstance(parsed, list) else []


# The grammar


def _split(value: str) -> Parsed | None:
    """The text taken apart, or None where no part of it is a line of parameters."""
    value = value.replace("\r\n", "\n").replace("\r", "\n").strip("\0").strip()
    for start in islice(_starts(value), _TRIED):
        head, tail = value[:start], value[start:]
        template = _TEMPLATE.search(tail)
        pairs, rest, problems = _pairs(tail[: template.start()] if template else tail)
        marks = marks_of(pairs)
        if marks is None:
            continue
        # The web UI's own line is whole; above lines that lack the number of steps, or hold one pair each, there may
        # be more of them.
        own = "steps" in map(_key, pairs) and _separated(tail)
        start, earlier = (len(head), {}) if own else _lines_above(head)
        prompt, negative = _labelled(head[:start], tail) or _prompts(head[:start])
        return Parsed(
            prompt,
            negative,
            {**earlier, **pairs},
            _templates(tail[template.start() :]) if template else {},
            rest,
            marks,
            problems,
        )
    return None


def _starts(value: str) -> Iterator[int]:
    """Places where the parameters may begin: lines from the last to the first, then places within a line."""
    lines = [0, *(m.end() for m in re.finditer("\n", value))]
    protected = _json_spans(value)
    for start in reversed(lines):
        name = _NAME.match(value, start)
        if name is None or _key(name[1]) not in _KNOWN or any(a < start < b for a, b in protected):
            continue
        if _is_value(value, name.end()):
            yield start
    for found in re.finditer(r"(?<![\w-])(?:Steps|Seed|Sampler|CFG scale): *(?=\S)", value):
        if _is_value(value, found.end()):
            yield found.start()


def _is_value(text: str, place: int) -> bool:
    """Whether what follows a name is one value: with a further name in it, the first name was a word of the prompt."""
    first, _ = _value(text, place, _separator(text[place : place + _FIRST]))
    return text[place : place + 1] in ('"', "{", "[") or _NAMED_WITHIN.search(first) is None


def _json_spans(value: str) -> list[tuple[int, int]]:
    """Where JSON objects and lists stand as values: what looks like parameters inside them belongs to them."""
    spans: list[tuple[int, int]] = []
    place = 0
    while len(spans) < _SPANS and (match := _OPENING.search(value, place)) is not None:
        try:
            _, place = _DECODER.raw_decode(value, match.end())
            spans.append((match.end(), place))
        except (ValueError, RecursionError):
            place = match.end()
            spans.append((place, place))  # counts as one looked at
    return spans


def _lines_above(head: str) -> tuple[int, Pairs]:
    """Parameters on lines of their own above the first line found: programs write one a line. (place, pairs)"""
    earlier: Pairs = {}
    start = len(head)
    while (above := head[:start].rstrip("\n").rfind("\n")) >= 0 or start:
        line = head[above + 1 : start].strip()
        pairs, rest, _ = _pairs(line)
        if not line or rest or not pairs or not all(_key(n) in _KNOWN and _plausible(n, v) for n, v in pairs.items()):
            break
        earlier = {**pairs, **earlier}
        start = above + 1
        if above < 0:
            break
    return start, earlier


def _separator(text: str) -> str:
    """What stands between the pairs: the sign before a name that only generators write, outside of quotation marks."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    for sign in "|;":
        if re.search(rf"\{sign}\s*(?:Seed|Sampler|CFG scale|Size|Model hash|Steps): *\S", text):
            return sign
    return ","


def _pairs(text: str) -> tuple[Pairs, str, tuple[str, ...]]:
    """(values by name, what has no name, problems) of a line of parameters, or of several."""
    pairs: Pairs = {}
    rest: list[str] = []
    problems: list[str] = []
    sign, place = _separator(text), 0
    while place < len(text):
        name = _NAME.match(text, place)
        if name is None or (known := name[1].strip()) == "":
            end = _next(text, place, sign)
            if left := text[place:end].strip():
                rest.append(left)
            place = end + 1
            continue
        value, place = _value(text, name.end(), sign)
        if known in pairs and pairs[known] != value:
            problems.append(
                f"“{known}” is stated more than once, first as “{pairs[known][:80]}”, then as “{value[:80]}”."
            )
        pairs.setdefault(known, value)
        end = _next(text, place, sign)
        if left := text[place:end].strip():
            rest.append(left)
        place = end + 1
    return pairs, f"{sign} ".join(rest), tuple(problems)


def _next(text: str, place: int, sign: str) -> int:
    found = re.compile(rf"[{re.escape(sign)}\n]").search(text, place)
    return found.start() if found else len(text)


def _value(text: str, place: int, sign: str) -> tuple[str, int]:
    """A value and the place behind it."""
    first = text[place : place + 1]
    if first in ('"', "{", "["):
        try:
            parsed, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            pass
        else:
            # A string that only begins with quotation marks, or a list that goes on as text, is no JSON value.
            if re.compile(rf"\s*(?:[{re.escape(_SEPARATORS)}\n]|$)").match(text, end):
                return (parsed if isinstance(parsed, str) else text[place:end]), end
    end = _next(text, place, sign)
    return text[place:end].strip(), end


def _prompts(head: str) -> tuple[str, str]:
    """Prompt and negative prompt: a line that begins with the words divides them, else the words in mid-line.

    The words as the software spells them come first: a prompt may hold them in other letters.
    """
    found = next(filter(None, (pattern.search(head) for pattern in _DIVIDERS)), None)
    if found is None:
        return head.strip(), ""
    return head[: found.start()].strip(), head[found.end() :].strip()


def _labelled(head: str, tail: str) -> tuple[str, str] | None:
    """Prompt and negative prompt of a text that gives everything a line of its own, prompts too, each with its name.

    None where it does not: in the web UI's own form the prompt has no name, and may begin with any word.
    """
    found = _LABELS.fullmatch(head)
    if found is None or "\n" not in tail.strip() or _separated(tail):
        return None
    return found["positive"].strip(), (found["negative"] or "").strip()


def _separated(tail: str) -> bool:
    """Whether several pairs stand in the first line of the parameters."""
    return len(_pairs(tail.split("\n", 1)[0])[0]) > 1


def _templates(tail: str) -> dict[str, str]:
    """Texts with wildcards that extensions keep behind the parameters, each up to the next."""
    starts = list(_TEMPLATE.finditer(tail))
    ends = [m.start() for m in starts[1:]] + [len(tail)]
    return {m[1]: tail[m.end() : end].strip() for m, end in zip(starts, ends, strict=True)}


# What only generators write


def _key(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _plausible(name: str, value: str) -> bool:
    test = _KNOWN.get(_key(name))
    return test is not None and test(value)


def _steps(value: str) -> bool:
    found = whole(value)
    return found is not None and 0 < found <= _MAX_STEPS


def _guidance(value: str) -> bool:
    found = real(value)
    return found is not None and -_MAX_GUIDANCE <= found <= _MAX_GUIDANCE


def _fraction(value: str) -> bool:
    found = real(value)
    return found is not None and 0 <= found <= 1


def _hex(value: str) -> bool:
    return bool(_HEX.fullmatch(value.strip()))


def _size(value: str) -> bool:
    found = _SIZE.fullmatch(value)
    return found is not None and all(16 <= int(side) <= 32768 for side in found.groups())


def _some(value: str) -> bool:
    return bool(value)


def _words(value: str) -> bool:
    """Whether a spacing of noise levels is named: one or several of the words that generators use for it."""
    parts = re.split(r"[ _+-]+", value.strip().lower())
    return bool(parts) and all(_SPACINGS.fullmatch(part) for part in parts)


def _one_of(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda value: bool(compiled.fullmatch(value.strip()))


def _digests(value: str) -> bool:
    """An object of digests by kind, as the web UI writes it: `{"model": …, "lora:NAME": …}`."""
    found = document(value)
    return found is not None and bool(found) and all(_DIGEST_KIND.match(str(name)) for name in found)


def _version(value: str) -> bool:
    return bool(
        re.match(r"v?\d+\.\d+|f\d|[0-9a-f]{7,40}$|Fooocus|ComfyUI|Simple|neo|reForge|SD\.Next", value, re.IGNORECASE)
    )


_EXCLUSIVE: dict[str, Any] = {
    "sampler": sampler_known,
    "cfg scale": _guidance,
    "guidance scale": _guidance,
    "model hash": _hex,
    "schedule type": _words,
    "clip skip": lambda v: whole(v) is not None,
    "lora hashes": lambda v: next(_hash_pairs(v), None) is not None,
    "ti hashes": lambda v: next(_hash_pairs(v), None) is not None,
    "hashes": _digests,
    "civitai resources": lambda v: bool(_list(v)),
    "denoising strength": _fraction,
    "distilled cfg scale": _guidance,
    "hires upscaler": _some,
    "hires steps": lambda v: whole(v) is not None,
    "vae hash": _hex,
    "adm guidance": _one_of(r"\([\d., ]+\)"),
    "fooocus v2 expansion": _some,
    "performance": _one_of(
        r"(?:Performance\.)?(?:extreme[ _])?(?:speed|quality|lightning|hyper[- _]?sd|lcm|turbo|ultra)"
    ),
    "eta noise seed delta": lambda v: whole(v) is not None,
    "ensd": lambda v: whole(v) is not None,
    "parser": _one_of(r"(?:full|compel|a1111|xhinker|fixed|scaled|sd\.?next)[ \w]*|native"),
    "first pass size": _size,
    "face restoration": _one_of(r"codeformer|gfpgan|restoreformer"),
}
"""Names that generators write and hardly anything else, with what their values are like."""
_SUPPORTING = frozenset(
    {
        "model hash",
        "vae hash",
        "hashes",
        "clip skip",
        "performance",
        "parser",
        "face restoration",
        "first pass size",
        "hires steps",
        "ensd",
        "schedule type",
    }
)
"""Of these the ones that mark a record only beside another: each stands in some other trade's lists as well."""
_COMMON: dict[str, Any] = {
    "steps": _steps,
    "seed": lambda v: whole(v) is not None,
    "size": _size,
    "model": _some,
    "version": _version,
    "vae": _some,
    "strength": _fraction,
}
"""Names that also stand in recipes, logs of exercise and seed catalogues."""
_KNOWN: dict[str, Any] = _EXCLUSIVE | _COMMON


def marks_of(pairs: Mapping[str, str]) -> tuple[str, ...] | None:
    """The pairs that mark a generator's record, as written, or None where they do not suffice.

    Needed are the number of steps or a seed, and two names that only generators write beside it; or one such and three
    common ones. One of them must be of the method of diffusion itself: digests, versions and parsers stand in the lists
    of other programs too. Every value counted is one that a generator could have written.
    """
    given = {name: value for name, value in pairs.items() if _plausible(name, value)}
    exclusive = [name for name in given if _key(name) in _EXCLUSIVE]
    common = [name for name in given if _key(name) in _COMMON]
    base = {"steps", "seed"} & {_key(name) for name in common}
    enough = (len(exclusive) >= 2 and base) or (len(exclusive) >= 1 and len(common) >= 3 and base)
    if not enough or all(_key(name) in _SUPPORTING for name in exclusive):
        return None
    return tuple(f"{name}: {given[name][:60]}" for name in [*exclusive, *common][:8])


def _software(stated: Mapping[str, str]) -> str:
    version = stated.get("version", "")
    if version.startswith("Fooocus") or "fooocus v2 expansion" in stated:
        return version if version.startswith("Fooocus") else "Fooocus"
    if version == "ComfyUI":
        return "ComfyUI, in the layout of the Stable Diffusion web UI"
    if "parser" in stated or "SD.Next" in stated.get("app", ""):
        return f"SD.Next {version}".strip()
    if re.match(r"f\d+\.", version):
        return f"Stable Diffusion web UI Forge {version}"
    return f"Stable Diffusion web UI {version}".strip() if re.match(r"v?\d|neo", version) else _unnamed(stated)


def _unnamed(stated: Mapping[str, str]) -> str:
    """The layout without a version of the web UI: many programs write it."""
    return "Stable Diffusion web UI" + (f" (version {stated['version']})" if stated.get("version") else "")
