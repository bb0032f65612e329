"""What a control work scored, kept from case to case: the same search on the same work gives the same numbers.

An entry is a pure function of its key: the checkpoint, the control, the method with its version and every parameter,
the prompt, the seeds and the arithmetic. Nothing of the disputed image enters, so an entry serves every case. It is
one JSON object that carries its key and the SHA-256 of key and values; an entry that does not agree with itself, or
with the key asked for, is passed over with a note and computed again. The cache can only save time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forensics.errors import ControlsError

Values = dict[str, tuple[float, ...]]
"""Name of a number -> its values, for instance one a seed."""

FORMAT = "forensics control cache 1"
_DIGITS = 9
"""Significant digits kept, of fresh values and stored ones alike, so that both are the same numbers."""


@dataclass(frozen=True, slots=True)
class Key:
    """What the numbers of an entry are a function of."""

    method: str
    version: str
    """Of the method."""
    protocol: str
    """Version of the protocol: what the parameters mean."""
    checkpoint: str
    """SHA-256 of the checkpoint, or of the snapshot of the training index that was searched."""
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
        return _sha256(dataclasses.asdict(self))


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
    audit: Audit = field(default_factory=lambda: Audit())
    _packed: dict[str, str] | None = None

    def get(self, key: Key) -> Values | None:
        """The values of an entry that agrees with its digest and with this key; None where there is none."""
        for text in self._candidates(key):
            try:
                found = _read(text)
            except ValueError as exc:
                self.notes.append(f"An entry of the control cache was damaged ({exc}) and was computed again.")
                continue
            if found.key != key:
                self.notes.append("An entry of the control cache belongs to another key and was computed again.")
                continue
            return found.values
        return None

    def put(self, key: Key, values: Values) -> None:
        """Store an entry; whoever reads it sees all of it or none. A folder that cannot be written to keeps nothing."""
        if self.folder is None:
            return
        path = self.folder / key.digest[:2] / f"{key.digest}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(_written(key, values))
            Path(name).replace(path)
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

    @property
    def origins(self) -> tuple[str, ...]:
        """Where stored scores may have come from: packs by name and digest, and the folder of this computer."""
        packs = [f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in self.shipped]
        return (*packs, *(["scores kept on this computer from earlier examinations"] if self.folder else []))

    def keys(self, checkpoint: str) -> Iterator[Key]:
        """The keys of what is kept for a checkpoint, shipped and in the folder; for a forecast, so nothing is verified.

        Args:
            checkpoint: its digest.
        """
        texts = [line for path in self.shipped for line in _lines(path)]
        if self.folder is not None:
            texts += [path.read_text(encoding="utf-8", errors="replace") for path in _files(self.folder)]
        for text in texts:
            try:
                given = json.loads(text)["key"]
                key = Key(**{**given, "parameters": tuple((str(a), str(b)) for a, b in given["parameters"])})
            except (ValueError, KeyError, TypeError):
                continue
            if key.checkpoint == checkpoint:
                yield key

    def _candidates(self, key: Key) -> Iterator[str]:
        if self._packed is None:
            self._packed = {}
            for path in self.shipped:
                self._packed |= {json.loads(line)["name"]: line for line in _lines(path)}
        if (line := self._packed.get(key.digest)) is not None:
            yield line
        if self.folder is not None:
            try:
                yield (self.folder / key.digest[:2] / f"{key.digest}.json").read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                return


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read and verified."""

    key: Key
    values: Values


@dataclass(frozen=True, slots=True)
class Summary:
    """What a cache or an export holds."""

    entries: int
    size_bytes: int
    checkpoints: tuple[tuple[str, int], ...]
    """Digest of a checkpoint and its number of entries."""
    damaged: tuple[str, ...]
    """Files, or lines of an export, that do not agree with their digest."""


def folder() -> Path:
    """Where the entries lie: `$XDG_CACHE_HOME/forensics/controls`, else `~/.cache/forensics/controls`."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "forensics" / "controls"


def summary(place: Path) -> Summary:
    """Read every entry of a cache folder and say what it holds."""
    counts: dict[str, int] = {}
    damaged, size = [], 0
    for path in _files(place):
        text = path.read_text(encoding="utf-8", errors="replace")
        size += path.stat().st_size
        try:
            entry = _read(text)
            if entry.key.digest != path.stem:
                raise ValueError("named for another key")
        except ValueError:
            damaged.append(path.relative_to(place).as_posix())
            continue
        counts[entry.key.checkpoint] = counts.get(entry.key.checkpoint, 0) + 1
    return Summary(sum(counts.values()), size, tuple(sorted(counts.items())), tuple(damaged))


def export_to(place: Path, out: Path, checkpoint: str = "") -> int:
    """Write the sound entries of a cache into one file; the first line states their number and digest.

    Args:
        checkpoint: beginning of the digest of the checkpoint to which entries must belong; empty takes all.

    Raises:
        ControlsError: the file cannot be written, or there is nothing to write.
    """
    lines = []
    for path in _files(place):
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            entry = _read(text)
        except ValueError:
            continue
        if entry.key.checkpoint.startswith(checkpoint):
            lines.append(_written(entry.key, entry.values))
    return write_pack(lines, out)


def write_pack(lines: list[str], out: Path) -> int:
    """Entries, one a line and in the order of their names, behind a line with their number and digest.

    Raises:
        ControlsError: the file cannot be written, or there is nothing to write.
    """
    if not lines:
        raise ControlsError("There is no entry to export.", hint="Run an examination with controls first.")
    body = "".join(line + "\n" for line in sorted(set(lines)))
    count = body.count("\n")
    head = {"format": FORMAT, "entries": count, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    try:
        out.write_text(json.dumps(head, separators=(",", ":")) + "\n" + body, encoding="utf-8")
    except OSError as exc:
        raise ControlsError(f"{out} cannot be written: {exc.strerror}.", hint="Choose another file.") from exc
    return count


def import_from(source: Path, place: Path) -> int:
    """Verify an export as a whole and every entry of it, then add the entries to a cache.

    Raises:
        ControlsError: no export, or one that differs from its digest; nothing is then imported.
    """
    entries = []
    for number, line in enumerate(_lines(source), 2):
        try:
            entries.append(_read(line))
        except ValueError as exc:
            raise ControlsError(f"{source}, line {number}: {exc}.", hint="Export the cache again.") from exc
    cache = Cache(place)
    for entry in entries:
        cache.put(entry.key, entry.values)
    if cache.notes:
        raise ControlsError(cache.notes[0], hint="Check the permissions of the cache folder.")
    return len(entries)


def _fresh(compute: Callable[[], Mapping[str, Iterable[float]]]) -> Values:
    return {name: tuple(map(rounded, numbers)) for name, numbers in compute().items()}


def rounded(value: float) -> float:
    """To the digits that are kept. Raises ValueError for a number that is not finite."""
    if not math.isfinite(value):
        raise ValueError("only finite numbers can be kept")
    return float(f"{value:.{_DIGITS}g}")


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("??/*.json"))


def _lines(source: Path) -> list[str]:
    """The entries of an export, the whole verified. Raises ControlsError."""
    try:
        first, _, body = source.read_text(encoding="utf-8").partition("\n")
        head = json.loads(first)
        sound = head["format"] == FORMAT and head["sha256"] == hashlib.sha256(body.encode()).hexdigest()
        sound = sound and head["entries"] == body.count("\n")
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as exc:
        raise ControlsError(f"{source} is no export of a control cache.", hint="Name a file made by export.") from exc
    if not sound:
        raise ControlsError(f"{source} differs from its own digest.", hint="Copy the file again, or export anew.")
    return body.splitlines()


def _written(key: Key, values: Values) -> str:
    content = {"key": dataclasses.asdict(key), "values": {name: list(v) for name, v in sorted(values.items())}}
    whole = {"name": key.digest, **content, "sha256": _sha256(content)}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _read(text: str) -> Entry:
    """An entry that agrees with its digest. Raises ValueError."""
    try:
        data = json.loads(text)
        content = {"key": data["key"], "values": data["values"]}
        if data["sha256"] != _sha256(content):
            raise ValueError("it differs from its digest")
        named: dict[str, Any] = {
            **data["key"],
            "parameters": tuple((str(a), str(b)) for a, b in data["key"]["parameters"]),
        }
        values = {str(name): tuple(map(float, numbers)) for name, numbers in data["values"].items()}
        return Entry(Key(**named), values)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError("it is not an entry") from exc


def _sha256(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
