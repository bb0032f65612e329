"""What an image generator wrote into a file, in one form whatever the software.

Everything here is a statement of the file: it can be forged and stripped, and is printed as "the file states". A
layout is taken for a generator's only by marks that generators write and others do not; the record names them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from forensics.case import Fact

MAX_CHARS = 8_000_000
"""Longer entries are not parsed: a graph of a whole workflow with pictures inside stays below this."""
MAX_VALUE = 20_000
"""Of one further parameter as printed; the rest is counted, and the file as received holds all of it."""
MAX_FURTHER = 120
MARKS_OF_A_RECORD = 2
"""Marks a record needs before its prompt is offered as a prompt: a single one can be a coincidence."""
Entries = Mapping[str, str]
"""Text entries of a file by name: PNG text chunks, EXIF tags as `EXIF <name>`, `comment`, XMP properties as
`XMP <prefix>:<name>`, IPTC fields as `IPTC <name>`."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A small file of changed weights that was loaded beside the model: often a person's style."""

    name: str
    strength: float | None = None
    digest: str = ""
    """As stated; which digest it is depends on the software."""

    @property
    def sentence(self) -> str:
        """Name, strength and digest where stated."""
        parts = [f"strength {self.strength:g}" if self.strength is not None else ""]
        parts.append(f"hash {self.digest}" if self.digest else "")
        said = ", ".join(filter(None, parts))
        return f"{self.name} ({said})" if said else self.name


@dataclass(frozen=True, slots=True)
class GeneratorMetadata:
    """One record of one generator. Empty and None mean: not stated."""

    software: str
    """The program whose layout the entry has, with its version where the entry names one."""
    source: str
    """Where in the file the record lay: `PNG text "parameters"`, `least significant bits of the alpha channel`."""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    sampler: str = ""
    scheduler: str = ""
    """Spacing of the noise levels where it is stated apart from the sampler: `Karras`."""
    guidance: float | None = None
    """Scale of classifier-free guidance."""
    model: str = ""
    model_hash: str = ""
    """As stated; which digest it is depends on the software."""
    width: int | None = None
    height: int | None = None
    vae: str = ""
    """Decoder that was loaded in place of the model's own."""
    loras: tuple[Lora, ...] = ()
    further: tuple[Fact, ...] = ()
    """Other parameters of the record, verbatim."""
    problems: tuple[str, ...] = ()
    """What in the record could not be read or followed, one sentence each."""
    marks: tuple[str, ...] = ()
    """What only generators write, as found: the reason why the entry is taken for a record."""
    rest: str = ""
    """What of the entry no rule of the layout covers, verbatim."""
    entry: str = ""
    """Name of the text entry; empty where there is no single one."""
    encoding: str = ""
    """How the bytes of the entry became text, where that had to be found out."""

    @property
    def offers_prompt(self) -> bool:
        """Whether the prompt may be offered as one: the record is recognised by several marks and states a text."""
        return bool(self.prompt) and len(self.marks) >= MARKS_OF_A_RECORD

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What is stated, one fact an entry, under the names of this class."""
        rows = [Fact("generator", f"{self.software}, {self.source}")]
        if self.marks:
            rows.append(Fact("recognised by", "; ".join(self.marks)))
        if self.encoding:
            rows.append(Fact("character encoding", self.encoding))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in _PRINTED or value is None or value == "":
                continue
            name = field.name.replace("_", " ")
            if field.name == "prompt" and not self.offers_prompt:
                name = "text that may be a prompt"
            rows.append(Fact(name, f"{value:g}" if isinstance(value, float) else str(value)))
        rows += [Fact("LoRA", lora.sentence) for lora in self.loras]
        rows += self.further
        if self.rest:
            rows.append(Fact("not parsed", self.rest))
        return (*rows, *(Fact("not readable", problem) for problem in self.problems))


_PRINTED = frozenset(
    {
        "prompt",
        "negative_prompt",
        "seed",
        "steps",
        "sampler",
        "scheduler",
        "guidance",
        "model",
        "model_hash",
        "width",
        "height",
        "vae",
    }
)


def whole(value: object) -> int | None:
    """A whole number from what a file may hold for one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str) and len(value) < 40:
        try:
            return int(value.strip())
        except ValueError:
            return None
    return None


def real(value: object) -> float | None:
    """A finite number from what a file may hold for one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text(value: object) -> str:
    """A string as it is, numbers as digits, everything else empty."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def stated(value: object) -> str:
    """As `text`, with Python's and JSON's words for "nothing" as nothing: programs write them out."""
    found = text(value)
    return "" if found in ("None", "none", "null", "N/A") else found


def document(value: str) -> dict[str, Any] | None:
    """The JSON object in an entry, or None: no JSON, no object, too long or nested beyond reason.

    NaN and the infinities, which are no JSON, are read as None: generators write them for values that never ran.
    """
    if len(value) > MAX_CHARS or not value.lstrip("\ufeff \t\r\n").startswith("{"):
        return None
    try:
        parsed = json.loads(value.strip("\ufeff \t\r\n\0"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def shown(name: str, value: object) -> Fact:
    """A parameter verbatim; what is longer than a page is cut with the count of all of it."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    if len(value) > MAX_VALUE:
        value = f"{value[:MAX_VALUE]} … ({len(value)} characters; the file as received holds all of them)"
    return Fact(name, value)


def further(record: Mapping[str, object], known: Iterable[str]) -> tuple[Fact, ...]:
    """The entries of a record that have no field of their own, verbatim; lists and objects as JSON."""
    skipped = frozenset(known)
    rows = []
    for key, value in record.items():
        if key in skipped or value in (None, "", [], {}):
            continue
        rows.append(shown(str(key), value.strip() if isinstance(value, str) else value))
    if len(rows) > MAX_FURTHER:
        left = len(rows) - MAX_FURTHER
        return (*rows[:MAX_FURTHER], Fact("further parameters", f"{left} more; the file as received holds all of them"))
    return tuple(rows)


_STEMS = (
    r"euler|heun|heunpp2|dpm(?:pp|\+\+)?|ddim|ddpm|plms|pndm|k?lms|uni_?pc|lcm|tcd|restart|deis|ipndm|res|er_sde|"
    r"sa[ _-]?solver|seeds|gradient_estimation|kohaku|flow ?match|exp_heun|rk\d|ralston|dormand|dopri5|vdm|cogx?dd?im"
)
_PARTS = (
    r"ancestral|alpha|adaptive|adaptative|ays|ag|a|karras|k|sde|gpu|[1-9][sm]?|pp|p|cfg\+{0,2}|exponential|exp|fast|"
    r"trailing|rf|heun|uniform|simple|sgm|turbo|test|bh[12]|multistep|singlestep|discrete|scheduler|max|dynamic|dyn|"
    r"smea|beta|normal|order|v\d|substep|polyexponential|flow|match|solver|stable|inverse|ode|lu|euler|x0|rescaled|tcd"
)
SAMPLER = re.compile(
    # Nothing is given back once taken (?>…, *+): a name made to have many readings would take for ever otherwise.
    rf"(?:k[_-])?(?:sample_)?(?:{_STEMS})(?>[ _+\-()]*+(?>{_PARTS}))*+[ )]*+",
    re.IGNORECASE,
)
"""Names of samplers of diffusion models: a method, then words for its order, noise and spacing, and nothing else."""
_LONGEST_NAME = 80


def sampler_known(name: str) -> bool:
    """Whether a text is built as the names of samplers of diffusion models are."""
    first = name.partition(",")[0]  # some programs append the spacing with a comma
    return len(first) <= _LONGEST_NAME and bool(SAMPLER.fullmatch(first.strip().removesuffix("Scheduler").strip()))
