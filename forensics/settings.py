"""Settings: defaults, then what is remembered for the checkpoint, then the case file, then the command line.

An unknown key is an error with the nearest name.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from forensics import defaults, foreign, jurisdictions, languages
from forensics.case import Examiner, Matter, Setting
from forensics.errors import SettingsError
from forensics.path_names import entered, entered_before_colon, is_text, printable, there
from forensics.protocol import PROFILES
from forensics.registry import nearest

_LARGEST = 4 * foreign.MIB
_LONGEST_KEY, _PARTS = 200, 20
PAPERS = ("A4", "Letter")
LANGUAGES = languages.names()
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
PREDICTIONS = ("epsilon", "v_prediction", "edm", "flow")
MAX_SIZE = 4096
"""Pixels; the largest native side that may be stated."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run was asked to do. Paths are as given; relative ones in a case file count from its folder."""

    checkpoint: str | None = None
    """Folder, `.safetensors` file or hub id; none means the embedded reference checkpoint."""
    base: str | None = None
    """A diffusers folder that supplies what a single file lacks: text encoders, tokenizer, autoencoder."""
    prediction: str | None = None
    """What the network predicts, where the files do not say it or say it wrongly."""
    size: int | None = None
    """Native side in pixels, where the files do not say it or say it wrongly."""
    lora: tuple[str, ...] = ()
    """LoRAs merged into the checkpoint's weights in this order, each with an optional strength: `FILE:0.8`."""
    embeddings: tuple[str, ...] = ()
    """Textual inversions that stand for words of prompts, each with an optional word: `FILE:WORD`."""
    control_checkpoint: str | None = None
    """A second checkpoint that cannot have seen the work."""
    autoencoders: tuple[str, ...] = ()
    """Autoencoders of other generators, tried beside the checkpoint's own: folders, files or hub ids."""
    originals: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    """Captions of the work, as a party states them; the first is the prompt that is ranked among controls."""
    reworded: tuple[str, ...] = ()
    """Captions of the work in other words: tried, counted as a class of their own, and not ranked."""
    generic: tuple[str, ...] = ()
    """Words for many such pictures: likewise."""
    index: str | None = None
    controls: str | None = None
    validation: str | None = None
    """A validation record of the checkpoint; none means those that ship with the program."""
    clip: str | None = None
    """open_clip folder or `MODEL/PRETRAINED`; none means the embedded one, with the embedded checkpoint only."""
    profile: str = "standard"
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    paper: str = "A4"
    language: str = languages.ENGLISH
    """Of the report; the case itself is written in English whatever it is."""
    max_pixels: int = 100_000_000
    """Pictures with more pixels are refused."""
    max_seconds: int = 25
    """A picture that takes longer to decode is refused."""
    c2pa_trust: tuple[str, ...] = ()
    """Lists of trusted issuers for Content Credentials; none means that trust is not judged."""
    check_by_others: str | None = None
    """File with the checks that others made."""
    url: str | None = None
    """Address of the picture that is taken from captures of the web; none means the largest."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings in force, the matter of the case file, and where each setting came from."""

    settings: Settings
    matter: Matter
    rows: tuple[Setting, ...]
    remembered: defaults.Remembered | None = None
    """The entry of the user's configuration that settings were taken from; its digests are still to be compared."""


DEFAULT, CASE_FILE, COMMAND_LINE, CALL = "default", "case file", "command line", "Python call"
FETCHED = "fetched weights"
BATCH = "file of the batch"
GIVEN = (DEFAULT, CASE_FILE, COMMAND_LINE, CALL, FETCHED, BATCH, defaults.SOURCE)
"""Where a setting can come from: other rows of the same table state what the protocol holds."""
COMPARED = ("controls", "clip")
"""Settings that a comparison takes from what is remembered for the checkpoint of a case file."""
_LISTS = ("originals", "captions", "reworded", "generic", "autoencoders", "lora", "embeddings", "c2pa_trust")
_NUMBERS = ("seed", "size", "max_pixels", "max_seconds")
_PATHS = (
    "checkpoint",
    "base",
    "control_checkpoint",
    "index",
    "controls",
    "validation",
    "clip",
    "lora",
    "embeddings",
    "autoencoders",
    "originals",
    "check_by_others",
    "c2pa_trust",
)
_READ = ("originals", "check_by_others", "c2pa_trust")
"""Of files that are only read: their names need not be text."""


def resolve(
    flags: Mapping[str, Any],
    case_file: Path | None = None,
    *,
    source: str = COMMAND_LINE,
    remembered: bool | Collection[str] = False,
) -> Resolved:
    """Combine the sources.

    Args:
        flags: values given on the command line; None and empty tuples count as not given.
        case_file: a TOML file with the tables `[matter]`, `[examiner]` and `[analysis]`.
        source: what the report says of a setting given by `flags`.
        remembered: whether what the user's configuration holds for the checkpoint stands in for what is not given;
            or the settings for which it does.

    Raises:
        SettingsError: unreadable file, unknown table or key, a value of the wrong kind, or a remembered place that is
            gone.
    """
    _epoch()
    document = toml(case_file, "Check the path given to --case.") if case_file else {}
    _known(document, ("matter", "examiner", "analysis"), "table", case_file)
    matter = _matter(document.get("matter", {}), document.get("examiner", {}), case_file)
    from_file = analysis(document.get("analysis", {}), case_file)
    _known(flags, tuple(field.name for field in fields(Settings)), "setting", source)
    given = {k: v for k, v in flags.items() if v is not None and v != ()}
    checkpoint = given.get("checkpoint") or from_file.get("checkpoint")
    entry = defaults.of(str(checkpoint)) if remembered and checkpoint else None
    asked = defaults.NAMES if isinstance(remembered, bool) else remembered
    configured = _configured(entry, {*given, *from_file}, asked) if entry else {}
    values: dict[str, Any] = {}
    rows: list[Setting] = []
    for field in fields(Settings):
        if field.name in given:
            value, said = given[field.name], source
        elif field.name in from_file:
            value, said = from_file[field.name], CASE_FILE
        elif field.name in configured:
            value, said = configured[field.name], defaults.SOURCE
        else:
            value, said = field.default, DEFAULT
        values[field.name] = value
        rows.append(Setting(field.name, _shown(value), said))
    return Resolved(_checked(Settings(**values)), matter, tuple(rows), entry)


def _configured(entry: defaults.Remembered, given: set[str], asked: Collection[str]) -> dict[str, Any]:
    """What the entry adds to what is given. Raises SettingsError where a place that would be used is gone."""
    used = {name: place for name, place in entry.places.items() if name not in given and name in asked}
    for name in used:
        if defaults.gone(entry, name):
            raise defaults.vanished(entry, name)
    if not used.get("size", "0").isdecimal():
        raise SettingsError(
            f"The configuration remembers the size {used['size']!r} for {entry.checkpoint}, which is no number.",
            hint=defaults.remedy(entry, "size"),
        )
    return used | ({"size": int(used["size"])} if "size" in used else {})


def toml(path: Path, hint: str) -> dict[str, Any]:
    """A TOML file that a person wrote.

    Raises:
        SettingsError: it cannot be read; `hint` is said to whoever named it.
    """
    try:
        text = foreign.text(foreign.read(path, _LARGEST).removeprefix(b"\xef\xbb\xbf"))
    except foreign.Unreadable as exc:
        raise SettingsError(f"{path} {exc}.", hint=hint) from exc
    # The parser takes a square of the time for a key of many parts, and the stack for nesting: neither is in a case.
    if any(len(line) > _LONGEST_KEY and line.count(".") > _PARTS for line in re.split("[=\n]", text)):
        raise SettingsError(f"{path} holds a key of more than {_PARTS} parts.", hint="Mend the line.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"{path} is not valid TOML: {exc}.", hint="Mend the line named.") from exc
    except (RecursionError, ValueError) as exc:
        raise SettingsError(f"{path} holds a value that no case needs: {exc}.", hint="Mend the file.") from exc


def _known(given: Mapping[str, Any], allowed: tuple[str, ...], kind: str, path: Path | str | None) -> None:
    for key in given:
        if key not in allowed:
            raise SettingsError(f"{path}: unknown {kind} {key!r}.", hint=nearest(key, allowed))


def _matter(table: Any, person: Any, path: Path | None) -> Matter:
    names = tuple(f.name for f in fields(Matter) if f.name != "person")
    for name, given, allowed in (
        ("matter", table, names),
        ("examiner", person, ("name", *(f.name for f in fields(Examiner)))),
    ):
        if not isinstance(given, dict):
            raise SettingsError(f"{path}: {name!r} is not a table.", hint=f"Write it as [{name}].")
        _known(given, allowed, "key", path)
    values: dict[str, Any] = {}
    for key, value in table.items():
        values[key] = _strings(value, key, path) if key == "questions" else _string(value, key, path)
    said = {key: _string(value, key, path) for key, value in person.items()}
    if name := said.pop("name", ""):
        values["examiner"] = name
    pack = values.get("jurisdiction", "")
    if pack and pack not in jurisdictions.names():
        known = ", ".join(jurisdictions.names())
        raise SettingsError(f"{path}: no jurisdiction pack {pack!r}.", hint=f"Use one of: {known}, or leave it empty.")
    return Matter(**values, person=Examiner(**said))


def analysis(table: Any, path: Path | None) -> dict[str, Any]:
    """Settings of a table that a person wrote, by name; paths count from the folder of the file.

    Args:
        table: as TOML gives it.
        path: the file that it stands in, for messages.

    Raises:
        SettingsError: a key that there is not, with the nearest one, or a value of the wrong kind.
    """
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: 'analysis' is not a table.", hint="Write it as [analysis].")
    _known(table, tuple(f.name for f in fields(Settings)), "key", path)
    base = path.parent if path else Path()
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in _LISTS:
            rows = _strings(value, key, path)
            if key in ("originals", "c2pa_trust"):
                rows = tuple(str(base / entered(row, base)) for row in rows)
            elif key == "autoencoders":
                rows = tuple(_place(row, base) for row in rows)
            elif key in ("lora", "embeddings"):
                rows = tuple(_marked_place(row, base) for row in rows)
            values[key] = rows
        elif key in _NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise SettingsError(f"{path}: {key!r} must be a whole number.")
            values[key] = value
        else:
            text = _string(value, key, path)
            values[key] = _place(text, base) if key in _PATHS else text
    return values


def _place(text: str, base: Path) -> str:
    """A path in a case file counts from the file, however it was pasted; a hub id or an open_clip name is no path."""
    path = entered(text, base)
    return str(base / path) if there(base / path) else path


def _marked_place(text: str, base: Path) -> str:
    """As `_place`, for `FILE:0.8`."""
    path = entered_before_colon(text, base)
    return str(base / path) if there(base / path) or there(base / path.rpartition(":")[0]) else path


def _epoch() -> None:
    """Libraries read this variable as well, and fail at being loaded where it is no number."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    if value and not (value.isascii() and value.isdecimal() and len(value) <= 11):
        raise SettingsError(
            f"SOURCE_DATE_EPOCH is {value[:40]!r}, which is no number of seconds since 1970.",
            hint="Unset the variable, or give a whole number.",
        )


def _string(value: Any, key: str, path: Path | None) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{path}: {key!r} must be text.", hint='Put it between quotation marks: key = "value".')
    return value


def _strings(value: Any, key: str, path: Path | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise SettingsError(f"{path}: {key!r} must be a list of texts.", hint='Write key = ["first", "second"].')
    return tuple(value)


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return printable("; ".join(map(str, value))) or "none"
    return printable(str(value))


def _checked(settings: Settings) -> Settings:
    for name, value, allowed in (
        ("profile", settings.profile, tuple(PROFILES)),
        ("paper", settings.paper, PAPERS),
        ("language", settings.language, LANGUAGES),
        ("precision", settings.precision, PRECISIONS),
        ("prediction", settings.prediction, (None, *PREDICTIONS)),
    ):
        if value not in allowed:
            raise SettingsError(
                f"{name} {value!r} is not known.", hint=f"Use one of: {', '.join(filter(None, allowed))}."
            )
    if not 0 <= settings.seed < 2**63:
        raise SettingsError(f"The seed {settings.seed} is out of range.", hint="Use 0 to 2**63 - 1.")
    for name in _PATHS:
        given = getattr(settings, name)
        for location in (given,) if isinstance(given, str) else given or ():
            if name not in _READ and not is_text(location):
                raise SettingsError(
                    f"{name}: {location} holds bytes that are no UTF-8; what reads weights and indexes takes text.",
                    hint="Rename the file or folder. Pictures and lists that are only read may be called anything.",
                )
            if name in ("lora", "embeddings") and not there(Path(location)):
                location = location.rpartition(":")[0] or location  # what stands behind it is no part of the name
            if "\0" in location or any(len(os.fsencode(part)) > 255 for part in location.split("/")):
                raise SettingsError(f"{name} is no name that a file can have.", hint="Give a path or a name of a hub.")
    if not 1 <= settings.max_pixels <= 2**31 or not 1 <= settings.max_seconds <= 86_400:
        raise SettingsError(
            "max_pixels and max_seconds are out of range.", hint="Use 1 to 2**31 pixels and 1 to 86400 seconds."
        )
    if settings.size is not None and not 16 <= settings.size <= MAX_SIZE:
        raise SettingsError(f"The size {settings.size} is out of range.", hint=f"Use 16 to {MAX_SIZE} pixels.")
    return settings


def template() -> str:
    """A case file with every table and a comment on every field, accepted as it stands."""
    packs = ", ".join(f'"{name}"' for name in jurisdictions.names())
    return f"""# Case file of `forensics`: pass it with --case. Flags take precedence over the table [analysis].
# What is left empty is printed as a ruled line for a person to fill in by hand. The program fills in none of it.

[matter]
reference = ""      # case reference, printed on every page
court = ""          # court or tribunal, printed at the head of the cover
title = ""          # short title of the matter: "Claimant v. Respondent"
claimant = ""
respondent = ""
instructed_by = ""  # who instructs the examiner
instructions = ""   # what was asked, and on which assumptions
provenance = ""     # how, when and from whom each item was obtained; custody before the examination
jurisdiction = ""   # forms and questions of a court: {packs}; empty for the general form
questions = [
    # "How far does the disputed image correspond to the work R1?",
]

[examiner]
name = ""
qualifications = ""
publications = ""   # of the last ten years, where the court asks for them
testimony = ""      # of the last four years, where the court asks for it
compensation = ""
conflicts = ""      # anything that could give rise to doubt about impartiality
supervision = ""
operator = ""       # who ran the program, if another person

[analysis]
# checkpoint = "models/generator"      # diffusers folder, .safetensors file or hub id; the embedded one if left out
# originals = ["works/original.png"]   # works put forward; paths count from this file
# captions = ["a caption of the work"]
# reworded = ["the caption in other words"]       # tried, counted by their class, not ranked among controls
# generic = ["words for many such pictures"]      # likewise
# index = "indexes/training"           # training index of the checkpoint
# controls = "controls"                # works known not to be in the training set, with controls.csv
# base = "models/base"                 # diffusers folder with what a single file lacks
# prediction = "v_prediction"          # where the files do not say it; epsilon, v_prediction, edm or flow
# size = 1024                          # native side in pixels, where the files do not say it
# lora = ["style.safetensors:0.8"]     # merged in this order, each with an optional strength
# embeddings = ["style.safetensors:WORD"]  # textual inversions, each a word of prompts
# control_checkpoint = "models/other"  # a checkpoint that cannot have seen the work
# autoencoders = ["models/kl-f8"]      # of other generators: is the checkpoint's own the one that loses least?
# c2pa_trust = ["trust-list.pem"]      # lists of trusted issuers for Content Credentials, from whoever publishes them
# check_by_others = "checks.toml"      # who checked what, when, where, with which tool and result
profile = "standard"                   # {", ".join(PROFILES)}
seed = 0
paper = "A4"                           # {", ".join(PAPERS)}
language = "en"                        # {", ".join(LANGUAGES)}
"""
