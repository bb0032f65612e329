"""The light table of a case: every picture is made ready once and every pair laid once, however many measures ask."""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

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
_Made = TypeVar("_Made")


class _Once(Generic[_Key, _Made]):
    """The last things that were made; each is made once, however many threads ask for it at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Made] = OrderedDict()
        self._making: dict[_Key, Future[_Made]] = {}

    def __contains__(self, key: _Key) -> bool:
        return key in self._kept

    def of(self, key: _Key, make: Callable[[], _Made]) -> _Made:
        """The thing with this key. What goes wrong in making it is raised to all who wait, and forgotten."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            others = self._making.get(key)
            mine = self._making.setdefault(key, Future())
        if others is not None:
            return others.result()
        try:
            made = make()
        except BaseException as exc:
            with self._lock:
                del self._making[key]
            mine.set_exception(exc)
            raise
        with self._lock:
            del self._making[key]
            self._kept[key] = made
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        mine.set_result(made)
        return made


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
        self._pictures: _Once[str, Prepared] = _Once(PICTURES)
        self._pairs: _Once[tuple[str, str], Pairing] = _Once(PAIRS)
        self._known: dict[int, tuple[weakref.ref[Tensor], int, str]] = {}
        """By the identity of a picture: itself, how often it was changed, and the digest of its pixels."""
        self._plain, self._further = plain, further

    @contextmanager
    def laid_ahead(self, first: Tensor, second: Tensor) -> Iterator[None]:
        """Lay two pictures (1, 3, H, W) over each other on a thread of its own, beside what is done meanwhile.

        Who asks for them before they are laid waits. What goes wrong there is raised where the pair is asked for.
        """

        def lay() -> None:
            with suppress(Exception):  # it comes again, and is raised, where it is asked for
                self.pair(*self.prepared(first, second))

        # Inputs that are hashed there, such as weights, are inputs of the examination that goes on here.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(lay,))
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def prepared(self, *pictures: Tensor) -> list[Prepared]:
        """Everything that a comparison needs of each picture (1, 3, H, W); new ones are prepared side by side."""
        if self._plain is not None:
            return self._plain.prepared(*pictures)
        new: dict[str, Bytes] = {}
        keys = [self._key(picture, new) for picture in pictures]

        def ready(key: str, picture: Tensor) -> Prepared:
            return self._pictures.of(key, lambda: prepare(new[key] if key in new else _pixels(picture)))

        if len(new) < 2:
            return list(map(ready, keys, pictures))
        with ThreadPoolExecutor(len(new)) as pool:
            return list(pool.map(ready, keys, pictures))

    def _key(self, picture: Tensor, new: dict[str, Bytes]) -> str:
        """Digest of its pixels, which are put among the new ones where they are; taken again where it was changed."""
        known = self._known.get(id(picture))
        version = None if picture.is_inference() else picture._version
        if known is not None and known[0]() is picture and known[1] == version and known[2] in self._pictures:
            return known[2]
        pixels = _pixels(picture)
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
        return self._pairs.of(key, lambda: self._laid(first, second))

    def _laid(self, first: Prepared, second: Prepared) -> Pairing:
        if self._plain is None:
            return pair(first, second)
        return raised(self._plain.pair(first, second), first, second, self._further)


def _pixels(picture: Tensor) -> Bytes:
    return np.asarray(to_picture(picture), np.uint8)
