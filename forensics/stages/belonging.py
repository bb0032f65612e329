"""What belongs to a checkpoint, taken down for later cases, and compared when it is used again.

The same function gives the digests on both occasions, from what an examination opens anyway; so an entry of the user's
configuration (`forensics.defaults`) stands for these very bytes or is refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from forensics import defaults, foreign, inputs
from forensics.case import Absent, Checkpoint, Setting
from forensics.controls import works as control_works
from forensics.device import choose
from forensics.embedders.open_clip import Embedder
from forensics.errors import SettingsError
from forensics.events import Emit, ignore
from forensics.settings import FETCHED, Resolved, Settings
from forensics.stages import open as opened
from forensics.stages import search
from forensics.stages.context import Models


def remember(settings: Settings, emit: Emit = ignore) -> defaults.Remembered:
    """Open what the settings name and keep it in the user's configuration, over what was kept for the checkpoint.

    Args:
        settings: LoRAs and embeddings in it are of one case and are not kept.
        emit: told of progress.

    Raises:
        SettingsError: no checkpoint is named, or nothing beside it, or the control checkpoint cannot be compared.
        ForensicsError: its subclasses, where one of the places does not hold what it should.
    """
    if settings.checkpoint is None:
        raise SettingsError(
            "Nothing can be remembered without a checkpoint.",
            hint="Name it with --checkpoint. The embedded checkpoint has its index and controls with it.",
        )
    before = defaults.of(settings.checkpoint)
    given = {name: getattr(settings, name) for name in defaults.NAMES if getattr(settings, name) is not None}
    places = {**(before.places if before else {}), **{name: _place(name, value) for name, value in given.items()}}
    if not places:
        raise SettingsError(
            "There is nothing to remember beside the checkpoint.",
            hint="Name what belongs to it: --index, --controls, --control-checkpoint, --base, --clip or --validation.",
        )
    entry = defaults.Remembered(defaults.canonical(settings.checkpoint), places, {})
    for name in places:
        if defaults.gone(entry, name):
            raise defaults.vanished(entry, name)
    whole = _of(entry)
    models = opened.models(whole, emit)
    if models.incomparable is not None:
        raise SettingsError(models.incomparable.reason, hint="Remember a control checkpoint that can be compared.")
    sources = search.open_sources(whole, models.checkpoint, choose("cpu", "fp32"))
    entry = replace(entry, digests=_digests(whole, models.checkpoint, models, sources))
    defaults.put(entry)
    return entry


def as_remembered(resolved: Resolved, models: Models, sources: search.Sources) -> None:
    """Compare what settings were taken from the configuration with what was there when it was remembered.

    Raises:
        SettingsError: a digest is another one now.
    """
    entry = resolved.remembered
    if entry is None:
        return
    used = {row.name for row in resolved.rows if row.source == defaults.SOURCE}
    if not used:
        return
    plain = _of(entry)
    apart = ("base", "prediction", "size", "lora", "embeddings")  # part of the digest of a checkpoint
    same = all(getattr(plain, name) == getattr(resolved.settings, name) for name in apart)
    checkpoint = models.checkpoint if same else opened.identify(plain)
    now = _digests(resolved.settings, checkpoint, models, sources)
    defaults.Filled({}, tuple(name for name in entry.places if name in used), entry).compare(now)


def compared_as_remembered(resolved: Resolved, embedder: Embedder | Absent) -> None:
    """As `as_remembered`, for a comparison, which opens controls and CLIP alone."""
    if resolved.remembered is None:
        return
    taken = tuple(row.name for row in resolved.rows if row.source == defaults.SOURCE)
    now = {} if isinstance(embedder, Absent) else {"clip": embedder.digest}
    if "controls" in taken:
        now["controls"] = control_works.load(Path(str(resolved.settings.controls))).digest
    defaults.Filled({}, taken, resolved.remembered).compare(now)


def with_fetched(resolved: Resolved, model: str) -> Resolved:
    """The settings with the fetched model that is used without being named, and where it came from; empty for none."""
    if not model:
        return resolved
    rows = tuple(Setting(row.name, model, FETCHED) if row.name == "clip" else row for row in resolved.rows)
    return replace(resolved, settings=replace(resolved.settings, clip=model), rows=rows)


def _place(name: str, value: object) -> str:
    return defaults.canonical(str(value)) if name in defaults.PLACES else str(value)


def _of(entry: defaults.Remembered) -> Settings:
    """The settings that an entry states, and nothing else."""
    values: dict[str, Any] = {name: int(v) if name == "size" else v for name, v in entry.places.items()}
    return Settings(checkpoint=entry.checkpoint, **values)


def _digests(settings: Settings, checkpoint: Checkpoint, models: Models, sources: search.Sources) -> dict[str, str]:
    found = {defaults.CHECKPOINT: checkpoint.digest}
    if settings.control_checkpoint and models.control is not None:
        found["control_checkpoint"] = models.control.digest
    if settings.index and not isinstance(sources.index, Absent):
        found["index"] = sources.index.info().facts.digest
    if settings.controls:
        found["controls"] = control_works.load(Path(settings.controls)).digest
    if settings.clip and not isinstance(sources.embedder, Absent):
        found["clip"] = sources.embedder.digest
    if settings.validation:
        try:
            found["validation"] = inputs.sha256(Path(settings.validation), SettingsError)
        except (OSError, foreign.Unreadable) as exc:
            raise SettingsError(f"{settings.validation} cannot be read: {exc}.", hint="Name the record.") from exc
    return found
