"""What an examination was asked for, kept in its folder while it is incomplete, so that it can go on.

What is kept of a stopped run are its exhibits, its custody log, what its finished stages gave (`stages.kept`) and every
control score that it had computed; the stage at which it stopped is done again, with the same seeds and results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

from forensics import defaults, foreign, others
from forensics.case import Matter, Setting
from forensics.errors import CaseError, ForensicsError, SettingsError
from forensics.folder import CUSTODY, read_custody, unfinished
from forensics.path_names import is_text
from forensics.pictures import ahead, bounded, intake, wacz
from forensics.pictures.metadata import trust
from forensics.schema import decode, encode, of_kinds
from forensics.settings import Resolved, Settings


def decodes(settings: Settings, *images: Path) -> None:
    """Fail in a second, and without leaving a folder, for an image that would fail after the networks are loaded.

    From here on pictures are read within the limits that the settings state.

    Raises:
        ImageError: one cannot be decoded within them.
        SettingsError: a file that the settings name cannot be used, or an address is given and no capture of the web.
    """
    others.asked(settings)
    trusted = trust.lists(settings.c2pa_trust)
    bounded.use(bounded.Limits(settings.max_pixels, settings.max_seconds, url=settings.url or "", trust=trusted))
    kinds = {ahead.decode(intake.read_bytes(image), image.name).media_type for image in images}
    if settings.url and wacz.MEDIA_TYPE not in kinds:
        raise SettingsError(
            "--url names a picture within a web capture, and none of the files is one.",
            hint="Give a capture (WACZ), or leave --url out.",
        )


def asked_for(image: Path, resolved: Resolved, minutes: float | None = None) -> dict[str, Any]:
    """Plain JSON values from which `asked_again` makes the same examination.

    Args:
        minutes: time allowed, while the profile that fits into it is not chosen yet.
    """
    settings = {name: _kept(encode(value)) for name, value in dataclasses.asdict(resolved.settings).items()}
    return {
        "image": _kept(str(image.absolute())),
        "folder": _kept(str(Path.cwd())),
        "settings": settings,
        "matter": encode(resolved.matter),
        "rows": [encode(row) for row in resolved.rows],
        "minutes": minutes,
        "remembered": None if resolved.remembered is None else defaults.plain(resolved.remembered),
    }


def asked_again(folder: Path) -> tuple[Path, Resolved, float | None]:
    """The image and the settings of an examination that was stopped in this folder, and the time allowed for it where
    its profile was still to be chosen.

    Raises:
        CaseError: the folder holds none, or the image is another one by now.
    """
    asked = unfinished.asked(folder)
    try:
        given = {name: _as_given(value) for name, value in asked["settings"].items()}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        settings = Settings(**values)
        of_kinds(settings, "settings")
        matter = decode(Matter, asked["matter"], "matter")
        rows = tuple(decode(Setting, row, "rows") for row in asked["rows"])
        kept = asked.get("remembered")
        remembered = None if kept is None else defaults.entry_of(kept)
        image, began_in = Path(_as_given(asked["image"])), _as_given(asked["folder"])
        minutes = None if asked["minutes"] is None else foreign.finite(asked["minutes"])
    except (KeyError, TypeError, ValueError, AttributeError, ForensicsError) as exc:
        raise CaseError(
            f"What the examination in {folder} was asked for cannot be read: {exc}.", hint="Start it anew with --force."
        ) from exc
    if began_in != str(Path.cwd()):
        raise CaseError(
            f"The examination in {folder} was begun in {began_in}, from where its paths count.",
            hint="Change to that folder and run the command again.",
        )
    begun = (folder / CUSTODY).exists()  # else it was stopped before the first line
    entries = read_custody(folder, torn=True) if begun else iter(())
    received = [e.sha256 for e in entries if e.action == "received as disputed"]
    if received and hashlib.sha256(intake.read_bytes(image)).hexdigest() != received[0]:
        raise CaseError(
            f"{image} is not the file that the stopped examination received.", hint="Start it anew with --force."
        )
    return image, Resolved(settings, matter, rows, remembered), minutes


def _kept(value: Any) -> Any:
    """A setting as JSON: names of files that are no text as the hexadecimal digits of their bytes, for no document
    holds half of a surrogate pair."""
    if isinstance(value, list):
        return [_kept(one) for one in value]
    return {"bytes": os.fsencode(value).hex()} if isinstance(value, str) and not is_text(value) else value


def _as_given(value: Any) -> Any:
    """The inverse of `_kept`. Raises ValueError, KeyError or TypeError for what is no such value."""
    if isinstance(value, list):
        return [_as_given(one) for one in value]
    return os.fsdecode(bytes.fromhex(value["bytes"])) if isinstance(value, dict) else value
