"""What belongs to a checkpoint, remembered in the user's configuration: index, controls, control checkpoint, and so on.

One TOML file holds an entry a checkpoint, known by its place (an absolute path, or a hub id). Beside every place stands
the digest that was there when it was remembered. A place that is gone is an error when it would be used; so is one
whose digest has changed (`stages.open.as_remembered`): what a report says comes "from the configuration" is what the
user put there. Nothing is read from the file unless a checkpoint of it is examined.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forensics import files, foreign
from forensics.case import Fact
from forensics.errors import SettingsError
from forensics.path_names import entered, is_text

SOURCE = "from the configuration"
"""What the report says of a setting that was found here."""
PLACES = ("base", "control_checkpoint", "index", "controls", "validation", "clip")
"""Settings that may be remembered and are each a path or a name of a hub."""
NAMES = (*PLACES, "prediction", "size")
"""All settings that may be remembered: also what the files of a checkpoint leave unsaid."""
CHECKPOINT = "checkpoint"
_FILE = "defaults.toml"
_LARGEST = foreign.MIB
_HEAD = "# Written by `forensics defaults`, which lists, sets and removes what stands here.\n"


@dataclass(frozen=True, slots=True)
class Remembered:
    """One checkpoint and what belongs to it."""

    checkpoint: str
    """An absolute path, or a hub id."""
    places: Mapping[str, str]
    """Name of a setting, of `NAMES` -> absolute path, name of a hub, or what else it is, as text."""
    digests: Mapping[str, str]
    """`checkpoint` and settings -> digest at the time it was remembered; not every place has one."""


def path() -> Path:
    """The file of the user who runs the program; it need not exist."""
    return files.user_config(_FILE)


def read() -> tuple[Remembered, ...]:
    """Every entry, in the order of the file.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    place = path()
    if not place.exists():
        return ()
    try:
        document = tomllib.loads(foreign.text(foreign.read(place, _LARGEST)))
        rows = document.get(CHECKPOINT, [])
        if set(document) - {CHECKPOINT} or not isinstance(rows, list):
            raise ValueError("it holds more than entries of checkpoints")
        return tuple(entry_of(row) for row in rows)
    except (foreign.Unreadable, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise SettingsError(
            f"The configuration {place} cannot be read: {exc}.",
            hint="Mend it, or move it away: `forensics defaults set` writes it anew.",
        ) from exc


def plain(entry: Remembered) -> dict[str, Any]:
    """As values of JSON, from which `entry_of` makes it again."""
    return {"location": entry.checkpoint, "places": dict(entry.places), "digests": dict(entry.digests)}


def entry_of(row: Mapping[str, Any]) -> Remembered:
    """An entry as the file holds it. Raises ValueError, KeyError, TypeError."""
    location, places, digests = row["location"], row.get("places", {}), row.get("digests", {})
    if set(row) - {"location", "places", "digests"} or set(places) - set(NAMES):
        raise ValueError("it holds a key that is not known")
    texts = [location, *places.values(), *digests.values()]
    if not all(isinstance(text, str) and text and "\0" not in text for text in texts):
        raise ValueError("a place or a digest is no text")
    return Remembered(location, places, digests)


def canonical(location: str) -> str:
    """A checkpoint or another place as it is remembered: the absolute path of what exists, else the name as it is."""
    meant = entered(location)
    try:
        return str(foreign.resolved(Path(meant))) if Path(meant).exists() else meant
    except (OSError, ValueError):
        return meant


def of(checkpoint: str) -> Remembered | None:
    """The entry of a checkpoint, named as a person would name it. Raises SettingsError as `read`."""
    location = canonical(checkpoint)
    return next((entry for entry in read() if entry.checkpoint == location), None)


@dataclass(frozen=True, slots=True)
class Filled:
    """Places for a command that takes some of what is remembered: as given, else from the configuration."""

    places: Mapping[str, str]
    """Name of a setting -> what was given or is remembered; empty where there is neither."""
    taken: tuple[str, ...] = ()
    """The names that come from the configuration."""
    entry: Remembered | None = None

    def compare(self, now: Mapping[str, str]) -> None:
        """Hold what was taken against what is there now.

        Args:
            now: `checkpoint` and settings -> digest; those that were not taken are passed over.

        Raises:
            SettingsError: one is another than when it was remembered.
        """
        if self.entry is None or not self.taken:
            return
        for name in (CHECKPOINT, *self.taken):
            if name in now and self.entry.digests.get(name, now[name]) != now[name]:
                raise changed(self.entry, name, now[name])

    @property
    def facts(self) -> tuple[Fact, ...]:
        """For a report: which settings nobody gave, and what was taken for them; a path by its last part alone."""
        named = [f"{name.replace('_', ' ')} {_last(self.places[name])}" for name in self.taken]
        return (Fact(SOURCE, ", ".join(named)),) if named else ()


def _last(place: str) -> str:
    return Path(place).name if Path(place).is_absolute() else place


def fill(checkpoint: str, given: Mapping[str, str], *, use: bool = True) -> Filled:
    """What is given, and for what is empty what is remembered for the checkpoint.

    Args:
        checkpoint: as a person would name it.
        given: setting, of `NAMES`, -> place; empty where none was given.
        use: whether the configuration is asked at all.

    Raises:
        SettingsError: as `read`, or a place that would be taken is gone.
    """
    entry = of(checkpoint) if use else None
    if entry is None:
        return Filled(dict(given))
    taken = tuple(name for name, place in given.items() if not place and name in entry.places)
    for name in taken:
        if gone(entry, name):
            raise vanished(entry, name)
    return Filled({**given, **{name: entry.places[name] for name in taken}}, taken, entry)


def of_index(place: str) -> Remembered | None:
    """The first entry whose training index this is. Raises SettingsError as `read`."""
    location = canonical(place)
    return next((entry for entry in read() if entry.places.get("index") == location), None)


def put(entry: Remembered) -> None:
    """Remember an entry in place of an earlier one of the same checkpoint. Raises SettingsError, OSError."""
    for text in (entry.checkpoint, *entry.places.values()):
        if not is_text(text) or not text.isprintable():
            raise SettingsError(
                f"{text} holds characters that the configuration cannot keep.", hint="Rename the file or folder."
            )
    kept = [one for one in read() if one.checkpoint != entry.checkpoint]
    _write((*kept, entry))


def remove(checkpoint: str, names: tuple[str, ...] = ()) -> Remembered:
    """Forget an entry, or some of its places. Returns what was there.

    Raises:
        SettingsError: there is no such entry, or it does not hold one of the names.
    """
    entries = read()
    wanted = {checkpoint, canonical(checkpoint)}
    found = next((entry for entry in entries if entry.checkpoint in wanted), None)
    if found is None or any(name not in found.places for name in names):
        missing = ", ".join(name for name in names if found is not None and name not in found.places)
        raise SettingsError(
            f"Nothing is remembered for {checkpoint}{f' under {missing}' if missing else ''}.",
            hint="See `forensics defaults list`.",
        )
    left = {name: place for name, place in found.places.items() if name not in names}
    kept = {name: digest for name, digest in found.digests.items() if name == CHECKPOINT or name in left}
    shorter = [replace(found, places=left, digests=kept)] if names and left else []
    _write([*(entry for entry in entries if entry is not found), *shorter])
    return found


def gone(entry: Remembered, name: str) -> bool:
    """Whether the place was a path and nothing is there any more."""
    place = entry.checkpoint if name == CHECKPOINT else entry.places[name]
    return name in (CHECKPOINT, *PLACES) and Path(place).is_absolute() and not Path(place).exists()


def vanished(entry: Remembered, name: str) -> SettingsError:
    """The error that a remembered place is gone."""
    return SettingsError(
        f"The configuration names {entry.places[name]} as {name.replace('_', ' ')} of {entry.checkpoint}, and nothing "
        "is there any more.",
        hint=remedy(entry, name),
    )


def changed(entry: Remembered, name: str, now: str) -> SettingsError:
    """The error that a remembered place holds something else by now."""
    what = entry.checkpoint if name == CHECKPOINT else f"{entry.places[name]}, {name.replace('_', ' ')} of it,"
    return SettingsError(
        f"The configuration remembers {entry.checkpoint}: {what} had the digest {entry.digests[name]} then and has "
        f"{now} now.",
        hint=remedy(entry, name),
    )


def remedy(entry: Remembered, name: str) -> str:
    """What to do about an entry that no longer holds."""
    place = shlex.quote(entry.checkpoint)
    again = "" if name == CHECKPOINT else f" --{name.replace('_', '-')} PLACE"
    return (
        f"Run `forensics defaults set --checkpoint {place}{again}` to remember it as it is now, `forensics defaults "
        f"remove --checkpoint {place}` to forget it, or pass --no-defaults for once."
    )


def _write(entries: tuple[Remembered, ...] | list[Remembered]) -> None:
    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)  # for printable text the two languages agree

    lines = [_HEAD]
    for entry in entries:
        lines.append(f"\n[[{CHECKPOINT}]]\nlocation = {text(entry.checkpoint)}\n")
        for table, values in (("places", entry.places), ("digests", entry.digests)):
            lines.append(f"[{CHECKPOINT}.{table}]\n")
            lines += [f"{name} = {text(value)}\n" for name, value in values.items()]
    files.write(path(), "".join(lines).encode())
