"""Files that were decoded to see whether they can be: what came of them is kept for the examination that follows.

Their working copies are compressed on threads meanwhile, beside the loading of the networks. What is kept is known by
the digest of the bytes as received and the limits it was decoded within, and is given out once.
"""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from forensics.pictures import bounded
from forensics.pictures.bounded import Limits
from forensics.pictures.intake import Decoded
from forensics.pictures.png import png_bytes

_LOCK = threading.Lock()
_KEPT: dict[tuple[str, Limits], tuple[Decoded, Future[bytes]]] = {}


def decode(data: bytes, name: str, room: int = 24_000_000) -> Decoded:
    """As `bounded.decode`, and kept for `taken`. Raises ImageError.

    Args:
        room: pixels of all pictures kept at most; what goes beyond is decoded again.
    """
    decoded = bounded.decode(data, name)
    size = decoded.picture.width * decoded.picture.height
    with _LOCK:
        if size + sum(one.picture.width * one.picture.height for one, _ in _KEPT.values()) <= room:
            pool = ThreadPoolExecutor(1)
            _KEPT[hashlib.sha256(data).hexdigest(), bounded.limits()] = decoded, pool.submit(png_bytes, decoded.picture)
            pool.shutdown(wait=False)
    return decoded


def pictures() -> list[Image.Image]:
    """Those that are kept, in the order in which they were decoded."""
    with _LOCK:
        return [decoded.picture for decoded, _ in _KEPT.values()]


def taken(data: bytes, digest: str, name: str) -> tuple[Decoded, bytes]:
    """What came of the same bytes within the same limits, else of decoding them now; with the picture as PNG.

    Raises:
        ImageError: as `bounded.decode`.
    """
    with _LOCK:
        kept = _KEPT.pop((digest, bounded.limits()), None)
    if kept is not None:
        return kept[0], kept[1].result()
    decoded = bounded.decode(data, name)
    return decoded, png_bytes(decoded.picture)
