"""What a control work scored, kept from case to case: the same search on the same work gives the same numbers.

An entry is a pure function of its key: the checkpoint, the control, the method with its version and every parameter,
the prompt, the seeds and the arithmetic. Nothing of the disputed image enters, so an entry serves every case. It is
one JSON object that carries its key, who computed it where and when, and the SHA-256 of all that; an entry that does
not agree with itself, or with the key asked for, is passed over with a note and computed again.

A digest shows damage, not honesty: whoever hands over a pack of scores can make every digest anew, and scores decide p.
So each score that is used is accounted for by its source, and those that another machine computed are named with the
digest of their pack.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import gzip
import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from forensics import __version__, files, foreign
from forensics.case import Fact
from forensics.errors import ControlsError

Values = dict[str, tuple[float, ...]]
"""Name of a number -> its values, for instance one a seed."""

FORMAT = "forensics control cache 1"
_DIGITS = 9
"""Significant digits kept, of fresh values and stored ones alike, so that both are the same numbers."""
_LARGEST_ENTRY = 16 * foreign.MIB
_LARGEST_PACK = 1024 * foreign.MIB
_LINE_VALUES = 1_000_000
_NAMED = re.compile(r'\{"name":"([0-9a-f]{64})",')
"""The beginning of an entry as it is written here."""


@dataclass(frozen=True, slots=True)
class Key:
    """What the numbers of an entry are a function of."""

    method: str
    version: str
    """Of the method."""
    protocol: str
    """Version of the protocol: what the parameters mean."""
    checkpoint: str
    """SHA-256 of the checkpoint, or of the snapshot of the index that was searched; empty where neither enters."""
    control: str
    """SHA-256 of the file of the control work."""
    prompt: str
    parameters: tuple[tuple[str, str], ...]
    """Every other parameter by name, sorted: steps, guidance, seeds, versions of the measures."""
    arithmetic: str
    """Device and precision: "cpu fp32". Results of another kind of device differ by rounding and are kept apart."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the key: the name of its entry."""
        return _sha256(_fields(self))


class Kind(StrEnum):
    """Where a score that was used came from."""

    FRESH = "computed in this run"
    STORED = "computed earlier and stored on this machine"
    IMPORTED = "imported from a pack"
    SHIPPED = "shipped with the package"


@dataclass(frozen=True, slots=True, order=True)
class Made:
    """Who computed an entry, as it states."""

    program: str = ""
    """Name and version of the software."""
    actor: str = ""
    """User, as the machine calls them."""
    machine: str = ""
    """Name of the machine."""
    utc: str = ""
    """When; ISO 8601."""

    @classmethod
    def here(cls) -> Made:
        """By this program, on this machine, now."""
        try:
            actor = getpass.getuser()
        except (OSError, KeyError):
            actor = ""
        return cls(f"forensics {__version__}", _text(actor), _text(platform.node()), files.utc_now())

    @property
    def said(self) -> str:
        """The rest of a sentence that begins with "computed"; empty where nothing is stated."""
        parts = (("with", self.program), ("by", self.actor), ("on", self.machine))
        return " ".join(f"{word} {what}" for word, what in parts if what)


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a score that was used came from, and whose word it is."""

    kind: Kind
    pack: str = ""
    """SHA-256 of the body of the pack that it came in; empty for scores of this machine."""
    imported: str = ""
    """When the pack was imported; ISO 8601."""
    made: Made = Made()


AUDITED = 1
"""Stored entries of each method that are computed again in every examination."""
TOLERANCE = 1e-3
"""Relative difference of a stored number from the same computed again above which a store is refused. Another number of
threads moves the sixth digit."""


@dataclass(slots=True)
class Audit:
    """Stored scores computed again: which entries were drawn, and how far off the worst of them was."""

    seed: int = 0
    """Of the draw: another seed draws other entries."""
    drawn: dict[str, int] = field(default_factory=dict)
    """Method -> entries computed again."""
    largest: float = 0.0
    """Largest relative difference found."""

    def draws(self, key: Key) -> bool:
        """Whether this entry is computed again: about one in four of a method until `AUDITED` of it were."""
        if self.drawn.get(key.method, 0) >= AUDITED:
            return False
        return hashlib.sha256(f"audit/{self.seed}/{key.digest}".encode()).digest()[0] < 64

    def compare(self, key: Key, stored: Values, fresh: Values) -> None:
        """Raises ControlsError where the two differ by more than the tolerance."""
        self.drawn[key.method] = self.drawn.get(key.method, 0) + 1
        for name, values in fresh.items():
            if name not in stored or len(stored[name]) != len(values):
                raise ControlsError(_DISAGREES.format(method=key.method, what=f"{name} is not among them"), hint=_ANEW)
            for a, b in zip(stored[name], values, strict=True):
                off = abs(a - b) / max(abs(a), abs(b), 1e-6)
                self.largest = max(self.largest, off)
                if off > TOLERANCE:
                    what = f"{name} is {a:g} in the store and {b:g} computed again"
                    raise ControlsError(_DISAGREES.format(method=key.method, what=what), hint=_ANEW)

    @property
    def sentence(self) -> str:
        """What was drawn, and the largest difference, for the report."""
        if not self.drawn:
            return "none was drawn"
        counts = ", ".join(f"{count} of {method}" for method, count in sorted(self.drawn.items()))
        return f"{counts}, drawn with seed {self.seed}; largest relative difference {self.largest:.1g}"


_DISAGREES = "Stored scores of the controls do not agree with this program ({method}: {what}): the store is refused."
_ANEW = "Remove the folder that `forensics controls info` names, or do without the pack; scores are then computed anew."


@dataclass(frozen=True, slots=True)
class Account:
    """What was asked of a cache by a part of an examination: scores by their sources, and those computed again."""

    hits: int = 0
    misses: int = 0
    sources: dict[str, Source] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    drawn: dict[str, int] = field(default_factory=dict)
    largest: float = 0.0


@dataclass(slots=True)
class Cache:
    """Entries in a folder of the user's, and those shipped with a checkpoint, which are read only."""

    folder: Path | None
    """None keeps nothing."""
    shipped: tuple[Path, ...] = ()
    """Files made by `export_to`."""
    notes: list[str] = field(default_factory=list)
    """Entries that were passed over, one sentence each."""
    hits: int = 0
    misses: int = 0
    sources: dict[str, Source] = field(default_factory=dict)
    """Digest of the key of every score that was asked for -> where it came from."""
    audit: Audit = field(default_factory=lambda: Audit())
    _packed: dict[str, tuple[str, str]] | None = None
    """Digest of a key -> its line in a shipped pack, and the digest of that pack."""

    def get(self, key: Key) -> Values | None:
        """The values of an entry that agrees with its digest and with this key; None where there is none."""
        for text, pack in self._candidates(key):
            try:
                found = _read(text)
            except ValueError as exc:
                self.notes.append(f"An entry of the control cache was damaged ({exc}) and was computed again.")
                continue
            if found.key != key:
                self.notes.append("An entry of the control cache belongs to another key and was computed again.")
                continue
            kind = Kind.SHIPPED if pack else Kind.IMPORTED if found.pack else Kind.STORED
            self.sources[key.digest] = Source(kind, pack or found.pack, found.imported, found.made)
            return found.values
        return None

    def put(self, key: Key, values: Values) -> None:
        """Store an entry computed now; whoever reads it sees all of it or none.

        A folder that cannot be written to keeps nothing.
        """
        self.sources[key.digest] = Source(Kind.FRESH, made=(made := Made.here()))
        self.keep(Entry(key, values, made))

    def keep(self, entry: Entry) -> None:
        """Store an entry as it is."""
        if self.folder is None:
            return
        key = entry.key
        path = self.folder / key.digest[:2] / f"{key.digest}.json"
        try:
            files.write(path, _written(entry).encode())
        except OSError as exc:
            self.notes.append(f"The control cache cannot be written: {exc.strerror}.")
            self.folder = None

    def values(self, key: Key, compute: Callable[[], Mapping[str, Iterable[float]]], *, audit: bool = False) -> Values:
        """The stored values, or those computed now, rounded alike and stored.

        Args:
            audit: whether this entry may be drawn to be computed again, so that a store that does not agree with the
                program is noticed.

        Raises:
            ControlsError: a stored score differs from the same computed again by more than `TOLERANCE`.
        """
        if (found := self.get(key)) is not None:
            self.hits += 1
            if audit and self.audit.draws(key):
                self.audit.compare(key, found, _fresh(compute))
            return found
        self.misses += 1
        fresh = _fresh(compute)
        self.put(key, fresh)
        return fresh

    def account(self) -> tuple[Fact, ...]:
        """How many scores came from where, and whose word those are that were not computed in this run."""
        counts = {kind: sum(s.kind == kind for s in self.sources.values()) for kind in Kind}
        listed = ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count or kind == Kind.FRESH)
        rows = [Fact("control scores", listed)]
        groups: dict[tuple[Kind, str, str, str], list[Source]] = {}
        for source in self.sources.values():
            if source.kind != Kind.FRESH:
                groups.setdefault((source.kind, source.pack, source.imported, source.made.said), []).append(source)
        rows += [Fact(f"control scores, {key[0].value}", _said(key, found)) for key, found in sorted(groups.items())]
        if self.hits:
            rows.append(Fact("stored scores computed again", self.audit.sentence))
        return (*rows, *(Fact("control cache", note) for note in self.notes[:3]))

    def mark(self) -> Account:
        """What was asked for up to now, to be given to `since`."""
        drawn = dict(self.audit.drawn)
        return Account(self.hits, self.misses, dict(self.sources), tuple(self.notes), drawn, self.audit.largest)

    def since(self, mark: Account) -> Account:
        """What was asked for after that mark."""
        return Account(
            self.hits - mark.hits,
            self.misses - mark.misses,
            {name: source for name, source in self.sources.items() if mark.sources.get(name) != source},
            tuple(self.notes[len(mark.notes) :]),
            {m: count - mark.drawn.get(m, 0) for m, count in self.audit.drawn.items()},
            self.audit.largest,
        )

    def add(self, account: Account) -> None:
        """Count in what an earlier run of the same examination asked for."""
        self.hits, self.misses = self.hits + account.hits, self.misses + account.misses
        self.sources |= account.sources
        self.notes += account.notes
        for method, count in account.drawn.items():
            self.audit.drawn[method] = self.audit.drawn.get(method, 0) + count
        self.audit.largest = max(self.audit.largest, account.largest)

    def keys(self, checkpoint: str) -> Iterator[Key]:
        """The keys of what is kept for a checkpoint, shipped and in the folder; for a forecast, so nothing is verified.

        Args:
            checkpoint: its digest.
        """
        texts = [line for path in self.shipped for line in _pack(path)[1]]
        for path in _files(self.folder) if self.folder is not None else []:
            with contextlib.suppress(foreign.Unreadable):
                texts.append(foreign.text(foreign.read(path, _LARGEST_ENTRY)))
        for text in texts:
            if checkpoint not in text:
                continue
            try:
                given = foreign.parse(text, values=_LINE_VALUES)["key"]
                key = Key(**{**given, "parameters": tuple((str(a), str(b)) for a, b in given["parameters"])})
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if key.checkpoint == checkpoint:
                yield key

    def _candidates(self, key: Key) -> Iterator[tuple[str, str]]:
        """Texts of entries under this key, each with the digest of the shipped pack that it stands in."""
        if self._packed is None:
            self._packed = {}
            for path in self.shipped:
                pack, lines = _pack(path)
                self._packed |= {_name(line): (line, pack) for line in lines}
        if (found := self._packed.get(key.digest)) is not None:
            yield found
        if self.folder is not None:
            path = self.folder / key.digest[:2] / f"{key.digest}.json"
            try:
                yield foreign.text(foreign.read(path, _LARGEST_ENTRY)), ""
            except foreign.Unreadable as exc:
                if path.exists():
                    self.notes.append(f"An entry of the control cache {exc} and was computed again.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read and verified."""

    key: Key
    values: Values
    made: Made = Made()
    pack: str = ""
    """SHA-256 of the pack that it was imported from; empty for one of this machine."""
    imported: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a cache or an export holds."""

    entries: int
    size_bytes: int
    checkpoints: tuple[tuple[str, int], ...]
    """Digest of a checkpoint and its number of entries."""
    damaged: tuple[str, ...]
    """Files, or lines of an export, that do not agree with their digest."""
    packs: tuple[tuple[str, int], ...] = ()
    """Digest of a pack that was imported and its number of entries."""


def folder() -> Path:
    """Where the entries lie."""
    return files.user_cache("controls")


def summary(place: Path) -> Summary:
    """Read every entry of a cache folder and say what it holds."""
    counts: dict[str, int] = {}
    packs: dict[str, int] = {}
    damaged, size = [], 0
    for path in _files(place):
        try:
            data = foreign.read(path, _LARGEST_ENTRY)
            size += len(data)
            entry = _read(foreign.text(data))
            if entry.key.digest != path.stem:
                raise ValueError("named for another key")
        except ValueError:
            damaged.append(path.relative_to(place).as_posix())
            continue
        counts[entry.key.checkpoint] = counts.get(entry.key.checkpoint, 0) + 1
        if entry.pack:
            packs[entry.pack] = packs.get(entry.pack, 0) + 1
    return Summary(
        sum(counts.values()), size, tuple(sorted(counts.items())), tuple(damaged), tuple(sorted(packs.items()))
    )


def export_to(place: Path, out: Path, checkpoint: str = "") -> int:
    """Write the sound entries of a cache into one file; the first line states their number and digest.

    Args:
        checkpoint: beginning of the digest of the checkpoint to which entries must belong; empty takes all.

    Raises:
        ControlsError: the file cannot be written, or there is nothing to write.
    """
    found = [entry for entry in entries(place) if entry.key.checkpoint.startswith(checkpoint)]
    lines = [_written(dataclasses.replace(entry, pack="", imported="")) for entry in found]
    return write_pack(lines, out)


def entries(place: Path) -> Iterator[Entry]:
    """The sound entries of a cache folder, in the order of their names; damaged ones are passed over."""
    for path in _files(place):
        with contextlib.suppress(ValueError):
            yield _read(foreign.text(foreign.read(path, _LARGEST_ENTRY)))


def write_pack(lines: list[str], out: Path) -> int:
    """Entries, one a line and in the order of their names, behind a line with their number and digest.

    A file whose name ends in `.gz` is compressed, a fifth of the size: its digest is of the lines, and equal entries
    give equal bytes.

    Raises:
        ControlsError: the file cannot be written, or there is nothing to write.
    """
    if not lines:
        raise ControlsError("There is no entry to export.", hint="Run an examination with controls first.")
    body = "".join(line + "\n" for line in sorted(set(lines)))
    count = body.count("\n")
    head = {"format": FORMAT, "entries": count, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    whole = (json.dumps(head, separators=(",", ":")) + "\n" + body).encode()
    try:
        out.write_bytes(gzip.compress(whole, mtime=0) if out.suffix == ".gz" else whole)
    except OSError as exc:
        raise ControlsError(f"{out} cannot be written: {exc.strerror}.", hint="Choose another file.") from exc
    return count


def read_pack(source: Path) -> list[Entry]:
    """Every entry of an export, the whole verified. Raises ControlsError."""
    _, lines = _pack(source)
    return [_read(line) for line in lines]


def pack(entries: Iterable[Entry], out: Path) -> int:
    """Write entries as an export; their number. Raises ControlsError as `write_pack`."""
    return write_pack([_written(entry) for entry in entries], out)


def import_from(source: Path, place: Path) -> int:
    """Verify an export as a whole and every entry of it, then add the entries to a cache, marked as imported.

    Entries that this machine computed itself stay: a pack never takes their place.

    Raises:
        ControlsError: no export, or one that differs from its digest; nothing is then imported.
    """
    found = []
    pack, lines = _pack(source)
    now = Made.here().utc
    for number, line in enumerate(lines, 2):
        try:
            found.append(dataclasses.replace(_read(line), pack=pack, imported=now))
        except ValueError as exc:
            raise ControlsError(f"{source}, line {number}: {exc}.", hint="Export the cache again.") from exc
    cache = Cache(place)
    for entry in found:
        known = cache.get(entry.key) is not None
        if not known or cache.sources[entry.key.digest].kind != Kind.STORED:
            cache.keep(entry)
    if cache.notes:
        raise ControlsError(cache.notes[0], hint="Check the permissions of the cache folder.")
    return len(found)


def _fresh(compute: Callable[[], Mapping[str, Iterable[float]]]) -> Values:
    return {name: tuple(map(rounded, numbers)) for name, numbers in compute().items()}


def rounded(value: float) -> float:
    """To the digits that are kept. Raises ValueError for a number that is not finite."""
    if not math.isfinite(value):
        raise ValueError("only finite numbers can be kept")
    return float(f"{value:.{_DIGITS}g}")


def _files(place: Path) -> list[Path]:
    """Files of entries; a folder, link or pipe of such a name is none."""
    return sorted(p for p in place.glob("??/*.json") if p.is_file() and not p.is_symlink())


def _pack(source: Path) -> tuple[str, list[str]]:
    """The digest of an export and its lines, the whole verified. Raises ControlsError."""
    try:
        first, _, body = _pack_text(source).partition("\n")
        head = foreign.parse(first, depth=2, values=20)
        digest = hashlib.sha256(body.encode()).hexdigest()
        sound = head["format"] == FORMAT and head["sha256"] == digest and head["entries"] == body.count("\n")
    except (foreign.Unreadable, KeyError, TypeError) as exc:
        said = f": it {exc}" if isinstance(exc, foreign.Unreadable) else ""
        raise ControlsError(
            f"{source} is no export of a control cache{said}.", hint="Name a file made by export."
        ) from exc
    if not sound:
        raise ControlsError(f"{source} differs from its own digest.", hint="Copy the file again, or export anew.")
    return digest, body.split("\n")[:-1]


def _pack_text(source: Path) -> str:
    return foreign.text(foreign.expanded(foreign.read(source, _LARGEST_PACK), _LARGEST_PACK))


def _name(line: str) -> str:
    """The name of an entry in a pack whose digest agreed; all else of it is looked at when it is asked for."""
    if first := _NAMED.match(line):
        return first[1]
    try:
        found = foreign.parse(line, values=_LINE_VALUES)
    except foreign.Unreadable:
        return ""
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _said(key: tuple[Kind, str, str, str], found: list[Source]) -> str:
    """Whose word a group of scores is."""
    kind, pack, imported, made = key
    times = sorted(source.made.utc for source in found if source.made.utc)
    when = f", {times[0]} to {times[-1]}" if times else ""
    stated = f"computed {made}{when}" if made else "it is not stated who computed them"
    if kind == Kind.STORED:
        return f"{len(found)} scores, {stated}"
    took = f", imported {imported}" if imported else ""
    return f"{len(found)} scores of the pack with SHA-256 {pack}{took}; the pack states: {stated}"


def _content(entry: Entry) -> dict[str, Any]:
    """What the digest of an entry covers. Without a maker and a pack it is the form of the first release."""
    content: dict[str, Any] = {
        "key": _fields(entry.key),
        "values": {name: list(v) for name, v in sorted(entry.values.items())},
    }
    if entry.made != Made():
        content["made"] = _fields(entry.made)
    if entry.pack:
        content |= {"pack": entry.pack, "imported": entry.imported}
    return content


def _fields(row: Key | Made) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies every text; a store has thousands of them."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _written(entry: Entry) -> str:
    content = _content(entry)
    whole = {"name": entry.key.digest, **content, "sha256": _sha256(content)}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _read(text: str) -> Entry:
    """An entry that agrees with its digest, every field of its kind. Raises ValueError."""
    data = foreign.parse(text, values=_LINE_VALUES)
    try:
        named = {**data["key"], "parameters": tuple((a, b) for a, b in data["key"]["parameters"])}
        values = {name: tuple(map(foreign.finite, numbers)) for name, numbers in data["values"].items()}
        entry = Entry(
            Key(**named), values, Made(**data.get("made", {})), data.get("pack", ""), data.get("imported", "")
        )
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ValueError("it is not an entry") from exc
    pairs = [text for pair in entry.key.parameters for text in pair]
    flat = [getattr(entry.key, f.name) for f in dataclasses.fields(Key) if f.name != "parameters"]
    stated = [*dataclasses.astuple(entry.made), entry.pack, entry.imported]
    if not all(isinstance(text, str) for text in (*pairs, *flat, *stated)):
        raise ValueError("it is not an entry")
    if data.get("sha256") != _sha256(_content(entry)):
        raise ValueError("it differs from its digest")
    return entry


def _text(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "backslashreplace")  # a name need not be text


def _sha256(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
