"""Whether the files of an index are the ones its manifest names, and whether its vectors are what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forensics.errors import IndexError_
from forensics.retrieval.base import CLIP
from forensics.retrieval.layout import MANIFEST, METADATA, UNIT_TOLERANCE, VECTORS, Manifest, Shard
from forensics.weights import sha256_file

if TYPE_CHECKING:
    from forensics.retrieval.folder import Folder

REBUILD = "Obtain the index again from its source, or build it again; a damaged index is not searched."


def listed_shards(location: Path, manifest: Manifest) -> tuple[Shard, ...]:
    """The manifest's shards. Raises IndexError_ where a file is missing, or is there without a digest."""
    listed = {file.path for file in manifest.files}
    for shard in manifest.shards:
        for name in (shard.vectors, shard.metadata):
            if name not in listed:
                raise IndexError_(f"{location / MANIFEST} gives no digest for {name}.", hint=REBUILD)
            if not (location / name).is_file():
                raise IndexError_(f"{location / name} is missing.", hint=REBUILD)
    for path in sorted((*location.glob(f"{VECTORS}/*"), *location.glob(f"{METADATA}/*"))):
        if path.relative_to(location).as_posix() not in listed:
            raise IndexError_(f"{path} is not listed in the manifest.", hint=f"Remove the file. {REBUILD}")
    if not manifest.shards:
        raise IndexError_(f"The index {location} has no rows.", hint="Build it from a source with pictures.")
    return manifest.shards


def check_files(location: Path, manifest: Manifest, *, digests: bool) -> None:
    """Sizes, and digests where asked for. Raises IndexError_ naming the first file that differs."""
    for file in manifest.files:
        path = location / file.path
        if not path.is_file():
            raise IndexError_(f"{path} is missing.", hint=REBUILD)
        if (size := path.stat().st_size) != file.size_bytes:
            raise IndexError_(f"{path} has {size} bytes; the manifest states {file.size_bytes}.", hint=REBUILD)
        if digests and sha256_file(path) != file.sha256:
            raise IndexError_(f"{path} differs from the digest in the manifest.", hint=REBUILD)


def check_unit(store: Folder, sample: int | None) -> None:
    """Norms of all vectors, or of about `sample` evenly spaced ones. Raises IndexError_ naming the first row off.

    Vectors of another length are refused, not normalised: they come from a step the manifest does not describe.
    """
    step = 1 if sample is None else max(1, store.count // sample)
    for numbers, block in store.blocks(CLIP, 16384):
        start = int(numbers[0])
        chosen = np.arange(-start % step, len(block), step)
        tolerance = UNIT_TOLERANCE[block.dtype.name]
        off = np.abs(np.linalg.norm(block[chosen].astype(np.float64), axis=1) - 1)
        bad = np.flatnonzero(~(off <= tolerance))  # also true of NaN
        if len(bad):
            raise IndexError_(
                f"Vector {start + int(chosen[bad[0]])} of the index {store.facts.name!r} is not a unit vector.",
                hint="Store embeddings divided by their Euclidean norm; they are not normalised silently.",
            )
