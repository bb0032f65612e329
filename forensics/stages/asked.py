"""What an examination was asked for, kept in its folder while it is incomplete, so that it can go on.

What is kept of a stopped run are its exhibits, its custody log and every control score that it had computed, which are
most of its time; the searches on the disputed image are made again, with the same seeds and the same results.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from forensics.case import Matter, Setting
from forensics.errors import CaseError, ForensicsError
from forensics.folder import read_custody, unfinished
from forensics.pictures import intake
from forensics.schema import decode, encode, of_kinds
from forensics.settings import Resolved, Settings


def asked_for(image: Path, resolved: Resolved) -> dict[str, Any]:
    """Plain JSON values from which `asked_again` makes the same examination."""
    settings = {name: encode(value) for name, value in dataclasses.asdict(resolved.settings).items()}
    return {
        "image": str(image.absolute()),
        "folder": str(Path.cwd()),
        "settings": settings,
        "matter": encode(resolved.matter),
        "rows": [encode(row) for row in resolved.rows],
    }


def asked_again(folder: Path) -> tuple[Path, Resolved]:
    """The image and the settings of an examination that was stopped in this folder.

    Raises:
        CaseError: the folder holds none, or the image is another one by now.
    """
    asked = unfinished.asked(folder)
    try:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in asked["settings"].items()}
        settings = Settings(**values)
        of_kinds(settings, "settings")
        matter = decode(Matter, asked["matter"], "matter")
        rows = tuple(decode(Setting, row, "rows") for row in asked["rows"])
        image, began_in = Path(asked["image"]), asked["folder"]
    except (KeyError, TypeError, ValueError, AttributeError, ForensicsError) as exc:
        raise CaseError(
            f"What the examination in {folder} was asked for cannot be read: {exc}.", hint="Start it anew with --force."
        ) from exc
    if began_in != str(Path.cwd()):
        raise CaseError(
            f"The examination in {folder} was begun in {began_in}, from where its paths count.",
            hint="Change to that folder and run the command again.",
        )
    received = [e.sha256 for e in read_custody(folder, torn=True) if e.action == "received as disputed"]
    if received and hashlib.sha256(intake.read_bytes(image)).hexdigest() != received[0]:
        raise CaseError(
            f"{image} is not the file that the stopped examination received.", hint="Start it anew with --force."
        )
    return image, Resolved(settings, matter, rows)
