"""Training neighbours: open an index, search it exactly, verify it. Building lies in `forensics.retrieval.build`.

A hit is not training; no hit is not absence. Which collection was searched, how complete it is and which model made the
vectors is part of every answer (`IndexFacts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forensics.errors import IndexError_
from forensics.registry import Registry
from forensics.retrieval.base import Hit, Index, Row, Store, Vectors

if TYPE_CHECKING:
    from torch import Tensor

    from forensics.embedding import Embedder

READERS: Registry[Callable[..., Store]] = Registry(
    "index layout",
    {
        "clip-retrieval": "forensics.retrieval.folder:Folder",
    },
)
"""Layouts on disk -> store."""

BACKENDS: Registry[Callable[[Store], Index]] = Registry(
    "search backend",
    {
        "exact": "forensics.retrieval.exact:ExactIndex",
    },
)
"""Ways to search a store. The contract of every row: the results of a plain float64 sort."""


def open(location: Path, *, backend: str = "exact", embedder: str = "", embedder_digest: str = "") -> Index:
    """Open an index.

    Args:
        location: an index folder.
        backend: row of `BACKENDS`.
        embedder: for folders without a manifest: what made the vectors, as the user states it.
        embedder_digest: likewise, so that a query with another model can be refused.

    Raises:
        IndexError_: missing, damaged, misaligned, empty, or not unit vectors.
        SettingsError: no such backend.
    """
    store = READERS.load("clip-retrieval")(location, embedder=embedder, embedder_digest=embedder_digest)
    return BACKENDS.load(backend)(store)


def verify(location: Path) -> int:
    """Read every digest and every vector's norm; the number of files read.

    Raises:
        IndexError_: names the first thing that differs, or says that there is no manifest to verify against.
    """
    from forensics.retrieval.checks import check_files, check_unit
    from forensics.retrieval.folder import Folder

    store = Folder(location)
    if store.manifest is None:
        raise IndexError_(
            f"{location} has no manifest: its files were read and agree in shape, but there is no digest to verify.",
            hint="Build an index with `forensics index build` from the pictures themselves.",
        )
    if not store.quick:  # opening has not read everything
        check_files(location, store.manifest, digests=True)
        check_unit(store, None)
    return len(store.manifest.files)


def search(index: Index, embedder: Embedder, pictures: Tensor | Sequence[Tensor], k: int) -> list[list[Hit]]:
    """The k best rows for each picture, refused unless the index was made with this very embedder.

    Raises:
        IndexError_: another embedder, or an index that does not say which one made it.
    """
    if not index.embedder_digest:
        raise IndexError_(
            f"The index {index.facts.name!r} does not record which model made its vectors.",
            hint="State the model and how its pictures were prepared; a wrong one gives neighbours without meaning.",
        )
    if index.embedder_digest != embedder.digest:
        raise IndexError_(
            f"The index {index.facts.name!r} was made with {index.facts.embedder}, "
            f"the query with {embedder.name} {embedder.digest}.",
            hint="Use the model of the index, with the same preparation of pictures, or build the index again.",
        )
    return index.search(embedder.images(pictures), k)


__all__ = ["BACKENDS", "READERS", "Hit", "Index", "Row", "Store", "Vectors", "open", "search", "verify"]
