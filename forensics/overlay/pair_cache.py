"""The light table of a case: every picture is made ready once and every pair laid once, however many measures ask."""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import cv2
import numpy as np
from torch import Tensor

from forensics.overlay.align import Further
from forensics.overlay.correspondence import Pairing, Prepared, pair, prepare
from forensics.overlay.glued import raised
from forensics.overlay.plates import Bytes, digest
from forensics.pictures.tensors import to_picture

PICTURES = 256
"""Pictures that are kept, those asked for last: controls come back for every work."""
PAIRS = 8
"""Pairs that are kept, those asked for last; each holds its canvases, a few megabytes."""

_Key = TypeVar("_Key", bound=Hashable)
_Kept = TypeVar("_Kept")


class LightTable:
    """Pictures prepared and pairs laid over each other, kept by the digests of their pixels."""

    def __init__(self, plain: LightTable | None = None, further: Further | None = None) -> None:
        """Empty.

        Args:
            plain: a table whose pictures and pairs serve this one too, where this one has a further source.
            further: a source that is asked about pairs, as in `glued.raised`.
        """
        # Sums in another order would differ in the last digit; what is worth a second core are whole pictures.
        cv2.setNumThreads(1)
        self._pictures: OrderedDict[str, Prepared] = OrderedDict()
        self._pairs: OrderedDict[tuple[str, str], Pairing] = OrderedDict()
        self._known: dict[int, tuple[weakref.ref[Tensor], int, str]] = {}
        """By the identity of a picture: itself, how often it was changed, and the digest of its pixels."""
        self._plain, self._further = plain, further
        self._lock: threading.RLock = plain._lock if plain is not None else threading.RLock()

    @contextmanager
    def laid_ahead(self, first: Tensor, second: Tensor) -> Iterator[None]:
        """Lay two pictures (1, 3, H, W) over each other on a thread of its own, beside what is done meanwhile.

        Who asks for them before they are laid waits. What goes wrong there is raised where the pair is asked for.
        """
        begun = threading.Event()

        def lay() -> None:
            with self._lock:
                begun.set()
                with suppress(Exception):  # it comes again, and is raised, where it is asked for
                    self.pair(*self.prepared(first, second))

        # Inputs that are hashed there, such as weights, are inputs of the examination that goes on here.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(lay,))
        thread.start()
        begun.wait()
        try:
            yield
        finally:
            thread.join()

    def prepared(self, *pictures: Tensor) -> list[Prepared]:
        """Everything that a comparison needs of each picture (1, 3, H, W); new ones are prepared side by side."""
        if self._plain is not None:
            return self._plain.prepared(*pictures)
        with self._lock:
            return self._prepared(pictures)

    def _prepared(self, pictures: Sequence[Tensor]) -> list[Prepared]:
        new: dict[str, Bytes] = {}
        keys = [self._key(picture, new) for picture in pictures]
        if new:
            with ThreadPoolExecutor(len(new)) as pool:
                made = dict(zip(new, pool.map(prepare, new.values()), strict=True))
        else:
            made = {}
        found = [self._pictures[key] if key in self._pictures else made[key] for key in keys]
        for key, ready in zip(keys, found, strict=True):
            _keep(self._pictures, key, ready, PICTURES)
        return found

    def _key(self, picture: Tensor, new: dict[str, Bytes]) -> str:
        """Digest of its pixels, which are put among the new ones where they are; taken again where it was changed."""
        known = self._known.get(id(picture))
        version = None if picture.is_inference() else picture._version
        if known is not None and known[0]() is picture and known[1] == version and known[2] in self._pictures:
            return known[2]
        pixels = np.asarray(to_picture(picture), np.uint8)
        key = digest(pixels)
        if key not in self._pictures:
            new[key] = pixels
        if version is not None:
            if len(self._known) >= PICTURES:
                self._known.clear()
            self._known[id(picture)] = weakref.ref(picture), version, key
        return key

    def pair(self, first: Prepared, second: Prepared) -> Pairing:
        """Two pictures, as `prepared` gave them, laid over each other."""
        key = first.plate.digest, second.plate.digest
        with self._lock:
            found = self._pairs[key] if key in self._pairs else self._laid(first, second)
            _keep(self._pairs, key, found, PAIRS)
        return found

    def _laid(self, first: Prepared, second: Prepared) -> Pairing:
        if self._plain is None:
            return pair(first, second)
        return raised(self._plain.pair(first, second), first, second, self._further)


def _keep(table: OrderedDict[_Key, _Kept], key: _Key, value: _Kept, limit: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > limit:
        table.popitem(last=False)
