"""Where the files shipped beside the code are: in a wheel inside the package, in a checkout one level up."""

from __future__ import annotations

from pathlib import Path

from forensics.errors import ForensicsError

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    for parent in (_PACKAGE, _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise ForensicsError(
        f"The folder {name!r} that ships with forensics was not found.",
        hint="Install the package again; its wheel carries the folder.",
    )


def templates() -> Path:
    """Folder of the report templates, stylesheets and fonts."""
    return _shipped("templates")


def samples() -> Path:
    """Folder of the embedded reference checkpoint, index, controls and sample images."""
    return _shipped("samples")
