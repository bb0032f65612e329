"""The plan of a collection, written before the first try: prompts, works, numbers of tries, controls, order, stop rule.

A plan is drawn from a TOML file and hashed; whoever has a key signs it, and an authority can stamp it. Nothing in it
can be changed afterwards without its digest changing. Works and controls are named by the digests of their files, so
that they cannot be exchanged for others once the pictures are there.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from forensics import __version__, files, foreign, portfolio
from forensics.case import Fact
from forensics.controls import works as control_works
from forensics.errors import CaseError, SettingsError, VerificationError
from forensics.folder import check_signature, timestamp
from forensics.folder import sign as signing
from forensics.portfolio import Portfolio
from forensics.registry import nearest
from forensics.schema import canonical, decode

SCHEMA = "outputs plan 1"
PLAN, LOG = "plan.json", "log.csv"
SIGNATURE, REQUEST, REPLY = ".p7s", ".tsq", ".tsr"
"""Ends of the names of the signature, of the request for a timestamp and of its reply, after the name of the plan."""
CANDIDATES = 3
"""Works, controls among them, that a picture is laid over beside those its prompt aims at, where nothing is stated."""
MOST_TRIES = 100_000
_LARGEST = 64 * foreign.MIB
_GREATEST = 10**9
_KEYS = ("title", "originals", "controls", "seed", "tries", "candidates", "stop", "services", "prompts")
_SERVICE, _STOP = ("name", "version"), ("refusals_in_a_row", "not_after")
_PROMPT = ("id", "class", "text", "works", "tries")


class PromptClass(StrEnum):
    """How a prompt was come by, as courts count what came for each kind apart."""

    VERBATIM = "verbatim"
    """The work's own caption or title, word for word."""
    REWORDED = "reworded"
    """The same in other words."""
    GENERIC = "generic"
    """Words for many such pictures, which name neither work nor author."""
    ARTIST = "artist"
    """Words that name the author."""
    IMAGE = "image"
    """A picture was supplied as input, with words or without."""

    @property
    def said(self) -> str:
        """As it is named wherever one is counted."""
        return _SAID[self]


_SAID = {
    PromptClass.VERBATIM: "the caption of the work, word for word",
    PromptClass.REWORDED: "the caption in other words",
    PromptClass.GENERIC: "words for many such pictures",
    PromptClass.ARTIST: "words that name the artist",
    PromptClass.IMAGE: "a picture supplied as input",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A work by its identifier and the digest of its file."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Service:
    """One version of one service."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Words to be sent, and what they aim at."""

    id: str
    prompt_class: PromptClass
    text: str
    works: tuple[str, ...]
    """Identifiers of works or control works; empty for a prompt that aims at none of them, where each counts."""
    tries: int
    """On each version of each service."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When the collecting ends. Without more, with the last try planned."""

    refusals_in_a_row: int
    """Refusals of one prompt on one version after which it is sent there no more; 0 for never."""
    not_after: str
    """UTC, ISO 8601: no try counts after it; empty for no such moment."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One try as planned."""

    number: int
    """From 1, in the order in which the tries are to be made."""
    service: str
    version: str
    prompt: str
    """Its identifier."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole."""

    schema: str
    tool: Fact
    created: str
    """UTC, ISO 8601, by the clock of the machine: only a timestamp of an authority shows it to others."""
    title: str
    seed: int
    """Of the draw of the order."""
    candidates: int
    works: tuple[Named, ...]
    controls: tuple[Named, ...]
    services: tuple[Service, ...]
    prompts: tuple[Prompt, ...]
    stop: Stop
    order: tuple[Slot, ...]
    digest: str
    """SHA-256 over the canonical JSON of all other fields, this one empty."""

    def prompt(self, name: str) -> Prompt:
        """The prompt of an identifier that the plan has."""
        return next(p for p in self.prompts if p.id == name)


def digest(plan: Plan) -> str:
    """What the field `digest` of a plan should hold."""
    return hashlib.sha256(canonical(replace(plan, digest=""))).hexdigest()


def draw(path: Path) -> Plan:
    """The plan that a TOML file describes; works and controls are read and hashed.

    Raises:
        SettingsError: unreadable, an unknown key, or a value that no plan can have.
        IndexError_: the works cannot be read.
        ControlsError: the controls cannot be read.
    """
    given = _read(path)
    _known(given, _KEYS, path)
    works = portfolio.read(_beside(path, _text(given, "originals", path)))
    controls = _controls(path, given)
    known = {*(w.id for w in works.works), *(w.id for w in controls)}
    if twice := sorted({w.id for w in works.works} & {w.id for w in controls}):
        raise SettingsError(
            f"{path}: {twice[0]!r} names a work and a control work.", hint="Give them distinct identifiers."
        )
    tries = _number(given, "tries", path, 1, default=0)
    prompts = tuple(_prompt(row, tries, known, path) for row in _rows(given, "prompts", path))
    services = tuple(_service(row, path) for row in _rows(given, "services", path))
    _distinct([(s.name, s.version) for s in services], "service with this version", path)
    _distinct([p.id for p in prompts], "prompt with this id", path)
    _distinct([(p.text, p.prompt_class is PromptClass.IMAGE) for p in prompts], "prompt with these words", path)
    seed = _number(given, "seed", path, 0, default=0)
    total = len(services) * sum(p.tries for p in prompts)
    if total > MOST_TRIES:
        raise SettingsError(f"{path} plans {total} tries.", hint=f"Plan at most {MOST_TRIES}.")
    made = Plan(
        schema=SCHEMA,
        tool=Fact("forensics", __version__),
        created=files.utc_now(),
        title=_text(given, "title", path),
        seed=seed,
        candidates=_number(given, "candidates", path, 0, default=CANDIDATES),
        works=tuple(Named(w.id, w.sha256) for w in works.works),
        controls=controls,
        services=services,
        prompts=prompts,
        stop=_stop(given, path),
        order=_order(services, prompts, seed),
        digest="",
    )
    return replace(made, digest=digest(made))


def write(plan: Plan, out: Path, signer: Any = None, *, timestamper: Any = None) -> tuple[Path, ...]:
    """Write a plan, the request for a timestamp over it, its signature where there is a signer, and an empty log.

    Args:
        plan: as `draw` gave it.
        out: file of the plan; the others lie beside it.
        signer: an open signer of `forensics.folder.sign`.
        timestamper: of pyHanko.

    Returns:
        The paths written, the plan first.

    Raises:
        CaseError: one of the files is there already; a plan is never written over.
        VerificationError: it could not be signed.
    """
    data = canonical(plan)
    written = {out: data, _beyond(out, REQUEST): timestamp.request(hashlib.sha256(data).hexdigest())}
    if signer is not None:
        written[_beyond(out, SIGNATURE)] = signing.seal(data, signer, timestamper=timestamper)
    written[_log_of(out)] = _empty_log(plan)
    if there := [path for path in written if path.exists()]:
        raise CaseError(f"{there[0]} exists already.", hint="A plan is never written over; choose another name.")
    for path, content in written.items():
        files.write(path, content)
    return tuple(written)


def sha256_of(path: Path) -> str:
    """SHA-256 of the file of a plan: what is noted down, or stamped."""
    return files.sha256(path)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A plan as it was found again, and what shows when it was made."""

    plan: Plan
    sha256: str
    """Of its file."""
    moment: str
    """UTC, ISO 8601: that of a time-stamping authority where there is one, else the one the plan states."""
    shown_by: str
    """What shows that moment, as a sentence."""
    signed: str
    """Who signed it, as a sentence."""


def load(path: Path, trusted: Sequence[Path] = ()) -> Fixed:
    """Read a plan and verify its digest, its signature and its timestamp.

    Raises:
        CaseError: it cannot be read as a plan.
        VerificationError: it was changed after it was written, signed or stamped.
    """
    try:
        data = foreign.read(path, _LARGEST)
        plan = decode(Plan, foreign.parse(data), "plan")
    except foreign.Unreadable as exc:
        raise CaseError(f"{path} {exc}.", hint="Name the plan.json that `forensics outputs plan` wrote.") from exc
    hint = "Use the plan as it was written, with the files that lay beside it."
    if plan.digest != digest(plan):
        raise VerificationError(f"{path} was changed after it was written: its digest differs.", hint=hint)
    roots = check_signature.roots(trusted) if trusted else ()
    found = hashlib.sha256(data).hexdigest()
    signed, moment, shown_by = _UNSIGNED, plan.created, _OWN_CLOCK
    if (place := _beyond(path, SIGNATURE)).exists():
        who = check_signature.seal(_bytes(place), data, place.name, roots)
        trust = "no trusted certificates were named"
        if who.trusted is not None:
            trust = "it leads to a certificate trusted here" if who.trusted else who.reason
        signed = f"The plan is signed by {who.signatory}; certificate {who.certificate.sha256}; {trust}."
        if who.stamped:
            moment, shown_by = _utc(who.stamped), f"The signature is stamped by {who.authority}."
    if (place := _beyond(path, REPLY)).exists():
        stamp = check_signature.reply(_bytes(place), found, place.name, roots)
        moment, shown_by = _utc(stamp.moment), f"The plan is stamped by {stamp.authority}."
    return Fixed(plan, found, moment, shown_by, signed)


_UNSIGNED = "The plan is not signed."
_OWN_CLOCK = "The plan states it by the clock of the machine it was made on, which nobody else vouches for."


def _utc(moment: str) -> str:
    """A moment with an offset, as `created` is written; as it stands where it cannot be read."""
    try:
        return dt.datetime.fromisoformat(moment).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return moment


def _bytes(path: Path) -> bytes:
    try:
        return foreign.read(path, check_signature.LARGEST_SEAL)
    except foreign.Unreadable as exc:
        raise CaseError(f"{path} {exc}.", hint="Put the file beside the plan again.") from exc


def beside(path: Path) -> tuple[Path, ...]:
    """The plan and every file that `write` may have put beside it."""
    ends = (SIGNATURE, REQUEST, REPLY)
    return (path, *(_beyond(path, end) for end in ends), _log_of(path))


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}-{LOG}")


def _beyond(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _empty_log(plan: Plan) -> bytes:
    """The log to fill in: a row a try, in the order drawn, with what the plan says of it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(
        ["number", "time", "service", "version", "account", "prompt", "image_prompt", "seed", "result", "file", "note"]
    )
    for slot in plan.order:
        prompt = plan.prompt(slot.prompt)
        image = "FILE" if prompt.prompt_class is PromptClass.IMAGE else ""
        writer.writerow([slot.number, "", slot.service, slot.version, "", prompt.text, image, "", "", "", ""])
    return buffer.getvalue().encode()


def _order(services: Sequence[Service], prompts: Sequence[Prompt], seed: int) -> tuple[Slot, ...]:
    tries = [(s.name, s.version, p.id) for s in services for p in prompts for _ in range(p.tries)]
    random.Random(f"outputs/{seed}").shuffle(tries)
    return tuple(Slot(number, *one) for number, one in enumerate(tries, 1))


def _controls(path: Path, given: Mapping[str, Any]) -> tuple[Named, ...]:
    if "controls" not in given:
        return ()
    source = control_works.load(Path(_beside(path, _text(given, "controls", path))))
    return tuple(Named(w.id, w.sha256) for w in portfolio.of_controls(source).works)


def works_of(plan: Plan, beside: tuple[Portfolio, Portfolio | None]) -> list[str]:
    """Identifiers of works and controls that are not those of the plan: another file, missing, or added."""
    works, controls = beside
    planned = {w.id: w.sha256 for w in (*plan.works, *plan.controls)}
    found = {w.id: w.sha256 for w in (*works.works, *(controls.works if controls else ()))}
    return sorted(name for name in {*planned, *found} if planned.get(name) != found.get(name))


def _prompt(row: Mapping[str, Any], tries: int, known: set[str], path: Path) -> Prompt:
    _known(row, _PROMPT, path)
    name = _text(row, "id", path)
    said = _text(row, "class", path)
    if said not in [c.value for c in PromptClass]:
        raise SettingsError(
            f"{path}: prompt {name!r} has the class {said!r}.", hint=nearest(said, [c.value for c in PromptClass])
        )
    aims = row.get("works", [])
    if not isinstance(aims, list) or not all(isinstance(one, str) for one in aims):
        raise SettingsError(f"{path}: works of prompt {name!r} is no list of names.", hint='Write works = ["id"].')
    if unknown := [one for one in aims if one not in known]:
        raise SettingsError(
            f"{path}: prompt {name!r} aims at {unknown[0]!r}, which is neither a work nor a control work.",
            hint=nearest(unknown[0], sorted(known)),
        )
    number = _number(row, "tries", path, 1, default=tries)
    if not number:
        raise SettingsError(f"{path}: no number of tries for prompt {name!r}.", hint="Write tries = 20, for all or it.")
    words = _text(row, "text", path, empty=said == PromptClass.IMAGE)
    return Prompt(name, PromptClass(said), words, tuple(dict.fromkeys(aims)), number)


def _service(row: Mapping[str, Any], path: Path) -> Service:
    _known(row, _SERVICE, path)
    return Service(_text(row, "name", path), _text(row, "version", path))


def _stop(given: Mapping[str, Any], path: Path) -> Stop:
    row = given.get("stop", {})
    if not isinstance(row, dict):
        raise SettingsError(f"{path}: stop is no table.", hint="Write [stop] and its keys below it.")
    _known(row, _STOP, path)
    end = row.get("not_after", "")
    if isinstance(end, dt.datetime):
        end = end.isoformat()
    try:
        moment = dt.datetime.fromisoformat(str(end)) if end else None
    except ValueError as exc:
        raise SettingsError(f"{path}: {end!r} is no moment.", hint="Write 2026-12-31T00:00:00Z.") from exc
    if moment is not None and moment.tzinfo is None:
        raise SettingsError(f"{path}: not_after has no offset from UTC.", hint="Write 2026-12-31T00:00:00Z.")
    stated = "" if moment is None else _utc(moment.isoformat())
    return Stop(_number(row, "refusals_in_a_row", path, 0, default=0), stated)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(foreign.text(foreign.read(path, foreign.MIB).removeprefix(b"\xef\xbb\xbf")))
    except foreign.Unreadable as exc:
        raise SettingsError(f"{path} {exc}.", hint="Name the TOML file that describes the plan.") from exc
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as exc:
        raise SettingsError(f"{path} is not valid TOML: {exc}.", hint="Mend the line named.") from exc


def _beside(path: Path, name: str) -> str:
    """A path that counts from the folder of the TOML file; an address as it is."""
    return name if "://" in name else str(path.parent / Path(name).expanduser())


def _known(row: Mapping[str, Any], allowed: Sequence[str], path: Path) -> None:
    for key in row:
        if key not in allowed:
            raise SettingsError(f"{path}: unknown key {key!r}.", hint=nearest(key, allowed))


def _rows(given: Mapping[str, Any], name: str, path: Path) -> list[Mapping[str, Any]]:
    rows = given.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{path} lists no {name}.", hint=f"Write one [[{name}]] or more.")
    return rows


def _text(row: Mapping[str, Any], name: str, path: Path, *, empty: bool = False) -> str:
    value = row.get(name, "" if empty else None)
    if not isinstance(value, str) or not (value.strip() or empty):
        raise SettingsError(f"{path}: {name} is missing or is no text.", hint=f'Write {name} = "…".')
    return value.strip()


def _number(row: Mapping[str, Any], name: str, path: Path, least: int, *, default: int) -> int:
    value = row.get(name, default)
    if name not in row:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _GREATEST:
        raise SettingsError(
            f"{path}: {name} is {str(value)[:40]}.", hint=f"Give a whole number from {least} to {_GREATEST}."
        )
    return value


def _distinct(names: Sequence[object], what: str, path: Path) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise SettingsError(f"{path} has more than one {what}: {name!r}.", hint="Give each once.")
        seen.add(name)
