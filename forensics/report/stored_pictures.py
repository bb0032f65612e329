"""Reading the pictures of a case: every byte is hashed again before a page is drawn from it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from PIL import Image, ImageFile

from forensics import folder as case_folder
from forensics.case import Case, Exhibit
from forensics.errors import RenderingError, VerificationError


def read(case: Case, folder: Path) -> dict[str, bytes]:
    """Path in the case folder -> bytes, for every exhibit.

    Raises VerificationError naming the exhibit that is missing or differs from its digest, RenderingError for one that
    cannot be drawn as it is.
    """
    stored = verified(case, folder)
    check_drawable(case, stored)
    return stored


def check_drawable(case: Case, stored: Mapping[str, bytes]) -> None:
    """Decode every exhibit, as `verified` gives them. Raises RenderingError for one that cannot be drawn as it is."""
    for exhibit in case.exhibits:
        _check_drawable(exhibit, stored[exhibit.path])


def verified(case: Case, folder: Path) -> dict[str, bytes]:
    """The same for who hands the bytes on and draws nothing from them: only VerificationError is raised."""
    return {e.path: _one(e, folder) for e in case.exhibits}


def _one(exhibit: Exhibit, folder: Path) -> bytes:
    path = PurePosixPath(exhibit.path)
    if path.is_absolute() or ".." in path.parts:
        raise VerificationError(f"Exhibit {exhibit.id} lies outside the case folder: {exhibit.path!r}.")
    try:
        data = case_folder.stored(folder, exhibit.path).read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a path with a NUL
        raise VerificationError(
            f"Exhibit {exhibit.id} ({exhibit.path}) cannot be read.",
            hint="Restore the case folder from its manifest; an incomplete report is never written.",
        ) from exc
    if (found := hashlib.sha256(data).hexdigest()) != exhibit.sha256:
        raise VerificationError(
            f"Exhibit {exhibit.id} ({exhibit.path}) differs from its digest: "
            f"{found[:16]}… instead of {exhibit.sha256[:16]}….",
            hint="Run `forensics verify` on the case folder.",
        )
    return data


def _check_drawable(exhibit: Exhibit, data: bytes) -> None:
    # WeasyPrint allows truncated files for the whole process, rotates by EXIF and cuts 16 bits to 8, all in silence:
    # decode completely here, and accept only what is drawn pixel for pixel.
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            if picture.mode not in ("RGB", "L"):
                raise RenderingError(f"Exhibit {exhibit.id} is not 8-bit RGB or grey but {picture.mode!r}.")
            if picture.size != (exhibit.width, exhibit.height):
                raise RenderingError(f"Exhibit {exhibit.id} is {picture.size} px, not as the case states.")
    except (OSError, SyntaxError, ValueError) as exc:
        raise RenderingError(f"Exhibit {exhibit.id} ({exhibit.path}) cannot be decoded: {exc}.") from exc
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
