"""What a comparison needs of a picture before any network: plate, keypoints, fingerprint.

It can be made while the networks are loaded: `begin` sets it going for pictures that will be asked for, and `basis`
gives it out, once, by the digest of the pixels; of other pictures it is made when it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from forensics.overlay import pdq
from forensics.overlay.keypoints import Keypoints, detect
from forensics.overlay.plates import Bytes, Plate, digest, plate

_LOCK = threading.Lock()
_BEGUN: dict[str, Future[Basis]] = {}
"""By the digest of the pixels."""


@dataclass(frozen=True, slots=True)
class Basis:
    """One picture without what networks see in it."""

    plate: Plate
    keypoints: Keypoints
    fingerprint: pdq.Fingerprint


def begin(pictures: Iterable[Image.Image]) -> None:
    """Set it going on a thread of its own, one picture after the other, and return at once."""
    cv2.setNumThreads(1)  # as on the light table: sums in another order would differ in the last digit
    pool = ThreadPoolExecutor(1)
    for picture in pictures:
        pixels = np.asarray(picture.convert("RGB"), np.uint8)
        with _LOCK:
            _BEGUN[digest(pixels)] = pool.submit(_made, pixels)
    pool.shutdown(wait=False)


def basis(pixels: Bytes) -> Basis:
    """Of an (H, W, 3) 8-bit picture; waits where it was begun. Raises ValueError for any other array."""
    with _LOCK:
        begun = _BEGUN.pop(digest(pixels), None) if _BEGUN else None
    return _made(pixels) if begun is None else begun.result()


def _made(pixels: Bytes) -> Basis:
    ready = plate(pixels)
    return Basis(ready, detect(ready), pdq.fingerprint(pixels))
