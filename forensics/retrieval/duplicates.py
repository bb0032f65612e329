"""How often a picture recurs in a collection: repetition in the training set is what gets a work remembered.

Near-duplicates are rows with the same bytes, or whose perceptual hash differs in at most `NEAR_BITS` of 64 bits. The
bound was fixed before any measurement. It finds renderings and recompressions; crops, mirrors and collages are left to
the copy descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from forensics.retrieval.base import Duplicates, Row
from forensics.retrieval.native import LanceIndex
from forensics.retrieval.phash import NEAR_BITS, distances, phash

CLUSTER_SHOWN = 20
RULE = (
    "A near-duplicate has the same bytes, or a perceptual hash (DCT, 64 bits) that differs in at most "
    f"{NEAR_BITS} bits; crops and mirrored pictures are not found by it."
)


class Collection:
    """Hashes and digests of all rows, read once: 16 bytes a row and their names."""

    def __init__(self, index: LanceIndex) -> None:
        """Read the columns needed."""
        rows = index.table(["training_id", "sha256", "phash", "repetitions"])
        self._names = rows.column("training_id").to_pylist()
        self._digests = [d.hex() if d else "" for d in rows.column("sha256").to_pylist()]
        self._hashes = rows.column("phash").to_numpy().astype(np.uint64)
        self._times = rows.column("repetitions").to_pylist()
        self._place = {name: i for i, name in enumerate(self._names)}

    def of_row(self, row: Row) -> Duplicates | None:
        """Other rows that show what this row shows; none where the row has no hash, for its picture was never seen."""
        place = self._place[row.training_id]
        own = int(self._hashes[place])
        return self._found(row.training_id, own, self._digests[place], but=place) if own else None

    def of_picture(self, tag: str, picture: Image.Image, sha256: str = "") -> Duplicates:
        """Rows that show what a picture outside the collection shows."""
        return self._found(tag, phash(picture), sha256, but=None)

    def _found(self, of: str, own: int, digest: str, but: int | None) -> Duplicates:
        bits = distances(own, self._hashes)
        same = np.array([bool(digest) and d == digest for d in self._digests])
        near = same | ((bits <= NEAR_BITS) & (self._hashes != 0))
        if but is not None:
            near[but] = same[but] = False
        found = np.flatnonzero(near)
        ordered = sorted((int(bits[i]), self._names[i]) for i in found)
        counted: Sequence[int] = [*found, *([but] if but is not None else [])]
        stated = [self._times[i] for i in counted if self._times[i] is not None]
        return Duplicates(
            of=of,
            same_bytes=int(same.sum()),
            near=len(found),
            repetitions=sum(stated) if stated else None,
            cluster=tuple(name for _, name in ordered[:CLUSTER_SHOWN]),
            rule=RULE,
        )
