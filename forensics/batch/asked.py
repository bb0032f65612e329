"""What a batch is asked: a TOML file with a table `[defaults]` and a list of cases, each as `analyze` takes it.

Every key is an option of `analyze`, by the name of the flag or of the setting in a case file. Paths count from the
folder of the file. A case is known by what it is asked and by the bytes of its pictures: when the file is extended, or
a case in it is changed, what was done of the others stays done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensics import foreign
from forensics.errors import ImageError, SettingsError
from forensics.path_names import entered, folder_stem, too_long
from forensics.pictures import intake
from forensics.registry import nearest
from forensics.schema import encode
from forensics.settings import BATCH, Resolved, Settings, analysis, resolve, toml

MOST = 100_000
"""Cases of one file."""
_SINGULAR = {"original": "originals", "caption": "captions", "embedding": "embeddings", "autoencoder": "autoencoders"}
"""Flags that may be given several times -> the setting."""
_LISTS = tuple(f.name for f in dataclasses.fields(Settings) if isinstance(f.default, tuple))
_OWN = ("image", "name", "out", "case", "max_minutes", "force", "no_defaults")
"""Keys beside the settings."""
_REFUSED = {
    "resume": "The whole batch goes on with --resume.",
    "yes": "A batch asks nothing before a case; leave it out.",
    "remember": "Keep what belongs to a checkpoint with `forensics defaults set`, once.",
    "progress": "Pass --progress to the batch.",
    "verbose": "Pass -v to the batch.",
    "quiet": "Pass -q to the batch.",
}
KEYS = (*_OWN, *(field.name for field in dataclasses.fields(Settings)))
"""Every key of a case."""
_EXAMPLE = 'Write [[case]] and below it image = "picture.png", once for every case.'


@dataclass(frozen=True, slots=True)
class Asked:
    """One case, ready to be examined anywhere: its paths are whole."""

    number: int
    """As it stands in the file, from 1."""
    name: str
    image: Path
    folder: Path
    resolved: Resolved
    key: str
    """Digest of what is asked and of the bytes of the pictures, and which of several cases that are asked alike."""
    max_minutes: float | None = None
    force: bool = False
    own: bool = False
    """Whether nothing lay in its folder when this batch took it: what lies there now is the beginning of this case."""


def read(path: Path, out: Path) -> tuple[Asked, ...]:
    """The cases of a file, in its order.

    Args:
        path: the file.
        out: folder of the batch, in which cases lie that name none.

    Raises:
        SettingsError: it cannot be read, has no case or too many, a key that there is not (with the nearest one), a
            value of the wrong kind, or two cases with one folder.
    """
    document = toml(path, "Name the file with the cases.")
    for key in document:
        if key not in ("defaults", "case"):
            hint = "Options of all cases stand under [defaults]." if _known(key) else nearest(key, ("defaults", "case"))
            raise SettingsError(f"{path}: unknown table {key!r}.", hint=hint)
    common, rows = document.get("defaults", {}), document.get("case", [])
    if not isinstance(common, dict):
        raise SettingsError(f"{path}: 'defaults' is not a table.", hint="Write it as [defaults].")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{path}: 'case' is not a list of tables.", hint=_EXAMPLE)
    if not rows:
        raise SettingsError(f"{path} holds no case.", hint=_EXAMPLE)
    if len(rows) > MOST:
        raise SettingsError(f"{path} holds {len(rows)} cases.", hint=f"Split it: {MOST} are the most of one batch.")
    whole = path.absolute()  # so that the paths lead to the same files wherever they are read
    shared = _options(common, f"{path}, [defaults]")
    for key in ("image", "name", "out"):
        if key in shared:
            raise SettingsError(f"{path}, [defaults]: {key!r} is of one case.", hint="Write it under [[case]].")
    given = [_options(row, f"{path}, case {number}") for number, row in enumerate(rows, 1)]
    stems: Counter[str] = Counter()
    found = []
    for number, own in enumerate(given, 1):
        options = {**shared, **own}
        for a, b in (("profile", "max_minutes"), ("max_minutes", "profile")):
            if a in own and b not in own:  # what the case says goes before what all of them say
                options.pop(b, None)
        found.append(_case(_Row(number, f"{path}, case {number}", whole, options), out, stems))
    alike: Counter[str] = Counter()
    for place, one in enumerate(found):
        alike[one.key] += 1
        found[place] = dataclasses.replace(one, key=f"{one.key}-{alike[one.key]}")
    folders = Counter(one.folder for one in found)
    for one in found:
        if folders[one.folder] > 1:
            raise SettingsError(
                f"{path}, case {one.number}: the folder {one.folder} is that of another case too.",
                hint="Give each its own with out, or leave it out.",
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    where: str
    """For messages."""
    path: Path
    options: Mapping[str, Any]


def _known(key: str) -> bool:
    name = key.replace("-", "_")
    return _SINGULAR.get(name, name) in KEYS


def _options(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The table with the names of settings; a single text where a list is taken is a list of one."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        name = _SINGULAR.get(name, name)
        if name in _REFUSED:
            raise SettingsError(f"{where}: {key!r} is no option of a case in a batch.", hint=_REFUSED[name])
        if name not in KEYS:
            raise SettingsError(f"{where}: unknown key {key!r}.", hint=nearest(name, (*KEYS, *_SINGULAR)))
        if name in found:
            raise SettingsError(f"{where}: {key!r} stands there twice.", hint="Write all of it in one list.")
        found[name] = [value] if name in _LISTS and isinstance(value, str) else value
    return found


def _case(row: _Row, out: Path, stems: Counter[str]) -> Asked:
    options, where, base = dict(row.options), row.where, row.path.parent
    own = {name: options.pop(name, None) for name in _OWN}
    for name, kind, said in (
        *((name, str, "text") for name in ("image", "name", "out", "case")),
        *((name, bool, "true or false") for name in ("force", "no_defaults")),
    ):
        if own[name] is not None and not isinstance(own[name], kind):
            raise SettingsError(f"{where}: {name!r} must be {said}.", hint=f"Mend the line that begins with {name}.")
    if not own["image"]:
        raise SettingsError(f"{where}: no image is named.", hint='Write image = "picture.png".')
    minutes = _minutes(own["max_minutes"], where)
    if minutes is not None and "profile" in options:
        raise SettingsError(f"{where}: profile and max_minutes exclude each other.", hint="Name one of the two.")
    try:
        flags = analysis(options, row.path)
        case_file = base / entered(own["case"], base) if own["case"] else None
        resolved = resolve(flags, case_file, source=BATCH, remembered=not own["no_defaults"])
    except SettingsError as exc:
        message = exc.message.removeprefix(f"{row.path}: ")
        raise SettingsError(f"{where}: {message}", hint=exc.hint) from exc
    image = base / entered(own["image"], base)
    folder = base / entered(own["out"], base) if own["out"] else _folder(image, out, stems)
    _usable(folder, image, where)
    key = _key(image, resolved, minutes)
    return Asked(row.number, own["name"] or image.name, image, folder, resolved, key, minutes, bool(own["force"]))


def _minutes(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise SettingsError(f"{where}: 'max_minutes' must be a number above 0.", hint="Write max_minutes = 20.")
    return float(value)


def _folder(image: Path, out: Path, stems: Counter[str]) -> Path:
    """A folder of its own for every case, also where pictures of several folders have one name."""
    stem = folder_stem(image)
    stems[stem.casefold()] += 1
    count = stems[stem.casefold()]
    return out.absolute() / (f"{stem}-case" if count == 1 else f"{stem}-case-{count}")


def _usable(folder: Path, image: Path, where: str) -> None:
    if part := too_long(folder):
        raise SettingsError(
            f"{where}: the case folder would be called {part[:60]}…, which is longer than file systems take.",
            hint="Give a shorter name with out.",
        )
    if foreign.resolved(image).is_relative_to(foreign.resolved(folder)):
        raise SettingsError(f"{where}: {image} lies inside the case folder {folder}.", hint="Name another with out.")


def _key(image: Path, resolved: Resolved, minutes: float | None) -> str:
    parts = {
        "image": _digest(image),
        "originals": [_digest(Path(name)) for name in resolved.settings.originals],
        "settings": {name: encode(value) for name, value in dataclasses.asdict(resolved.settings).items()},
        "matter": encode(resolved.matter),
        "minutes": minutes,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()


def _digest(path: Path) -> str:
    """SHA-256 of a picture; its name where it cannot be read, which the examination will say better."""
    try:
        return hashlib.sha256(intake.read_bytes(path)).hexdigest()
    except ImageError:
        return f"not read: {path}"
